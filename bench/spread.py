"""Spread of accuracies between ways to add up floating-point numbers

Three seeds of a float and of a 6-bit network of 64, 32, 32 hidden units, trained on the jets of the run by the batched engine,
and one HGQ walk: as the workflow does (one thread, the vector instructions that the processor has), again, and with what
another machine may have instead. A row says of how many networks the parameters differ at all, how many test jets change
their class on average, and the largest change of an accuracy, each against the first way.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.base import Measurement, Options, dataset
from nanotrigger.errors import NanotriggerError
from nanotrigger.results.records import read_json, sha256

EPOCHS = 30
SEEDS = (0, 1, 2)
AS_IT_IS: dict[str, str] = {}
TORCH = {
    "the same again": AS_IT_IS,
    "OMP_NUM_THREADS=2": {"OMP_NUM_THREADS": "2"},
    "ATEN_CPU_CAPABILITY=avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "ATEN_CPU_CAPABILITY=default": {"ATEN_CPU_CAPABILITY": "default"},
    "MKL_CBWR=COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
}
JAX = {
    "the same again": AS_IT_IS,
    "two cores": {"SPREAD_CORES": "2"},
    "XLA_FLAGS=--xla_cpu_max_isa=AVX2": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
}
ENGINES = {"torch": TORCH, "jax": JAX}


def measure(options: Options) -> Iterator[Measurement]:
    """A subject for each engine and way. Raises NanotriggerError where the run has no dataset or a training fails."""
    data = dataset(options)
    with tempfile.TemporaryDirectory() as folder:
        for engine, ways in ENGINES.items():
            chosen = {way: e for way, e in ways.items() if options.chosen(f"{engine}, {way}")}
            if not chosen:
                continue
            usual = _trained(engine, data, Path(folder) / f"{engine}_usual", AS_IT_IS)
            for number, (way, variables) in enumerate(chosen.items()):
                other = _trained(engine, data, Path(folder) / f"{engine}_{number}", variables)
                yield from _compared(f"{engine}, {way}", usual, other)


def _compared(subject: str, usual: dict[str, Any], other: dict[str, Any]) -> Iterator[Measurement]:
    differ = sum(usual[name]["sha256"] != other[name]["sha256"] for name in usual)
    yield Measurement(subject, f"networks of {len(usual)} that differ", "", (differ,))
    moved = [np.mean(np.array(usual[name]["classes"]) != other[name]["classes"]) for name in usual]
    yield Measurement(subject, "test jets of another class", "%", (100 * float(np.mean(moved)),))
    changes = [abs(usual[name]["accuracy"] - other[name]["accuracy"]) for name in usual]
    yield Measurement(subject, "largest change of an accuracy", "%", (100 * max(changes),))
    if subject.endswith("the same again"):
        accuracies = [found["accuracy"] for found in usual.values()]
        yield Measurement(subject, "accuracies", "%", tuple(100 * value for value in accuracies))


def _trained(engine: str, data: Path, folder: Path, variables: dict[str, str]) -> dict[str, Any]:
    """What a process of its own leaves, by network: accuracy and classes on the test jets, and the hash of its parameters."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SPREAD_CORES": "1", "NANOTRIGGER_DEVICE": "cpu", **variables}
    command = [sys.executable, "-m", __name__, engine, str(data), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise NanotriggerError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return read_json(folder / "found.json")


def main(engine: str, path: str, folder: str) -> None:
    """Train in this process, whose environment says how."""
    import importlib

    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(os.environ["SPREAD_CORES"])]) or {0})
    from nanotrigger.data.dataset import read_dataset
    from nanotrigger.methods.base import Job

    data = read_dataset(Path(path))
    test, found = data.standardised("test"), {}
    stanzas: dict[str, dict[str, Any]] = (
        {"float": {}, "uniform": {"bits": 6}} if engine == "torch" else {"hgq": {"ebops": 10**9, "warmup": 5}}
    )
    for name, keys in stanzas.items():
        method = importlib.import_module(f"nanotrigger.methods.{name}")
        params = method.Params(epochs=EPOCHS, learning_rate=3e-3, **keys)
        seeds = SEEDS if engine == "torch" else SEEDS[:1]
        jobs = [Job(name, params, seed, Path(folder) / name / f"seed{seed}") for seed in seeds]
        method.train(data, jobs)
        for job in jobs:
            classes = method.predict(job.folder, test.x).argmax(1)
            (parameters,) = [*job.folder.glob("model/*.safetensors"), *job.folder.glob("model/*.npz")]
            content = dict(np.load(parameters, allow_pickle=False)) if parameters.suffix == ".npz" else None
            digest = sha256(parameters) if content is None else _digest(content)
            found[str(job)] = {
                "accuracy": float((classes == test.y).mean()),
                "classes": classes.tolist(),
                "sha256": digest,
            }
    Path(folder, "found.json").write_text(json.dumps(found))


def _digest(arrays: dict[str, np.ndarray]) -> str:
    """Of the arrays of an .npz file alone: the archive holds the time at which it was written."""
    import hashlib

    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
