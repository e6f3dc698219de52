"""The papers' figures and tables: which of them this run makes, where, and the tables themselves."""

from pathlib import PurePosixPath
from typing import Any

from nanotrigger.report import dataset, figures
from nanotrigger.report.designs import links
from nanotrigger.report.overview import footnotes
from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import Table, stored

TITLE = "Papers"

LISTING = "paper_figures"
ELSEWHERE = (
    "summary",
    "models",
    "hardware",
    "hardware_unfinished",
    "accuracies",
    "comparisons",
    LISTING,
    "golden",
    "sweeps",
)
"""Tables that other pages show."""


def listing(source: Source) -> Table | None:
    """Paper figure -> target -> file -> status; a file that this report shows is a link to it."""

    def link(key: str, value: str) -> str | None:
        path = PurePosixPath(value)
        if path.suffix and path.parent.name == "figures" and path.stem in figures.names(source):
            return f"#{anchor('figure', path.stem)}"
        if path.suffix == ".csv" and f"tables/{path.name}" in source.files:
            return f"#{anchor('table', path.stem)}"
        return None

    return stored(source, LISTING, "The papers' figures and tables", link, keep=("status",))


def content(source: Source) -> dict[str, Any] | None:
    names = [n for n in source.names("tables", ".csv") if n not in ELSEWHERE and not dataset.is_of_jets(n)]
    others = []
    for name in names:
        if shown := stored(source, name, name.replace("_", " "), links(source)):
            beside = [path for s in ("md", "tex") if (path := f"tables/{name}.{s}") in source.files]
            others.append((shown, footnotes(source.text(f"tables/{name}.md")), beside))
    listed = listing(source)
    return {"listing": listed, "tables": others} if listed or others else None
