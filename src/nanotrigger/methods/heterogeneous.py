"""Heterogeneous: quantisation-aware training with a quantiser of its own for every kernel, bias and activation.

What 2006.10159 does by hand (its BH) and by search (its QE and QB; see the method autoq). Quantisers are named in the
stanza, layer by layer: a width in bits, binary, ternary, or a power of two. All points of a sweep train together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from nanotrigger.errors import ConfigError
from nanotrigger.methods._quantisers import ActivationQuantiser, ParameterQuantiser
from nanotrigger.methods.base import Job, TrainingParams
from nanotrigger.qonnx.kinds import LayerFormat, layers
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset({"kernels", "biases", "activations", "l1", "learning_rate"})


class Params(TrainingParams):
    """Config stanza of a heterogeneously quantised model."""

    kernels: tuple[ParameterQuantiser, ...] = Field(
        description="quantiser of each layer's weights: a width from 2 to 16, `binary`, `ternary`, `po2_2` to `po2_5`"
    )
    biases: tuple[ParameterQuantiser, ...] = Field(description="the same of each layer's biases")
    activations: tuple[ActivationQuantiser, ...] = Field(
        description="the same of each hidden layer's activations, powers of two up to `po2_4`"
    )
    input_bits: int = Field(16, ge=2, le=20, description="width of the standardised features")

    @model_validator(mode="after")
    def _complete(self):
        hidden = len(self.hidden)
        for key, needed in (("kernels", hidden + 1), ("biases", hidden + 1), ("activations", hidden)):
            names = getattr(self, key)
            if len(names) != needed:
                raise ConfigError(
                    f"{key} = {list(names)}: {len(names)} for {hidden} hidden layers. Give {needed}, one for each "
                    f"{'hidden ' if key == 'activations' else ''}layer."
                )
        return self

    @property
    def formats(self) -> tuple[LayerFormat, ...]:
        return layers(self.kernels, self.biases, self.activations)


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of all points and seeds."""
    from nanotrigger.training.network import Widths

    def train_stack(stack: list[Job]):
        network = mlp.build(data, stack, [Widths.of(job.params.input_bits, job.params.formats) for job in stack])
        mlp.calibrate(network, data)
        return network, mlp.fit(network, data, stack)

    mlp.train(jobs, sweepable, train_stack)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
