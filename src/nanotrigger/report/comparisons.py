"""Accuracies over seeds, and models compared jet by jet."""

from typing import Any

from nanotrigger.report.designs import links
from nanotrigger.report.source import Source
from nanotrigger.report.tables import stored

TITLE = "Comparisons"


def content(source: Source) -> dict[str, Any] | None:
    captions = {"accuracies": "Accuracy of each model over its seeds", "comparisons": "Models compared jet by jet"}
    found = {name: stored(source, name, caption, links(source)) for name, caption in captions.items()}
    return found if any(found.values()) else None
