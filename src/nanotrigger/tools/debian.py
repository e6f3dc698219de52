"""Debian packages: as installed, or as `make asic-tools` unpacks them into `.tools/debian` without root."""

from pathlib import Path

import nanotrigger
from nanotrigger.tools.run import find

UNPACKED = Path(".tools/debian")
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")


def unpacked() -> list[Path]:
    """Folders with unpacked packages: of the working folder, and of the checkout that this package lies in."""
    folders = (Path.cwd() / UNPACKED, Path(nanotrigger.__file__).parents[2] / UNPACKED)
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def find_file(path: str) -> Path | None:
    """A file of a package, as `usr/share/...`; unpacked ones first. None if no package that holds it is there."""
    for root in (*unpacked(), Path("/")):
        if (root / path).is_file():
            return root / path
    return None


def find_program(name: str) -> tuple[str, dict[str, str]] | None:
    """Full path of a program and the environment variables that it needs, or None.

    One on PATH comes first: it is whole. An unpacked one is told where the libraries lie that came with it.
    """
    if path := find(name):
        return path, {}
    for root in unpacked():
        if (program := root / "usr/bin" / name).is_file():
            libraries = [str(root / folder) for folder in LIBRARIES if (root / folder).is_dir()]
            scripts = root / "usr/share/tcltk/tcl8.6"
            variables = {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
            return str(program), variables | ({"TCL_LIBRARY": str(scripts)} if scripts.is_dir() else {})
    return None
