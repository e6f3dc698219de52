"""The small study in which faults are made: given jets, two models that train together, one design, to the tables.

It is run once without a fault for all tests; those that need a finished run work in a copy of it.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import yaml
from conftest import ROOT, Checkout

RESULTS = Path("results/faults")
LOGS = Path("logs/faults")
DESIGN = RESULTS / "hardware/small_3/seed0/rtl"
STUDY = {
    "run": {
        "name": "faults",
        "dataset": "toy",
        "models": ["small"],
        "flows": ["rtl"],
        "skip": [{"model": "small_2", "flow": "*", "reason": "one design is enough here"}],
    },
    "datasets": {"toy": {"source": "pythia", "jets": 1500, "jets_per_job": 300}},
    "models": {"small": {"method": "uniform", "hidden": [4], "epochs": 60, "batch_size": 64, "input_bits": 6,
                         "learning_rate": 0.01, "sweep": {"bits": [2, 3]}}},
    "flows": {"rtl": {"flow": "rtl"}},
}  # fmt: skip
TARGETS = ("tables", f"{RESULTS}/figures/training_curves.png")


def write_jets(folder: Path, jets: int = 300) -> None:
    """What the generator would leave: overlapping clusters in place of jets, which the study need not pay for."""
    from nanotrigger.data.classes import CLASSES, FEATURES
    from nanotrigger.results.records import write_json

    rng = np.random.default_rng(5)
    rates = {"jets_per_event": 1, "events": jets, "in_window": jets, "whole": jets}
    rates |= {"cross_section_pb": 1.0, "cross_section_error_pb": 0.1}
    for name in CLASSES:
        chunk = folder / RESULTS / f"data/chunks/{name}_0"
        chunk.mkdir(parents=True)
        x = 10 + rng.normal(size=len(FEATURES)) + rng.standard_t(6, size=(jets, len(FEATURES)))
        np.savez(chunk / "jets.npz", x=x.astype(np.float32), event=np.arange(jets))
        write_json(chunk / "rates.json", rates)


class Study(Checkout):
    """A checkout with the study's jets and configuration, in which runs can be disturbed."""

    def __init__(self, folder: Path, config=None):
        super().__init__(folder)
        (folder / "overlay.yaml").write_text(yaml.safe_dump(config or STUDY))
        write_jets(folder)

    def command(self, *arguments: str, targets=TARGETS, cores=2) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--nocolor", "--configfile", "overlay.yaml"]
        return [*snakemake, "--cores", str(cores), *arguments, "--", *targets]

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """The command, to its end."""
        return finished_process(start(self.command(*arguments, **options), self.folder))

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """The command in a session of its own, output and errors joined in a pipe."""
        return start(self.command(*arguments, **options), self.folder)


def start(command: list[str], folder: Path, env=None) -> subprocess.Popen:
    # its own session, for a test may kill all of its group
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )


def finished_process(process: subprocess.Popen, timeout=1800) -> subprocess.CompletedProcess:
    try:
        said, _ = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def copy_of(study: Path, folder: Path) -> Study:
    """A finished study in a folder of its own, as Snakemake left it."""
    shutil.copytree(study, folder, symlinks=True, dirs_exist_ok=True)
    copy = Study.__new__(Study)
    copy.folder = folder
    return copy


def finished(base: Path) -> Path:
    """The study after a run without a fault: made once, also where tests run in several processes."""
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "finished_study"
    with open(shared / "finished_study.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = shared / "unfinished_study"
            partial.mkdir()
            done = Study(partial).run()
            assert done.returncode == 0, done.stdout[-5000:]
            partial.rename(folder)
    return folder


def digests(folder: Path, *patterns: str) -> dict[str, str]:
    """Hash of each file of the study's results that matches one of the patterns."""
    results = folder / RESULTS
    files = {path for pattern in patterns for path in results.glob(pattern) if path.is_file()}
    return {name: found for file in sorted(files) for name, found in hashes(file, file.relative_to(results)).items()}


def hashes(file: Path, name: Path) -> dict[str, str]:
    """Hash of a file; of an archive that of each hardware description in it, since logs of tools tell the time."""
    if file.suffixes[-2:] != [".tar", ".gz"]:
        return {str(name): hashlib.sha256(file.read_bytes()).hexdigest()}
    with tarfile.open(file) as archive:
        described = [member for member in archive if Path(member.name).suffix in (".v", ".sv", ".vhd")]
        return {
            f"{name}:{member.name}": hashlib.sha256(archive.extractfile(member).read()).hexdigest()
            for member in described
        }


SAME = (
    "data/*.h5", "tables/*", "figures/*", "models/*/*/model.onnx", "models/*/*/*.npy", "models/*/*/metrics.json",
    "models/*/*/history.csv", "models/*/*/model/*", "hardware/*/*/*/record.json", "hardware/*/*/*/*.tar.gz",
)  # fmt: skip
"""What a fault must not change."""


def assert_same(disturbed: Path, undisturbed: Path, patterns=SAME) -> None:
    """Every file byte for byte, and no other file."""
    ours, expected = digests(disturbed, *patterns), digests(undisturbed, *patterns)
    assert set(ours) ^ set(expected) == set(), "missing, or more than there should be"
    assert not [name for name in ours if ours[name] != expected[name]]
    halves = [path for path in (disturbed / RESULTS).rglob(".*") if path.name not in (".snakemake_timestamp",)]
    assert not halves, "temporary files are left"
    assert not list((disturbed / RESULTS).glob("hardware/*/*/*/*/")), "folders in which steps worked are left"


def processes_of(folder: Path, word: str = "") -> dict[int, str]:
    """Processes with that working folder or one below it, and `word` in their command line."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            cwd, command = os.readlink(f"/proc/{pid}/cwd"), Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        text = command.replace(b"\0", b" ").decode(errors="replace")
        if text and (cwd == str(folder) or cwd.startswith(f"{folder}/")) and word in text:
            found[int(pid)] = text
    return found


def job_process(folder: Path, script: str) -> int | None:
    """The process that runs a rule's script: Snakemake runs a copy of it."""
    found = {pid: text for pid, text in processes_of(folder, f".{script}.py").items() if "set -euo" not in text}
    # the interpreter itself, not its leash, whose command line does not name the script, nor the shell around it
    return next((pid for pid, text in found.items() if "python" in text.split(" ")[0]), None)


def wait_for(condition, what: str, timeout=600.0):
    """What `condition` gives once it is true."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: did not come within {timeout} s")


def assert_nothing_runs(folder: Path) -> None:
    """No process of the study is left, at once or within the moment that its end takes."""
    until = time.monotonic() + 600
    while (left := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not left


assert ROOT.is_dir()
