"""Prune: iterative magnitude pruning to a sparsity while training at one width.

The sparsity of every layer rises on the polynomial of 1710.01878 (Zhu & Gupta), the smallest weights go first, and
training goes on with the others. All sparsities of a sweep train together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from nanotrigger.errors import ConfigError
from nanotrigger.methods import uniform
from nanotrigger.methods.base import Job
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable = uniform.sweepable | {"sparsity"}
roles = frozenset({"sparsity"})


class Params(uniform.Params):
    """Config stanza of a pruned model."""

    bits: int = Field(6, ge=2, le=16, description="width of weights and biases, sign included, and of activations")
    sparsity: float = Field(ge=0, lt=1, description="share of each layer's weights that is pruned in the end")
    prune_from: float = Field(0.1, ge=0, lt=1, description="share of the epochs before the first weight is pruned")
    prune_until: float = Field(0.6, gt=0, lt=1, description="share of the epochs after which no more is pruned")

    @model_validator(mode="after")
    def _ordered(self):
        if self.prune_from >= self.prune_until:
            raise ConfigError(
                f"prune_until = {self.prune_until:g}: is not after prune_from = {self.prune_from:g}. Raise it, or lower "
                "prune_from."
            )
        return self


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of all points and seeds; only networks of the final sparsity are kept."""
    import torch

    from nanotrigger.training.network import BatchedMLP, Widths
    from nanotrigger.training.pruning import polynomial_sparsity, prune

    def train_stack(stack: list[Job]):
        params = stack[0].params
        widths = [Widths.uniform(len(params.hidden) + 1, job.params.bits, params.input_bits) for job in stack]
        final = [job.params.sparsity for job in stack]
        # epochs count from 1; the last one, at least, trains what is left
        begin, end = (max(1, int(share * params.epochs)) for share in (params.prune_from, params.prune_until))

        def before_epoch(network: BatchedMLP, epoch: int) -> None:
            if begin <= epoch <= end:
                prune(network, torch.tensor([polynomial_sparsity(epoch, s, begin, end) for s in final]))

        network = mlp.build(data, stack, widths, batch_norm=params.batch_norm, pruned=True)
        mlp.calibrate(network, data, statistics=True)
        what = f"pruned from {begin} until {end} to {final}"
        return network, mlp.fit(network, data, stack, settled=end, before_epoch=before_epoch, what=what)

    mlp.train(jobs, ("bits", "l1", "learning_rate", "sparsity"), train_stack)


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the pruned network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx; what is pruned is zero in it and costs nothing."""
    return mlp.export(folder, kind, path, metadata)
