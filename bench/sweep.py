"""The scan of all 625 choices of layer widths, as jobs of the DAG, on the quickstart's jets.

`snakemake --cores all` on config/hawq.yaml's `widths` over config/quickstart.yaml: 50 epochs for each of 625 models in ten
chunks, each of which is then exported and compared with its QONNX files on all test jets, up to tables/sweeps.csv. The dataset
is made before the clock starts. CPU time is that of Snakemake and all its jobs, memory the largest resident set of one process.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml

from bench._workflow import checkout, snakemake
from bench.base import Measurement, Options
from nanotrigger.errors import ToolError

POINTS = 625
ASKED_S = 720.0
"""Of wall time on two cores."""
CONFIG = {"run": {"name": "sweep", "dataset": "quickstart", "models": ["widths"], "flows": [], "skip": []}}


def measure(options: Options) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory(prefix="nanotrigger_sweep_") as place:
        folder = Path(place)
        checkout(folder)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(CONFIG))
        config = ("--configfile", "config/quickstart.yaml", "config/hawq.yaml", "sweep.yaml")
        target = "results/sweep/tables/sweeps.csv"
        snakemake(folder, "--cores", "all", "results/sweep/data/quickstart.h5", *config)
        cost = snakemake(folder, "--cores", "all", target, *config)
        found = pd.read_csv(folder / target)
    if len(found) != POINTS or found.qonnx_mismatches.any():
        raise ToolError(f"{len(found)} of {POINTS} points, {(found.qonnx_mismatches > 0).sum()} of them inexact")
    subject = f"{POINTS} points"
    yield Measurement(subject, "wall time", "s", (cost.wall,), at_most=ASKED_S)
    yield Measurement(subject, "CPU time", "s", (cost.cpu,))
    yield Measurement(subject, "memory", "MiB", (cost.memory,))
