"""Hardware projects as single files: thousands of designs would else fill a file system with small ones.

A design has up to three archives, each with what a step added or changed: `project.tar.gz` with what was created,
`synthesis.tar.gz` with what synthesis left, `netlist.tar.gz` with what the simulation of the netlist left. Laid over each
other in that order they are the folder that the tools saw: where a step deleted something its archive holds all that was
left. The same content always gives the same bytes: names are sorted, times and owners are zero, and of the modes only whether
a file is a program is kept.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from nanotrigger.errors import NanotriggerError
from nanotrigger.failures import STORAGE
from nanotrigger.results.records import replace_when_whole

ARCHIVES = ("project.tar.gz", "synthesis.tar.gz", "netlist.tar.gz")
"""Archives of a design, in the order in which they are laid over each other."""

LEVEL = 6
BLOCK = 1 << 20

WHOLE = "nanotrigger.whole"
"""Key in the header of an archive that holds a folder as a whole, and not what was added to another."""

State = Mapping[str, str]
"""Hash of each file of a folder by its path in it; empty for a folder."""


def content(folder: Path) -> dict[str, Path]:
    """Every file and folder below `folder` by its path in it, in order. Links count as what they lead to.

    Links that lead to nothing, those to a folder in which they lie themselves, and those to folders elsewhere, as a tool's
    installation, are left out.
    """
    found: dict[str, Path] = {}
    top = Path(os.path.realpath(folder))
    seen = {folder: {str(top)}}
    for place, folders, files in os.walk(folder, followlinks=True):
        above = seen[Path(place)]
        real = {name: os.path.realpath(os.path.join(place, name)) for name in folders}
        folders[:] = sorted(
            name for name in folders if real[name] not in above and Path(real[name]).is_relative_to(top)
        )
        for name in [*folders, *files]:
            path = Path(place, name)
            if name in folders:
                seen[path] = {*above, os.path.realpath(path)}
            if path.is_dir() or path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def state(folder: Path) -> State:
    """What lies in a folder, to tell later what was added or changed."""
    return {name: _digest(path) if path.is_file() else "" for name, path in content(folder).items()}


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        # the executable bit is content too
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()} {path.stat().st_mode & 0o100}"


def pack(folder: Path, archive: Path, before: State | None = None) -> None:
    """Write `folder` as a .tar.gz, whole or not at all; of what lay there `before` only what has changed since.

    Where something is gone that lay there before, or is a folder now or no folder any more, all that there is.
    """
    now = content(folder)
    header = {}
    if before and any(name not in now or now[name].is_dir() != (not before[name]) for name in before):
        before, header = {}, {WHOLE: "yes"}
    before = before or {}
    with (
        replace_when_whole(archive) as temporary,
        open(temporary, "wb") as file,
        # neither a name nor a time in the header
        gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=header) as tar,
    ):
        for name, path in now.items():
            member = tarfile.TarInfo(name)
            if path.is_dir():
                if name not in before:
                    member.type, member.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(member)
            elif before.get(name) != _digest(path):
                member.size = path.stat().st_size
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                with open(path, "rb") as source:
                    tar.addfile(member, source)


def unpack(archive: Path, folder: Path) -> None:
    """Lay the files of an archive over `folder`, which is made if need be.

    Raises NanotriggerError, naming archive and member, for a path that would lead out of the folder, a link or a device,
    and for an archive that is absent, cut off or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for number, member in enumerate(tar):
                if number == 0 and WHOLE in tar.pax_headers:
                    for child in folder.iterdir():
                        shutil.rmtree(child) if child.is_dir() else child.unlink()
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                    raise NanotriggerError(
                        f"{archive}: member '{member.name}' is refused: it leads out of the archive."
                    )
                target = folder / path
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                with tar.extractfile(member) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, BLOCK)
                if target.stat().st_size != member.size:
                    raise EOFError(f"{member.name} is cut off")
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
            while stream.read(BLOCK):  # to the end, where the checksum of the whole stands
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno in STORAGE:
            raise  # the disk is at fault, and not the archive
        raise NanotriggerError(f"{archive}: cannot be unpacked ({error}). Delete it and run again.") from None


@contextmanager
def unpacked(place: Path, *archives: Path) -> Iterator[Path]:
    """A design's folder for a step: what `archives` hold, laid out anew at `place`, and gone when the block ends well.

    Where it does not, the folder stays: error messages name logs in it. The step's next try begins with another one.
    """
    place = Path(place)
    with suppress(FileNotFoundError):
        shutil.rmtree(place)
    place.mkdir(parents=True)
    for archive in archives:
        unpack(Path(archive), place)
    yield place
    # on a network file system a library that is still loaded leaves a hidden file in it: what the step made is none the worse
    shutil.rmtree(place, ignore_errors=True)
