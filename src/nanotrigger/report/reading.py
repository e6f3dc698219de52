"""How to read the report: what its figures mean, and what they do not."""

from typing import Any

from nanotrigger.report.columns import COLUMNS
from nanotrigger.report.source import Source

TITLE = "How to read"


def content(source: Source) -> dict[str, Any]:
    """The glossary: every column that a run may have, in the order of the tables."""
    return {"columns": list(COLUMNS.items())}
