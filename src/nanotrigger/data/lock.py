"""The lock file: checksums of published files whose publishers give none, recorded at the first download.

It lies beside the table, `config/datasets.lock.json`, and is meant to be committed: everyone who shares the checkout then
gets the same bytes, or a message.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nanotrigger.data.sources import PublishedFile
from nanotrigger.errors import DataError
from nanotrigger.redaction import redacted
from nanotrigger.results.records import read_json, write_json
from nanotrigger.running import one_at_a_time


class Lock:
    """Recorded size and sha256 of each file, by `dataset/file`."""

    def __init__(self, table: Path):
        self.path = Path(table).with_name("datasets.lock.json")

    def entry(self, source: PublishedFile) -> dict[str, Any] | None:
        """What was recorded of a file; None at its first download."""
        return self._entries().get(source.key)

    def record(self, source: PublishedFile, size: int, sha256: str, origin: str) -> None:
        """Keep a file's checksum, unless one is kept already. `origin`: the address or path it came from."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(self.path.parent):
            entries = self._entries()
            if source.key not in entries:
                when = datetime.now(UTC).isoformat(timespec="seconds")
                entries[source.key] = {"sha256": sha256, "size": size, "from": redacted(origin), "recorded": when}
                write_json(self.path, entries)

    def remedy(self, source: PublishedFile) -> str:
        return (
            f"If the publisher has replaced the file and you want the new one, remove the entry '{source.key}' from "
            f"{self.path}; results of the two files cannot be compared."
        )

    def _entries(self) -> dict[str, dict[str, Any]]:
        entries = read_json(self.path) if self.path.exists() else {}
        if not isinstance(entries, dict) or not all(isinstance(e, dict) and "sha256" in e for e in entries.values()):
            raise DataError(f"{self.path}: is not a lock file of datasets. Restore it, or delete it to start anew.")
        return entries
