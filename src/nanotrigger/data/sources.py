"""The tables of published files: config/datasets.csv and config/models.csv, and what their publishers say of them."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from nanotrigger.config import DATASETS_TABLE, DownloadedDataset
from nanotrigger.errors import DataError

TIMEOUT_S = 60
LONGEST_DESCRIPTION = 10**7


@dataclass(frozen=True)
class PublishedFile:
    """One published file, a row of a table; what is not known is None or empty.

    part: which jets it holds, `all`, or `train` or `test` of a set that is published in two. urls: where it lies, the
    mirrors last. descriptions: addresses of the publisher's own record of it (OpenML's or Zenodo's JSON). max_files and
    max_bytes: what an archive may hold, unpacked.
    """

    dataset: str
    file: str
    format: str
    part: str = "all"
    urls: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    size: int | None = None
    md5: str = ""
    sha256: str = ""
    events: int | None = None
    max_files: int = 0
    max_bytes: int = 0

    @property
    def key(self) -> str:
        return f"{self.dataset}/{self.file}"

    def identity(self) -> dict[str, Any]:
        """What makes it this file and no other; a new mirror is not part of that."""
        return {"size": self.size, "md5": self.md5, "sha256": self.sha256}


def _whole(text: str) -> int | None:
    return int(text) if text else None


PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Names of datasets and files: they become paths below downloads/."""


def _rows(table: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{table}: cannot be read ({error}).") from None
    for column in ("name", "file"):
        for line, text in enumerate(rows.get(column, ()), start=2):
            if not PLAIN.fullmatch(text):
                raise DataError(
                    f"{table}: line {line}: {column} = {text!r} is no plain name of a file: letters, digits and _ . + - alone."
                )
    return rows


def dataset_files(name: str, table: Path = DATASETS_TABLE) -> list[PublishedFile]:
    """Files of a dataset of config/datasets.csv. Raises DataError for a name that it does not hold."""
    rows = _rows(table)
    files = [
        PublishedFile(
            dataset=row["name"],
            file=row["file"],
            format=row["format"],
            part=row["part"],
            urls=(*row["url"].split(), *row["mirror"].split()),
            descriptions=tuple(row["description"].split()),
            size=_whole(row["size"]),
            md5=row["md5"],
            sha256=row["sha256"],
            events=_whole(row["events"]),
            max_files=int(row["max_files"] or 0),
            max_bytes=int(float(row["max_gb"] or 0) * 1e9),
        )
        for row in rows.to_dict("records")
        if row["name"] == name
    ]
    if not files:
        raise DataError(f"dataset '{name}' is not in {table}. Known: {', '.join(dict.fromkeys(rows['name']))}.")
    return files


def published_files(stanza: Any, table: Path) -> tuple[list[PublishedFile], list[str]]:
    """The published files that a dataset stanza needs, and where each lies; nothing where its jets are generated.

    That is under the stanza's own path, or among the downloads. Raises DataError naming what is missing in a folder of the
    user's own.
    """
    if not isinstance(stanza, DownloadedDataset):
        return [], []
    files = dataset_files(stanza.name, table)
    if stanza.path is None:
        return files, [f"downloads/{file.dataset}/{file.file}" for file in files]
    own = Path(stanza.path)
    paths = [own / file.file for file in files] if own.is_dir() else [own] * len(files)
    absent = [path.name for path in paths if not path.is_file()]
    if absent or len(set(paths)) != len(files):
        raise DataError(
            f"config: path = '{stanza.path}': {stanza.name} is published as {', '.join(f.file for f in files)}; give "
            f"{'the folder that holds them' if len(files) > 1 else 'the file, or its folder'}, as they were downloaded "
            f"(only those have a checksum).{' Missing: ' + ', '.join(absent) + '.' if absent else ''}"
        )
    return files, [str(path) for path in paths]


def golden_rows(dataset: str, table: Path) -> list[dict[str, Any]]:
    """Published models with a published score on a dataset: rows of config/models.csv, each with its `source` file."""
    rows = []
    for row in _rows(table).to_dict("records"):
        if row["dataset"] == dataset:
            urls = (*row["url"].split(), *row["mirror"].split())
            source = PublishedFile(
                row["name"], row["file"], "onnx", urls=urls, size=_whole(row["size"]), sha256=row["sha256"]
            )
            counts = {key: int(row[key]) for key in ("test_jets", "correct")}
            rows.append({**row, **counts, "classes": tuple(row["classes"].split()), "source": source})
    return rows


def described(source: PublishedFile, timeout: float = TIMEOUT_S) -> tuple[PublishedFile, list[str]]:
    """The file with what its publisher's record adds: address, size and md5; and why a record could not be read.

    Raises DataError where the record contradicts the table, where it is no record, and where it is needed, since only it
    knows the address, and none can be reached.
    """
    import requests

    problems: list[str] = []
    for url in source.descriptions:
        try:
            answer = requests.get(url, timeout=timeout)
            answer.raise_for_status()
        except requests.RequestException as error:
            problems.append(f"{url} cannot be reached ({error})")
            continue
        try:
            found = _record(json.loads(answer.text[:LONGEST_DESCRIPTION]), source.file)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{url} is not a description of the dataset ({error!r})")
            continue
        return _joined(source, found, url), problems
    return source, problems


def _record(content: dict[str, Any], file: str) -> dict[str, Any]:
    """Address, size and md5 in OpenML's description of a dataset, or in Zenodo's record of several files."""
    if "data_set_description" in content:
        description = content["data_set_description"]
        return {"url": description["url"], "md5": description["md5_checksum"], "size": None}
    (entry,) = [f for f in content["files"] if f.get("key", f.get("filename")) == file]
    algorithm, _, digest = entry["checksum"].rpartition(":")
    if algorithm not in ("", "md5"):
        raise ValueError(f"checksum {entry['checksum']}")
    return {"url": None, "md5": digest, "size": int(entry.get("size", entry.get("filesize")))}


def _joined(source: PublishedFile, found: dict[str, Any], url: str) -> PublishedFile:
    for key in ("md5", "size"):
        known = getattr(source, key)
        if known and found[key] and known != found[key]:
            raise DataError(
                f"{source.key}: config/datasets.csv says {key} {known}, its publisher {found[key]} ({url}). If the "
                "publisher has replaced the file and you want the new one, change the table."
            )
    if found["url"] and urlsplit(found["url"]).scheme not in ("http", "https"):
        raise DataError(f"{source.key}: {url} points to {found['url']}, which is not a web address.")
    urls = (found["url"], *source.urls) if found["url"] else source.urls
    return replace(source, urls=urls, md5=source.md5 or found["md5"], size=source.size or found["size"])
