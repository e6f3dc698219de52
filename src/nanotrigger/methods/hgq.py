"""HGQ: high-granularity quantisation, every weight and activation with a width of its own (2405.00645), by HGQ2.

One training walks beta, the price of an effective bit operation, upwards and leaves a front of checkpoints; a model is
the most accurate of them, on the validation split, within its stanza's EBOPs. Budgets of one stanza share the walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.methods.base import Job
from nanotrigger.training import hgq_front

exports = frozenset({"qonnx", "keras"})
sweepable = frozenset({"ebops"})
roles = frozenset({"front", "granularity"})

NETWORK = "model/network.keras"
EXACT = "model/network.npz"


class Params(hgq_front.FrontParams):
    """Config stanza of an HGQ model."""


def kind() -> hgq_front.Kind:
    """HGQ2's dense layers."""
    from nanotrigger.qonnx import costs
    from nanotrigger.training import hgq_engine as engine
    from nanotrigger.training.keras_file import save_network

    def save(network, checkpoint, folder):
        save_network(engine.seal(network), folder / NETWORK)
        network.save(folder / EXACT)

    return hgq_front.Kind(engine.DENSE, engine.fixed_point, costs.ebops, save)


def train(data, jobs: Sequence[Job]) -> None:
    """Train one walk per seed and give each job the best checkpoint within its EBOPs."""
    hgq_front.train(data, jobs, kind())


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the Keras network."""
    from nanotrigger.training import hgq_engine  # noqa: F401  chooses the backend
    from nanotrigger.training.keras_file import load_network

    model = load_network(folder / NETWORK)
    return np.asarray(model.predict(x, verbose=0, batch_size=16384), np.float64)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx, or the Keras file for tools that read HGQ2 networks."""
    import shutil

    from nanotrigger.qonnx.costs import summary
    from nanotrigger.qonnx.export import write_qonnx
    from nanotrigger.qonnx.fixed_point import FixedPointNetwork

    network = FixedPointNetwork.load(folder / EXACT)
    if kind == "keras":
        shutil.copy(folder / NETWORK, path)
    else:
        write_qonnx(network, path, metadata)
    return summary(network)
