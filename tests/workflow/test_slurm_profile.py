"""The profile of Slurm without a cluster: what it plans, and the command lines that it would submit."""

import os
import re
import shlex

import pytest
from conftest import merged, read_yaml

QUICKSTART = read_yaml("config/quickstart.yaml")
PROFILE = "profiles/slurm/config.yaml"

PROGRAMS = {
    "sbatch": 'printf "%s\\0" "$*" >> "$CALLS"; echo "no such cluster" >&2; exit 1',
    "sinfo": 'echo "PARTITION"; echo "long*"',
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
    "sacctmgr": "echo my_account",
    "sacct": "true",
    "squeue": "true",
    "scancel": "true",
}
"""Stand-ins for Slurm's programs: every submission is written down, and refused."""


@pytest.fixture
def submit(checkout):
    """Run Snakemake to its first submissions; gives the command line of each rule's job, by rule and first wildcard."""
    programs, calls = checkout.folder / "bin", checkout.folder / "calls"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)

    def submitted(*arguments, overlay):
        data = checkout.folder / "results/quickstart/data/quickstart.h5"
        data.parent.mkdir(parents=True, exist_ok=True)
        data.touch()  # so that the trainings come first
        calls.unlink(missing_ok=True)
        done = checkout.snakemake(
            "--retries", "0", "--slurm-init-seconds-before-status-checks", "1", *arguments, overlay=overlay,
            env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)},
        )  # fmt: skip
        assert calls.exists(), done.stdout
        lines = [line.partition(" --wrap=")[0] for line in calls.read_text().split("\0") if line]
        return {re.search(r"--comment (rule_\S+)", line)[1]: shlex.split(line) for line in lines}

    return submitted


@pytest.mark.parametrize(
    "option, overlay", [("--profile", QUICKSTART), ("--workflow-profile", QUICKSTART), ("--profile", None)]
)
def test_the_profile_plans_without_a_cluster(checkout, option, overlay):
    """The quickstart, and the paper run."""
    done = checkout.snakemake("-n", option, "profiles/slurm", overlay=overlay)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^synthesize +\d\d", done.stdout, re.M) and "Traceback" not in done.stdout


def asked(words: list[str]) -> dict[str, str]:
    """Account, partition, minutes and megabytes of a submission, as far as it names them."""
    return {option: words[words.index(option) + 1] for option in ("-A", "-p", "-t", "--mem") if option in words}


def site_profile(checkout) -> str:
    """A copy of the profile in which everything that it only suggests is set."""
    text = (checkout.folder / PROFILE).read_text()
    text = re.sub(r"^( *)# ([\w-]+: ?.*|  .*)$", r"\1\2", text, flags=re.M)
    assert "  slurm_account: my_account\n" in text and "\nslurm-status-command: squeue" in text
    (checkout.folder / "site").mkdir()
    (checkout.folder / "site/config.yaml").write_text(text.replace("my_partition", "cpu-short"))
    return "site"


def test_a_gpu_is_asked_for_where_the_config_says_cuda(checkout, submit):
    """For trainings of the engine, not for HGQ2, which has one of its own; in the partition that the site names for it."""
    overlay = merged(QUICKSTART, {"run": {"device": "cuda:1"}})
    calls = submit("--profile", site_profile(checkout), "models", overlay=overlay)
    training, teacher = calls["rule_train_wildcards_float_0"], calls["rule_prepare_wildcards_hawq_teacher.safetensors"]
    assert "--gpus=1" in training and "--gpus=1" in teacher
    assert not [word for word in calls["rule_train_wildcards_hgq_0"] if word.startswith("--gpu")]
    assert asked(training) == {"-A": "my_account", "-p": "gpu", "-t": "1440", "--mem": "16000"}
    assert asked(teacher) == {"-A": "my_account", "-p": "cpu-short", "-t": "720", "--mem": "3800"}


def test_no_gpu_is_asked_for_else(submit):
    """And what a rule says is what is submitted; without a partition, the cluster's default one."""
    calls = submit("--profile", "profiles/slurm", "models", overlay=QUICKSTART)
    assert {"rule_train_wildcards_float_0", "rule_prepare_wildcards_hawq_teacher.safetensors"} <= set(calls)
    assert not [word for line in calls.values() for word in line if word.startswith(("--gpu", "--gres"))]
    training = calls["rule_train_wildcards_float_0"]
    assert asked(training) == {"-p": "long", "-t": "720", "--mem": "4800"} and "--cpus-per-task=1" in training


PROBE = """
from types import SimpleNamespace
for rule in workflow.rules:
    if not rule.norun and rule.name not in workflow._localrules:
        asked = {name: rule.resources[name]._evaluator for name in ("mem_mb", "runtime")}
        wildcards = SimpleNamespace(flow="rtl", model=next(iter(PLAN.models)), figure="roc", stanza="float", label="q")
        memory = [asked["mem_mb"](wildcards, attempt=attempt) for attempt in (1, 2)]
        print("asks", rule.name, memory[1] > memory[0] >= 1000)
for flow in PLAN.flows:
    groups = [workflow.get_rule(name)._group(SimpleNamespace(flow=flow)) for name in (
        "create_project", "emulate", "synthesize", "simulate_netlist", "read_report")]
    print("groups", flow, *groups)
    print("minutes", flow, rules.synthesize.rule.resources["runtime"]._evaluator(SimpleNamespace(flow=flow)))
"""


def test_every_rule_asks_for_memory_and_time_and_a_design_is_one_job(checkout):
    """A synthesis that takes a licence is a job of its own, so that nothing else holds the licence or is lost with it."""
    (checkout.folder / "probe.smk").write_text(PROBE)
    overlay = merged(QUICKSTART, {"run": {"flows": ["rtl", "vivado"]}, "flows": {"vivado": {"timeout_s": 36000}}})
    done = checkout.snakemake("-n", "data", overlay={**overlay, "custom_rules": [str(checkout.folder / "probe.smk")]})
    assert done.returncode == 0, done.stdout
    asks = dict(re.findall(r"^asks (\w+) (\w+)$", done.stdout, re.M))
    assert len(asks) > 20 and set(asks.values()) == {"True"}, asks
    groups = dict(re.findall(r"^groups (\w+) (.*)$", done.stdout, re.M))
    assert groups == {"rtl": "design design design design design", "vivado": "project project None record record"}
    minutes = dict(re.findall(r"^minutes (\w+) (\d+)$", done.stdout, re.M))
    assert minutes == {"rtl": "255", "vivado": "1215"}, "a job may take as long as the stanza lets its tools take"


def test_licences_on_the_command_line_replace_the_profiles(checkout):
    """As docs/cluster.md warns."""
    for option, provided in (([], "vivado=4"), (["--resources", "vivado=1"], "vivado=1")):
        done = checkout.snakemake("-n", "--profile", "profiles/slurm", "data", *option, overlay=QUICKSTART)
        assert done.returncode == 0, done.stdout
        (line,) = re.findall(r"^Provided resources: (.*)$", done.stdout, re.M)
        assert provided in line.split(", ") and ("catapult=1" in line) == (not option), line
