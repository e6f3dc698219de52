"""Runs whose files have hostile names, whose config holds hostile text, and in whose environment secrets are planted.

Each name carries a command that would make a file named `pwned`.
"""

import csv
import json
import os
import re

import numpy as np
import pytest
import yaml
from conftest import Checkout
from report_run import Page
from test_export import network
from test_hostile_names import HOSTILE

from nanotrigger.config import load_config
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.packing import unpack

SCRIPT = "<script>alert(1)</script>"
REASON = f"{SCRIPT} | =1+1 \\input{{/etc/passwd}} & {HOSTILE} 100% [a](javascript:alert(1))"

PLANTED = {
    "ZENODO_TOKEN": "planted-token-0123456789",
    "DB_PASSWORD": "planted p4ssword; with blanks",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+key==",
    "LM_LICENSE_FILE": "2100@planted-licence-host:2200@planted-second-host",
    "HTTPS_PROXY_URL": "http://planted-user:planted-proxy-password@proxy.example.org:3128",
}
LICENCE, CONTAINER_USER = "27000@planted-in-the-config", "planted-registry-password"
FORBIDDEN = re.compile(
    rb"planted-(token|licence|second|user|proxy|in-the-config|registry)|planted p4ssword|planted/secret"
)

LEAKY = '''
"""A flow whose program tells all that it knows."""

import os
from pathlib import Path

import numpy as np
from nanotrigger.errors import ToolError
from nanotrigger.flows.base import HardwareParams, ResourceRecord
from nanotrigger.tools.vendor import Installation, run_vendor

accepts, requires = ("qonnx",), ()


class Params(HardwareParams, Installation):
    """Config stanza."""

    fails: bool = False


def create_project(artifact, kind, folder, params):
    print(dict(os.environ))


def emulate(folder, x, params):
    print("fetching https://planted-user:planted-proxy-password@example.org/a?access_token=planted-token-0123456789")
    return np.load(next(folder.parents[4].rglob("outputs.npy")), allow_pickle=False)


def synthesize(folder, params):
    said = run_vendor(["sh", "-c", "env; echo checked out from $LM_LICENSE_FILE"], folder, "tool.log", 60, params)
    print(said)
    if params.fails:
        raise ToolError(f"{said[-2000:]}no licence at {os.environ['LM_LICENSE_FILE']}")
    return {}


def read_report(folder, params):
    lines = (folder / "tool.log").read_text().splitlines()
    return ResourceRecord(stage="estimate", lut=1, notes=(lines[-1],))
'''


RULES = """
rule mine:
    output: f"{RESULTS}/mine.txt"
    params: name=%r
    shell: "echo {params.name:q} > {output:q}"

OWN_OUTPUTS += rules.mine.output
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of a file, vectors, rules and a flow of hostile names and habits, with hostile text where a config takes any,
    and secrets planted in the environment and the config: one that ends well, one that fails. The checkout, what each printed.
    """
    checkout = Checkout(tmp_path_factory.mktemp("hostile"))
    folder = checkout.folder / HOSTILE
    folder.mkdir()
    write_qonnx(network(4, hidden_units=4), folder / f"my {HOSTILE}.onnx", {})
    np.savez(folder / f"{HOSTILE}.npz", x=np.random.default_rng(0).normal(size=(60, 16)), y=np.arange(60) % 5)
    (folder / f"{HOSTILE}.smk").write_text(RULES % HOSTILE)
    (checkout.folder / "own").mkdir()
    (checkout.folder / "own/leaky.py").write_text(LEAKY)
    leaky = {"flow": "own.leaky", "licence": LICENCE, "container": "env --"}  # that container adds nothing
    unused = {"flow": "vivado", "container": f"run docker://user:{CONTAINER_USER}@registry.example.org/vivado"}
    file = {"method": "external", "path": f"{HOSTILE}/my {HOSTILE}.onnx", "vectors": f"{HOSTILE}/{HOSTILE}.npz"}
    run = {"name": "named", "dataset": None, "models": ["file"], "flows": ["rtl", "leaky"], "compare": []}
    config = {
        "run": {**run, "skip": [{"model": "file", "flow": "rtl", "reason": REASON}]},
        "models": {"file": file},
        "flows": {"rtl": {"flow": "rtl"}, "leaky": leaky, "vivado": unused},
        "custom_rules": [f"{HOSTILE}/{HOSTILE}.smk"],
    }
    well = checkout.snakemake("--cores", "2", "all", "ro_crate", overlay=config, env=PLANTED)
    assert well.returncode == 0, well.stdout[-4000:]
    config["flows"]["leaky"] = {**leaky, "fails": True}
    config["run"]["name"] = "failing"
    bad = checkout.snakemake("--cores", "2", "hardware", overlay=config, env=PLANTED)
    assert bad.returncode != 0
    return checkout, well.stdout, bad.stdout


@pytest.fixture
def finished(runs):
    return runs[0]


def test_files_of_any_name_and_folder_work(finished):
    results = finished.folder / "results/named"
    (row,) = csv.DictReader((results / "tables/models.csv").open())
    assert row["test_jets"] == "60" and row["qonnx_mismatches"] == "0"
    assert (results / "mine.txt").read_text() == f"{HOSTILE}\n"
    assert not list(finished.folder.rglob("pwned"))
    files = json.loads((results / "provenance.json").read_text())["files"]
    assert "results/named/mine.txt" in files, "what custom rules add is part of the run"


def test_what_a_config_says_is_text_in_every_table(finished):
    results = finished.folder / "results/named"
    (row,) = [r for r in csv.DictReader((results / "tables/hardware.csv").open()) if r["flow"] == "rtl"]
    assert REASON in row["status"] and row["lut"] == ""
    for path in results.rglob("*.tex"):
        assert r"\input{" not in path.read_text() and "$(" not in re.sub(r"\\\$", "", path.read_text()), path
    html = (results / "report.html").read_text()
    assert SCRIPT not in html and 'href="javascript:' not in html
    assert "alert(1)" in Page(html).text("designs"), "it is there, as text"


def test_a_hostile_target_matches_no_rule(finished):
    for target in (
        "results/named/models/../seed0/model.onnx",
        f"results/named/models/file/seed0/{HOSTILE}/project.tar.gz",
        "downloads/../pwned",
    ):
        done = finished.snakemake("-n", target)
        assert done.returncode != 0 and "MissingRuleException" in done.stdout, done.stdout


def test_no_file_and_no_output_of_a_run_holds_a_secret(runs, tmp_path):
    checkout, *outputs = runs
    files = [
        file
        for folder in ("results", "logs", "benchmarks", ".snakemake")
        for file in (checkout.folder / folder).rglob("*")
        if file.is_file()
    ]
    assert len(files) > 50
    archives = [file for file in files if file.name.endswith(".tar.gz")]
    for number, archive in enumerate(archives):
        unpack(archive, tmp_path / str(number))
    assert len(archives) == 4, "of the run that failed its project alone"
    files += [file for file in tmp_path.rglob("*") if file.is_file()]
    holding = {str(file): match[0] for file in files if (match := FORBIDDEN.search(file.read_bytes()))}
    assert holding == {}
    for output in outputs:
        assert not FORBIDDEN.search(output.encode())


def test_what_was_said_is_still_there_without_them(runs, tmp_path):
    """So that the test above is of logs that would have held them."""
    checkout, _, failed = runs
    unpack(checkout.folder / "results/named/hardware/file/seed0/leaky/synthesis.tar.gz", tmp_path)
    log = (tmp_path / "tool.log").read_text()
    assert "checked out from ***" in log and "ZENODO_TOKEN=***" in log and f"HOME={os.environ['HOME']}" in log
    said = (checkout.folder / "logs/named/read_report/file,0,leaky.log").read_text()
    assert "fetching https://***@example.org/a?access_token=***" in said and "'ZENODO_TOKEN': '***'" in said
    assert "synthesize file 0 leaky failed; the end of its log:" in failed and "no licence at ***" in failed


def test_the_effective_config_can_be_run_without_its_secrets(runs, monkeypatch):
    checkout, *_ = runs
    content = yaml.safe_load((checkout.folder / "results/named/config.yaml").read_text())
    assert content["flows"]["leaky"] == {"flow": "own.leaky", "container": "env --"}
    assert content["flows"]["vivado"]["container"] == "run docker://***@registry.example.org/vivado"
    monkeypatch.chdir(checkout.folder)
    assert load_config(content).run.name == "named"
    stated = json.loads((checkout.folder / "results/named/provenance.json").read_text())
    assert stated["results"]["hardware/file/seed0/leaky"]["stanza"]["licence"] == "**********"
