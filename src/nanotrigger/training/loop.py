"""The training loop of the batched engine: Adam with a cosine schedule, early stopping and a best snapshot per model."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from nanotrigger.data.dataset import Dataset
from nanotrigger.errors import NanotriggerError
from nanotrigger.progress import Progress
from nanotrigger.training.checkpoint import Checkpoint, fingerprint
from nanotrigger.training.devices import describe, keep_freed_memory, training_device
from nanotrigger.training.network import BatchedMLP
from nanotrigger.training.optimiser import Adam

HISTORY = ("epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy")

CALIBRATION = 1024
"""Train jets from which the activation ranges are chosen before each epoch."""

FROZEN_AFTER = 0.5
"""Share of the epochs after which batch normalisation keeps its running statistics: the folded weights that are trained
from then on are the ones that are saved (as 1806.08342 advises); at 4 bits that is more accurate, and cheaper."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: epochs at most, batch size, epochs without a better validation loss before a model counts
    as done; for each model Adam's initial learning rate and the factor on the L1 norm of its weights as they act.

    settled: first epoch whose parameters may be kept. before_epoch(network, epoch): called before each epoch; what it
    changes must follow from the network and the epoch alone. what: names it where trainings are told apart.
    """

    epochs: int
    batch_size: int
    patience: int
    learning_rate: tuple[float, ...]
    l1: tuple[float, ...]
    settled: int = 1
    before_epoch: Callable[[BatchedMLP, int], None] | None = None
    what: str = ""


@dataclass
class Fit:
    """What a training leaves: per model its history (rows of HISTORY) and the epoch whose parameters were kept."""

    history: list[list[dict[str, float]]]
    best_epoch: list[int]


def fit(
    network: BatchedMLP,
    data: Dataset,
    schedule: Schedule,
    names: Sequence[str],
    seeds: Sequence[int],
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train every model of the stack and leave each at its epoch of smallest validation loss.

    names, seeds: one for each model; the order of the jets follows from a model's seed and the epoch, so that models
    of one seed see the same batches. A model that is done keeps its best parameters while the others go on. With a
    `checkpoint` a training that was interrupted goes on and gives the same result, bit for bit; it is removed at the end.
    Trains on the device of `devices.training_device`; the network comes back to the processor.
    Raises NanotriggerError naming the model whose loss is not a number.
    """
    device = training_device()
    keep_freed_memory()
    with checkpoint.held() if checkpoint else nullcontext(), _threads() as pool:
        try:
            return _fit(network.to(device), data, schedule, names, seeds, checkpoint, pool)
        finally:
            network.cpu()


@contextmanager
def _threads() -> Iterator[Executor]:
    """As many threads as torch has, for the parts of a stack; within each, torch works alone.

    The products of a part are too small to be shared among cores, but parts have nothing to do with each other. So the
    numbers do not depend on how many threads there are either.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)


def _fit(
    network: BatchedMLP,
    data: Dataset,
    schedule: Schedule,
    names: Sequence[str],
    seeds: Sequence[int],
    checkpoint: Checkpoint | None,
    pool: Executor,
) -> Fit:
    device, host = network.device, torch.device("cpu")
    x, y = _jets(data, "train", network)
    x_val, y_val = _jets(data, "val", network)
    models, epochs = network.models, schedule.epochs
    rates, l1 = torch.tensor(schedule.learning_rate), torch.tensor(schedule.l1)
    optimiser = Adam(network.parameters())
    now = network.state_dict()
    best = {f"best.{name}": value.clone() for name, value in now.items()}
    best_loss = torch.full((models,), math.inf, dtype=torch.float64)
    best_epoch, last = torch.zeros(models, dtype=torch.int64), torch.zeros(models, dtype=torch.int64)
    history = torch.full((epochs, models, len(HISTORY)), math.nan, dtype=torch.float64)
    tensors = {**now, **best, **optimiser.state()}
    tensors |= {"best_loss": best_loss, "best_epoch": best_epoch, "last": last, "history": history}
    identity, start = "", 0
    if checkpoint:
        settings = (schedule.epochs, schedule.batch_size, schedule.patience, schedule.learning_rate, schedule.l1)
        settings += (schedule.settled, schedule.what, network.sizes, tuple(names), tuple(seeds), describe(device))
        identity = fingerprint(settings, [*now.values(), x, y, x_val, y_val])
        start = checkpoint.restore(identity, tensors)
    batch = min(schedule.batch_size, len(x))
    parts = [
        _Part(models, part, optimiser.part(models, part.parameters()), rates[models], l1[models], seeds[models])
        for models, part in network.parts(batch)
    ]
    total, val_loss, accuracy = (torch.zeros(models, dtype=torch.float64) for _ in range(3))

    title = f"training {names[0]}" + f" and {models - 1} more" * (models > 1) + f" on {describe(device)}"
    progress = Progress(range(start + 1, epochs + 1), desc=title, initial=start, total=epochs, mininterval=2)
    for epoch in progress:
        if (last > 0).all():
            break
        if schedule.before_epoch:
            schedule.before_epoch(network, epoch)
        decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs))
        training = [part for part in parts if (last[part.models] == 0).any()]
        frozen = epoch > FROZEN_AFTER * epochs

        def step(part: _Part, epoch: int = epoch, decay: float = decay, frozen: bool = frozen) -> tuple:
            part.network.frozen = frozen
            part.epoch(x, y, batch, epoch, decay)
            return part.loss, *evaluate(part.network, x_val, y_val)

        for part, measured in zip(training, pool.map(step, training), strict=True):
            for kept, found in zip((total, val_loss, accuracy), measured, strict=True):
                kept[part.models] = found.double().to(host)
        active = last == 0
        for model in torch.nonzero(active & ~torch.isfinite(val_loss)).flatten().tolist():
            if checkpoint:
                checkpoint.remove()
            raise NanotriggerError(
                f"{names[model]}: the loss is not a number after epoch {epoch}. Lower its learning_rate "
                f"({schedule.learning_rate[model]:g})."
            )
        row = (torch.full((models,), float(epoch)), rates * decay, total, val_loss, accuracy)
        history[epoch - 1] = torch.stack([column.double() for column in row], 1)
        if epoch >= schedule.settled:
            better = active & (val_loss < best_loss)
            best_loss.copy_(torch.where(better, val_loss, best_loss))
            best_epoch[better] = epoch
            chosen = better.to(device)
            for name, value in now.items():
                if value.ndim:  # the others are shared by the models, and fixed
                    best[f"best.{name}"][chosen] = value[chosen]
            waited = epoch - best_epoch.clamp(min=schedule.settled - 1)
            last[active & (waited >= schedule.patience)] = epoch
        if checkpoint:
            checkpoint.keep(identity, epoch, tensors)
        progress.set_postfix(val_accuracy=f"{float(accuracy.max()):.4f}", refresh=False)
    last[last == 0] = epochs
    for name, value in now.items():
        value.copy_(best[f"best.{name}"])
    network.eval()
    if checkpoint:
        checkpoint.remove()
    histories = [
        [dict(zip(HISTORY, row, strict=True)) for row in history[: last[m], m].tolist()] for m in range(models)
    ]
    return Fit(histories, best_epoch.tolist())


def _jets(data: Dataset, split: str, network: BatchedMLP) -> tuple[torch.Tensor, torch.Tensor]:
    """Jets of a split as the network's first layer reads them, and their labels, on the network's device."""
    part = data.standardised(split)
    x, y = (torch.from_numpy(values).to(network.device) for values in (part.x, part.y))
    return network.inputs(x), y.long()


@dataclass
class _Part:
    """Models of a stack that go through an epoch before the next ones do: they share nothing with them."""

    models: slice
    network: BatchedMLP
    optimiser: Adam
    rates: torch.Tensor
    l1: torch.Tensor
    seeds: Sequence[int]

    def __post_init__(self):
        device = self.network.device
        self.penalised = bool((self.l1 > 0).any())
        self.rates, self.l1 = self.rates.to(device), self.l1.to(device)
        self.loss = torch.zeros(len(self.rates), device=device)
        """Mean loss of each model in the last epoch."""
        self.different = sorted(set(self.seeds))
        self.shuffle = torch.tensor([self.different.index(seed) for seed in self.seeds], device=device)

    def epoch(self, x: torch.Tensor, y: torch.Tensor, batch: int, epoch: int, decay: float) -> None:
        """Train on all jets once. decay: factor on the learning rates. Nothing in it waits for an accelerator."""
        orders = [np.random.default_rng((seed, epoch)).permutation(len(x)) for seed in self.different]
        orders = torch.from_numpy(np.stack(orders)).to(x.device)
        if self.network.quantised:
            self.network.calibrate(x[orders[self.shuffle, :CALIBRATION]])
        self.network.train()
        self.loss.zero_()
        steps, rates = len(x) // batch, self.rates * decay
        for step in range(steps):
            rows = orders[:, step * batch : (step + 1) * batch]
            rows = rows[0] if len(self.different) == 1 else rows[self.shuffle]
            self.optimiser.zero_grad()
            loss = cross_entropy(self.network.logits(x[rows]), y[rows])
            objective = loss.sum()
            if self.penalised:
                objective = objective + (self.l1 * sum(w.abs().sum((1, 2)) for w in self.network.effective)).sum()
            objective.backward()
            self.optimiser.step((epoch - 1) * steps + step + 1, rates)
            self.loss += loss.detach()
        self.loss /= steps


@torch.no_grad()
def evaluate(network: BatchedMLP, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy and accuracy, each (models,) float64, of jets x (jets, features), on the grid of the network's
    inputs, with labels y (jets,)."""
    network.eval()
    loss, right = torch.zeros(2, network.models, dtype=torch.float64, device=x.device)
    for part, labels in zip(x.split(network.rows()), y.split(network.rows()), strict=True):
        logits = network.logits(part)
        # in double precision, so that it does not matter how many jets are evaluated at a time
        loss += jet_losses(logits, labels).sum(1, dtype=torch.float64)
        right += (logits.max(2).indices == labels).double().sum(1)
    return loss / len(x), right / len(x)


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy per model. logits: (models, jets, classes); y: (jets,) or (models, jets). Returns (models,)."""
    return jet_losses(logits, y).mean(1)


def jet_losses(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each jet, (models, jets); see `cross_entropy`."""
    log_p = torch.log_softmax(logits.transpose(1, 2), 1)
    return -log_p.gather(1, y.expand(len(logits), -1).unsqueeze(1)).squeeze(1)
