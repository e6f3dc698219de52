"""Published jet datasets: downloaded, checked, and read into the common features and labels."""

import hashlib
import json
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pooch
import requests

from nanotrigger.config import DATASETS_TABLE
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import check_jets
from nanotrigger.errors import DataError
from nanotrigger.results.records import replace_when_whole

QUICKSTART = "Without a network, `make quickstart` runs the same pipeline on jets it generates itself."
TIMEOUT_S = 60


def table_row(name: str, table: Path = DATASETS_TABLE) -> pd.Series:
    """Row of config/datasets.csv. Raises DataError for a name it does not hold."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).set_index("name")
    if name not in rows.index:
        raise DataError(f"dataset '{name}' is not in {table}. Known: {', '.join(rows.index)}.")
    return rows.loc[name]


def _description(url: str, name: str) -> tuple[str, str]:
    """Address and md5 of the data file, from OpenML's description of a dataset."""
    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DataError(f"{name}: {url} cannot be reached ({error}). {QUICKSTART}") from None
    try:
        description = json.loads(answer.text)["data_set_description"]
        return description["url"], f"md5:{description['md5_checksum']}"
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{name}: {url} is not OpenML's description of a dataset ({error!r}).") from None


def download(name: str, path: str | Path, table: Path = DATASETS_TABLE) -> None:
    """Download a published dataset to `path`, with a progress bar; the file appears only once its checksum is right.

    Raises DataError, which names the quickstart, where the source cannot be reached, and says so where what came is not
    the dataset.
    """
    row = table_row(name, table)
    path = Path(path)
    url, known_hash = _description(row["url"], name)
    if row["sha256"]:
        known_hash = f"sha256:{row['sha256']}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{name}: its description points to {url}, which is not a web address.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_S)
    try:
        pooch.retrieve(url, known_hash, fname=part.name, path=part.parent, downloader=downloader)
    except requests.RequestException as error:
        raise DataError(f"{name}: {url} cannot be downloaded ({error}). {QUICKSTART}") from None
    except ValueError:
        raise DataError(
            f"{name}: what {url} sent does not have the checksum {known_hash}: cut off, or not the dataset. Try again."
        ) from None
    with open(part, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with replace_when_whole(path.with_name("source.json")) as temporary:
        temporary.write_text(json.dumps({"url": url, "checksum": known_hash, "sha256": digest}, indent=1) + "\n")
    part.replace(path)


def read_published(name: str, path: Path, table: Path = DATASETS_TABLE) -> tuple[np.ndarray, np.ndarray]:
    """Jets of a downloaded file: x (jets, 16) float32 in the order of FEATURES, y (jets,) int8 index into CLASSES.

    Columns are taken by name and labels by their letter. Raises DataError naming what is missing, with a count.
    """
    from scipy.io import arff

    row = table_row(name, table)
    try:
        records, meta = arff.loadarff(path)
    except (OSError, ValueError, NotImplementedError, StopIteration, arff.ArffError) as error:
        raise DataError(f"{path}: not the ARFF file of {name} ({error!r}). Delete it and run again.") from None
    columns = {column.removeprefix("j_"): column for column in meta.names()}
    absent = [feature for feature in (*FEATURES, "class") if feature not in columns]
    if absent:
        raise DataError(f"{path}: {len(absent)} columns of {name} are missing: {', '.join(absent)}.")
    letters = np.char.decode(np.asarray(records[columns["class"]], dtype="S"))
    y = np.full(len(letters), -1, np.int8)
    for label, letter in enumerate(CLASSES):
        y[letters == letter] = label
    if (y < 0).any():
        unknown = sorted(set(letters[y < 0]))
        raise DataError(f"{path}: {int((y < 0).sum())} jets have labels other than {'/'.join(CLASSES)}: {unknown}.")
    x = np.stack([np.asarray(records[columns[feature]], np.float32) for feature in FEATURES], 1)
    if len(x) != int(row["events"]):
        raise DataError(f"{path}: holds {len(x)} jets, {name} has {row['events']}.")
    check_jets(x, y, str(path))
    return x, y
