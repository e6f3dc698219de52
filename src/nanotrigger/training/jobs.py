"""From a method's jobs to the batched engine and back to files: what the torch methods share.

Methods import this module when a config is validated, so torch is imported only where something is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanotrigger.methods.base import Job, layer_sizes, same

if TYPE_CHECKING:
    from nanotrigger.data.dataset import Dataset
    from nanotrigger.training.checkpoint import Checkpoint
    from nanotrigger.training.loop import Fit, Schedule
    from nanotrigger.training.network import BatchedMLP, Widths

CALIBRATION = 16384
"""Train jets from which the activation ranges of a finished network are chosen."""

WEIGHTS = "model/network.safetensors"


def stacks(jobs: Sequence[Job], free: Collection[str]) -> list[list[Job]]:
    """Jobs that can train together: those that differ in the keys `free` alone, of which the engine takes an array.

    A key that changes the computation itself, as batch_norm does, splits a stanza into stacks that train one after the
    other: a mixed stack would do the dearer computation for all of its models.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        fixed = job.params.model_dump(exclude=set(free))
        groups.setdefault(repr(sorted(fixed.items())), []).append(job)
    return list(groups.values())


def train(
    jobs: Sequence[Job], free: Collection[str], train_stack: Callable[[list[Job]], tuple[BatchedMLP, Fit]]
) -> None:
    """Train the stacks of the jobs one after the other; write the models once all of them have come to a good end."""
    done = [(train_stack(stack), stack) for stack in stacks(jobs, free)]
    for (network, fitted), stack in done:
        save(network, stack, fitted)


def schedule(jobs: Sequence[Job], **changed: Any) -> Schedule:
    """The schedule of jobs that train together."""
    from nanotrigger.training.loop import Schedule

    shared = {key: same(jobs, key) for key in ("epochs", "batch_size", "patience") if key not in changed}
    arrays = {key: tuple(getattr(job.params, key) for job in jobs) for key in ("learning_rate", "l1")}
    return Schedule(**(shared | arrays | changed))


def build(data: Dataset, jobs: Sequence[Job], widths: Sequence[Widths], **options: Any) -> BatchedMLP:
    """The untrained stack of jobs; its input range is that of the train split."""
    from nanotrigger.training.network import BatchedMLP

    peak = np.abs(data.standardised("train").x).max()
    return BatchedMLP(layer_sizes(jobs[0].params), widths, peak, [job.seed for job in jobs], **options)


def checkpoint(job: Job, name: str) -> Checkpoint | None:
    """Where a training of that name keeps its checkpoint; none where the job has no folder that outlives it."""
    from nanotrigger.training.checkpoint import Checkpoint

    return job.scratch and Checkpoint(job.scratch / f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_')}.safetensors")


def fit(network: BatchedMLP, data: Dataset, jobs: Sequence[Job], **changed: Any) -> Fit:
    """Train a stack whose models are `jobs`, in that order. changed: what its schedule has beside the jobs' keys."""
    from nanotrigger.training import loop

    names = [str(job) for job in jobs]
    plan = schedule(jobs, **changed)
    return loop.fit(network, data, plan, names, [job.seed for job in jobs], checkpoint(jobs[0], names[0]))


def train_teacher(data: Dataset, jobs: Sequence[Job], seeds: Sequence[int], output: Path, **options: Any) -> None:
    """Train floating-point networks of a stanza, one for each seed, with the keys of its first model, and write them.

    options: `epochs` in place of the stanza's; `batch_norm`.
    """
    import json

    from nanotrigger.training import loop
    from nanotrigger.training.network import BatchedMLP, Widths

    train = data.standardised("train").x
    sizes = layer_sizes(jobs[0].params)
    widths = [Widths.floating(len(sizes) - 1)] * len(seeds)
    network = BatchedMLP(sizes, widths, np.abs(train).max(), seeds, options.pop("batch_norm", False))
    calibrate(network, data, statistics=True)
    plan = schedule([jobs[0]] * len(seeds), what="teacher", **options)
    names = [f"teacher of {jobs[0].model} (seed {seed})" for seed in seeds]
    fitted = loop.fit(network, data, plan, names, seeds, checkpoint(jobs[0], "teacher"))
    # one key: safetensors writes several in any order, and the file would not be the same twice
    network.save(output, metadata={"training": json.dumps({"seeds": list(seeds), "history": fitted.history})})


def load_teacher(path: Path, jobs: Sequence[Job]) -> tuple[BatchedMLP, Fit]:
    """What `train_teacher` wrote: a stack with the teacher of each job, by its seed, and how they were trained."""
    import json

    from safetensors import SafetensorError, safe_open

    from nanotrigger.results.records import readable
    from nanotrigger.training.loop import Fit
    from nanotrigger.training.network import BatchedMLP

    with readable(path, SafetensorError, TypeError), safe_open(path, "pt") as file:
        training = json.loads(file.metadata()["training"])
    seeds, history = training["seeds"], training["history"]
    chosen = [seeds.index(job.seed) for job in jobs]
    return BatchedMLP.load(path).folded(chosen), Fit([history[i] for i in chosen], [])


def calibrate(network: BatchedMLP, data: Dataset, statistics: bool = False) -> None:
    """Set activation ranges, and the statistics of batch normalisation, from jets of the train split."""
    import torch

    x = torch.from_numpy(data.standardised("train").x[:CALIBRATION])
    for _, part in network.parts(len(x)):
        part.calibrate(x, statistics)


def save(network: BatchedMLP, jobs: Sequence[Job], fitted: Fit) -> None:
    """Write each model's parameters and history into its job's folder."""
    from nanotrigger.training.history import write_history

    for model, job in enumerate(jobs):
        network.save(job.folder / WEIGHTS, [model])
        write_history(job.folder / "history.csv", fitted.history[model])


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) float64 of a saved model for standardised jets."""
    from nanotrigger.training.network import BatchedMLP

    return BatchedMLP.load(folder / WEIGHTS).predict(x)[0]


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write a saved model as QONNX. Returns its costs."""
    from nanotrigger.qonnx.costs import summary
    from nanotrigger.qonnx.export import write_qonnx
    from nanotrigger.training.network import BatchedMLP

    if kind != "qonnx":
        raise ValueError(f"cannot export {kind}")
    network = BatchedMLP.load(folder / WEIGHTS).fixed_point()
    write_qonnx(network, path, metadata)
    return summary(network)
