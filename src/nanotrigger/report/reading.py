"""How to read the report: what its figures mean, and what they do not."""

from typing import Any

from nanotrigger.report.columns import COLUMNS
from nanotrigger.report.source import Source

TITLE = "How to read"


def content(source: Source) -> dict[str, Any]:
    """The glossary: every column that a run may have, by title."""
    return {"columns": sorted(COLUMNS.items(), key=lambda item: (item[1].title.lower(), item[0]))}
