"""Shared by all tests: a checkout to run Snakemake in, and a small dataset of toy clusters (not jets)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[1]

# as in the jobs of the DAG: tests run side by side, and sums of another number of threads are other numbers
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


# the smallest configuration that is valid
BASE_RUN = {
    "run": {"name": "r", "dataset": "d", "models": ["m"]},
    "datasets": {"d": {"source": "pythia", "jets": 1000}},
    "models": {"m": {"method": "float"}},
}


@pytest.fixture(scope="session")
def toy():
    """A dataset of five overlapping clusters in sixteen dimensions, for what does not depend on physics."""
    from nanotrigger.data.classes import CLASSES, FEATURES
    from nanotrigger.data.dataset import Dataset
    from nanotrigger.data.splits import split_jets

    rng = np.random.default_rng(5)
    y = np.repeat(np.arange(len(CLASSES), dtype=np.int8), 400)
    centres = rng.normal(size=(len(CLASSES), len(FEATURES)))
    x = (10 + centres[y] + rng.standard_t(6, size=(len(y), len(FEATURES)))).astype(np.float32)
    splits = split_jets(x, y, 0.2, 0.2, 1)
    train = splits["train"].x.astype(np.float64)
    return Dataset(**splits, mean=train.mean(0), std=train.std(0), source="toy clusters")


@pytest.fixture
def server():
    """A server on this machine; see loopback."""
    from loopback import Server

    server = Server()
    yield server
    server.close()


def merged(*layers):
    """Dictionaries laid over each other, as Snakemake does with config files."""
    result = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


HEAVY = ("torch", "keras", "jax", "numba", "scipy.stats", "scipy.optimize", "scipy.special", "sklearn", "matplotlib")
HEAVY += ("onnx", "qonnx", "alkaid", "hls4ml", "optuna", "fastjet", "pythia8mc")
"""What takes long to load, and what Snakemake is not to load when it starts."""


def read_import_times(output):
    """What a program said, and what of HEAVY it imported, of an output in which Python noted its imports.

    It does with PYTHONPROFILEIMPORTTIME=1; of what `importlib.import_module` is asked for it notes the parts alone.
    """
    lines = output.splitlines()
    imports = [re.match(r"import time:.*\| *([\w.]+)$", line) for line in lines]
    said = "\n".join(line for line, found in zip(lines, imports, strict=True) if not found)
    names = {found[1] for found in imports if found}
    assert "nanotrigger.plan" in names, output
    return said, {name for name in names if any(f"{name}.".startswith(f"{heavy}.") for heavy in HEAVY)}


def read_yaml(path):
    return yaml.safe_load((ROOT / path).read_text())


class Checkout:
    """A copy of the workflow beside the package's sources, in which Snakemake runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("Snakefile", "workflow", "config", "profiles", "resources"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        (folder / "src").symlink_to(ROOT / "src")

    def snakemake(self, *arguments, overlay=None, timeout=1800, env=None):
        """Run Snakemake; `overlay` is laid over config.yaml. Returns the finished process, output and errors joined."""
        command = [sys.executable, "-m", "snakemake", "--nocolor", *arguments]
        if overlay is not None:
            path = self.folder / "overlay.yaml"
            path.write_text(yaml.safe_dump(overlay))
            command += ["--configfile", str(path)]
        return subprocess.run(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )

    def planned(self, *arguments, overlay=None):
        """Rules and wildcards of the jobs that a dry run would start, as 'rule: output'."""
        done = self.snakemake("-n", "--quiet", "rules", "--summary", *arguments, overlay=overlay)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory):
    """Folder of the small study of tests/faults, finished without a fault; not to be changed."""
    from study import finished

    return finished(tmp_path_factory.getbasetemp())


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)
