"""A small study on a real Slurm cluster of one node: to the summary table, through the death of the login node's Snakemake
and of two jobs, and one that takes more memory than it asked for. Then the same study without a cluster.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cluster import PACKAGES, PARTITION, Cluster, Submission, missing
from conftest import ROOT, Checkout, merged
from end_to_end.test_small_run import SMALL

pytestmark = pytest.mark.slurm

STUDY = merged(SMALL, {"run": {"name": "study", "models": ["float", "linear"], "flows": ["rtl"]}})
TABLES = Path("results/study/tables")
STALLED_S = 300
"""Seconds without any change after which the run hangs; nothing in it takes that long even on a busy machine."""

HUNGRY = """
rule hungry:
    output: f"{RESULTS}/hungry.txt"
    resources: mem_mb=memory(700), runtime=5
    shell: "python3 -c 'import time; held = bytes([1]) * 1_500_000_000; time.sleep(10)' && echo fed > {output}"
"""
"""Fits into what is asked for in the second attempt, and not into the first."""


@dataclass
class Run:
    """A run that ended: what Snakemake said and its jobs in Slurm, before its first end (`first`) and after; the states of all
    in the controller's own log; and the numbers of the jobs that were killed here, by name.
    """

    folder: Path
    first_text: str
    text: str
    first_jobs: list[Submission]
    jobs: list[Submission]
    logged: dict[int, str]
    killed: dict[str, int]

    def attempts(self, name: str) -> list[Submission]:
        return [job for job in self.jobs if job.comment == name]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if absent := missing():
        pytest.fail(f"not installed: {', '.join(absent)} (Debian: apt install {PACKAGES})")
    with Cluster(tmp_path_factory.mktemp("cluster") / "node") as running:
        yield running


def checkout_of(folder: Path) -> Checkout:
    """A checkout with the study's overlay, its method, and the profile as a site would have it."""
    checkout = Checkout(folder)
    shutil.copytree(ROOT / "tests/fixtures/extension", folder / "extension")
    (folder / "hungry.smk").write_text(HUNGRY)
    study = {**STUDY, "custom_rules": [str(folder / "hungry.smk")]}
    (folder / "overlay.yaml").write_text(yaml.safe_dump(study))
    profile = folder / "profiles/slurm/config.yaml"
    text = profile.read_text().replace("# slurm_partition: my_partition", f"slurm_partition: {PARTITION}")
    # a test need not wait as long between two looks as a cluster's users
    quick = "slurm-init-seconds-before-status-checks: 2\nslurm-keep-successful-logs: true\n"
    profile.write_text(
        text.replace("# slurm-status-command", "slurm-status-command").replace("wait: 60", "wait: 5") + quick
    )
    return checkout


class Study:
    """Snakemake on the cluster, watched."""

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.environment = {**os.environ, **cluster.environment}

    def command(self, *arguments: str) -> list[str]:
        profile = ["--profile", "profiles/slurm", "--configfile", "overlay.yaml"]
        return [sys.executable, "-m", "snakemake", "--nocolor", *arguments, *profile]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, env=self.environment, timeout=300
        )

    def watch(self, log: Path, on_look: Callable[[], object], *targets: str) -> int:
        """Run to its end, or until `on_look()` says that it be killed. Raises ClusterError, with what is known, if it hangs."""
        with open(log, "wb") as output:
            process = subprocess.Popen(
                self.command(*targets),
                cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, env=self.environment,
            )  # fmt: skip
        before, changed = None, time.monotonic()
        try:
            while process.poll() is None and not on_look():
                time.sleep(0.2)
                if time.monotonic() - changed > 10:
                    now = (log.stat().st_size, [job.state for job in self.cluster.submissions()])
                    if now != before:
                        before, changed = now, time.monotonic()
                    elif time.monotonic() - changed > STALLED_S:
                        running = [job for job in self.cluster.submissions() if job.state in ("RUNNING", "PENDING")]
                        what = (
                            f"nothing has changed for {STALLED_S} s; still there: {running}\n{log.read_text()[-3000:]}"
                        )
                        raise self.cluster.error(what)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory):
    """The study on the cluster, with everything that happens to it."""
    folder = checkout_of(tmp_path_factory.mktemp("study")).folder
    study = Study(cluster, folder)
    logs = folder / "logs/study"
    training, design = (
        "rule_train_wildcards_float_0",
        "rule_design_create_project_emulate_read_report_simulate_netlist_synthesize",
    )
    marks = {training: logs / "train/float/0.log", design: logs / "create_project/linear,3,rtl.log"}

    # the login node dies while the float model trains: its jobs are ended, its lock is removed, and the run goes on
    code = study.watch(folder / "first.log", marks[training].exists, "tables")
    first_text = (folder / "first.log").read_text()
    assert code == -signal.SIGKILL, first_text[-8000:]
    (name,) = re.findall(r"SLURM run ID: (\S+)", first_text)
    cluster.run("scancel", "--full", "--name", name)
    cluster.wait_for("the jobs of the dead Snakemake to end", lambda: not cluster.run("squeue", "--noheader").strip())
    locked = study.snakemake("tables")
    assert locked.returncode != 0 and "--unlock" in locked.stdout + locked.stderr, locked.stdout + locked.stderr
    assert study.snakemake("--unlock").returncode == 0
    first_jobs, killed = cluster.submissions(), {}
    marks[training].unlink()

    def look():
        for name, mark in marks.items():
            if name not in killed and mark.exists():
                running = [j for j in cluster.submissions() if j.comment == name and j.state == "RUNNING"]
                for job in running[-1:]:
                    killed[name] = job.number
                    cluster.kill(job.number)

    code = study.watch(folder / "run.log", look, "tables", "results/study/hungry.txt")
    text = (folder / "run.log").read_text()
    jobs = [job for job in cluster.submissions() if job.number > first_jobs[-1].number]
    if code:
        raise cluster.error(f"Snakemake ended with exit code {code}; its jobs: {jobs}\n{text[-8000:]}")
    return Run(folder, first_text, text, first_jobs, jobs, cluster.completed(), killed)


GROUPS = {
    "rule_model_check_export_export": ("export", "check_export"),
    "rule_design_create_project_emulate_read_report_simulate_netlist_synthesize": (
        "create_project", "emulate", "synthesize", "simulate_netlist", "read_report",
    ),
}  # fmt: skip
"""As Slurm knows the jobs of a group."""


def expected_jobs(text: str) -> Counter:
    """Jobs that Slurm should get for what Snakemake planned: those of a group are one."""
    table = text.split("Job stats:")[1].split("\n\n")[0]
    planned = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.M) if name != "total"}
    assert planned.pop("tables") == 1, "a mere target, and the only rule that is not submitted"
    expected = Counter()
    for group, rules in GROUPS.items():
        numbers = {planned.pop(rule) for rule in rules}
        assert len(numbers) == 1, planned
        expected[group] = numbers.pop()
    expected.update({f"rule_{rule}": number for rule, number in planned.items()})
    return expected


def test_every_job_of_the_dag_went_through_slurm(study):
    """The controller's log of completed jobs against Snakemake's plan: each job once, those of a group as one."""
    done = Counter(job.name for job in study.jobs if study.logged.get(job.number) == "COMPLETED")
    assert done == expected_jobs(study.text)
    assert done["rule_model_check_export_export"] == 2 and done["rule_hungry"] == 1
    # what was not planned again after the first end was done before it
    before = Counter(job.name for job in study.first_jobs if study.logged.get(job.number) == "COMPLETED")
    kept = expected_jobs(study.first_text) - done
    assert kept["rule_generate_jets"] == 5 and kept["rule_make_dataset"] == 1 and kept <= before


def test_a_killed_job_is_repeated_with_more_memory(study):
    assert len(study.killed) == 2, f"a training and a group were to be killed: {study.killed}\n{study.text[-3000:]}"
    for name, number in study.killed.items():
        first, second = study.attempts(name)
        assert first.number == number and first.state in ("FAILED", "CANCELLED") and second.state == "COMPLETED"
        assert second.memory_mb > 1.5 * first.memory_mb and second.minutes == first.minutes, name
    assert study.attempts("rule_train_wildcards_float_0")[0].memory_mb == 4800


def test_a_job_that_takes_more_memory_than_it_asked_for_gets_more(study):
    first, second = study.attempts("rule_hungry")
    assert (first.memory_mb, second.memory_mb) == (1500, 2200) and second.state == "COMPLETED"
    log = study.folder / f".snakemake/slurm_logs/rule_hungry/{first.number}.log"
    assert "xceeded" in log.read_text() and "memory limit" in log.read_text()
    assert (study.folder / "results/study/hungry.txt").read_text() == "fed\n"


def test_the_logs_of_a_design_are_gathered_in_a_group_as_well(study):
    """Snakemake makes an empty log for each job of a group that has none when the group has ended."""
    logs = study.folder / "logs/study"
    assert [path for path in logs.rglob("*.log") if not path.stat().st_size] == []
    found = {path.parent.name for path in logs.rglob("linear,3*.log")}
    assert found == {"check_export", "read_report"}
    assert (logs / "read_report/linear,3,rtl.log").read_text().count("\nended well after ") == 5


def test_nothing_else_failed(study):
    failed = {job.number for job in study.jobs if job.state != "COMPLETED"}
    assert failed == {*study.killed.values(), study.attempts("rule_hungry")[0].number}
    assert "fail" not in (study.folder / TABLES / "hardware.csv").read_text()


def test_the_tables_are_those_of_a_run_without_a_cluster(study, tmp_path):
    """Byte for byte."""
    checkout = checkout_of(tmp_path)
    done = checkout.snakemake("tables", "--cores", "1", "--configfile", "overlay.yaml", timeout=1800)
    assert done.returncode == 0, done.stdout[-6000:]
    ours, theirs = study.folder / TABLES, tmp_path / TABLES
    names = sorted(path.name for path in theirs.iterdir())
    assert {"summary.csv", "summary.md", "summary.tex", "models.csv", "hardware.csv"} <= set(names)
    assert sorted(path.name for path in ours.iterdir()) == names
    assert [name for name in names if (ours / name).read_bytes() != (theirs / name).read_bytes()] == []
    assert "| linear" in (ours / "summary.md").read_text()
