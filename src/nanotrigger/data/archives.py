"""Archives from the web, unpacked without trust."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from nanotrigger.errors import DataError
from nanotrigger.failures import STORAGE

PADDING = 1 << 24
"""Bytes that may follow the end mark of an archive."""


def unpacked(archive: Path, folder: Path, max_files: int, max_bytes: int) -> Iterator[tuple[str, Path]]:
    """Each file of a .tar.gz in turn: its name, and where it lies until the next one comes.

    It is unpacked under a name of our own into a temporary folder within `folder`, so that no name in the archive is ever
    a path here (stricter than tarfile's `data` filter, which Python before 3.11.4 does not have). Folders are passed
    over. Raises DataError, naming archive and member, for a path that would lead out of the archive, a link, a device, a
    name that comes twice, more files or bytes than `max_files` and `max_bytes`, and an archive that is cut off or damaged.
    """
    names: set[str] = set()
    left = max_bytes
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".unpacked.") as place:
        path = Path(place) / "file"
        try:
            with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    where = f"{archive}: member '{member.name}'"
                    _check(member, where)
                    if member.isdir():
                        continue
                    if member.name in names:
                        raise DataError(f"{where} comes twice.")
                    names.add(member.name)
                    left -= member.size
                    if len(names) > max_files:
                        raise DataError(f"{archive}: holds more than the {max_files} files declared for it.")
                    if left < 0:
                        raise DataError(f"{where}: the archive holds more than the {max_bytes} bytes declared for it.")
                    with tar.extractfile(member) as source, open(path, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    if path.stat().st_size != member.size:
                        raise DataError(f"{where}: cut off. Delete the archive and download it again.")
                    yield member.name, path
                # tarfile stops at the end mark; the checksum of the whole comes behind it
                behind = 0
                while block := stream.read(1 << 20):
                    behind += len(block)
                    if behind > PADDING:
                        raise DataError(f"{archive}: goes on behind its end: refused.")
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno in STORAGE:
                raise  # the disk is at fault, and not the archive
            raise DataError(f"{archive}: cut off or damaged ({error!r}). Delete it and download it again.") from None


def _check(member: tarfile.TarInfo, where: str) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where} is refused: its path leads out of the archive.")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise DataError(f"{where} is refused: a link, a device or a sparse file, not a plain one.")
