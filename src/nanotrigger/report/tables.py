"""A CSV table as the report shows it: cells of text, each with the value that it sorts by."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from nanotrigger.report.assets import data_url
from nanotrigger.report.captions import CAPTIONS
from nanotrigger.report.columns import INTERVALS, OUT_OF, Column, column
from nanotrigger.report.source import Source, anchor

EMPTY = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A cell. sort: the value itself, in full, None where there is none; link: within the page.

    reason: why it is empty, or, of a value, why it is not comparable with those above and below.
    """

    text: str
    sort: str | None = None
    reason: str = ""
    link: str | None = None


@dataclass(frozen=True)
class Head:
    """A column as shown. numeric: whether its values are numbers, aligned right and sorted as such."""

    key: str
    column: Column
    numeric: bool


@dataclass(frozen=True)
class Row:
    """A row; published: one of the papers' own, not measured here."""

    cells: tuple[Cell, ...]
    published: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the report. unmeasured: titles of columns that are left out since no row has a value.

    file: name and content (a data URL) of the CSV file that it shows, if it is one; text: what a reader must know of it.
    """

    name: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    unmeasured: tuple[str, ...] = ()
    file: tuple[str, str] | None = None
    text: str = ""


def number(value: Any, form: str) -> str:
    """A number as text: counts whole where they are or large, shares with four digits, others with four significant ones."""
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    if form == "count" or (form == "number" and value.is_integer()):
        text = f"{value:,.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:,.1f}"
    elif form == "share":
        text = f"{value:.4f}"
    elif form == "p":
        text = f"{value:.2g}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 10000 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}") if form != "p" else text


Links = Callable[[str, str], str | None]


def no_links(key: str, value: str) -> None:
    """Links of a table without any."""
    return None


def stored(
    source: Source, name: str, caption: str, links: Links = no_links, keep: tuple[str, ...] = ()
) -> Table | None:
    """The table of that name among the run's tables; None where there is none, or no row in it. Others as of `table`."""
    frame, path = source.table(f"tables/{name}.csv"), source.path(f"tables/{name}.csv")
    if frame is None or path is None or not len(frame):
        return None
    file = (f"{name}.csv", data_url("text/csv", path.read_bytes()))
    shown, text = of_paged(source, frame), CAPTIONS.get(name, "")
    if len(shown) < len(frame):
        text = f"{text} {len(shown):,} of {len(frame):,} rows, those of the {len(source.paged)} models that have pages; the "
        text = f"{text.strip()} file below has all."
    return replace(table(shown, name, caption, links, keep), file=file, text=text)


def of_paged(source: Source, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the models that have pages, and those of no model of the run, as published ones."""
    if "model" not in frame or len(source.paged) == len(source.plan.models):
        return frame
    return frame[frame.model.isin(source.paged) | ~frame.model.isin(list(source.plan.models))]


def table(
    frame: pd.DataFrame,
    name: str,
    caption: str,
    links: Links = no_links,
    keep: tuple[str, ...] = (),
) -> Table:
    """`frame` for the report; columns without any value are left out and named, but for those in `keep`.

    links(column, value) gives the link of a cell, or None.
    """
    frame = frame.reset_index(drop=True)
    measured = [c for c in frame if c in keep or not len(frame) or frame[c].notna().any()]
    merged = {bound for c in INTERVALS if c in measured for bound in (f"{c}_low", f"{c}_high")}
    merged |= {total for count, total in OUT_OF.items() if count in measured}
    shown = [c for c in measured if c not in merged]
    heads = tuple(Head(c, _described(frame, c), _is_numeric(frame[c])) for c in shown)
    rows = tuple(
        Row(tuple(_cell(row, head, links) for head in heads), str(row.get("status", "")).startswith("published"))
        for row in frame.to_dict("records")
    )
    lacking = (c for c in frame if c not in measured and not c.endswith(("_low", "_high")))
    unmeasured = tuple(column(c).label for c in lacking if column(c).form != "text")
    return Table(anchor("table", name), caption, heads, rows, unmeasured)


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _described(frame: pd.DataFrame, key: str) -> Column:
    found = column(key)
    return replace(found, form="text") if found.form != "text" and not _is_numeric(frame[key]) else found


def _cell(row: Mapping[str, Any], head: Head, links: Links) -> Cell:
    value, differs = row[head.key], incomparable(row, head.key)
    if pd.isna(value):
        return Cell(EMPTY, reason=_reason(row, head.key))
    if not head.numeric:
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        text = text.replace("_", " ") if head.key == "stage" else text
        return Cell(text, text, differs, links(head.key, str(value)))
    text = number(value, head.column.form)
    if head.key in OUT_OF and not pd.isna(row.get(OUT_OF[head.key])):
        text += f" of {number(row[OUT_OF[head.key]], 'count')}"
    bounds = [row.get(f"{head.key}_{end}") for end in ("low", "high")] if head.key in INTERVALS else [None]
    if not any(pd.isna(bound) for bound in bounds):
        text += f" [{', '.join(number(bound, head.column.form) for bound in bounds)}]"
    return Cell(text, repr(float(value)), differs, links(head.key, str(value)))


def incomparable(row: Mapping[str, Any], key: str) -> str:
    """In what a value of this row differs from the others of its column: what its column `differs` says, `lut: stage; ...`."""
    said = row.get("differs")
    parts = [part.partition(": ") for part in said.split("; ")] if isinstance(said, str) else []
    found = (what for name, colon, what in parts if colon and key.startswith(name))
    return next((f"not comparable: different {what}" for what in found), "")


def _reason(row: Mapping[str, Any], key: str) -> str:
    """Why a cell is empty: what the row itself says, where it says so."""
    status = row.get("status")
    if key == "notes":
        return "nothing to add"
    if isinstance(status, str) and status.partition(";")[0] not in ("done", ""):
        return status
    if key.startswith("netlist") and isinstance(notes := row.get("notes"), str) and "netlist not simulated" in notes:
        return notes
    return "not measured" if status != "done" else "not measured by this flow, or not at this stage"
