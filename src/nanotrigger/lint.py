"""What the linters of others do not know: Snakemake's own, and files that could run code when they are read.

`snakemake --lint` without the one wish that does not apply: one locked environment serves every rule. In the sources nothing
may unpickle, and nothing may hand text to a shell: a results folder, a model or an archive from somebody else is data.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ACCEPTED = "Specify a conda environment or container for each rule."

FOLDERS = ("src", "workflow", "bench", "examples", "tests")

MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle", "pickletools"}
)
"""Modules whose files run code when they are read."""

CALLS = {
    "read_pickle": "unpickles",
    "to_pickle": "pickles",
    "read_hdf": "unpickles what pandas stored as objects: use h5py",
    "HDFStore": "unpickles what pandas stored as objects: use h5py",
    "enable_unsafe_deserialization": "lets Keras files run code",
    "register_pickle": "pickles",
    "unsafe_load": "builds any Python object",
    "unsafe_load_all": "builds any Python object",
    "full_load": "builds Python objects: use yaml.safe_load",
    "system": "hands text to a shell: use subprocess with a list",
    "popen": "hands text to a shell: use subprocess with a list",
    "getoutput": "hands text to a shell: use subprocess with a list",
    "getstatusoutput": "hands text to a shell: use subprocess with a list",
}
"""Functions, by their last name, that no source calls."""

NEEDS = {
    ("np", "load"): ("allow_pickle", False),
    ("numpy", "load"): ("allow_pickle", False),
    ("models", "load_model"): ("safe_mode", True),
    ("saving", "load_model"): ("safe_mode", True),
    ("keras", "load_model"): ("safe_mode", True),
    ("torch", "load"): None,
    ("torch", "save"): None,
    ("yaml", "load"): None,
    ("yaml", "load_all"): None,
}
"""Calls by their last two names, with the argument that makes them safe; None where nothing does."""

REMEDY = {"torch": "use safetensors", "yaml": "use yaml.safe_load"}


def lints() -> list[str]:
    """What Snakemake's linter finds beyond that wish, a line each; its output where it could not run."""
    done = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    if not any("Lints for" in line or "Congratulations" in line for line in lines):
        return lines
    where, found = "", []
    for line in lines:
        if line.startswith("Lints for"):
            where = line.removeprefix("Lints for ").rstrip(":")
        elif line.startswith("    * ") and ACCEPTED not in line:
            found.append(f"{where}: {line.strip(' *:')}")
    return found


def unsafe(source: str) -> Iterator[tuple[int, str]]:
    """Line and reason of each place in a Python source that could run what it reads. Raises SyntaxError."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.partition(".")[0] in MODULES:
                    yield node.lineno, f"imports {name}, whose files run code when they are read"
        elif isinstance(node, ast.keyword):
            if node.arg == "allow_pickle" and not _is(node.value, False):
                yield node.value.lineno, "allow_pickle must be False"
            elif node.arg == "safe_mode" and not _is(node.value, True):
                yield node.value.lineno, "safe_mode must be True"
            elif node.arg == "shell" and not _is(node.value, False):
                yield node.value.lineno, "shell=True hands text to a shell: use a list"
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[tuple[int, str]]:
    name = ast.unparse(node.func).split(".")
    called = ".".join(name[-2:])
    if name[-1] in CALLS and (name[-1] not in ("system", "popen") or name[0] == "os"):
        yield node.lineno, f"{called} {CALLS[name[-1]]}"
    if name in (["eval"], ["exec"]):
        yield node.lineno, f"{name[0]} runs text"
    if tuple(name[-2:]) in NEEDS:
        needed = NEEDS[tuple(name[-2:])]
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if needed is None:
            yield node.lineno, f"{called} can run code: {REMEDY[name[-2]]}"
        elif needed[0] not in given:
            yield node.lineno, f"{called} needs {needed[0]}={needed[1]}"


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def shells(rules: str) -> Iterator[tuple[int, str]]:
    """Line and reason of each `shell:` of a file of rules: wildcards and paths would be text in it."""
    for number, line in enumerate(rules.splitlines(), 1):
        if line.strip().startswith(("shell:", "shell(")):
            yield number, "a rule of this workflow runs a script, so that no name reaches a shell"


def unsafe_files(root: Path) -> list[str]:
    """A line for each place below the folders of a checkout that could run what it reads."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            check = {".py": unsafe, ".smk": shells}.get(path.suffix)
            # examples show what users may write, and quote
            if check and not (check is shells and folder == "examples"):
                text = path.read_text()
                found += [f"{path.relative_to(root)}:{line}: {reason}" for line, reason in check(text)]
    return found


if __name__ == "__main__":
    remaining = [*unsafe_files(Path.cwd()), *lints()]
    print("\n".join(remaining) or "snakemake --lint and unsafe files: clean")
    sys.exit(bool(remaining))
