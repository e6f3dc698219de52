"""What Snakemake plans, and what it refuses before any job starts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, merged, read_import_times, read_yaml

from nanotrigger.modules import discover

QUICKSTART = read_yaml("config/quickstart.yaml")


def job_counts(output: str) -> dict[str, int]:
    table = output.split("Job stats:")[1]
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def test_quickstart_plans_every_stage(checkout):
    done = checkout.snakemake("-n", overlay=QUICKSTART)
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["generate_jets"] == 10 and jobs["train"] == 3 and jobs["export"] == jobs["check_export"] == 6
    assert jobs["prepare"] == 3, "teacher, traces and allocation are outputs of their own"
    # six models in two flows, without the float model's RTL
    assert jobs["emulate"] == jobs["synthesize"] == jobs["read_report"] == 11
    assert jobs["figure"] >= 6 and jobs["write_report"] == 1
    # of the papers' tables one has a model in it: FP32 of the ablation
    assert jobs["paper_table"] == jobs["paper_figures"] == 1 and "tables/hawq_ablation.tex" in done.stdout
    assert jobs["compare_models"] == 1 and "tables/comparisons.csv" in done.stdout
    assert "Drawing paired_accuracy" in done.stdout


def test_planning_loads_nothing_that_trains_draws_or_builds(checkout):
    """Each of Snakemake's processes would load it, those of a cluster's jobs too."""
    flows = {name: {"flow": name} for name in discover("nanotrigger.flows")}
    given = {"method": "external", "path": "given.onnx", "input": "fixed<16,6>"}
    (checkout.folder / "given.onnx").touch()
    methods = read_yaml("config/methods.yaml")
    models = [*methods["run"]["models"], "given"]
    overlay = {"run": {"flows": list(flows), "models": models}, "flows": flows, "models": {"given": given}}
    done = checkout.snakemake("-n", overlay=merged(QUICKSTART, methods, overlay), env={"PYTHONPROFILEIMPORTTIME": "1"})
    said, heavy = read_import_times(done.stdout)
    assert done.returncode == 0, said
    assert not heavy


def test_a_sweep_trains_in_chunks_and_builds_what_is_named(checkout):
    overlay = merged(QUICKSTART, {"run": {"models": ["widths"], "flows": ["rtl"]}})
    overlay["models"]["widths"] = {"models_per_job": 100, "build": ["widths_4-4-4-4", "widths_8-8-8-*"]}
    done = checkout.snakemake("-n", overlay=overlay)
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["train"] == jobs["survey"] == 7 and jobs["collect_sweeps"] == 1
    assert jobs["export"] == jobs["check_export"] == jobs["synthesize"] == 6


def test_one_model_has_nothing_to_be_compared_with(checkout):
    done = checkout.snakemake("-n", overlay=merged(QUICKSTART, {"run": {"models": ["float"]}}))
    assert done.returncode == 0, done.stdout
    assert job_counts(done.stdout)["compare_models"] == 1 and "Drawing paired_accuracy" not in done.stdout


def test_every_compiled_program_is_prepared_once(checkout):
    """Before any synthesis that starts it, and none that no selected flow needs."""
    flows = {"ecp5": {"flow": "ecp5"}, "asic": {"flow": "asic"}}
    for selected, programs in ((["asic"], 1), (["asic", "ecp5"], 2)):
        overlay = merged(QUICKSTART, {"run": {"flows": selected}, "flows": flows})
        done = checkout.snakemake("-n", overlay=overlay)
        assert done.returncode == 0, done.stdout
        assert job_counts(done.stdout)["warm_program"] == programs


def test_paper_run_plans_without_a_network(checkout):
    done = checkout.snakemake("-n", "--cores", "all")
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["download_jets"] == 1 and "generate_jets" not in jobs


@pytest.mark.parametrize("target", ["data", "models", "hardware", "tables", "figures"])
def test_named_targets(checkout, target):
    done = checkout.snakemake("-n", target, overlay=QUICKSTART)
    assert done.returncode == 0, done.stdout
    assert job_counts(done.stdout)[target] == 1


@pytest.mark.parametrize(
    "overlay, message",
    [
        ({"run": {"models": ["hqg"]}}, "run.models: 'hqg' is not defined. Did you mean hgq?"),
        ({"models": {"hgq": {"ebopz": 1}}}, "unknown key. Did you mean ebops?"),
        ({"tables": {"hgq": {"rows": {"HGQ-7": "float"}}}}, "tables.hgq.rows: 'HGQ-7' is no row. Did you mean HGQ-6?"),
        (
            {"run": {"compare": [{"published": "HQG-1", "despite": ["stage"], "reason": "r"}]}},
            "run.compare[0].published = 'HQG-1': no row of resources/published_results.csv",
        ),
        ({"models": {"hawq": {"sweep": {"bops_budget": [1000]}}}}, "the smallest needs 234,368"),
    ],
)
def test_mistakes_end_with_one_message(checkout, overlay, message):
    done = checkout.snakemake("-n", overlay=overlay)
    assert done.returncode != 0
    assert message in done.stdout and "Traceback" not in done.stdout


def test_missing_compiler_is_named_before_any_job(checkout, tmp_path):
    """A PATH with everything but g++."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for path in (p for folder in os.environ["PATH"].split(os.pathsep) for p in Path(folder).glob("*")):
        if "++" not in path.name and not (programs / path.name).exists():
            (programs / path.name).symlink_to(path)
    done = checkout.snakemake("-n", overlay=QUICKSTART, env={"PATH": os.fspath(programs)})
    assert done.returncode != 0
    assert "not installed: g++." in done.stdout and "Traceback" not in done.stdout


def test_a_synthesis_takes_its_vendors_licences(checkout):
    """They are resources of the rule, which a site limits; flows without a vendor take none."""
    probe = """
from types import SimpleNamespace
for flow in PLAN.flows:
    taken = [r for r in workflow.get_rule("synthesize").resources if r in LICENCES and licence(r)(SimpleNamespace(flow=flow))]
    print("licences of", flow, taken)
"""
    (checkout.folder / "probe.smk").write_text(probe)
    config = {"run": {"flows": ["rtl", "vivado", "hls4ml", "hls4ml_vivado", "hls4ml_catapult"]}}
    config["custom_rules"] = [str(checkout.folder / "probe.smk")]
    config["flows"] = {"hls4ml_catapult": {"steps": ["csynth", "vsynth"]}}
    done = checkout.snakemake("-n", "data", overlay=config)
    assert done.returncode == 0, done.stdout
    found = dict(re.findall(r"licences of (\w+) (.*)", done.stdout))
    assert found == {
        "rtl": "[]",
        "vivado": "['vivado']",
        "hls4ml": "['vitis_hls']",
        "hls4ml_vivado": "['vivado']",
        "hls4ml_catapult": "['vivado', 'catapult']",
    }


def test_custom_rules_are_included(checkout):
    rules = """
rule mine:
    input: f"{RESULTS}/tables/models.csv"
    output: f"{RESULTS}/mine.txt"
    shell: "cp {input} {output}"
"""
    (checkout.folder / "mine.smk").write_text(rules)
    overlay = {**QUICKSTART, "custom_rules": [str(checkout.folder / "mine.smk")]}
    done = checkout.snakemake("-n", "mine", overlay=overlay)
    assert done.returncode == 0 and job_counts(done.stdout)["mine"] == 1, done.stdout


def test_download_without_a_network_names_the_quickstart(checkout):
    table = checkout.folder / "config/datasets.csv"
    table.write_text(re.sub(r"https://[^, ]+", "http://127.0.0.1:9/closed", table.read_text()))
    done = checkout.snakemake("--cores", "1", "data")
    assert done.returncode != 0
    assert "make quickstart" in done.stdout and "127.0.0.1:9/closed cannot be reached" in done.stdout
    assert not list((checkout.folder / "downloads").rglob("jets*"))


def commands(text: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


README = commands((ROOT / "README.md").read_text()) if (ROOT / "README.md").exists() else []
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def test_readme_has_the_two_commands():
    assert {"make quickstart", "make test"} <= set(README)


@pytest.mark.parametrize("command", sorted(set(README)))
def test_readme_commands_run(checkout, command):
    """Make targets exist; Snakemake commands plan; the rest are the shell's own."""
    words = command.split()
    if words[0] == "make":
        assert next(w for w in words[1:] if "=" not in w) in TARGETS
        subprocess.run([*words, "-n"], cwd=ROOT, check=True, capture_output=True)
    elif words[0] == "snakemake":
        done = checkout.snakemake(*list(words[1:]), "-n")
        assert done.returncode == 0, done.stdout
    elif words[:2] == ["python", "-m"]:
        subprocess.run([sys.executable, "-c", f"import {words[2]}"], check=True)
    else:
        assert words[0] in {".", "source", "git", "cd", "cp"}, f"README has a command that no test runs: {command}"
