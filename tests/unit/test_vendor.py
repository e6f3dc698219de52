"""Vendors' programs on PATH, after `module load` and in a container: all with stand-ins, for none is installed here."""

import os

import pytest

from nanotrigger.errors import ToolError
from nanotrigger.tools.vendor import Installation, absent, locate, run_vendor

SAYS = 'echo "stand-in $0 $* licence=$LM_LICENSE_FILE inside=$INSIDE"'


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Folders on PATH (`bin`), behind a module (`vitis/1.0`) and in a container; returns a function that installs one."""
    modules = tmp_path / "modules/init"
    modules.mkdir(parents=True)
    monkeypatch.setenv("MODULESHOME", str(modules.parent))
    (modules / "bash").write_text(
        f'module() {{ [ "$1 $2" = "load vitis/1.0" ] && export PATH="{tmp_path}/behind:$PATH" INSIDE="$INSIDE module"; }}\n'
    )
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def install(name, script=SAYS, where="bin"):
        (tmp_path / where).mkdir(exist_ok=True)
        program = tmp_path / where / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    # runs a command with the programs of its image alone before the others
    install("container_stand_in", f'shift; export INSIDE="$INSIDE container" PATH="{tmp_path}/image:$PATH"; exec "$@"')
    return install


def test_on_path(programs, tmp_path):
    nowhere = Installation()
    assert locate(["vitis_hls"], nowhere, tmp_path) is None
    assert absent("vitis_hls", nowhere) == "vitis_hls not on PATH"
    programs("vitis_hls")
    assert locate(["vitis-run", "vitis_hls"], nowhere, tmp_path) == "vitis_hls"
    said = run_vendor(["vitis_hls", "-f", "a b"], tmp_path, "log", 10, Installation(licence="2100@server"))
    # the program has it, the log does not
    assert "vitis_hls -f a b licence=*** inside=" in said and "2100@server" not in (tmp_path / "log").read_text()


def test_behind_a_module(programs, tmp_path):
    programs("vitis_hls", where="behind")
    assert locate(["vitis_hls"], Installation(), tmp_path) is None
    loaded = Installation(modules=("vitis/1.0",))
    assert locate(["vivado_hls", "vitis_hls"], loaded, tmp_path) == "vitis_hls"
    assert "behind/vitis_hls -f x licence= inside= module" in run_vendor(
        ["vitis_hls", "-f", "x"], tmp_path, "log", 10, loaded
    )
    other = Installation(modules=("vitis/9.9",))
    assert locate(["vitis_hls"], other, tmp_path) is None
    assert absent("vitis_hls", other) == "vitis_hls not found after module load vitis/9.9"
    with pytest.raises(ToolError, match=r"(?s)vitis_hls failed with exit code 97.*module load vitis/9.9 failed"):
        run_vendor(["vitis_hls"], tmp_path, "log", 10, other)


def test_without_modules_at_all_the_reason_is_shown(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("MODULESHOME", str(tmp_path / "nowhere"))
    monkeypatch.setattr("nanotrigger.tools.vendor.LOAD_MODULES", "module() { :; }; unset -f module;" + _without_etc())
    with pytest.raises(ToolError, match=r"(?s)exit code 96.*no command named module"):
        run_vendor(["vitis_hls"], tmp_path, "log", 10, Installation(modules=("vitis/1.0",)))


def _without_etc():
    """The script without the places of this machine, which may have modules."""
    from nanotrigger.tools.vendor import LOAD_MODULES

    return LOAD_MODULES.replace("/etc/profile.d/", "/nowhere/")


def test_in_a_container_also_after_a_module(programs, tmp_path):
    programs("vivado", where="image")
    inside = Installation(container="container_stand_in image.sif")
    assert locate(["vivado"], inside, tmp_path) == "vivado"
    assert locate(["vitis_hls"], inside, tmp_path) is None
    assert absent("vitis_hls", inside) == "vitis_hls not found inside 'container_stand_in image.sif'"
    assert "image/vivado -mode batch licence= inside= container" in run_vendor(
        ["vivado", "-mode", "batch"], tmp_path, "log", 10, inside
    )
    both = Installation(container="container_stand_in image.sif", modules=("vitis/1.0",))
    assert "inside= module container" in run_vendor(["vivado"], tmp_path, "log", 10, both)
    with pytest.raises(ToolError, match="apptainer_stand_in not on PATH"):
        run_vendor(["vivado"], tmp_path, "log", 10, Installation(container="apptainer_stand_in exec x.sif"))


def test_a_program_that_hangs_behind_a_module_is_ended_by_its_own_name(programs, tmp_path):
    programs("vitis_hls", "sleep 60", where="behind")
    with pytest.raises(ToolError, match="vitis_hls ran longer than its limit of 1 s"):
        run_vendor(["vitis_hls"], tmp_path, "log", 1, Installation(modules=("vitis/1.0",)))
