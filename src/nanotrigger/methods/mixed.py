"""Mixed: quantisation-aware training with a width for each layer, given by the stanza (2304.06745's w4a7 to w8a11).

Activations are wider than the weights of the layer that they leave, as in that paper's networks. In a sweep all choices of
widths train together; 5^4 of them are the paper's scan of layer precisions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from nanotrigger.errors import ConfigError
from nanotrigger.methods.base import Job, TrainingParams
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = frozenset({"weight_bits", "activation_extra_bits", "l1", "learning_rate", "input_bits", "batch_norm"})


class Params(TrainingParams):
    """Config stanza of a model with a width for each layer."""

    weight_bits: tuple[Annotated[int, Field(ge=2, le=16)], ...] = Field(
        description="width of the weights and biases of each layer, the last one included; sign included"
    )
    activation_extra_bits: int = Field(
        3, ge=0, le=8, description="how many bits wider than its weights the activations that leave a layer are"
    )
    input_bits: int = Field(16, ge=2, le=20, description="width of the standardised features")
    batch_norm: bool = Field(False, description="batch normalisation behind every dense layer, folded into it")

    @model_validator(mode="after")
    def _one_for_each_layer(self):
        if len(self.weight_bits) != len(self.hidden) + 1:
            raise ConfigError(
                f"weight_bits = {list(self.weight_bits)}: give one width for each of the {len(self.hidden) + 1} layers "
                f"(hidden = {list(self.hidden)} and the output)."
            )
        return self


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of all points and seeds."""
    from nanotrigger.training.network import Widths

    def train_stack(stack: list[Job]):
        params = stack[0].params
        widths = [
            Widths.leaving(job.params.weight_bits, job.params.activation_extra_bits, params.input_bits) for job in stack
        ]
        network = mlp.build(data, stack, widths, batch_norm=params.batch_norm)
        mlp.calibrate(network, data, statistics=True)
        return network, mlp.fit(network, data, stack)

    mlp.train(jobs, ("weight_bits", "activation_extra_bits", "l1", "learning_rate"), train_stack)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
