"""Uniform: quantisation-aware training at one width of weights, biases and activations (INT12 to INT4 of 2304.06745).

Plain, with an L1 penalty, with batch normalisation, or with both, as in that paper's ablation. In a sweep all widths,
rates and penalties train together; models with batch normalisation train after those without.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from nanotrigger.methods.base import Job, Precision, TrainingParams
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset({"bits", "l1", "learning_rate", "batch_norm", "input_bits"})
roles = frozenset({"ablation", "qat"})


class Params(TrainingParams):
    """Config stanza of a model with one width throughout."""

    bits: int = Field(8, ge=2, le=16, description="width of weights and biases, sign included, and of activations")
    input_bits: int | None = Field(
        16,
        ge=2,
        le=20,
        description="width of the standardised features; if null that of the rest, as 2304.06745 has it",
    )
    batch_norm: bool = Field(False, description="batch normalisation behind every dense layer, folded into it")

    @model_validator(mode="before")
    @classmethod
    def _inputs_like_the_rest(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and keys.get("input_bits", 0) is None:
            return keys | {"input_bits": keys.get("bits", cls.model_fields["bits"].default)}
        return keys


def precision(params: Params) -> Precision:
    """INT8, say; the width of the inputs is named where it is another."""
    return Precision(f"INT{params.bits}" + f", {params.input_bits}-bit input" * (params.input_bits != params.bits))


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of all points and seeds."""
    from nanotrigger.training.network import Widths

    def train_stack(stack: list[Job]):
        params = stack[0].params
        widths = [Widths.uniform(len(params.hidden) + 1, job.params.bits, params.input_bits) for job in stack]
        network = mlp.build(data, stack, widths, batch_norm=params.batch_norm)
        mlp.calibrate(network, data, statistics=True)
        return network, mlp.fit(network, data, stack)

    mlp.train(jobs, ("bits", "l1", "learning_rate"), train_stack)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
