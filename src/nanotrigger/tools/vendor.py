"""Vendors' programs: found on PATH, after `module load` or inside a container, and stopped at their time limit."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from nanotrigger.errors import ToolError
from nanotrigger.modules import StrictModel
from nanotrigger.tools.run import find, run_tool

LICENCE_VARIABLES = ("LM_LICENSE_FILE", "XILINXD_LICENSE_FILE", "MGLS_LICENSE_FILE", "SALT_LICENSE_SERVER")
"""Where FlexLM, AMD, Siemens and its newer licence client look for a server or a file."""

PROBE_S = 300
"""Seconds that finding a program may take: a container's first start is slow."""

LOAD_MODULES = """
if ! type module >/dev/null 2>&1; then
  for start in "$MODULESHOME/init/bash" "$LMOD_PKG/init/bash" /etc/profile.d/modules.sh /etc/profile.d/lmod.sh; do
    if [ -r "$start" ]; then . "$start"; break; fi
  done
fi
type module >/dev/null 2>&1 || { echo "there is no command named module" >&2; exit 96; }
module load $NANOTRIGGER_MODULES || { echo "module load $NANOTRIGGER_MODULES failed" >&2; exit 97; }
exec "$@"
"""
"""A shell in a batch job need not have read the profile that defines `module`."""


ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+@=-]*$", max_length=120)]
"""Names of environment modules: a shell takes them apart."""


class Installation(StrictModel):
    """Keys of every flow that starts a vendor's programs: where they are."""

    modules: tuple[ModuleName, ...] = Field((), description="environment modules to load first, as `vitis/2023.2`")
    container: str | None = Field(
        None, description="command before the vendor's programs, as `apptainer exec /cvmfs/x.sif`"
    )
    licence: SecretStr | None = Field(
        None, description="licence server or file, where the environment names none; kept out of logs and records"
    )


def _wrapped(command: Sequence[str], where: Installation) -> tuple[list[str], dict[str, str]]:
    """The command as it is really started, and the variables that it needs."""
    variables = dict.fromkeys(LICENCE_VARIABLES, where.licence.get_secret_value()) if where.licence else {}
    wrapped = [*shlex.split(where.container or ""), *command]
    if where.modules:
        variables["NANOTRIGGER_MODULES"] = " ".join(where.modules)
        wrapped = ["bash", "-c", LOAD_MODULES, "bash", *wrapped]
    return wrapped, variables


def locate(programs: Sequence[str], where: Installation, folder: Path) -> str | None:
    """The first of `programs` that can be started, or None; `folder` takes the log of looking elsewhere than on PATH."""
    if not where.modules and not where.container:
        return next((program for program in programs if find(program)), None)
    for program in programs:
        # a shell of the container's own answers whether a program is inside it
        command, variables = _wrapped(["sh", "-c", 'command -v "$0"', program], where)
        try:
            run_tool(command, folder, f"locate_{program}.log", PROBE_S, variables, name=f"looking for {program}")
        except ToolError:
            continue
        return program
    return None


def absent(program: str, where: Installation) -> str:
    """Why nothing was run: '<program> not on PATH', or where else it was looked for."""
    places = [f"after module load {' '.join(where.modules)}"] if where.modules else []
    places += [f"inside '{where.container}'"] if where.container else []
    return f"{program} not found {' and '.join(places)}" if places else f"{program} not on PATH"


def run_vendor(command: Sequence[str], folder: Path, log: str, timeout_s: float, where: Installation) -> str:
    """Run a vendor's program in `folder`, its output in the file `log` there, and return that output.

    Raises ToolError with the last lines if it fails, or runs longer than `timeout_s` seconds.
    """
    wrapped, variables = _wrapped(command, where)
    return run_tool(wrapped, folder, log, timeout_s, variables, name=command[0])
