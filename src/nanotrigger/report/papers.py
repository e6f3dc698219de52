"""The papers' figures and tables: which of them this run makes, where, and the tables themselves."""

from pathlib import PurePosixPath
from typing import Any

from nanotrigger.report import dataset, figures
from nanotrigger.report.designs import links
from nanotrigger.report.overview import footnotes
from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import Table, table

TITLE = "Papers"

LISTING = "paper_figures"
ELSEWHERE = ("summary", "models", "hardware", "hardware_unfinished", "accuracies", "comparisons", LISTING)
"""Tables that other pages show."""


def listing(source: Source) -> Table | None:
    """Paper figure -> target -> file -> status; a file that this report shows is a link to it."""
    frame = source.table(f"tables/{LISTING}.csv")
    if frame is None:
        return None

    def link(key: str, value: str) -> str | None:
        path = PurePosixPath(value)
        if path.suffix and path.parent.name == "figures" and path.stem in figures.names(source):
            return f"#{anchor('figure', path.stem)}"
        if path.suffix == ".csv" and f"tables/{path.name}" in source.files:
            return f"#{anchor('table', path.stem)}"
        return None

    return table(frame, LISTING, "The papers' figures and tables", link, keep=("status",))


def content(source: Source) -> dict[str, Any] | None:
    others = [
        (
            table(frame, name, name.replace("_", " "), links(source)),
            footnotes(source.text(f"tables/{name}.md")),
            [f"tables/{name}.{s}" for s in ("csv", "md", "tex") if f"tables/{name}.{s}" in source.files],
        )
        for name in source.names("tables", ".csv")
        if name not in ELSEWHERE
        and not dataset.is_of_jets(name)
        and (frame := source.table(f"tables/{name}.csv")) is not None
    ]
    listed = listing(source)
    return {"listing": listed, "tables": others} if listed or others else None
