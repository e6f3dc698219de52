"""`python -m nanotrigger.unpack DESIGN [FOLDER]`: open the hardware project of `results/<run>/hardware/<model>/seed<k>/<flow>`.

Lays what was created, what synthesis left and what the netlist's simulation left over each other, as the tools saw it.
Without FOLDER it is written to `<run>_<model>_seed<k>_<flow>` in the working folder; results are left as they are.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from nanotrigger.errors import NanotriggerError
from nanotrigger.results.packing import ARCHIVES, unpack


def open_design(design: Path, folder: Path | None = None) -> Path:
    """Unpack a design; returns the folder.

    Raises NanotriggerError where there is none, where the folder already holds something, and where an archive is damaged;
    OSError where the folder cannot be written. Either leaves no folder behind.
    """
    archives = [design / name for name in ARCHIVES if (design / name).is_file()]
    if not archives:
        raise NanotriggerError(
            f"{design}: holds no {ARCHIVES[0]}. Name a design: results/RUN/hardware/MODEL/seedN/FLOW; "
            "a run that was interrupted may not have made it yet."
        )
    if folder is None:
        run, _, *parts = design.resolve().parts[-5:]
        folder = Path("_".join((run, *parts)))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NanotriggerError(f"{folder}: is already there and not empty. Name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for archive in archives:
            unpack(archive, half)
        half.chmod(0o755)
        half.replace(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m nanotrigger.unpack", description=__doc__.partition(":")[2].strip())
    parser.add_argument("design", type=Path, help="folder of the design")
    parser.add_argument("folder", type=Path, nargs="?", help="where its project is put")
    given = parser.parse_args(arguments)
    try:
        print(open_design(given.design, given.folder))
    except (NanotriggerError, OSError) as error:
        print(f"nanotrigger: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
