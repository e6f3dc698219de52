"""The training loop of the batched engine: Adam with a cosine schedule, early stopping and a best snapshot per model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from nanotrigger.data.dataset import Dataset
from nanotrigger.errors import NanotriggerError
from nanotrigger.training.network import BatchedMLP

HISTORY = ("epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: epochs at most, batch size, Adam's initial learning rate, epochs without a better
    validation loss before a model counts as done, and the factor on the L1 norm of the weights."""

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    l1: float = 0.0


@dataclass
class Fit:
    """What a training leaves: per model its history (rows of HISTORY) and the epoch whose parameters were kept."""

    history: list[list[dict[str, float]]] = field(default_factory=list)
    best_epoch: list[int] = field(default_factory=list)


def fit(network: BatchedMLP, data: Dataset, schedule: Schedule, names: Sequence[str], seed: int) -> Fit:
    """Train every model of the stack and leave each at its epoch of smallest validation loss.

    All models see the same batches in the same order, drawn from `seed`; replicas differ by their initial parameters.
    Raises NanotriggerError naming the model whose loss is not a number.
    """
    train, val = data.standardised("train"), data.standardised("val")
    x, y = torch.from_numpy(train.x), torch.from_numpy(train.y).long()
    x_val, y_val = torch.from_numpy(val.x), torch.from_numpy(val.y).long()
    models = network.models
    optimiser = torch.optim.Adam(network.parameters(), schedule.learning_rate, fused=True)
    shuffle = torch.Generator().manual_seed(seed)
    result = Fit([[] for _ in range(models)], [0] * models)
    best = torch.full((models,), math.inf)
    snapshot = [p.detach().clone() for p in _state(network)]
    batch = min(schedule.batch_size, len(x))
    steps = len(x) // batch

    progress = tqdm(
        range(1, schedule.epochs + 1), desc=f"training {names[0]}" + f" and {models - 1} more" * (models > 1)
    )
    for epoch in progress:
        rate = schedule.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / schedule.epochs)))
        optimiser.param_groups[0]["lr"] = rate
        network.train()
        order = torch.randperm(len(x), generator=shuffle)
        total = torch.zeros(models)
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            optimiser.zero_grad()
            loss = _losses(network(x[rows]), y[rows])
            penalty = schedule.l1 * sum(w.abs().sum() for w in network.weights) if schedule.l1 else 0.0
            (loss.sum() + penalty).backward()
            optimiser.step()
            total += loss.detach()
        network.eval()
        with torch.no_grad():
            logits = network(x_val)
            val_loss = _losses(logits, y_val)
            accuracy = (logits.argmax(2) == y_val).float().mean(1)
        for model, name in enumerate(names):
            if not math.isfinite(val_loss[model]):
                raise NanotriggerError(
                    f"{name}: the loss is not a number after epoch {epoch}. Lower its learning_rate "
                    f"({schedule.learning_rate:g})."
                )
            row = (epoch, rate, total[model] / steps, val_loss[model], accuracy[model])
            result.history[model].append(dict(zip(HISTORY, map(float, row), strict=True)))
        better = val_loss < best
        best = torch.where(better, val_loss, best)
        for kept, now in zip(snapshot, _state(network), strict=True):
            kept[better] = now.detach()[better]
        for model in torch.nonzero(better).flatten().tolist():
            result.best_epoch[model] = epoch
        progress.set_postfix(val_accuracy=f"{float(accuracy.max()):.4f}", refresh=False)
        if epoch - max(result.best_epoch) >= schedule.patience:
            break
    with torch.no_grad():
        for kept, now in zip(snapshot, _state(network), strict=True):
            now.copy_(kept)
    network.eval()
    return result


def _state(network: BatchedMLP) -> list[torch.Tensor]:
    """Everything that changes in training: parameters and activation ranges, each with a leading model axis."""
    peaks = [buffer for name, buffer in network.named_buffers() if name.startswith("peak")]
    return [*network.parameters(), *peaks]


def _losses(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross entropy per model. logits: (models, jets, classes); y: (jets,). Returns (models,)."""
    log_p = torch.log_softmax(logits, 2)
    return -log_p.gather(2, y.expand(len(logits), -1).unsqueeze(2)).mean((1, 2))
