"""Constituents of jets: too many for the memory, so they go through a file.

In a dataset each split then holds `particles` float32 (jets, particles, columns): the first constituents of each jet, in
the order of the published set, zeros where it has fewer; the attribute `particle_columns` names the columns.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from nanotrigger.errors import DataError

BLOCK = 10_000
"""Jets that are held at a time."""


class Staging:
    """Constituents in the order in which they are read, until it is known which jets go into which split."""

    def __init__(self, path: Path, particles: int | None):
        self.path = path.with_name(f".{path.name}.particles")
        self.particles = particles
        self.columns: list[str] = []
        self._file: h5py.File | None = None

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_) -> None:
        if self._file is not None:
            self._file.close()
        self.path.unlink(missing_ok=True)

    def add(self, constituents: np.ndarray, columns: list[str]) -> None:
        """Keep the first constituents of more jets. constituents: (jets, at least `particles`, columns).

        Raises DataError for another shape or other columns than before, and for NaN or infinite values, with a count.
        """
        if constituents.ndim != 3 or constituents.shape[1] < self.particles:
            raise DataError(
                f"{self.path}: {self.particles} particles per jet were asked for, the set holds an array {constituents.shape}."
            )
        first = constituents[:, : self.particles].astype(np.float32)
        if bad := int((~np.isfinite(first)).any((1, 2)).sum()):
            raise DataError(f"{self.path}: {bad} of {len(first)} jets of a file have NaN or infinite constituents.")
        if self._file is None:
            self.columns = columns
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self.path, "w")
            shape = (0, self.particles, first.shape[2])
            self._file.create_dataset(
                "particles", shape, np.float32, maxshape=(None, *shape[1:]), chunks=(100, *shape[1:])
            )
        if columns != self.columns:
            raise DataError(f"{self.path}: constituents have columns {columns}, those before {self.columns}.")
        kept = self._file["particles"]
        kept.resize(len(kept) + len(first), axis=0)
        kept[-len(first) :] = first

    def of(self, rows: dict[str, np.ndarray]) -> "Particles | None":
        """What goes into the splits; None where no constituents are kept."""
        return Particles(self._file["particles"], self.columns, rows) if self._file is not None else None


class Particles:
    """Constituents on their way into a dataset. rows: of each split, ascending."""

    def __init__(self, source: h5py.Dataset, columns: list[str], rows: dict[str, np.ndarray]):
        self.source, self.columns, self.rows = source, columns, rows

    def write(self, group: h5py.Group, split: str) -> None:
        """Copy the constituents of a split into its group, a block of jets at a time."""
        rows, shape = self.rows[split], self.source.shape[1:]
        chunk = (min(100, max(len(rows), 1)), *shape)
        target = group.create_dataset("particles", (len(rows), *shape), np.float32, chunks=chunk, fletcher32=True)
        done = 0
        for start in range(0, len(self.source), BLOCK):
            here = rows[(rows >= start) & (rows < start + BLOCK)]
            if len(here):
                target[done : done + len(here)] = self.source[start : start + BLOCK][here - start]
                done += len(here)


class ChunkParticles:
    """Constituents of generated jets on their way into a dataset, from the files of their chunks.

    path: of the dataset, for messages; files: (jets, particles, columns) float32 each, in the order of the jets; rows: of
    each split, in any order.
    """

    def __init__(self, path: Path, files: Sequence[Path], columns: Sequence[str], rows: dict[str, np.ndarray]):
        self.path = path
        self.files = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
        self.columns, self.rows = list(columns), rows

    def write(self, group: h5py.Group, split: str) -> None:
        """Copy the constituents of a split into its group, a block of jets at a time. Raises DataError for NaN or infinity."""
        rows, shape = self.rows[split], self.files[0].shape[1:]
        starts = np.cumsum([0, *(len(file) for file in self.files)])
        options = {"compression": "lzf", "shuffle": True, "fletcher32": True, "chunks": (min(64, len(rows)), *shape)}
        target = group.create_dataset("particles", (len(rows), *shape), np.float32, **options)
        for start in range(0, len(rows), BLOCK):
            chosen = rows[start : start + BLOCK]
            where = np.searchsorted(starts, chosen, side="right") - 1
            block = np.stack([self.files[i][row - starts[i]] for i, row in zip(where, chosen, strict=True)])
            if bad := int((~np.isfinite(block)).any((1, 2)).sum()):
                raise DataError(f"{self.path} split {split}: {bad} jets have NaN or infinite particles.")
            target[start : start + len(block)] = block
