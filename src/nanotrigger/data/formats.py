"""The formats of the published sets, read into the common features and labels.

`arff`: OpenML's text. `table`: HDF5 with a compound dataset `t_allpar_new`, a row per jet or particle (CERNBox).
`archive`: .tar.gz of HDF5 files with `jets` (jets, 59), `jetFeatureNames` and `jetConstituentList` (jets, 100 or 150, 16)
(Zenodo). Columns are taken by name, with or without the prefix j_; labels come as letters in one, as one column per class
in the others, and leave as an index into CLASSES.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from nanotrigger.data.archives import unpacked
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.sources import PublishedFile
from nanotrigger.errors import DataError

TABLE = "t_allpar_new"
MISSING = ("?", "nan", "NaN", "NAN")
"""How a file may say that a number is missing; such jets are counted and refused."""
BLOCK = 200_000
"""Rows of an HDF5 table that are read at a time."""


def check_format(source: PublishedFile, path: Path) -> None:
    """Raise DataError unless a file is of its format and whole, as far as that shows without reading its numbers."""
    with open(path, "rb") as file:
        start = file.read(512)
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(f"{path}: is a web page, not {source.key}. Open {source.urls[:1]} in a browser to see why.")
    if start.startswith(b"PAR1"):
        raise DataError(
            f"{path}: is a Parquet file; {source.key} is read as OpenML's ARFF file, of which it is a copy."
        )
    CHECKS[source.format](source, path)


def _check_arff(source: PublishedFile, path: Path) -> None:
    _columns(_names([name for name, _ in _header(path)[0]]), ("class",), path, source)


def _check_table(source: PublishedFile, path: Path) -> None:
    with _opened(path, source) as file:
        _table_columns(file, path, source)


def _check_archive(source: PublishedFile, path: Path) -> None:
    if not sum(1 for _ in _jet_files(source, path)):  # to the very end, where its checksum is
        raise DataError(f"{path}: holds no HDF5 file, {source.key} does.")


def _check_onnx(source: PublishedFile, path: Path) -> None:
    from nanotrigger.qonnx.execute import load_model

    load_model(path)


CHECKS: dict[str, Callable[[PublishedFile, Path], None]] = {
    "arff": _check_arff,
    "table": _check_table,
    "archive": _check_archive,
    "onnx": _check_onnx,
}


def _names(columns: list[str]) -> dict[str, str]:
    """The file's name of each column, by its name here."""
    return {column.removeprefix("j_"): column for column in columns}


def _columns(names: dict[str, str], labels: tuple[str, ...], path: Path, source: PublishedFile) -> list[str]:
    """The file's names of the features and label columns. Raises DataError with those that are missing, and a count."""
    absent = [name for name in (*FEATURES, *labels) if name not in names]
    if absent:
        raise DataError(
            f"{path}: {len(absent)} columns of {source.dataset} are missing or have other names: {', '.join(absent)}. "
            f"It holds {', '.join(list(names)[:60])}."
        )
    return [names[name] for name in (*FEATURES, *labels)]


def _one_hot(labels: np.ndarray, path: Path, where: str = "") -> np.ndarray:
    """Index into CLASSES of label columns (jets, 5), int8. Raises DataError for jets that are not of exactly one class."""
    wrong = ~np.isin(labels, (0, 1)).all(1) | (labels.sum(1) != 1)
    if wrong.any():
        raise DataError(
            f"{path}{where}: {int(wrong.sum())} of {len(labels)} jets are not of exactly one of the classes "
            f"{'/'.join(CLASSES)}; the first is row {int(np.argmax(wrong))}."
        )
    return labels.argmax(1).astype(np.int8)


# --- ARFF


def _header(path: Path) -> tuple[list[tuple[str, str]], int]:
    """Name and type of every attribute, and the number of lines up to and with @DATA."""
    attributes: list[tuple[str, str]] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if not text or text.startswith("%"):
                continue
            keyword = text.split(None, 1)[0].lower()
            if keyword == "@data" and attributes:
                return attributes, number
            if keyword == "@attribute":
                attributes.append(_attribute(text, path, number))
            elif keyword != "@relation":
                break
            if number > 10_000:
                break
    raise DataError(
        f"{path}: not an ARFF file: no @ATTRIBUTE lines with @DATA behind them. Delete it and download it again."
    )


def _attribute(text: str, path: Path, number: int) -> tuple[str, str]:
    rest = text.split(None, 1)[1].strip() if len(text.split(None, 1)) > 1 else ""
    quote = rest[:1] if rest[:1] in ("'", '"') else None
    name, _, kind = rest[1:].partition(quote) if quote else rest.replace("\t", " ").partition(" ")
    if not name or not kind.strip():
        raise DataError(f"{path}: line {number} is not understood: {text[:80]}")
    return name, kind.strip()


def read_arff(source: PublishedFile, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Jets of OpenML's file: x (jets, 16) float64 as it is written there, y (jets,) int8.

    Read by pandas' C parser with correctly rounded numbers: 830,000 jets take 2 s and 0.3 GB. (scipy's reader takes 7 times
    the time and 2.5 times the memory.)
    """
    attributes, lines = _header(path)
    names = [name for name, _ in attributes]
    wanted = _columns(_names(names), ("class",), path, source)
    kinds = dict(attributes)
    for name in wanted[:-1]:
        if kinds[name].lower() not in ("real", "numeric", "integer"):
            raise DataError(f"{path}: column {name} is of type {kinds[name]}, a feature is a number.")
    try:
        with open(path, encoding="utf-8") as file:
            for _ in range(lines):
                file.readline()
            start = file.tell()
            # pandas refuses a line with more values than the first one has; so that one is counted here
            first = next((line for line in iter(file.readline, "") if line.strip() and line[0] != "%"), "")
            if (values := first.count(",") + 1) != len(names):
                raise ValueError(f"a line has {values} values, there are {len(names)} columns")
            file.seek(start)
            frame = pd.read_csv(
                file, header=None, names=names, comment="%", keep_default_na=False, skipinitialspace=True, quotechar="'",
                na_values=dict.fromkeys(wanted[:-1], MISSING), float_precision="round_trip",
                dtype={**dict.fromkeys(wanted[:-1], np.float64), wanted[-1]: "category"},
            )  # fmt: skip
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        text = str(error).splitlines()[0]
        raise DataError(f"{path}: its lines behind @DATA are not understood ({text}). Download it again.") from None
    letters = frame[wanted[-1]]
    y = letters.map({letter: i for i, letter in enumerate(CLASSES)}).astype(float).fillna(-1).to_numpy().astype(np.int8)
    if (y < 0).any():
        unknown = sorted(map(str, letters[y < 0].unique()))[:10]
        raise DataError(f"{path}: {int((y < 0).sum())} jets have labels other than {'/'.join(CLASSES)}: {unknown}.")
    return frame[wanted[:-1]].to_numpy(), y


# --- HDF5


def _opened(path: Path, source: PublishedFile) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: not a whole HDF5 file of {source.dataset} ({error}). Download it again.") from None


def own(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A dataset whose numbers lie in the file itself. Raises KeyError if there is none of that name.

    HDF5 can lead to any other file of the machine, by a link, as external storage or as a virtual dataset; a file from
    elsewhere that does is refused with DataError.
    """
    found = file[name]
    if Path(found.file.filename) != Path(file.filename) or (
        isinstance(found, h5py.Dataset) and (found.external or found.is_virtual)
    ):
        raise DataError(f"{path}: its {name} lies in another file, to which this one leads: refused.")
    return found


def _table_columns(file: h5py.File, path: Path, source: PublishedFile) -> list[str]:
    table = own(file, TABLE, path) if TABLE in file else None
    if not isinstance(table, h5py.Dataset) or table.dtype.names is None:
        raise DataError(f"{path}: holds no table {TABLE}, but {', '.join(file) or 'nothing'}.")
    return _columns(_names(list(table.dtype.names)), CLASSES, path, source)


def read_table(source: PublishedFile, path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Jets of CERNBox' file: x (jets, 16) float32, y (jets,) int8, and how many rows were repetitions.

    Rows with the same features and labels are one jet, the first of them stays: that is what the published loaders do
    (keras-training, LogicNets, PolyLUT), since a table of all particles (`allpar`) repeats its jet in each of them.
    """
    parts, rows = [], 0
    with _opened(path, source) as file:
        columns = _table_columns(file, path, source)
        table = own(file, TABLE, path)
        for start in range(0, len(table), BLOCK):
            try:
                block = table.fields(columns)[start : start + BLOCK]
            except OSError as error:
                raise DataError(
                    f"{path}: damaged in rows {start} and following ({error}). Download it again."
                ) from None
            numbers = pd.DataFrame({c: block[c].astype(np.float32) for c in columns})
            rows += len(numbers)
            parts.append(numbers.drop_duplicates())
    if not rows:
        raise DataError(f"{path}: its table {TABLE} is empty.")
    jets = pd.concat(parts, ignore_index=True).drop_duplicates().to_numpy()
    y = _one_hot(jets[:, len(FEATURES) :], path)
    return np.ascontiguousarray(jets[:, : len(FEATURES)]), y, rows - len(jets)


def _jet_files(source: PublishedFile, path: Path) -> Iterator[tuple[str, Path]]:
    """The HDF5 files of an archive, each until the next one comes."""
    for name, file in unpacked(path, path.parent, source.max_files, source.max_bytes):
        # macOS leaves ._name beside name
        if name.endswith((".h5", ".hdf5")) and not name.rpartition("/")[2].startswith("._"):
            yield name, file


def read_archive(
    source: PublishedFile, path: Path, particles: Callable[[np.ndarray, list[str]], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Jets of an archive of Zenodo: x (jets, 16) float32, y (jets,) int8, in the order of the archive.

    `particles`, if given, gets the constituents of each file, (jets, 100 or 150, 16) float64 with zeros behind the last
    one, and their column names, in the same order.
    """
    xs, ys = [], []
    for name, path_of_file in _jet_files(source, path):
        with _opened(path_of_file, source) as file:
            where = f" file {name}"
            try:
                inside = Path(f"{path}{where}")
                jets = own(file, "jets", inside)[()]
                names = [
                    text.decode() if isinstance(text, bytes) else str(text)
                    for text in own(file, "jetFeatureNames", inside)[()]
                ]
                if jets.ndim != 2 or jets.shape[1] != len(names):
                    raise DataError(f"{path}{where}: jets is of shape {jets.shape}, with {len(names)} column names.")
                columns = _columns(_names(names), CLASSES, inside, source)
                at = [names.index(column) for column in columns]
                xs.append(jets[:, at[: len(FEATURES)]].astype(np.float32))
                ys.append(_one_hot(jets[:, at[len(FEATURES) :]], path, where))
                if particles:
                    listed = [
                        text.decode() if isinstance(text, bytes) else str(text)
                        for text in own(file, "particleFeatureNames", inside)
                    ]
                    constituents = own(file, "jetConstituentList", inside)[()]
                    # the published files name one column more, j1_pdgid, than they hold
                    particles(constituents, listed[: constituents.shape[-1]])
            except (KeyError, OSError) as error:
                raise DataError(
                    f"{path}{where}: not a file of {source.dataset} ({error}). Download it again."
                ) from None
    if not xs:
        raise DataError(f"{path}: holds no HDF5 file, {source.key} does.")
    return np.concatenate(xs), np.concatenate(ys)
