"""Training on as many jets as the papers have stays small."""

import subprocess
import sys

SCRIPT = """
import resource
import numpy as np
import torch
from nanotrigger.data.dataset import Dataset, Split
from nanotrigger.training import loop
from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.optimiser import Adam

torch.set_num_threads(1)
rng = np.random.default_rng(0)
splits = {}
for name, jets in (("train", 531_200), ("val", 132_800), ("test", 166_000)):
    splits[name] = Split(rng.standard_normal((jets, 16), np.float32), rng.integers(0, 5, jets, np.int8))
data = Dataset(**splits, mean=np.zeros(16), std=np.ones(16), source="noise")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

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


def test_64_models_of_16_seeds_on_830_000_jets():
    """An order of the jets for each seed, and the widest stack of the config; ru_maxrss is in KiB."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, peak = (int(n) / 2**20 for n in done.stdout.split())
    assert 0.1 < before <= peak < 2.5, "the limit of the project is 4 GiB, with all that a job of the DAG has loaded"
