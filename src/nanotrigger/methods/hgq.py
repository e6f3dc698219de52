"""HGQ: high-granularity quantisation, every weight and activation with a width of its own (2405.00645), by HGQ2.

One training walks beta, the price of an effective bit operation, upwards and leaves a front of checkpoints; a model is
the most accurate of them, on the validation split, within its stanza's EBOPs. Budgets of one stanza share the walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from nanotrigger.errors import NanotriggerError
from nanotrigger.methods.base import Job, PerceptronParams, layer_sizes, same

if TYPE_CHECKING:
    from nanotrigger.data.dataset import Split
    from nanotrigger.qonnx.fixed_point import FixedPointNetwork
    from nanotrigger.training.hgq_engine import Checkpoint

exports = frozenset({"qonnx", "keras"})
sweepable = frozenset({"ebops"})
roles = frozenset({"front"})

NETWORK = "model/network.keras"
EXACT = "model/network.npz"


class Params(PerceptronParams):
    """Config stanza of an HGQ model."""

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


def _learning_rate(params: Params, epoch: int) -> float:
    period = params.epochs / params.restarts
    phase = epoch % period / period
    return params.learning_rate * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * phase)))


def _beta(params: Params) -> tuple[float, ...]:
    first, last = params.beta
    rise = np.clip((np.arange(params.epochs) - params.warmup) / max(params.epochs - params.warmup - 1, 1), 0, 1)
    return tuple((first * (last / first) ** rise).tolist())


def train(data, jobs: Sequence[Job]) -> None:
    """Train one walk per seed and give each job the best checkpoint within its EBOPs."""
    from nanotrigger.progress import Progress
    from nanotrigger.training import hgq_engine as engine
    from nanotrigger.training.history import write_history
    from nanotrigger.training.snapshot import Snapshot

    params = jobs[0].params
    for key in Params.model_fields:
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
        [engine.Walk(str(first[seed]), seed, _beta(params)) for seed in seeds],
        split,
        val,
        params.batch_size,
        lambda epoch: _learning_rate(params, epoch),
        stop_below=0.5 * min(job.params.ebops for job in jobs),
        progress=progress,
        snapshot=jobs[0].scratch and Snapshot(jobs[0].scratch / "walks.safetensors"),
    )
    seen = np.concatenate([split.x, val.x])
    fronts = {seed: _front(walk.front, seen, val, params.margin) for seed, walk in zip(seeds, walked, strict=True)}
    # all are chosen before one is written: a budget that cannot be met leaves no model behind
    chosen = [_choose(job, fronts[job.seed]) for job in jobs]
    histories = dict(zip(seeds, (walk.rows() for walk in walked), strict=True))
    for job, point in zip(jobs, chosen, strict=True):
        (job.folder / "model").mkdir(parents=True, exist_ok=True)
        engine.seal(point.network).save(job.folder / NETWORK)
        point.network.save(job.folder / EXACT)
        rows = [{"epoch": p.epoch, "ebops": p.ebops, "val_accuracy": p.accuracy} for p in fronts[job.seed]]
        write_history(job.folder / "model/front.csv", rows)
        write_history(job.folder / "history.csv", histories[job.seed])
        print(f"{job}: epoch {point.epoch}, {point.ebops} EBOPs, validation accuracy {point.accuracy:.4f}")


@dataclass(frozen=True)
class _Point:
    """A checkpoint as an exact network, with the EBOPs of its traced ranges and its accuracy on the validation split."""

    epoch: int
    ebops: int
    accuracy: float
    network: FixedPointNetwork


def _front(checkpoints: Sequence[Checkpoint], seen: np.ndarray, val: Split, margin: float) -> list[_Point]:
    """The checkpoints of a walk with ranges traced on the jets `seen`, cheapest first.

    Those that have lost their input, and are no better than naming the most frequent class, are no models.
    """
    from nanotrigger.qonnx import costs
    from nanotrigger.training.hgq_engine import fixed_point

    points, constant = [], float(np.bincount(val.y).max() / len(val.y))
    for checkpoint in checkpoints:
        network = fixed_point(checkpoint.numbers, seen, margin)
        accuracy = float((network.predict(val.x).argmax(1) == val.y).mean())
        if accuracy > constant:
            points.append(_Point(checkpoint.epoch, costs.ebops(network), accuracy, network))
    return sorted(points, key=lambda point: point.ebops)


def _choose(job: Job, front: Sequence[_Point]) -> _Point:
    """The most accurate point within a job's EBOPs, the cheapest of equals. Raises NanotriggerError where there is none."""
    within = [point for point in front if point.ebops <= job.params.ebops]
    if not within:
        smallest = f"the smallest has {front[0].ebops}" if front else "none is better than a constant answer"
        raise NanotriggerError(
            f"{job}: ebops = {job.params.ebops}: no checkpoint is that small; {smallest}. Raise ebops, the last beta "
            f"({job.params.beta[1]:g}) or epochs."
        )
    return max(within, key=lambda point: (point.accuracy, -point.ebops))


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the Keras network."""
    from nanotrigger.training import hgq_engine  # noqa: F401  chooses the backend
    from nanotrigger.training.keras_file import load_network

    model = load_network(folder / NETWORK)
    return np.asarray(model.predict(x, verbose=0, batch_size=16384), np.float64)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx, or the Keras file for tools that read HGQ2 networks."""
    import shutil

    from nanotrigger.qonnx.costs import summary
    from nanotrigger.qonnx.export import write_qonnx
    from nanotrigger.qonnx.fixed_point import FixedPointNetwork

    network = FixedPointNetwork.load(folder / EXACT)
    if kind == "keras":
        shutil.copy(folder / NETWORK, path)
    else:
        write_qonnx(network, path, metadata)
    return summary(network)
