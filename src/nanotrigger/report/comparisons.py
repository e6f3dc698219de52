"""Accuracies over seeds, and models compared jet by jet."""

from typing import Any

from nanotrigger.report.designs import links
from nanotrigger.report.source import Source
from nanotrigger.report.tables import table

TITLE = "Comparisons"


def content(source: Source) -> dict[str, Any] | None:
    captions = {"accuracies": "Accuracy of each model over its seeds", "comparisons": "Models compared jet by jet"}
    found = {name: source.table(f"tables/{name}.csv") for name in captions}
    if all(frame is None or not len(frame) for frame in found.values()):
        return None
    return {
        name: None if frame is None or not len(frame) else table(frame, name, captions[name], links(source))
        for name, frame in found.items()
    }
