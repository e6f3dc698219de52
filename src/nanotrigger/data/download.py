"""Downloads: resumed after a break, from a mirror where the first source fails, and never half there.

A file is used only if size, md5 and sha256 are what the table, the publisher's record and the lock file say; where none
of them knows a checksum, the first download is recorded in the lock file (see `data.lock`) and later ones must match it.
An own copy is checked in the same way.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pooch
import requests

from nanotrigger.config import DATASETS_TABLE
from nanotrigger.data.lock import Lock
from nanotrigger.data.sources import TIMEOUT_S, PublishedFile, described
from nanotrigger.errors import DataError
from nanotrigger.progress import Progress
from nanotrigger.redaction import redacted
from nanotrigger.results.records import replace_when_whole, sha256, write_json

QUICKSTART = "Without a network, `make quickstart` runs the same pipeline on jets it generates itself."
LARGEST = 20 * 10**9
"""Bytes at which a source that declares no length is cut off."""
CHUNK = 1 << 18


class SourceError(Exception):
    """A source did not give the file; another may."""


class ResumingDownloader:
    """A downloader for pooch that keeps what has come, and asks for the rest.

    The beginning lies in `part`, with a note beside it of where it came from. The rest is joined only if the server
    answers 206 with the right Content-Range and the same validator and total length; else the download starts anew.
    """

    def __init__(self, part: Path, size: int | None = None, *, timeout=TIMEOUT_S, attempts=4, wait=2.0, terminal=None):
        self.part, self.note = part, part.with_name(part.name + ".json")
        self.size, self.timeout, self.attempts, self.wait = size, timeout, attempts, wait
        self.terminal: TextIO | None = terminal

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download `url` to `output_file`. Raises SourceError naming the reason; what has come is kept for a next time."""
        for attempt in range(1, self.attempts + 1):
            try:
                self._continue(url)
                break
            except (requests.RequestException, OSError) as error:
                status = getattr(getattr(error, "response", None), "status_code", None)
                refused = status is not None and 400 <= status < 500 and status not in (408, 416, 429)
                if refused or attempt == self.attempts:
                    raise SourceError(str(error)) from None
                print(f"{url}: {error}; attempt {attempt + 1} of {self.attempts} goes on where it broke", flush=True)
                time.sleep(self.wait * 2 ** (attempt - 1))
        os.replace(self.part, output_file)
        self.note.unlink(missing_ok=True)

    def _begun(self, url: str) -> dict[str, Any]:
        """The note of an unfinished download from this address; empty where there is none to go on with."""
        with suppress(OSError, ValueError):
            note = json.loads(self.note.read_text())
            if note["url"] == url and note["total"] and self.part.stat().st_size < note["total"]:
                return note
        return {}

    def _continue(self, url: str) -> None:
        note = self._begun(url)
        have = self.part.stat().st_size if note else 0
        # offsets of a compressed transfer would not be offsets of the file
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": note["validator"]} if note["validator"] else {})
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            if response.status_code == 416:
                self._forget()
            response.raise_for_status()
            total = self._total(response)
            if response.status_code == 206 and have:
                if response.headers.get("Content-Range") != f"bytes {have}-{note['total'] - 1}/{note['total']}":
                    self._forget()
                    raise requests.RequestException(
                        f"sent another range than the one asked for: {response.headers.get('Content-Range')}"
                    )
                total = note["total"]
                print(f"{url}: goes on at {have} of {total} bytes", flush=True)
            elif response.status_code == 200:
                have = 0  # the server does not resume, or has another file now
            else:
                raise SourceError(f"answered {response.status_code}")
            if not have:
                self._begin(url, response, total)
            self._receive(response, have, total)

    def _total(self, response: requests.Response) -> int | None:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _begin(self, url: str, response: requests.Response, total: int | None) -> None:
        self._forget()
        etag = response.headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
        write_json(self.note, {"url": url, "validator": validator, "total": total})

    def _receive(self, response: requests.Response, have: int, total: int | None) -> None:
        limit = total or self.size or LARGEST
        # urllib3 would throw away what it holds when the connection ends early; the count below notices that too
        response.raw.enforce_content_length = False
        with (
            open(self.part, "ab") as file,
            # into a log a line every half minute, not ten a second
            Progress(
                total=total, initial=have, unit="B", unit_scale=True, desc=self.part.name.removesuffix(".part").lstrip("."),
                file=self.terminal, mininterval=0.1 if self.terminal else 30,
            ) as progress,
        ):  # fmt: skip
            for chunk in response.iter_content(CHUNK):
                if not have and chunk[:256].lstrip().lower().startswith((b"<!doctype html", b"<html")):
                    self._forget()
                    raise SourceError("sent a web page, not the file")
                if self.size and total and total != self.size:
                    self._forget()
                    raise SourceError(f"offers {total} bytes, the file has {self.size}")
                have += len(chunk)
                if have > limit:
                    self._forget()
                    raise SourceError(f"sent more than the {limit} bytes it may")
                file.write(chunk)
                progress.update(len(chunk))
        if total is not None and have < total:
            raise requests.ConnectionError(f"broke off after {have} of {total} bytes")


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def expected(source: PublishedFile, lock: Lock) -> tuple[PublishedFile, str]:
    """The file with the checksums that it must have, and who says so: the table or its publisher, or the lock file."""
    entry = lock.entry(source)
    if source.sha256 or source.md5:
        by = "the table of published files" if source.sha256 else "its publisher's md5"
        if entry and source.sha256 and entry["sha256"] != source.sha256:
            raise DataError(
                f"{source.key}: the table says sha256 {source.sha256}, {lock.path} {entry['sha256']}. {lock.remedy(source)}"
            )
        return replace(source, sha256=source.sha256 or (entry["sha256"] if entry else "")), by
    if entry:
        return replace(source, sha256=entry["sha256"], size=source.size or entry.get("size")), str(lock.path)
    return source, "nothing: the first download"


def check(source: PublishedFile, path: Path, lock: Lock, origin: str = "") -> dict[str, Any]:
    """Size and sha256 of a file that is the published one; an own copy or a download.

    A file that nobody has a sha256 of is recorded in the lock file, once it is known to be of its format. Raises
    DataError naming the file, both values and the remedy.
    """
    from nanotrigger.data.formats import check_format

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {source.key} is not there. Download it again, or correct the path.")
    must, by = expected(source, lock)
    size = path.stat().st_size
    remedy = f"Download it again. {lock.remedy(source) if lock.entry(source) else ''}".rstrip()
    if must.size is not None and size != must.size:
        raise DataError(f"{path}: has {size} bytes, {source.key} has {must.size} (says {by}). {remedy}")
    digest = sha256(path)
    found = {"sha256": digest, "md5": _digest(path, "md5") if must.md5 else ""}
    for algorithm in ("sha256", "md5"):
        wanted = getattr(must, algorithm)
        if wanted and found[algorithm] != wanted:
            raise DataError(
                f"{path}: its {algorithm} is {found[algorithm]}, {source.key} has {wanted} (says {by}): damaged, altered, "
                f"or another file. {remedy}"
            )
    if not must.sha256:  # else these are bytes that were looked at before
        check_format(source, path)
        lock.record(source, size, digest, origin or str(path))
        print(f"{source.key}: sha256 {digest} is recorded in {lock.path}; later downloads must match it", flush=True)
    return {"file": source.file, "sha256": digest, "size": size, "checked_by": by}


def fetch(
    source: PublishedFile,
    path: str | Path,
    table: Path = DATASETS_TABLE,
    *,
    terminal: TextIO | None = None,
    timeout: float = TIMEOUT_S,
    attempts: int = 4,
    wait: float = 2.0,
) -> None:
    """Download a published file to `path`; it appears there only when it is whole and the right one.

    Every source that fails is named in the log, and the next one tried. An unfinished download stays beside `path` and is
    gone on with the next time. Writes where it came from to `path` + `.source.json`. Raises DataError with the reason of
    every source.
    """
    path, lock = Path(path), Lock(table)
    source, failures = described(source, timeout)
    for failure in failures:
        print(f"{source.key}: {failure}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole, part = (path.with_name(f".{path.name}.{kind}") for kind in ("whole", "part"))
    must, _ = expected(source, lock)
    known = f"sha256:{must.sha256}" if must.sha256 else f"md5:{must.md5}" if must.md5 else None
    for url in source.urls:
        downloader = ResumingDownloader(
            part, must.size, timeout=timeout, attempts=attempts, wait=wait, terminal=terminal
        )
        try:
            _retrieve(url, known, whole, downloader)
            facts = check(source, whole, lock, url)
        except (SourceError, ValueError, DataError) as error:
            whole.unlink(missing_ok=True)
            reason = f"{url}: {_plain(error).replace(str(whole), 'what it sent')}"
            failures.append(reason)
            print(f"{source.key}: {reason}; trying the next source, if there is one", flush=True)
            continue
        write_json(path.with_name(f"{path.name}.source.json"), {"url": redacted(url), **facts})
        whole.replace(path)
        return
    hint = f" {lock.remedy(source)}" if lock.entry(source) else ""
    raise DataError(
        f"{source.key}: no source gave it:\n  "
        + "\n  ".join(failures)
        + f"\nTry again: it goes on where it broke; or name "
        f"a copy of your own under `path` of the dataset's stanza.{hint} {QUICKSTART}"
    )


def _retrieve(url: str, known: str | None, whole: Path, downloader: Callable[..., None]) -> None:
    with replace_when_whole(whole) as temporary:
        pooch.retrieve(url, known, fname=temporary.name, path=temporary.parent, downloader=downloader)


def _plain(error: Exception) -> str:
    """pooch's words for a wrong checksum, in ours."""
    text = str(error)
    if "does not match the known hash" in text:
        wanted, _, got = text.partition("expected ")[2].partition(" but got ")
        return (
            f"what it sent has the checksum {got.partition('.')[0]}, not {wanted}: not the file, or damaged on its way"
        )
    return text
