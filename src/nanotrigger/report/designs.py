"""All designs: a row per model, seed and flow, those that were not built or failed with the reason."""

from typing import Any

from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import Links, stored

TITLE = "Designs"


def links(source: Source) -> Links:
    """Cells that name a model of the run lead to its page, if it has one."""
    paged = frozenset(source.paged)

    def link(key: str, value: str) -> str | None:
        known = key in ("model", "other") and value in paged
        return f"#{anchor('model', value)}" if known else None

    return link


def content(source: Source) -> dict[str, Any] | None:
    finished = source.path("tables/hardware.csv") is not None
    name, caption = ("hardware", "Designs") if finished else ("hardware_unfinished", "Designs so far")
    shown = stored(source, name, caption, links(source), keep=("model", "seed", "flow", "status"))
    return None if shown is None else {"table": shown, "finished": finished}
