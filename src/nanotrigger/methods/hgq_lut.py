"""HGQ-LUT: networks of learned look-up tables, with a width for the input and the values of each (2604.22293), by HGQ2.

A layer has no weights: every unit is a sum of functions, one of each input, which become tables in hardware. While they
train the functions are small networks; as with HGQ one walk of beta leaves a front, of which a model is the most accurate
checkpoint within its EBOPs. EBOPs are HGQ2's of tables, an estimate of their LUTs as those of products are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from nanotrigger.methods.base import Job
from nanotrigger.training import hgq_front

exports = frozenset({"qonnx"})
constructs = frozenset({"tables"})
sweepable = frozenset({"ebops"})
roles = frozenset({"granularity"})

NETWORK = "model/network.keras"
EXACT = "model/network.npz"


class Params(hgq_front.FrontParams):
    """Config stanza of an HGQ-LUT model."""

    hidden: tuple[PositiveInt, ...] = Field((20,), description="units of the hidden layers")
    function_units: PositiveInt = Field(
        8, description="hidden units of the small network that each table is trained as"
    )
    function_layers: PositiveInt = Field(
        1, description="hidden layers of the small network that each table is trained as"
    )
    input_fraction: int = Field(6, ge=0, le=8, description="binary places of every table's input when training starts")
    granularity: Literal["parameter", "channel", "layer"] = Field(
        "parameter",
        description="what has a width of its own: the input and the values of each table; each input, and the tables "
        "that lead to a unit; the inputs and the tables of a layer",
    )


def train(data, jobs: Sequence[Job]) -> None:
    """Train one walk per seed and give each job the best checkpoint within its EBOPs."""
    from nanotrigger.qonnx.tables import ebops
    from nanotrigger.training import hgq_tables
    from nanotrigger.training.keras_file import save_network

    def save(tables, checkpoint, folder):
        save_network(hgq_tables.seal(tables, checkpoint.numbers), folder / NETWORK)
        tables.network.save(folder / EXACT)

    params = jobs[0].params
    layers = hgq_tables.layers(params.function_units, params.function_layers, params.input_fraction)
    hgq_front.train(data, jobs, hgq_front.Kind(layers, hgq_tables.exact, lambda tables: ebops(tables.network), save))


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the tables."""
    from nanotrigger.qonnx.tables import TableNetwork

    return TableNetwork.load(folder / EXACT).predict(x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    from nanotrigger.qonnx.tables import TableNetwork, summary, write_tables

    network = TableNetwork.load(folder / EXACT)
    write_tables(network, path, metadata)
    return summary(network)
