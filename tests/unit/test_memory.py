"""Training on as many jets as the papers have stays small."""

import subprocess
import sys

import pytest

DATA = """
import resource
import numpy as np
from nanotrigger.data.dataset import Dataset, Split

rng = np.random.default_rng(0)
splits = {}
for name, jets in (("train", 531_200), ("val", 132_800), ("test", 166_000)):
    x = rng.standard_normal((jets, 16), np.float32)
    splits[name] = Split(x, x[:, :5].argmax(1).astype(np.int8))
data = Dataset(**splits, mean=np.zeros(16), std=np.ones(16), source="noise")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
STACK = """
import torch
from nanotrigger.training import loop
from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.optimiser import Adam

torch.set_num_threads(1)

class Enough(Exception):
    pass

def step(self, number, rates, step=Adam.step):
    step(self, number, rates)
    if number == 10:
        raise Enough

Adam.step = step
network = BatchedMLP((16, 64, 32, 32, 5), [Widths.uniform(4, 4 + i % 9, 16) for i in range(64)], 8.0, range(64))
network.calibrate(torch.from_numpy(data.standardised("train").x[:16384]), True)
schedule = loop.Schedule(2, 1024, 2, (1e-3,) * 64, (1e-4,) * 64)
try:
    loop.fit(network, data, schedule, ["model"] * 64, [i % 16 for i in range(64)])
except Enough:
    val = data.standardised("val")
    loop.evaluate(network, torch.from_numpy(val.x[:20_000]), torch.from_numpy(val.y[:20_000]).long())
    print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


WALK = """
import sys
from pathlib import Path
from nanotrigger.methods import {method} as method
from nanotrigger.methods.base import Job

params = method.Params(ebops=10**6, epochs=1, warmup=0, batch_size=1024, learning_rate=0.01)
method.train(data, [Job("model", params, 0, Path(sys.argv[1]), scratch=Path(sys.argv[1]) / "scratch")])
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def gibibytes(script, *arguments):
    """Before the training, and at most; ru_maxrss is in KiB."""
    done = subprocess.run([sys.executable, "-c", DATA + script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(number) / 2**20 for number in done.stdout.split("\n")[-2].split()]


def test_64_models_of_16_seeds_on_830_000_jets():
    """An order of the jets for each seed, and the widest stack of the config."""
    before, peak = gibibytes(STACK)
    assert 0.1 < before <= peak < 2.5, "the limit of the project is 4 GiB, with all that a job of the DAG has loaded"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hgq", "hgq_lut"])
def test_a_walk_on_830_000_jets(method, tmp_path):
    """An epoch, the choice of a checkpoint and its files: later epochs take no more."""
    before, peak = gibibytes(WALK.format(method=method), str(tmp_path))
    assert 0.1 < before <= peak < 4
