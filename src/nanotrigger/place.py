"""Where a run may lie: make, Verilator and the vendors' scripts take blanks and quotes in a path for something else."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from nanotrigger.errors import NanotriggerError

PLAIN = re.compile(r"[\w./+@,=~-]*")
"""Letters of any language, digits and what means nothing to a shell, to make or in a PATH."""


def check_place(folders: Iterable[str | Path]) -> None:
    """Raise NanotriggerError naming a folder in which no design could be built, and the characters that are in the way."""
    for folder in folders:
        if not PLAIN.fullmatch(str(folder)):
            found = "".join(dict.fromkeys(c for c in str(folder) if not PLAIN.fullmatch(c)))
            raise NanotriggerError(
                f"the folder {str(folder)!r} has {found!r} in its path, on which make and Verilator break. Move it to, or "
                "clone into, a folder with letters, digits and _ . / + @ , = ~ - alone. Models, vectors and other files that "
                "a config names may lie anywhere."
            )


def places() -> list[Path]:
    """The working folder, the package's and the environment's: all that a run's programs find their files in."""
    return [Path.cwd(), Path(__file__).parent, Path(sys.prefix)]
