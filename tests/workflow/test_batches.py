"""Exports and designs of a large run in batches: the results of jobs of their own, and no more work than those."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Checkout, merged
from test_export import network

from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.job_records import find_record

MODELS = ("a", "b", "c", "d")
FLOW = "extension.echo_flow"
CONFIG = {
    "run": {"name": "echo", "dataset": None, "models": list(MODELS), "flows": ["echo"], "batches": 2},
    "models": {name: {"method": "external", "path": f"{name}.onnx", "random_vectors": 50} for name in MODELS},
    "flows": {"echo": {"flow": FLOW}},
}


def checkout(folder):
    made = Checkout(folder)
    shutil.copytree(ROOT / "tests/fixtures/extension", made.folder / "extension")
    for seed, name in enumerate(MODELS):
        write_qonnx(network(4, seed=seed, hidden_units=4), made.folder / f"{name}.onnx", {})
    return made


def run(made, config, *arguments, fails=False):
    """Run it; returns what was created and synthesised, as 'synthesize a', and the output."""
    calls = made.folder / "calls"
    calls.write_text("")
    done = made.snakemake("--cores", "2", *arguments, overlay=config, env={"CALLS": str(calls)})
    assert (done.returncode != 0) == fails, done.stdout[-5000:]
    found = [re.sub(r"results/echo/models/(\w+)/.*", r"\1", line) for line in calls.read_text().splitlines()]
    return sorted(found), done.stdout


def tables(made):
    return {p.name: p.read_bytes() for p in (made.folder / "results/echo/tables").glob("*") if p.name != "golden.csv"}


def planned(made, config):
    done = made.snakemake("-n", overlay=config)
    assert done.returncode == 0, done.stdout
    return done.stdout


ALL = sorted(f"{step} {name}" for step in ("create", "synthesize") for name in MODELS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = checkout(tmp_path_factory.mktemp("batches"))
    calls, _ = run(made, CONFIG, "hardware", "tables")
    assert calls == ALL
    return made


def test_a_batch_is_a_job_for_many(finished):
    jobs = planned(finished, merged(CONFIG, {"run": {"name": "other"}}))
    counts = dict(re.findall(r"^(\w+_batch) +(\d+)$", jobs, re.M))
    assert set(counts.values()) == {"2"} and len(counts) == 7
    assert not re.search(r"^(export|emulate|synthesize) +\d+$", jobs, re.M)


def test_nothing_is_left_to_do(finished):
    done = finished.snakemake("-n", "hardware", "tables", overlay=CONFIG)
    assert "Nothing to be done" in done.stdout, done.stdout[-2000:]


def test_results_are_those_of_jobs_of_their_own_which_then_find_them_done(finished):
    """The tables are the same, byte for byte, and going from one way to the other synthesises nothing."""
    before = tables(finished)
    assert len(before) > 5
    calls, _ = run(finished, merged(CONFIG, {"run": {"batches": 3}}), "tables")
    assert calls == [] and tables(finished) == before
    alone = merged(CONFIG, {"run": {"batches": 0}})
    calls, _ = run(finished, alone, "--forceall", "tables")
    assert calls == ALL and tables(finished) == before
    calls, _ = run(finished, CONFIG, "tables")
    assert calls == [] and tables(finished) == before


def test_a_changed_model_repeats_that_model_alone(finished, tmp_path):
    made = Checkout(tmp_path)
    shutil.copytree(finished.folder, made.folder, dirs_exist_ok=True, symlinks=True)
    write_qonnx(network(4, seed=9, hidden_units=6), made.folder / "b.onnx", {})
    calls, _ = run(made, CONFIG, "tables")
    assert calls == ["create b", "synthesize b"]
    # a parser that changed, or a key of the flow, is one step or one flow
    changed = merged(CONFIG, {"flows": {"echo": {"lut_per_kb": 2.0}}})
    assert run(made, changed, "tables")[0] == ALL


def test_one_that_fails_does_not_stop_the_others_and_is_named(finished, tmp_path):
    made = Checkout(tmp_path)
    shutil.copytree(finished.folder, made.folder, dirs_exist_ok=True, symlinks=True)
    failing = merged(CONFIG, {"flows": {"echo": {"fails_for": "/c/"}}})
    calls, said = run(made, failing, "--keep-going", "tables", fails=True)
    assert calls == ALL, "all others of its batch were done"
    assert "the licence server does not answer" in said and "model c, seed 0, flow echo" in said
    # what failed is tried again, and nothing else
    assert run(made, failing, "tables", fails=True)[0] == ["synthesize c"]
    results = made.folder / "results/echo"
    assert (results / "hardware/c/seed0/echo/project_synthesize/name").exists()
    unfinished = (results / "tables/hardware_unfinished.csv").read_text()
    assert "failed in synthesize: the licence server does not answer" in unfinished


def test_a_result_that_was_altered_or_lost_is_made_again(finished, tmp_path):
    """Where the DAG looks at the batch again: a list is deleted as its file's message says."""
    made = Checkout(tmp_path)
    shutil.copytree(finished.folder, made.folder, dirs_exist_ok=True, symlinks=True)
    results = made.folder / "results/echo"
    (results / "hardware/d/seed0/echo/synthesis.tar.gz").write_bytes(b"damaged")
    (results / "hardware/a/seed0/echo/synthesis.json").unlink()
    for path in (results / "provenance/batches").rglob("synthesis.json.list"):
        path.unlink()
    before = tables(made)
    calls, _ = run(made, CONFIG, "tables")
    assert calls == ["synthesize a", "synthesize d"] and tables(made) == before


def test_each_member_has_a_record_as_if_it_were_a_job(finished):
    results = finished.folder / "results/echo"
    for job in ("export/a/0", "synthesize/a/0/echo", "read_report/a/0/echo"):
        _, record = find_record(results, job)
        assert record["id"] == job and record["script"] == f"workflow/scripts/{job.split('/')[0]}.py"
    assert record["read"][str(Path("results/echo/hardware/a/seed0/echo/synthesis.tar.gz"))]
