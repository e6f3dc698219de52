"""The dataset file: jets as 16 high-level features in physical units, split and labelled.

Layout (HDF5): groups `train`, `val`, `test`, each with `x` float32 (jets, 16) and `y` int8 (jets,); the attributes of
the file hold feature and class names, the mean and standard deviation for standardisation, and where the jets come from.
They are of the train split, or, of a published set, of all jets that are not test jets, as in the papers; the attribute
`standardised_on` says which. Jets may have constituents as well (see `data.particles`). The attribute `rates` of generated
jets says what was generated for them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.errors import DataError
from nanotrigger.results.records import read_arrays, replace_when_whole

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Jets of one split. x: (jets, 16) float32, physical units; y: (jets,) int8, index into CLASSES.

    A model from elsewhere may have vectors of another shape, and no labels.
    """

    x: np.ndarray
    y: np.ndarray | None


@dataclass(frozen=True)
class Dataset:
    """The three splits, with the mean and standard deviation for standardisation, each (16,) float64."""

    train: Split
    val: Split
    test: Split
    mean: np.ndarray
    std: np.ndarray
    source: str

    def standardised(self, split: str) -> Split:
        """Split with x shifted and scaled by the dataset's mean and standard deviation, float32."""
        part = getattr(self, split)
        return Split(((part.x - self.mean) / self.std).astype(np.float32), part.y)


def check_jets(x: np.ndarray, y: np.ndarray, where: str) -> None:
    """Raise DataError, naming `where` and a count, unless x is finite (jets, 16) and y holds labels of CLASSES."""
    if x.ndim != 2 or x.shape[1] != len(FEATURES):
        raise DataError(f"{where}: expected {len(FEATURES)} features per jet, found an array of shape {x.shape}.")
    if len(x) != len(y):
        raise DataError(f"{where}: {len(x)} jets but {len(y)} labels.")
    bad = ~np.isfinite(x)
    if bad.any():
        names = ", ".join(FEATURES[j] for j in np.flatnonzero(bad.any(0)))
        raise DataError(
            f"{where}: {int(bad.any(1).sum())} of {len(x)} jets have NaN or infinite features ({names}). "
            "Generate or download the dataset again."
        )
    unknown = (y < 0) | (y >= len(CLASSES))
    if unknown.any():
        raise DataError(
            f"{where}: {int(unknown.sum())} labels are outside 0..{len(CLASSES) - 1} ({'/'.join(CLASSES)})."
        )


def write_dataset(
    path: Path,
    splits: dict[str, Split],
    attributes: dict[str, object],
    moments_of: tuple[str, ...] = ("train",),
    particles: Any = None,
) -> None:
    """Write the three splits and their attributes; the file appears whole or not at all.

    moments_of: the splits on which mean and standard deviation are computed. particles: constituents, if there are any (see
    `data.particles`).
    Raises DataError for an empty split, a class without jets in the train split, or features that are not finite.
    """
    for name in SPLITS:
        part = splits[name]
        check_jets(part.x, part.y, f"{path} split {name}")
        if not len(part.x):
            raise DataError(f"{path}: the {name} split is empty. Ask for more jets, or a larger fraction for {name}.")
    train = splits["train"]
    missing = [c for i, c in enumerate(CLASSES) if not (train.y == i).any()]
    if missing:
        raise DataError(f"{path}: no {'/'.join(missing)} jets in the train split; a classifier needs every class.")
    std = train.x.std(0, dtype=np.float64)
    if (std == 0).any():
        names = ", ".join(FEATURES[j] for j in np.flatnonzero(std == 0))
        raise DataError(f"{path}: constant in the train split: {names}; such a feature cannot be standardised.")
    fitted = np.concatenate([splits[name].x for name in moments_of]) if len(moments_of) > 1 else train.x
    with replace_when_whole(path) as temporary, _new_file(temporary, in_memory=particles is None) as file:
        for name in SPLITS:
            # fletcher32: a truncated or altered file raises when read, instead of giving other numbers
            group = file.create_group(name)
            group.create_dataset("x", data=splits[name].x.astype(np.float32), fletcher32=True)
            group.create_dataset("y", data=splits[name].y.astype(np.int8), fletcher32=True)
            if particles is not None:
                particles.write(group, name)
        if particles is not None:
            file.attrs["particle_columns"] = list(particles.columns)
        file.attrs["features"] = list(FEATURES)
        file.attrs["classes"] = list(CLASSES)
        file.attrs["mean"] = fitted.mean(0, dtype=np.float64)
        file.attrs["std"] = fitted.std(0, dtype=np.float64)
        file.attrs["standardised_on"] = " and ".join(moments_of)
        for key, value in attributes.items():
            file.attrs[key] = value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


@contextmanager
def _new_file(path: Path, in_memory: bool) -> Iterator[h5py.File]:
    """A new HDF5 file; without constituents made in memory first: HDF5 goes on to fail, and to say so, on a full disk."""
    options = {"driver": "core", "backing_store": False} if in_memory else {}
    with h5py.File(path, "w", track_order=True, **options) as file:
        yield file
        if in_memory:
            file.flush()
            path.write_bytes(file.id.get_file_image())


def read_particles(path: Path, split: str) -> tuple[np.ndarray, list[str]]:
    """Constituents of a split's jets (jets, particles, columns) float32, and the names of their columns.

    Raises DataError where the file has none.
    """
    try:
        with h5py.File(path, "r") as file:
            return file[split]["particles"][:], list(file.attrs["particle_columns"])
    except (OSError, KeyError) as error:
        raise DataError(
            f"{path}: holds no readable particles of its {split} split ({error}). Datasets have them where the key particles "
            "says how many."
        ) from None


def read_rates(path: Path) -> dict[str, dict[str, float]] | None:
    """What was generated for the jets of each class (see `data.pythia.Rates`); None of jets that were not generated here."""
    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs["rates"]) if "rates" in file.attrs else None
    except OSError as error:
        raise DataError(f"{path}: not a readable dataset ({error}). Delete it and run again.") from None


def read_dataset(path: Path) -> Dataset:
    """Read a dataset file. Raises DataError that names the file if it is absent, truncated or of another layout."""
    try:
        with h5py.File(path, "r") as file:
            if tuple(file.attrs["features"]) != FEATURES or tuple(file.attrs["classes"]) != CLASSES:
                raise DataError(f"{path}: its features or classes are not the ones this version uses; remake it.")
            splits = {name: Split(file[name]["x"][:], file[name]["y"][:]) for name in SPLITS}
            mean, std, source = file.attrs["mean"], file.attrs["std"], file.attrs["source"]
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: not a readable dataset ({error}). Delete it and run again.") from None
    for name, part in splits.items():
        check_jets(part.x, part.y, f"{path} split {name}")
    return Dataset(**splits, mean=mean, std=std, source=str(source))


def read_vectors(path: Path) -> Split:
    """What a model is tested on: a dataset's test split, standardised, or the vectors of an .npz file.

    Labels y are None where the file has none. Raises DataError that names the file if it cannot be read.
    """
    if Path(path).suffix != ".npz":
        return read_dataset(path).standardised("test")
    arrays = read_arrays(path)
    if "x" not in arrays:
        raise DataError(f"{path}: not readable vectors (no array x). Delete it and run again.")
    return Split(arrays["x"], arrays.get("y"))
