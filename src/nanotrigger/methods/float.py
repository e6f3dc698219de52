"""Floating point: the reference network, exported as 16-bit fixed point after training.

The 16-64-32-32-5 perceptron of 1804.06913; widths from the ranges measured on the train split.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from nanotrigger.methods.base import Job, Precision, TrainingParams, layer_sizes
from nanotrigger.qonnx.costs import hawq_layer_bops
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset({"learning_rate", "l1", "batch_norm"})
roles = frozenset({"ablation"})


class Params(TrainingParams):
    """Config stanza of a floating-point model."""

    bits: int = Field(16, ge=2, le=24, description="width of weights, activations and inputs after training")
    batch_norm: bool = Field(False, description="batch normalisation behind every dense layer, folded into it")


def precision(params: Params) -> Precision:
    """FP32, whose numbers have 32 bits and are never exactly zero: 4,652,832 BOPs for the network of 2304.06745."""
    return Precision("FP32", sum(hawq_layer_bops(n, m, 32, 32) for n, m in pairwise(layer_sizes(params))))


def train(data, jobs: Sequence[Job]) -> None:
    """Train all jobs in floating point, then give each its fixed-point widths."""
    from nanotrigger.training.network import Widths

    def train_stack(stack: list[Job]):
        params = stack[0].params
        layers = len(params.hidden) + 1
        floating = [Widths.floating(layers)] * len(stack)
        network = mlp.build(data, stack, floating, batch_norm=params.batch_norm)
        mlp.calibrate(network, data, statistics=True)
        fitted = mlp.fit(network, data, stack)
        network = network.folded()
        network.set_widths([Widths.uniform(layers, params.bits, params.bits)] * len(stack))
        mlp.calibrate(network, data)
        return network, fitted

    mlp.train(jobs, ("learning_rate", "l1"), train_stack)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the fixed-point network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
