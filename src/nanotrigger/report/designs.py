"""All designs: a row per model, seed and flow, those that were not built or failed with the reason."""

from collections.abc import Callable
from typing import Any

from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import table

TITLE = "Designs"


def links(source: Source) -> Callable[[str, str], str | None]:
    """Cells that name a model of the run lead to its page."""

    def link(key: str, value: str) -> str | None:
        known = key in ("model", "other") and value in source.plan.models
        return f"#{anchor('model', value)}" if known else None

    return link


def content(source: Source) -> dict[str, Any] | None:
    designs = source.designs
    if designs is None or not len(designs):
        return None
    finished = source.path("tables/hardware.csv") is not None
    caption = "Designs" if finished else "Designs so far: the run did not finish"
    keep = ("model", "seed", "flow", "status")
    return {"table": table(designs, "hardware", caption, links(source), keep=keep), "finished": finished}
