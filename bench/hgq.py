"""HGQ trainings together: the walks of one program, against HGQ2's own `fit` one after the other.

16 trainings of 100 epochs, four betas with four seeds each, of the network 16-64-32-32-5 on the run's jets, batch 1024, with a
validation after each epoch. *Together*: one process trains them all and keeps their fronts. *fit*: one process per training,
Keras on jax with the same layers, HGQ2's `BetaScheduler` and `FreeEBOPs`, and nothing saved. Each process is a fresh one: its
start, imports and compilation count. Both sides run in turn. Of the 16 fits one of each beta is measured, and the time of
16 is four times theirs. CPU time is that of the process with all of its threads: `fit` has XLA's default ones, the walks
have one. Memory is the largest resident set.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.base import Measurement, Options, dataset, in_new_process, ratios
from nanotrigger.errors import ToolError

SIZES = (16, 64, 32, 32, 5)
BETAS = (1e-6, 1e-5, 3e-5, 1e-4)
SEEDS = (0, 1, 2, 3)
EPOCHS = 100
BATCH = 1024
RATE = 0.005
ROUNDS = 2
FASTER = 3.0


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time, and the largest resident set in MiB, of a process that did one thing."""

    wall: float
    cpu: float
    memory: float


def measure(options: Options) -> Iterator[Measurement]:
    data = dataset(options)
    count = len(BETAS) * len(SEEDS)
    together, fits = [], []
    for part in range(ROUNDS):
        together.append(_cost(_train_together, data))
        fits.append([_cost(_fit, data, beta, SEEDS[0]) for beta in BETAS[part::ROUNDS]])
    ours, peer = f"{count} walks together", f"{count} fits of HGQ2"
    yield Measurement(ours, "wall time", "s", tuple(c.wall for c in together))
    yield Measurement(ours, "CPU time", "s", tuple(c.cpu for c in together))
    yield Measurement(ours, "memory", "MiB", tuple(c.memory for c in together))
    single = [cost for part in fits for cost in part]
    yield Measurement("one fit of HGQ2", "wall time", "s", tuple(c.wall for c in single))
    yield Measurement("one fit of HGQ2", "CPU time", "s", tuple(c.cpu for c in single))
    yield Measurement("one fit of HGQ2", "memory", "MiB", tuple(c.memory for c in single))
    for quantity, name in (("wall", "wall time"), ("cpu", "CPU time")):
        # each round's fits stand for all of them
        whole = [count / len(part) * sum(getattr(c, quantity) for c in part) for part in fits]
        faster = ratios(whole, [getattr(c, quantity) for c in together])
        yield Measurement(f"{peer} / {ours}", name, "ratio", faster, at_least=FASTER)


def _cost(function, *arguments) -> Cost:
    start = time.perf_counter()
    cpu, memory = in_new_process(_used, function, *arguments)
    return Cost(time.perf_counter() - start, cpu, memory)


def _used(function, *arguments) -> tuple[float, float]:
    """CPU seconds and MiB of this process, from its start to the end of the function."""
    import resource

    function(*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _train_together(path: Path) -> None:
    from nanotrigger.data.dataset import read_dataset
    from nanotrigger.training import hgq_engine as engine

    data = read_dataset(path)
    walks = [engine.Walk(f"{beta:g}", seed, (beta,) * EPOCHS) for beta in BETAS for seed in SEEDS]
    splits = data.standardised("train"), data.standardised("val")
    walked = engine.train_walks(SIZES, "parameter", walks, *splits, BATCH, lambda epoch: RATE, stop_below=0)
    check([walk.history[-1][-1] for walk in walked], [len(walk.history) for walk in walked])


def _fit(path: Path, beta: float, seed: int) -> None:
    os.environ["XLA_FLAGS"] = ""  # before the import: as it comes, not as our walks run
    from nanotrigger.data.dataset import read_dataset
    from nanotrigger.training.hgq_engine import build, keras

    # isort: split
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs

    data = read_dataset(path)
    train, val = data.standardised("train"), data.standardised("val")
    keras.utils.set_random_seed(seed)
    model = build(SIZES)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    fitted = model.fit(
        train.x,
        train.y,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=(val.x, val.y),
        callbacks=[BetaScheduler(lambda epoch: beta), FreeEBOPs()],
        verbose=0,
    )
    check(fitted.history["ebops"][-1:], [len(fitted.history["val_accuracy"])])


def check(ebops: list[float], epochs: list[int]) -> None:
    """Raise ToolError unless every training did all epochs and left a network: what is wrong is not worth a time."""
    if set(epochs) != {EPOCHS} or min(ebops) <= 0:
        raise ToolError(f"a training ended after {min(epochs)} of {EPOCHS} epochs, with {min(ebops):g} EBOPs")
