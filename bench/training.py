"""Training many quantised networks at once, beside Brevitas, which trains one.

The 16-64-32-32-5 network with power-of-two scales everywhere, weights, biases and activations of 4 to 8 bits and 16-bit inputs;
16,384 jets per epoch and 4,096 for validation after each, already in memory (random numbers: their values cost nothing).
Brevitas' side is a user's loop: `QuantLinear` and `QuantReLU` with per-tensor fixed-point quantisers at 6 bits, torch's Adam,
a shuffle and a validation per epoch, no DataLoader; its first steps, which collect statistics and are slower, are left out.
Ours is `training.loop.fit` as methods call it, with the choice of all ranges before every epoch and the best parameters kept
after it. A model-epoch is one of these epochs of one model. The models of a stack have one seed, and so one order of the jets,
except where seeds are named: with a seed each, every model gathers its own jets, which takes about a fifth of the speed. What
is asked for is of a stack of one seed, as the models of a sweep or a search are.

Both sides in fresh processes, in turn, with the same number of torch threads. Ratios are of one round. CPU time is user and
system time of all threads: on a machine with other work it says more than the clock. Memory is the largest resident size of a
whole process, libraries and data included.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from bench.base import Measurement, Options, in_new_process, ratios
from nanotrigger.errors import ToolError

JETS, VALIDATION = 16384, 4096
SIZES = (16, 64, 32, 32, 5)
LEAST = {2048: 10.0, 512: 35.0}
"""Batch size, and how many times Brevitas' models per second 64 models together are asked to reach at it, both with a
thread for every core."""
STACKS = ((64, 1), (1, 1), (8, 1), (256, 1), (64, 64))
"""Models and seeds of the stacks."""
ROUNDS = 3
MODEL_EPOCHS = 200
"""Of a measurement of one of our stacks; at least two epochs and at most 40."""
PEER_EPOCHS = 8


@dataclass(frozen=True)
class Cost:
    """What epochs took: seconds on the clock and of the processor for each model-epoch; peak resident memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(options: Options) -> Iterator[Measurement]:
    if not find_spec("brevitas"):
        raise ToolError("brevitas is not installed: it is the other side. pip install -r requirements-dev.in")
    for where, threads, device in _places():
        for batch, least in LEAST.items():
            stacks = {_name(models, seeds, batch, where): (models, seeds) for models, seeds in STACKS}
            stacks = {name: stack for name, stack in stacks.items() if options.chosen(name)}
            if not stacks:
                continue
            peer = partial(brevitas_epochs, batch, threads, device)
            ours = {name: partial(stack_epochs, *stack, batch, threads, device) for name, stack in stacks.items()}
            rounds = [{name: in_new_process(side) for name, side in {"": peer, **ours}.items()} for _ in range(ROUNDS)]
            costs = {name: [found[name] for found in rounds] for name in rounds[0]}
            yield from _rows(f"Brevitas, batch {batch}, {where}", costs[""])
            for name, (models, seeds) in stacks.items():
                yield from _rows(name, costs[name])
                asked = {"at_least": least} if (models, seeds) == (64, 1) and threads == _cores() else {}
                clock, processor = (
                    ratios(*([getattr(cost, key) for cost in side] for side in (costs[""], costs[name])))
                    for key in ("wall_s", "cpu_s")
                )
                yield Measurement(name, "model-epochs per second against Brevitas", "ratio", clock, **asked)
                yield Measurement(name, "model-epochs per CPU second against Brevitas", "ratio", processor)


def _places() -> list[tuple[str, int, str]]:
    """Where both sides train: their names, torch threads and devices."""
    import torch

    places = [(f"{count} thread{'s' * (count > 1)}", count, "cpu") for count in sorted({1, _cores()})]
    return places + [("GPU", 1, "cuda")] * torch.cuda.is_available()


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _name(models: int, seeds: int, batch: int, where: str) -> str:
    return f"{models} model{'s' * (models > 1)}{f' of {seeds} seeds' * (seeds > 1)}, batch {batch}, {where}"


def _rows(name: str, costs: list[Cost]) -> Iterator[Measurement]:
    yield Measurement(name, "model-epochs per second", "1/s", tuple(1 / cost.wall_s for cost in costs))
    yield Measurement(name, "model-epochs per CPU second", "1/s", tuple(1 / cost.cpu_s for cost in costs))
    yield Measurement(name, "peak resident memory", "MiB", tuple(cost.peak_mib for cost in costs))


def jets(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random features (count, 16) float32 and labels (count,) int8."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, SIZES[0])).astype(np.float32), rng.integers(0, SIZES[-1], count).astype(np.int8)


def _cost(run: Callable[[], Any], model_epochs: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(wall / model_epochs, cpu / model_epochs, peak)


def stack_epochs(models: int, seeds: int, batch: int, threads: int, device: str) -> Cost:
    """A stack of ours; the first epoch of the process is not counted."""
    import torch

    from nanotrigger.data.dataset import Dataset, Split
    from nanotrigger.training import devices, loop
    from nanotrigger.training.network import BatchedMLP, Widths

    torch.set_num_threads(threads)
    os.environ[devices.VARIABLE] = device
    train, val = Split(*jets(JETS, 1)), Split(*jets(VALIDATION, 2))
    data = Dataset(train, val, val, np.zeros(SIZES[0]), np.ones(SIZES[0]), "random numbers")
    epochs = min(40, max(2, MODEL_EPOCHS // models))
    chosen = [model % seeds for model in range(models)]
    widths = [Widths.uniform(len(SIZES) - 1, 4 + model % 5, 16) for model in range(models)]
    names = [f"model {model}" for model in range(models)]

    def train_for(epochs: int) -> None:
        network = BatchedMLP(SIZES, widths, float(np.abs(train.x).max()), chosen)
        schedule = loop.Schedule(epochs, batch, epochs, (0.005,) * models, (0.0,) * models)
        loop.fit(network, data, schedule, names, chosen)

    train_for(1)
    return _cost(lambda: train_for(epochs), models * epochs)


def brevitas_epochs(batch: int, threads: int, device: str) -> Cost:
    """One Brevitas network."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(threads)
    (x, y), (x_val, y_val) = (
        (torch.from_numpy(features).to(device), torch.from_numpy(labels).long().to(device))
        for features, labels in (jets(JETS, 1), jets(VALIDATION, 2))
    )
    network = brevitas_network(6, collect_stats_steps=JETS // batch).to(device)
    optimiser = torch.optim.Adam(network.parameters(), 0.005)

    def train_for(epochs: int) -> None:
        for _ in range(epochs):
            order = torch.randperm(len(x)).to(device)
            network.train()
            for rows in order.split(batch):
                optimiser.zero_grad()
                cross_entropy(network(x[rows]), y[rows]).backward()
                optimiser.step()
            network.eval()
            with torch.no_grad():
                found = [network(part) for part in x_val.split(batch)]
                logits = torch.cat(found)
                float(cross_entropy(logits, y_val)), float((logits.argmax(1) == y_val).double().mean())

    train_for(2)
    return _cost(lambda: train_for(PEER_EPOCHS), PEER_EPOCHS)


def brevitas_network(bits: int, **options: Any) -> Any:
    """The network of Brevitas' layers. options: of its activation quantisers."""
    import torch
    from brevitas import nn
    from brevitas import quant as q

    layers = [nn.QuantIdentity(act_quant=q.Int8ActPerTensorFixedPoint, bit_width=16, **options)]
    for layer, (inputs, units) in enumerate(pairwise(SIZES)):
        layers.append(
            nn.QuantLinear(
                inputs,
                units,
                bias=True,
                weight_quant=q.Int8WeightPerTensorFixedPoint,
                weight_bit_width=bits,
                bias_quant=q.Int8BiasPerTensorFixedPointInternalScaling,
                bias_bit_width=bits,
            )
        )
        if layer < len(SIZES) - 2:
            layers.append(nn.QuantReLU(act_quant=q.Uint8ActPerTensorFixedPoint, bit_width=bits, **options))
    return torch.nn.Sequential(*layers)
