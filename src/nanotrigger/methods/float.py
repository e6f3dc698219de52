"""Floating point: the reference network, exported as 16-bit fixed point after training.

The 16-64-32-32-5 perceptron of 1804.06913; widths from the ranges measured on the train split.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from nanotrigger.methods.base import Job, TrainingParams, layer_sizes, same
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset()


class Params(TrainingParams):
    """Config stanza of a floating-point model."""

    bits: int = Field(16, ge=2, le=24, description="width of weights, activations and inputs after training")


def train(data, jobs: Sequence[Job]) -> None:
    """Train all jobs at once in floating point, then give each its fixed-point widths."""
    from nanotrigger.training.network import BatchedMLP, Widths

    sizes = layer_sizes(jobs[0].params)
    layers = len(sizes) - 1
    x = data.standardised("train").x
    network = BatchedMLP(sizes, [Widths.floating(layers)] * len(jobs), np.abs(x).max(), [job.seed for job in jobs])
    fit = mlp.fit(network, data, jobs)
    bits = same(jobs, "bits")
    network.set_widths([Widths(bits, (bits,) * layers, (bits,) * (layers - 1))] * len(jobs))
    mlp.measure(network, x)
    mlp.save(network, jobs, fit)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the fixed-point network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
