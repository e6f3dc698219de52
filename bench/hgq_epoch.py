"""An epoch of HGQ2: what `fit` spends beside its compiled steps, and what walks cost together.

The network 16-64-32-32-5 on the run's jets, batch 1024, one thread for XLA on both sides; CPU time of the process, median over
the epochs after the first ten. *fit* is Keras on jax with HGQ2's `BetaScheduler` and `FreeEBOPs` and a validation, as in the
topic hgq; the rows below it leave something out. A *walk* is `training.hgq_engine.train_walks`, whose epoch is shuffled,
trained, validated and, where it is better than those before, kept; *outside its compiled call* is what is left of that beside
one compiled call. Walks of one program run *one after the other*; *vectorised* puts jax's `vmap` in place of that loop. Each
row is measured in a process of its own, in turn.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.base import Measurement, Options, dataset, in_new_process, ratios
from bench.hgq import BATCH, RATE, SIZES

EPOCHS, SETTLED = 60, 10
BETA = 1e-5
WALKS = 16
ROUNDS = 3


def measure(options: Options) -> Iterator[Measurement]:
    data = dataset(options)
    rows: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for left_out, quantity in (
            ((), "epoch"),
            (("validation",), "epoch without validation"),
            (("validation", "callbacks"), "epoch without validation and callbacks"),
        ):
            rows.setdefault(("fit of HGQ2", quantity), []).append(in_new_process(_fit, data, left_out))
        for walks, vectorised, subject in (
            (1, False, "one walk"),
            (WALKS, False, f"{WALKS} walks, one after the other"),
            (WALKS, True, f"{WALKS} walks, vectorised"),
        ):
            whole, outside = in_new_process(_walks, data, walks, vectorised)
            rows.setdefault((subject, "epoch of a walk"), []).append(whole)
            rows.setdefault((subject, "outside its compiled call"), []).append(outside)
    for (subject, quantity), values in rows.items():
        yield Measurement(subject, quantity, "ms CPU", tuple(values))
    mapped, vectorised = (
        rows[f"{WALKS} walks, {how}", "epoch of a walk"] for how in ("one after the other", "vectorised")
    )
    yield Measurement("vectorised / one after the other", "epoch of a walk", "ratio", ratios(vectorised, mapped))


def _fit(path: Path, left_out: tuple[str, ...]) -> float:
    """Milliseconds of CPU time that an epoch takes."""
    from nanotrigger.data.dataset import read_dataset
    from nanotrigger.training.hgq_engine import build, keras

    # isort: split
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs

    class Clock(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.ends = []

        def on_epoch_end(self, epoch, logs=None):
            self.ends.append(time.process_time())

    data = read_dataset(path)
    train, val = data.standardised("train"), data.standardised("val")
    keras.utils.set_random_seed(0)
    model, clock = build(SIZES), Clock()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    callbacks = [] if "callbacks" in left_out else [BetaScheduler(lambda epoch: BETA), FreeEBOPs()]
    validation = {} if "validation" in left_out else {"validation_data": (val.x, val.y)}
    options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, **validation}
    model.fit(train.x, train.y, callbacks=[*callbacks, clock], **options)
    return _settled(np.diff(clock.ends))


def _walks(path: Path, count: int, vectorised: bool) -> tuple[float, float]:
    """Milliseconds of CPU time that an epoch takes for each walk, and those of them outside the compiled call."""
    from nanotrigger.data.dataset import read_dataset
    from nanotrigger.training import hgq_engine as engine

    if vectorised:
        engine.jax.lax.map = lambda function, given: engine.jax.vmap(function)(given)
    starts, within = [], []

    def noted(epochs: range) -> Iterable[int]:
        for number in epochs:
            starts.append(time.process_time())
            yield number

    compiled = engine._compiled

    def timed(*arguments) -> Callable:
        call = compiled(*arguments)

        def run(*given):
            start = time.process_time()
            results = engine.jax.block_until_ready(call(*given))
            within.append(time.process_time() - start)
            return results

        return run

    engine._compiled = timed
    data = read_dataset(path)
    walks = [engine.Walk(str(seed), seed, (BETA,) * EPOCHS) for seed in range(count)]
    splits = data.standardised("train"), data.standardised("val")
    engine.train_walks(SIZES, "parameter", walks, *splits, BATCH, lambda epoch: RATE, 0, progress=noted)
    epochs = np.diff(starts)
    return _settled(epochs) / count, _settled(epochs - within[:-1]) / count


def _settled(seconds: np.ndarray) -> float:
    return float(np.median(seconds[SETTLED:])) * 1000
