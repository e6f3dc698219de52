"""The chain that makes a figure of hardware one of the trained network: each link compared with the one before, bit for bit."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Link:
    """A link of the chain. vectors, mismatches: what was compared, None where nothing was; reason: why, then."""

    name: str
    vectors: int | None = None
    mismatches: int | None = None
    reason: str = ""

    @property
    def verdict(self) -> str:
        if self.vectors is None or self.mismatches is None:
            return "not compared"
        return "differs" if self.mismatches else "equal"

    @property
    def sign(self) -> str:
        return {"equal": "=", "differs": "≠", "not compared": "?"}[self.verdict]


@dataclass(frozen=True)
class Chain:
    """From Python to gates in one flow. flow: None where the run builds no design of the model."""

    flow: str | None
    links: tuple[Link, ...]


def _link(name: str, values: Mapping[str, Any], vectors: str, mismatches: str, reason: str) -> Link:
    found = [values.get(vectors), values.get(mismatches)]
    if any(value is None or pd.isna(value) for value in found):
        return Link(name, reason=reason)
    return Link(name, int(found[0]), int(found[1]))


def chains(
    metrics: Mapping[str, Any] | None, designs: list[Mapping[str, Any]], simulated: Collection[str]
) -> list[Chain]:
    """A chain per design of one model and seed.

    metrics: its metrics.json; designs: its rows in the table of designs; simulated: the flows that can simulate what
    synthesis made. A count that is missing is never read as zero.
    """
    qonnx = _link(
        "QONNX file", metrics or {}, "qonnx_vectors", "qonnx_mismatches", "not compared: the run stopped before"
    )
    found = []
    for row in designs:
        status, notes = str(row.get("status") or ""), row.get("notes")
        emulated = _link(f"{row['flow']}: hardware description", row, "vectors", "mismatches", status)
        said = [n for n in str(notes).split("; ") if "netlist" in n] if isinstance(notes, str) else []
        none = "not recorded" if row["flow"] in simulated else "this flow leaves no netlist that can be simulated"
        why = "; ".join(said) or (status if status != "done" else none)
        netlist = _link(f"{row['flow']}: netlist", row, "netlist_vectors", "netlist_mismatches", why)
        untouched = emulated.reason and emulated.reason == netlist.reason  # one reason is enough
        found.append(Chain(row["flow"], (qonnx, emulated) if untouched else (qonnx, emulated, netlist)))
    return found or [Chain(None, (qonnx,))]
