"""PTQ: a floating-point network quantised after training, at one width throughout: what QAT has to beat.

Every width of a sweep quantises the same teacher. Ranges are those with the smallest error on jets of the train split.
Correcting the biases by the mean error of the sums (1906.04721) was tried and lost accuracy at 4 and 6 bits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from nanotrigger.methods.base import Job, Step, TrainingParams
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset({"bits", "input_bits"})
roles = frozenset({"ptq"})


class Params(TrainingParams):
    """Config stanza of a network quantised after training; the keys of a training are the teacher's."""

    bits: int = Field(8, ge=2, le=16, description="width of weights and biases, sign included, and of activations")
    input_bits: int = Field(16, ge=2, le=20, description="width of the standardised features")
    batch_norm: bool = Field(False, description="batch normalisation behind every dense layer of the teacher")


def train_teacher(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """The floating-point networks, one for each seed."""
    seeds = sorted({job.seed for job in jobs})
    mlp.train_teacher(data, jobs, seeds, output, batch_norm=jobs[0].params.batch_norm)


steps = (
    Step(
        "teacher.safetensors",
        train_teacher,
        keys=("hidden", "epochs", "batch_size", "learning_rate", "patience", "l1", "batch_norm"),
        per_seed=True,
    ),
)


def train(data, jobs: Sequence[Job]) -> None:
    """Quantise the teachers to the width of every point; a model's history is its teacher's."""
    from nanotrigger.training.network import Widths

    def quantise(stack: list[Job]):
        network, fitted = mlp.load_teacher(stack[0].inputs["teacher.safetensors"], stack)
        params = stack[0].params
        network.set_widths([Widths.uniform(network.layers, job.params.bits, params.input_bits) for job in stack])
        mlp.calibrate(network, data)
        return network, fitted

    mlp.train(jobs, ("bits",), quantise)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
