"""HAWQ: Hessian-aware mixed-precision quantisation (Dong et al. 2019, 1911.03852; Campos et al. 2304.06745).

A floating-point teacher gives the trace of the loss Hessian per layer; an integer programme gives each layer the width
that loses least under a budget of BOPs; the network is then trained with those widths, starting from the teacher.

The programme of the code published with 2304.06745 differs from the method in two ways, and both can be had. Its step is too
large by an order of magnitude, (qmax - qmin) / (qmax - 1), about 2 on weights below 1 at any width, so that nearly all of
them are lost at every width and its perturbations hardly depend on it. And it counts the activations that a layer reads as
if they had the width of that layer, while its networks give them that of the layer before: what it chooses may cost more, or
less, than it says. `allocation.json` holds both counts.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from nanotrigger.errors import ConfigError
from nanotrigger.methods.base import Job, Step, TrainingParams, layer_sizes, same
from nanotrigger.qonnx.costs import hawq_layer_bops
from nanotrigger.training import jobs as mlp
from nanotrigger.training.allocation import allocate, path_bops, smallest_budget

exports = frozenset({"qonnx"})
sweepable = frozenset({"bops_budget", "allocation"})


class Params(TrainingParams):
    """Config stanza of a HAWQ model."""

    bops_budget: PositiveInt = Field(description="largest BOPs of 2304.06745 that the allocation may spend")
    weight_bits: tuple[int, ...] = Field((4, 5, 6, 7, 8), description="widths that a layer's weights may have")
    allocation: Literal["correct", "reference"] = Field(
        "correct",
        description="how widths are chosen: by the error of the grids that are trained and by the network's own BOPs, or as "
        "the code published with 2304.06745 does, with its step and its activations",
    )
    activation_extra_bits: int = Field(
        3, ge=0, le=8, description="how many bits wider than its weights the activations that leave a layer are"
    )
    input_bits: int = Field(16, ge=2, le=20, description="width of the standardised features")
    teacher_epochs: PositiveInt = Field(50, description="epochs of the floating-point teacher at most")
    probes: int = Field(100, ge=2, description="random vectors for each Hessian trace")
    probe_jets: PositiveInt = Field(8192, description="train jets over which the Hessian is averaged")

    @model_validator(mode="after")
    def _feasible(self):
        if not self.weight_bits or min(self.weight_bits) < 2 or max(self.weight_bits) > 16:
            raise ConfigError(f"weight_bits = {list(self.weight_bits)}: give widths from 2 to 16.")
        if self.allocation == "reference" and 2 in self.weight_bits:
            raise ConfigError(
                f"weight_bits = {list(self.weight_bits)}: the reference's step divides by zero at 2 bits. Leave 2 out, or set "
                "allocation: correct."
            )
        least = smallest_budget(bops_table(self))
        if self.bops_budget < least:
            raise ConfigError(
                f"bops_budget = {self.bops_budget}: no choice of weight_bits {self.weight_bits} fits; the smallest needs "
                f"{least:,.0f}. Raise bops_budget, or add smaller widths to weight_bits."
            )
        return self


def bops_table(params: Params) -> np.ndarray:
    """BOPs (layers, choices, choices) by the width of the layer before and its own, nothing pruned.

    The first layer reads the inputs, every other the activations of the layer before, or, as the reference counts them,
    activations of its own width.
    """
    reads = np.array(params.weight_bits)[:, None] + params.activation_extra_bits
    if params.allocation == "reference":
        reads = reads.T
    tables = []
    for layer, (n, m) in enumerate(pairwise(layer_sizes(params))):
        activations = np.broadcast_to(reads if layer else params.input_bits, [len(params.weight_bits)] * 2)
        tables.append(hawq_layer_bops(n, m, activations, np.array(params.weight_bits)))
    return np.array(tables)


def train_teacher(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """The floating-point network whose Hessian is measured; shared by all points and seeds of the stanza."""
    mlp.train_teacher(data, jobs, [jobs[0].seed], output, epochs=jobs[0].params.teacher_epochs)


def measure_traces(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """Hessian trace per layer of the teacher, and what each width would do to its weights."""
    from nanotrigger.training.hessian import hessian_traces, quantisation_errors, reference_errors
    from nanotrigger.training.network import BatchedMLP

    params = jobs[0].params
    teacher = BatchedMLP.load(inputs["teacher.safetensors"])
    train = data.standardised("train")
    rows = np.random.default_rng(jobs[0].seed).permutation(len(train.x))[: params.probe_jets]
    estimate = hessian_traces(teacher, train.x[rows], train.y[rows], params.probes, jobs[0].seed)
    np.savez(
        output,
        trace=estimate.mean,
        standard_error=estimate.standard_error,
        correct=quantisation_errors(teacher, params.weight_bits),
        reference=reference_errors(teacher, params.weight_bits),
        weight_bits=params.weight_bits,
    )


def allocate_bits(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """Width of every layer for every point of the stanza."""
    from nanotrigger.results.records import read_arrays, write_json

    measured = read_arrays(inputs["traces.npz"])
    trace, errors = measured["trace"], {kind: measured[kind] for kind in ("correct", "reference")}
    chosen: dict[str, Any] = {}
    for name, params in {job.model: job.params for job in jobs}.items():
        table = bops_table(params)
        found = allocate(trace, errors[params.allocation], table, params.bops_budget, params.weight_bits)
        own = bops_table(params.model_copy(update={"allocation": "correct"}))
        chosen[name] = {
            **vars(found),
            "budget": params.bops_budget,
            "allocation": params.allocation,
            "network_bops": path_bops(own, [params.weight_bits.index(bits) for bits in found.bits]),
        }
    write_json(output, chosen)


_NETWORK = ("hidden", "batch_size", "learning_rate", "patience", "l1", "teacher_epochs")
_HESSIAN = (*_NETWORK, "weight_bits", "probes", "probe_jets")

steps = (
    Step("teacher.safetensors", train_teacher, keys=_NETWORK),
    Step("traces.npz", measure_traces, needs=("teacher.safetensors",), keys=_HESSIAN),
    Step(
        "allocation.json",
        allocate_bits,
        needs=("traces.npz",),
        keys=("hidden", "weight_bits", "activation_extra_bits", "input_bits", "bops_budget", "allocation"),
        data=False,
    ),
)


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of all points and seeds at once, each from the teacher's parameters."""
    from nanotrigger.results.records import read_json
    from nanotrigger.training.network import BatchedMLP, Widths

    allocation = read_json(jobs[0].inputs["allocation.json"])
    extra, input_bits = same(jobs, "activation_extra_bits"), same(jobs, "input_bits")
    widths = [Widths.leaving(allocation[job.model]["bits"], extra, input_bits) for job in jobs]
    network = mlp.build(data, jobs, widths)
    network.copy_parameters(BatchedMLP.load(jobs[0].inputs["teacher.safetensors"]), [0] * len(jobs))
    mlp.save(network, jobs, mlp.fit(network, data, jobs))


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
