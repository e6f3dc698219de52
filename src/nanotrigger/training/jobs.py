"""From a method's jobs to the batched engine and back to files: what the torch methods share.

Methods import this module when a config is validated, so torch is imported only where something is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanotrigger.methods.base import Job, same

if TYPE_CHECKING:
    from nanotrigger.data.dataset import Dataset
    from nanotrigger.training.loop import Fit, Schedule
    from nanotrigger.training.network import BatchedMLP

WEIGHTS = "model/network.safetensors"


def schedule(jobs: Sequence[Job], epochs: int | None = None) -> Schedule:
    """The one schedule of jobs that train together."""
    from nanotrigger.training.loop import Schedule

    keys = ("epochs", "batch_size", "learning_rate", "patience", "l1")
    values = {key: same(jobs, key) for key in keys}
    return Schedule(**(values | ({"epochs": epochs} if epochs else {})))


def fit(network: BatchedMLP, data: Dataset, jobs: Sequence[Job]) -> Fit:
    """Train a stack whose models are `jobs`, in that order."""
    from nanotrigger.training import loop

    return loop.fit(network, data, schedule(jobs), [str(job) for job in jobs], jobs[0].seed)


def measure(network: BatchedMLP, x: np.ndarray) -> None:
    """Set the activation ranges from jets x (jets, features), standardised."""
    import torch

    network.measure_peaks(torch.from_numpy(x))


def save(network: BatchedMLP, jobs: Sequence[Job], fitted: Fit) -> None:
    """Write each model's parameters and history into its job's folder."""
    from nanotrigger.training.history import write_history

    for model, job in enumerate(jobs):
        network.save(model, job.folder / WEIGHTS)
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
