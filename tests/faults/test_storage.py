"""Storage that cannot be written: a full disk, a limit on files, results that may only be read."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from study import DESIGN, RESULTS, assert_same, copy_of, finished_process, start

from nanotrigger.failures import explained, storage_message

NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]


def cannot_mount() -> str | None:
    """Why this user may not mount a file system for itself, as in many containers."""
    try:
        done = subprocess.run(
            [*NAMESPACE, "mount -t tmpfs -o size=1m none /mnt"], capture_output=True, text=True, timeout=600
        )
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else f"no mount in a namespace of one's own ({done.stderr.strip()})"


REASON = cannot_mount()
mounts = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def test_whoever_reports_it_it_is_one_message(tmp_path):
    full = storage_message(OSError(28, "No space left on device", f"{tmp_path}/a.h5"), "out.json")
    assert full.startswith(f"{tmp_path}/a.h5: No space left on device. Make room there ({tmp_path} has ")
    assert full.endswith("MiB free). Then run the same command again: what is finished is kept.")
    said = storage_message(RuntimeError("g++: fatal error: No space left on device"), "results/x/emulation.json")
    assert "g++: fatal error" in said and "\nresults/x/emulation.json: No space left on device. Make room" in said
    assert "directory" in storage_message(OSError(30, "Read-only file system", "results/a"), "b")
    assert storage_message(RuntimeError("shapes differ"), "b") is None
    assert storage_message(FileNotFoundError(2, "No such file or directory", "a"), "b") is None


@pytest.mark.parametrize("error", [
    MemoryError(), MemoryError("Unable to allocate 3.7 GiB for an array"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8589934592 bytes. out of memory"),
])  # fmt: skip
def test_a_lack_of_memory_is_said_as_such(error):
    said = explained(error, SimpleNamespace(output=["results/r/model"]), None)
    assert said.startswith("not enough memory: ") and "give the job more memory" in said
    assert explained(RuntimeError("shapes differ"), SimpleNamespace(output=["a"]), None) is None


WRITERS = """
import resource, sys
from pathlib import Path
import numpy as np
sys.path[:0] = sys.argv[2:]
from test_export import network
from nanotrigger.data.dataset import Split, write_dataset
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.records import write_json
from nanotrigger.training.checkpoint import Checkpoint
from nanotrigger.training.history import write_history
from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.snapshot import Snapshot
import torch

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
y = np.arange(2000) % 5
splits = {name: Split(rng.normal(size=(2000, 16)).astype(np.float32), y) for name in ("train", "val", "test")}
stack = BatchedMLP((16, 64, 5), [Widths.uniform(2, 4, 16)], 8.0, [0])
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for name, write in {
    "a.h5": lambda path: write_dataset(path, splits, {"source": "x"}),
    "a.json": lambda path: write_json(path, list(range(2000))),
    "a.onnx": lambda path: write_qonnx(network(8, hidden_units=40), path, {}),
    "a.safetensors": lambda path: stack.save(path),
    "c.safetensors": lambda path: Checkpoint(path, written=-9).keep("x", 1, {"w": torch.zeros(2000)}),
    "s.safetensors": lambda path: Snapshot(path).write("x", 1, {"w": np.zeros(2000)}),
}.items():
    (folder / name).write_text("of before")
    try:
        write(folder / name)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        sys.exit(f"{name} was written")
"""


def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path):
    """Every writer under a limit of 2,000 bytes: the file of before stays, no half is left, and the reason is known."""
    paths = [str(path) for path in sys.path if path]
    command = [sys.executable, "-c", WRITERS, str(tmp_path), *paths]
    done = finished_process(start(command, tmp_path))
    assert done.returncode == 0, done.stdout
    said = [line for line in done.stdout.splitlines() if ": " in line]
    assert len(said) == 6 and all(storage_message(RuntimeError(line), "x") for line in said), said
    assert sorted(os.listdir(tmp_path)) == sorted(line.partition(":")[0] for line in said)
    assert all(path.read_text() == "of before" for path in tmp_path.iterdir())


def test_a_job_under_a_limit_on_files(finished_study, tmp_path):
    """The message names the file, the reason and the remedy; afterwards the same command ends well."""
    study = copy_of(finished_study, tmp_path / "copy")
    dataset = f"{RESULTS}/data/toy.h5"
    (study.folder / dataset).unlink()
    limited = ["prlimit", "--fsize=60000", *study.command(targets=[dataset])]
    done = finished_process(start(limited, study.folder))
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert f"{dataset}: File too large. Raise the limit of the size of files (ulimit -f)" in done.stdout
    assert not (study.folder / dataset).exists()
    assert study.run(targets=[dataset]).returncode == 0
    assert_same(study.folder, finished_study, ["data/*.h5"])


FULL = """
mount -t tmpfs -o size=64m none "$1"
cp -a given/. "$1"
fallocate -l "$(( $(df --output=avail -B1 "$1" | tail -1) - $2 ))" "$1/filling"
shift 2
echo first: && ! "$@"
find results -name '.*.[0-9]*' -type f
rm -f filling results/filling
echo second: && "$@"
rm -rf made && mkdir made && cp -a results/. made
"""


@mounts
@pytest.mark.parametrize(
    "where, room, target, lost",
    [
        ("results", 20_000, f"{RESULTS}/data/toy.h5", f"{RESULTS}/data/toy.h5"),
        ("results", 3_000, f"{RESULTS}/tables/hardware.csv", f"{RESULTS}/tables"),
        ("results", 9_000, f"{DESIGN}/record.json", f"{DESIGN}/record.json"),
    ],
)
def test_a_full_disk(finished_study, tmp_path, where, room, target, lost):
    """A disk of its own for the results with so many bytes left; then there is room, and the same command ends well."""
    study = copy_of(finished_study, tmp_path / "copy")
    path = study.folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (study.folder / where).rename(study.folder / "given")
    (study.folder / where).mkdir()
    command = [*NAMESPACE, FULL, "sh", where, str(room), *study.command(targets=[target])]
    done = finished_process(start(command, study.folder))
    first, _, second = done.stdout.partition("second:")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No space left on device. Make room there (" in first and "Traceback" not in first, first[-4000:]
    assert "1 of 1 steps (100%) done" in second or "steps (100%) done" in second
    shutil.rmtree(study.folder / where)
    (study.folder / "made").rename(study.folder / where)
    assert_same(study.folder, finished_study, ["data/*.h5", "tables/hardware.csv", "hardware/*/*/*/record.json"])


READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,ro,bind "$1"
shift
"$@"
"""


@mounts
@pytest.mark.parametrize(
    "where, message",
    [
        (
            "results",
            f"{RESULTS}/tables/hardware_unfinished.csv: Read-only file system. Make it writable, or start the run",
        ),
        (".", "Read-only file system. Make it writable, or start the run in another folder (--directory)"),
    ],
)
def test_results_that_may_only_be_read(finished_study, tmp_path, where, message):
    study = copy_of(finished_study, tmp_path / "copy")
    (study.folder / RESULTS / "tables/jets.csv").unlink()
    command = [*NAMESPACE, f"{READ_ONLY}", "sh", str(study.folder / where), *study.command()]
    done = finished_process(start(command, study.folder))
    assert done.returncode != 0
    assert message in done.stdout and "Traceback" not in done.stdout, done.stdout[-4000:]
    assert study.run().returncode == 0
    assert_same(study.folder, finished_study)
