"""A front of checkpoints from walks of beta, and the models that are chosen from it: what the methods by HGQ2 share.

One training walks beta, the price of an effective bit operation, upwards and leaves a front of checkpoints; a model is
the most accurate of them, on the validation split, within its stanza's EBOPs. Budgets of one stanza share the walk.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from nanotrigger.errors import NanotriggerError
from nanotrigger.methods.base import Job, PerceptronParams, layer_sizes, same

if TYPE_CHECKING:
    from nanotrigger.data.dataset import Split
    from nanotrigger.training.hgq_engine import Checkpoint, Layers


class FrontParams(PerceptronParams):
    """Keys of every method that walks beta."""

    ebops: PositiveInt = Field(description="largest EBOPs of the model")
    beta: tuple[PositiveFloat, PositiveFloat] = Field(
        (5e-7, 1e-3), description="first and last price of an EBOP in the loss; it rises on a logarithmic scale"
    )
    warmup: NonNegativeInt = Field(20, description="epochs at the first beta before it rises")
    restarts: PositiveInt = Field(1, description="times that the learning rate falls on its cosine")
    granularity: Literal["parameter", "channel", "layer"] = Field(
        "parameter",
        description="what has a width of its own: each weight and activation; each activation, and the weights that "
        "lead to a unit; the weights and the activations of a layer",
    )
    margin: float = Field(1.25, ge=1, description="factor on the largest activation seen, before rounding up the range")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.beta[0] > self.beta[1]:
            raise ValueError(f"beta = {list(self.beta)}: falls, but a walk raises it. Swap the two")
        if self.restarts > self.epochs:
            raise ValueError(f"restarts = {self.restarts}: are more than the {self.epochs} epochs. Lower restarts")
        return self


@dataclass(frozen=True)
class Kind:
    """What a method has of its own.

    layers: what is trained; exact(numbers, jets, margin): a checkpoint's network in exact numbers, which has `predict`;
    ebops(network): what it costs; save(network, checkpoint, folder): write it.
    """

    layers: "Layers"
    exact: Callable[[dict[str, np.ndarray], np.ndarray, float], Any]
    ebops: Callable[[Any], int]
    save: Callable[[Any, "Checkpoint", Path], None]


def learning_rate(params: FrontParams, epoch: int) -> float:
    """Of an epoch, counted from 0: cosines that fall to a twentieth."""
    period = params.epochs / params.restarts
    phase = epoch % period / period
    return params.learning_rate * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * phase)))


def betas(params: FrontParams) -> tuple[float, ...]:
    """Of every epoch."""
    first, last = params.beta
    rise = np.clip((np.arange(params.epochs) - params.warmup) / max(params.epochs - params.warmup - 1, 1), 0, 1)
    return tuple((first * (last / first) ** rise).tolist())


def train(data: Any, jobs: Sequence[Job], kind: Kind) -> None:
    """Train one walk per seed and give each job the best checkpoint within its EBOPs."""
    from nanotrigger.progress import Progress
    from nanotrigger.training import hgq_engine as engine
    from nanotrigger.training.history import write_history
    from nanotrigger.training.snapshot import Snapshot

    params = jobs[0].params
    for key in type(params).model_fields:
        if key != "ebops":
            same(jobs, key)
    sizes = layer_sizes(params)
    first = {job.seed: job for job in reversed(jobs)}
    seeds = sorted(first)
    split, val = data.standardised("train"), data.standardised("val")

    def progress(epochs: range) -> Iterable[int]:
        title = f"training {jobs[0].model}, {len(seeds)} walk(s)"
        return Progress(epochs, desc=title, initial=epochs.start, total=epochs.stop)

    walked = engine.train_walks(
        sizes,
        params.granularity,
        [engine.Walk(str(first[seed]), seed, betas(params)) for seed in seeds],
        split,
        val,
        params.batch_size,
        lambda epoch: learning_rate(params, epoch),
        stop_below=0.5 * min(job.params.ebops for job in jobs),
        progress=progress,
        snapshot=jobs[0].scratch and Snapshot(jobs[0].scratch / "walks.safetensors"),
        layers=kind.layers,
    )
    seen = np.concatenate([split.x, val.x])
    fronts = {seed: front(walk.front, seen, val, params.margin, kind) for seed, walk in zip(seeds, walked, strict=True)}
    # all are chosen before one is written: a budget that cannot be met leaves no model behind
    chosen = [choose(job, fronts[job.seed]) for job in jobs]
    histories = dict(zip(seeds, (walk.rows() for walk in walked), strict=True))
    for job, point in zip(jobs, chosen, strict=True):
        (job.folder / "model").mkdir(parents=True, exist_ok=True)
        kind.save(point.network, point.checkpoint, job.folder)
        rows = [{"epoch": p.checkpoint.epoch, "ebops": p.ebops, "val_accuracy": p.accuracy} for p in fronts[job.seed]]
        write_history(job.folder / "model/front.csv", rows)
        write_history(job.folder / "history.csv", histories[job.seed])
        print(f"{job}: epoch {point.checkpoint.epoch}, {point.ebops} EBOPs, validation accuracy {point.accuracy:.4f}")


@dataclass(frozen=True)
class Point:
    """A checkpoint as an exact network, with the EBOPs of its traced ranges and its accuracy on the validation split."""

    checkpoint: "Checkpoint"
    ebops: int
    accuracy: float
    network: Any


def front(
    checkpoints: Sequence["Checkpoint"], seen: np.ndarray, val: "Split", margin: float, kind: Kind
) -> list[Point]:
    """The checkpoints of a walk with ranges traced on the jets `seen`, cheapest first.

    Those that have lost their input, and are no better than naming the most frequent class, are no models.
    """
    points, constant = [], float(np.bincount(val.y).max() / len(val.y))
    for checkpoint in checkpoints:
        network = kind.exact(checkpoint.numbers, seen, margin)
        accuracy = float((network.predict(val.x).argmax(1) == val.y).mean())
        if accuracy > constant:
            points.append(Point(checkpoint, kind.ebops(network), accuracy, network))
    return sorted(points, key=lambda point: point.ebops)


def choose(job: Job, points: Sequence[Point]) -> Point:
    """The most accurate point within a job's EBOPs, the cheapest of equals. Raises NanotriggerError where there is none."""
    within = [point for point in points if point.ebops <= job.params.ebops]
    if not within:
        if not points:
            raise NanotriggerError(
                f"{job}: no checkpoint of the walk is better than a constant answer. Lower learning_rate "
                f"({job.params.learning_rate:g}) or the first beta ({job.params.beta[0]:g}), or raise epochs."
            )
        raise NanotriggerError(
            f"{job}: ebops = {job.params.ebops}: no checkpoint is that small; the smallest has {points[0].ebops}. Raise "
            f"ebops, the last beta ({job.params.beta[1]:g}) or epochs."
        )
    return max(within, key=lambda point: (point.accuracy, -point.ebops))
