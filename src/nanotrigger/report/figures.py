"""All figures, each with its caption and the numbers in it."""

import inspect
from dataclasses import dataclass
from typing import Any

from nanotrigger.report.assets import Picture, picture
from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import Table, table

TITLE = "Figures"

ROWS = 40
"""A figure's numbers are shown below it if they are no more rows than these; they lie in its CSV file anyway."""


@dataclass(frozen=True)
class Figure:
    """A figure. files: its other formats, by ending, with their paths from the folder of the run."""

    name: str
    anchor: str
    title: str
    caption: list[str]
    picture: Picture
    numbers: Table | None
    files: dict[str, str]


def figure(source: Source, name: str) -> Figure:
    """The figure of that name; one that no module is known of has its name as the title."""
    text = inspect.cleandoc(source.figures.get(name, {}).get("text") or name.replace("_", " "))
    title, *caption = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    numbers = source.table(f"figures/{name}.csv")
    if numbers is not None and not 0 < len(numbers) <= ROWS:
        numbers = None
    return Figure(
        name,
        anchor("figure", name),
        title.removesuffix("."),
        caption,
        picture(source.results / f"figures/{name}.png"),
        None if numbers is None else table(numbers, f"figure-{name}", f"Numbers in figure {name}"),
        {s: f"figures/{name}.{s}" for s in ("pdf", "svg", "csv") if f"figures/{name}.{s}" in source.files},
    )


def names(source: Source) -> list[str]:
    return source.names("figures", ".png")


def of_jets(source: Source, name: str) -> bool:
    """Whether a figure shows the dataset alone: it stands on that page."""
    needs = set(source.figures.get(name, {}).get("needs", ()))
    return bool(needs) and needs <= {"data", "jets"}


def content(source: Source) -> dict[str, Any] | None:
    if not names(source):
        return None
    elsewhere = [name for name in names(source) if of_jets(source, name)]
    return {
        "figures": [figure(source, name) for name in names(source) if name not in elsewhere],
        "elsewhere": [(name.replace("_", " "), anchor("figure", name)) for name in elsewhere],
    }
