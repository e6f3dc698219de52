"""The documented example of a flow, a figure and rules of one's own; and nanotrigger as a module of another workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Checkout, merged, read_yaml
from test_dry_run import commands, job_counts
from test_export import network

from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.job_records import find_record
from nanotrigger.results.records import read_json
from nanotrigger.unpack import open_design

DOCS = (ROOT / "docs/extending.md").read_text()
EXAMPLE = read_yaml("examples/and_gates/config.yaml")


def tiny(name, models, flows=()):
    """A run of QONNX files on random vectors: neither data nor training."""
    stanzas = {model: {"method": "external", "path": f"{model}.onnx", "random_vectors": 60} for model in models}
    run = {"name": name, "dataset": None, "models": list(models), "flows": list(flows), "skip": [], "compare": []}
    return {"run": run, "models": stanzas}


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example's rules and flow on a small model, run to what its rules make."""
    checkout = Checkout(tmp_path_factory.mktemp("example"))
    shutil.copytree(ROOT / "examples", checkout.folder / "examples")
    write_qonnx(network(3, hidden_units=4), checkout.folder / "narrow.onnx", {})
    checkout.config = merged(EXAMPLE, tiny("own", ["narrow"], ["and_gates"]))
    done = checkout.snakemake("--cores", "2", "fewest_ands", overlay=checkout.config)
    assert done.returncode == 0, done.stdout[-5000:]
    return checkout


def test_the_flow_is_in_the_tables_and_exact(example):
    table = pd.read_csv(example.folder / "results/own/tables/hardware.csv")
    assert list(table.flow) == ["and_gates"] and (table.status == "done").all() and (table.part == "AIG").all()
    assert (
        (table.mismatches == 0).all() and (table.netlist_mismatches == 0).all() and (table.netlist_vectors == 60).all()
    )
    assert table.lut.isna().all() and (table.ff > 0).all(), "what it does not count is empty"
    assert table.notes.str.contains(r"\d+ ANDs in a row").all()


def test_the_count_of_ands_is_that_of_another_reader(example, tmp_path):
    """The netlist as an and-inverter graph of our own reader, with equal gates merged by nobody: never fewer flip-flops."""
    from nanotrigger.tools.aiger import netlist_graph

    folder = example.folder / "results/own/hardware/narrow/seed0/and_gates"
    record = read_json(folder / "record.json")
    open_design(folder, tmp_path / "project")
    graph = netlist_graph(tmp_path / "project", ["netlist.v"], "model", 600)
    assert (len(graph.ands), len(graph.latches)) == (record["cells"]["AND"], record["cells"]["FF"])
    depth = [0] * (1 + len(graph.inputs) + len(graph.latches))
    for a, b in graph.ands:
        depth.append(1 + max(depth[a >> 1], depth[b >> 1]))
    assert f"{max(depth)} ANDs in a row" in " ".join(record["notes"])


def test_the_figure_and_the_table_of_ones_own(example):
    results = example.folder / "results/own"
    (row,) = pd.read_csv(results / "figures/and_gates.csv").itertuples()
    record = read_json(results / "hardware/narrow/seed0/and_gates/record.json")
    assert (row.model, row.ands, row.adder_cost) == ("narrow", record["cells"]["AND"], record["adder_cost"])
    assert (results / "figures/and_gates.png").stat().st_size > 5000 and (results / "figures/and_gates.pdf").exists()
    (fewest,) = pd.read_csv(results / "tables/fewest_ands.csv").model
    assert fewest == "narrow"
    assert read_json(results / "provenance/jobs/and_gates_figure.json")["wrote"], "recorded as any other job"


def test_they_are_part_of_the_run_and_an_edit_reruns_them_alone(example):
    for file in ("figure", "flow"):
        with open(example.folder / f"examples/and_gates/{file}.py", "a") as opened:
            opened.write("\n# edited\n")
    done = example.snakemake("-n", overlay=example.config)
    assert done.returncode == 0, done.stdout
    jobs = set(job_counts(done.stdout))
    assert {"create_project", "and_gates_figure", "fewest_ands", "provenance"} <= jobs
    assert not {"train", "export", "prepare", "check_export"} & jobs
    (reason,) = re.findall(r"Recording where the results.*\n(Reason: .*)", done.stdout)
    assert "figures/and_gates.png" in reason and "tables/fewest_ands.csv" in reason


@pytest.mark.parametrize("command", [c for c in commands(DOCS) if c.startswith("snakemake --configfile")])
def test_documented_commands_plan(command, checkout):
    shutil.copytree(ROOT / "examples", checkout.folder / "examples")
    done = checkout.snakemake(*command.split()[1:], "-n")
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["and_gates_figure"] == jobs["fewest_ands"] == 1 and jobs["synthesize"] > 6


def test_custom_rules_that_are_not_there_are_named(checkout):
    done = checkout.snakemake("-n", overlay={"custom_rules": ["mine/rules.smk"]})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert f"'mine/rules.smk' is not a file. Give a path as seen from {checkout.folder}" in done.stdout


# --- a module of another workflow


def outer(folder, config):
    """The workflow of the docs, with this checkout in it, and its config."""
    (text,) = re.findall(r"```python\n(module nanotrigger:.*?)```", DOCS, re.S)
    text = text.replace("/path/to/nanotrigger", str(ROOT))
    (folder / "Snakefile").write_text(f'configfile: "config.yaml"\n\n\n{text}')
    (folder / "config.yaml").write_text(yaml.safe_dump({"nanotrigger": config}))


def snakemake(folder, *arguments, env=None):
    command = [sys.executable, "-m", "snakemake", "--nocolor", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=folder, **pipes, text=True, timeout=1800, env=env)


def test_as_a_module_everything_plans(tmp_path):
    """The whole quickstart, from another folder: config laid over this one's, tables of this one, results where they belong."""
    outer(tmp_path, read_yaml("config/quickstart.yaml"))
    done = snakemake(tmp_path, "-n", "nanotrigger_all")
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["nanotrigger_generate_jets"] == 10 and jobs["nanotrigger_train"] == 3
    made = set(re.findall(r"\S*results/quickstart/\S+", done.stdout))
    assert made and all(path.startswith("jets/results/") for path in made)
    assert not (tmp_path / "config").exists()


def test_as_a_module_it_runs(tmp_path):
    """Another workflow's own rule waits for a table of ours; the records lie under the prefix as well, and nothing beside."""
    write_qonnx(network(4, hidden_units=4), tmp_path / "file.onnx", {})
    outer(tmp_path, tiny("small", ["file"]))
    done = snakemake(tmp_path, "--cores", "2")
    assert done.returncode == 0, done.stdout[-4000:]
    results = tmp_path / "jets/results/small"
    (row,) = pd.read_csv(results / "tables/models.csv").itertuples()
    assert row.model == "file" and row.qonnx_mismatches == 0 and row.qonnx_vectors == 60
    records = {path.name for path in (results / "provenance/jobs").iterdir()}
    assert {"nanotrigger_collect.json", "nanotrigger_train"} <= records
    assert (tmp_path / "jets/logs/small/collect.log").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", "config.yaml", "file.onnx", "jets", ".snakemake"}
    assert "Nothing to be done" in snakemake(tmp_path, "-n").stdout


def test_as_a_module_it_runs_in_batches(tmp_path):
    """Members find their files and records below the prefix."""
    shutil.copytree(ROOT / "tests/fixtures/extension", tmp_path / "extension")
    for seed, name in enumerate("ab"):
        write_qonnx(network(4, seed=seed, hidden_units=4), tmp_path / f"{name}.onnx", {})
    config = merged(tiny("small", ["a", "b"], ["echo"]), {"run": {"batches": 1}})
    outer(tmp_path, {**config, "flows": {"echo": {"flow": "extension.echo_flow"}}})
    environment = {**os.environ, "CALLS": str(tmp_path / "calls")}
    done = snakemake(tmp_path, "--cores", "2", env=environment)
    assert done.returncode == 0, done.stdout[-4000:]
    results = tmp_path / "jets/results/small"
    table = pd.read_csv(results / "tables/hardware.csv")
    assert list(table.model) == ["a", "b"] and (table.mismatches == 0).all()
    assert sorted((tmp_path / "calls").read_text().split()[::2]) == ["create", "create", "synthesize", "synthesize"]
    _, record = find_record(results, "nanotrigger_synthesize/b/0/echo")
    assert Path(record["script"]) == ROOT / "workflow/scripts/synthesize.py"
    assert {path.name for path in (results / "provenance/jobs/nanotrigger_read_report").iterdir()} == {
        "a,0,echo.json", "b,0,echo.json"
    }  # fmt: skip
    logs = [path.parent for path in (tmp_path / "jets/logs/small").rglob("[ab],0*.log")]
    assert sorted(path.name for path in logs) == ["check_export"] * 2 + ["read_report"] * 2, "which hold the others"
    assert not (tmp_path / "results").exists() and not (tmp_path / "logs").exists()


def test_as_a_module_a_failure_says_why(tmp_path):
    (tmp_path / "file.onnx").write_bytes(b"no model")
    outer(tmp_path, tiny("small", ["file"]))
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode != 0
    assert re.search(
        r"failed; the end of its log:\n(.*\n)*    nanotrigger: file\.onnx: not a readable ONNX file", done.stdout
    )
    assert "(log: jets/logs/small/" in done.stdout


def test_as_a_module_a_mistake_is_one_message(tmp_path):
    outer(tmp_path, {"run": {"models": ["hqg"]}})
    done = snakemake(tmp_path, "-n")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "config: run.models: 'hqg' is not defined. Did you mean hgq?" in done.stdout


def test_from_another_folder_without_a_module(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(read_yaml("config/quickstart.yaml")))
    done = snakemake(tmp_path, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "mine.yaml", "-n", "tables")
    assert done.returncode == 0, done.stdout
    assert "results/quickstart/tables/models.csv" in done.stdout
