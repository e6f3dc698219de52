"""A small study on a real Slurm cluster of one node: to the summary table, with a job that is killed on its way."""

import os
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from cluster import PACKAGES, Cluster, missing
from conftest import ROOT, Checkout, merged
from end_to_end.test_small_run import SMALL

pytestmark = pytest.mark.slurm

STUDY = merged(SMALL, {"run": {"name": "study", "models": ["float", "linear"], "flows": ["rtl"], "skip": []}})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if absent := missing():
        pytest.fail(f"not installed: {', '.join(absent)} (Debian: apt install {PACKAGES})")
    with Cluster(tmp_path_factory.mktemp("cluster") / "node") as running:
        yield running


def memory_mb(cluster, job):
    """Memory that a job asked for."""
    (text,) = [
        word for word in cluster.run("scontrol", "show", "job", job).split() if word.startswith("MinMemoryNode=")
    ]
    value = text.partition("=")[2]
    return int(float(value[:-1]) * {"M": 1, "G": 1024}[value[-1]])


def test_a_study_reaches_its_table_though_a_job_is_killed(cluster, tmp_path):
    checkout = Checkout(tmp_path)
    shutil.copytree(ROOT / "tests/fixtures/extension", checkout.folder / "extension")
    (checkout.folder / "overlay.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--configfile", "overlay.yaml"]
    # a test need not wait as long between two looks as a cluster's users
    quick = [
        "--slurm-status-command",
        "squeue",
        "--slurm-init-seconds-before-status-checks",
        "2",
        "--latency-wait",
        "5",
        "--slurm-no-account",
    ]
    with open(checkout.folder / "run.log", "wb") as log:
        run = subprocess.Popen(
            [*command, *quick, "tables"],
            cwd=checkout.folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **cluster.environment},
        )  # fmt: skip
    submitted, killed = {}, None
    try:
        while run.poll() is None:
            for job, comment in cluster.jobs():
                submitted.setdefault(job, (comment, memory_mb(cluster, job)))
                if killed is None and comment.startswith("rule_train"):
                    killed = job
                    cluster.run("scancel", "--signal=KILL", "--full", job)
            time.sleep(0.3)
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait()
    text = (checkout.folder / "run.log").read_text()
    assert run.returncode == 0, text[-6000:]
    assert killed, text[-3000:]
    comment, memory = submitted[killed]
    repeated = [m for job, (c, m) in submitted.items() if c == comment and job != killed]
    assert repeated == [2 * memory], "it was tried again, with more memory"
    hardware = pd.read_csv(checkout.folder / "results/study/tables/hardware.csv")
    assert set(hardware.model) == {"float", "linear"}
    assert (hardware.mismatches == 0).all() and (hardware.lut > 0).all() and (hardware.status == "done").all()
    assert (checkout.folder / "results/study/tables/summary.md").exists()
    # export to record of each model is one job
    rules = [comment.partition("_wildcards")[0] for comment, _ in submitted.values()]
    assert len(submitted) < 20, sorted(rules)
