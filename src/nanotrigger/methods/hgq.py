"""HGQ: high-granularity quantisation, every weight and activation with a width of its own (2405.00645), by HGQ2.

One training walks beta, the price of an effective bit operation, upwards and leaves a front of checkpoints; a model is
the most accurate of them, on the validation split, within its stanza's EBOPs. Budgets of one stanza share the walk.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from nanotrigger.errors import NanotriggerError
from nanotrigger.methods.base import Job, PerceptronParams, layer_sizes, same

exports = frozenset({"qonnx", "keras"})
sweepable = frozenset({"ebops"})

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
    granularity: Literal["parameter", "layer"] = Field("parameter", description="what has a width of its own")
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
    from tqdm import tqdm

    from nanotrigger.qonnx import costs
    from nanotrigger.training import hgq_engine as engine
    from nanotrigger.training.history import write_history

    params = jobs[0].params
    for key in Params.model_fields:
        if key != "ebops":
            same(jobs, key)
    sizes = layer_sizes(params)
    seeds = sorted({job.seed for job in jobs})
    split, val = data.standardised("train"), data.standardised("val")
    fronts, histories = engine.train_walks(
        sizes,
        params.granularity,
        [engine.Walk(seed, _beta(params)) for seed in seeds],
        split,
        val,
        params.batch_size,
        lambda epoch: _learning_rate(params, epoch),
        stop_below=0.5 * min(job.params.ebops for job in jobs),
        name=str(jobs[0]),
        progress=lambda epochs: tqdm(epochs, desc=f"training {jobs[0].model}, {len(seeds)} walk(s)", mininterval=5),
    )
    seen = np.concatenate([split.x, val.x])
    for seed, front, history in zip(seeds, fronts, histories, strict=True):
        mine = [job for job in jobs if job.seed == seed]
        candidates = []
        for checkpoint in front:
            network = engine.fixed_point(engine.restore(sizes, params.granularity, checkpoint), seen, params.margin)
            accuracy = float((network.predict(val.x).argmax(1) == val.y).mean())
            candidates.append((accuracy, costs.ebops(network), network, checkpoint))
        candidates.sort(key=lambda c: c[1])
        points = [{"epoch": c.epoch, "ebops": ebops, "val_accuracy": a} for a, ebops, _, c in candidates]
        for job in mine:
            within = [c for c in candidates if c[1] <= job.params.ebops]
            if not within:
                raise NanotriggerError(
                    f"{job}: ebops = {job.params.ebops}: no checkpoint is that small; the smallest has "
                    f"{min(c[1] for c in candidates)}. Raise ebops, the last beta ({params.beta[1]:g}) or epochs."
                )
            accuracy, ebops, network, checkpoint = max(within, key=lambda c: (c[0], -c[1]))
            (job.folder / "model").mkdir(parents=True, exist_ok=True)
            engine.seal(network).save(job.folder / NETWORK)
            network.save(job.folder / EXACT)
            write_history(job.folder / "history.csv", history)
            write_history(job.folder / "model/front.csv", points)
            print(f"{job}: epoch {checkpoint.epoch}, {ebops} EBOPs, validation accuracy {accuracy:.4f}")


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the Keras network."""
    from nanotrigger.training import hgq_engine as engine

    model = engine.keras.models.load_model(folder / NETWORK, compile=False)
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
