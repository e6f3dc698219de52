"""Names, values and paths that a shell, make, LaTeX or a browser would take for something else: they work, or are refused.

Each carries a command that would make a file named `pwned`.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from conftest import BASE_RUN, ROOT, Checkout, merged, read_yaml
from test_export import network

from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError, DataError, NanotriggerError
from nanotrigger.flows import rtl
from nanotrigger.place import check_place
from nanotrigger.plan import make_plan
from nanotrigger.qonnx.export import write_qonnx

HOSTILE = "q'q\"$(touch pwned);é b`touch pwned`"
NAMES = [
    HOSTILE,
    "a b",
    "a'b",
    'a"b',
    "$(touch pwned)",
    "a;b",
    "..",
    "../a",
    "a/b",
    "/etc",
    "é",
    "a\nb",
    "-rf",
    "",
    "a*",
]
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path):
    """No command of a name was run, wherever it would have left its file."""
    yield
    for folder in (tmp_path, Path.cwd(), ROOT):
        assert not (folder / "pwned").exists(), folder
    assert not list(tmp_path.rglob("pwned"))


def refused(overlay):
    with pytest.raises(ConfigError) as error:
        make_plan(load_config(merged(BASE_RUN, overlay)))
    return str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_become_folders_are_refused_by_their_key(name):
    """Of runs, datasets, models and flows; and values that become part of a model's name, or of a vendor's script."""
    assert refused({"run": {"name": name}}).startswith("config: run.name")
    assert refused({"run": {"dataset": name}, "datasets": {name: {}}}).startswith(
        ("config: run.dataset", "config: datasets")
    )
    assert refused({"models": {name: {"method": "float"}}}).startswith("config: models")
    assert refused({"flows": {name: {"flow": "rtl"}}}).startswith("config: flows")
    assert refused({"models": {"m": {"method": name}}}).startswith("config: models.m.method")
    assert refused({"flows": {"f": {"flow": name}}}).startswith("config: flows.f.flow")
    assert refused({"datasets": {"d": {"source": "download", "name": name}}}).startswith("config: datasets.d")
    if name != "a/b":  # some vendors' parts and modules are named so
        for key, value, flow in (("part", name, "vivado"), ("modules", [name], "vivado"), ("package", name, "ecp5")):
            assert refused({"flows": {"f": {"flow": flow, key: value}}}).startswith(f"config: flows.f.{key}")


SWEPT = """
from pydantic import Field
from nanotrigger.methods.uniform import *
from nanotrigger.methods import uniform

class Params(uniform.Params):
    text: str = Field("", description="any")

sweepable = frozenset({"text"})
"""


@pytest.mark.parametrize("value", [name for name in NAMES if name not in ("", "-rf")])
def test_values_of_a_sweep_become_names(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/swept.py").write_text(SWEPT)
    stanza = {"method": "mine.swept", "bits": 6, "sweep": {"text": ["fine", value]}}
    if value == "..":  # m_.. is a plain name
        assert "m_.." in make_plan(load_config(merged(BASE_RUN, {"models": {"m": stanza}}))).models
    else:
        assert refused({"models": {"m": stanza}}).startswith("config: models.m.sweep: a point would be named ")


@pytest.mark.parametrize("folder", [HOSTILE, "a b", "$(touch pwned)", "a'b", "{a}", "a%b", "a#b", "a:b", "a\nb", "a*"])
def test_folders_in_which_no_design_can_be_built_are_refused(folder):
    with pytest.raises(NanotriggerError, match=r"has .* in its path, on which make and Verilator break"):
        check_place([Path("/home") / folder])


def test_plain_folders_of_any_language_are_not():
    check_place([Path("/home/Jürgen/実験-1_b.c+d@e,f=g~h"), Path.cwd(), ROOT])


def test_a_clone_in_such_a_folder_is_refused_at_once(tmp_path):
    """By Snakemake before it plans, and by make before it installs anything."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    checkout = Checkout(folder)
    done = checkout.snakemake("-n", overlay=BASE_RUN)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert f"the folder {str(folder)!r} has" in done.stdout and "clone into" in done.stdout
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.lock", "requirements-hashed.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    made = subprocess.run(["make", "quickstart"], cwd=folder, capture_output=True, text=True)
    assert made.returncode != 0 and "make and Verilator break" in made.stderr and not (folder / ".venv").exists()


def test_a_clone_in_a_folder_of_another_language_plans(tmp_path):
    folder = tmp_path / "häß_実験"
    folder.mkdir()
    done = Checkout(folder).snakemake("-n", "data", overlay=BASE_RUN)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["../../pwned", "a/b", "", ".hidden", "a b;touch pwned", "é"])
def test_tables_of_published_files_hold_plain_names(name, tmp_path):
    from nanotrigger.data.sources import dataset_files

    with open(ROOT / "config/datasets.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for column in ("name", "file"):
        table = tmp_path / "datasets.csv"
        with open(table, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows([rows[0], {**rows[1], column: name}])
        with pytest.raises(DataError, match=rf"datasets\.csv: line 3: {column} = .* is no plain name of a file"):
            dataset_files("openml_42468", table)


def renamed(model):
    """The model with a hostile name at every node and tensor."""
    names = {}
    for node in model.graph.node:
        node.name = f"{HOSTILE}{node.name}*/"
        for ports in (node.input, node.output):
            for i, name in enumerate(ports):
                ports[i] = names.setdefault(name, f"{HOSTILE}{name}; endmodule") if name else name
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    for annotation in model.graph.quantization_annotation:
        annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
    model.graph.name = model.doc_string = f"{HOSTILE} `include"
    return model


def test_names_inside_a_model_reach_no_verilog(tmp_path):
    """Two models that differ in their names alone give the same Verilog, byte for byte."""
    texts = []
    for name, change in (("plain", lambda m: m), ("hostile", renamed)):
        path = tmp_path / f"{name}.onnx"
        write_qonnx(network(4, hidden_units=4), path, {})
        onnx.save(change(onnx.load(path)), path)
        project = tmp_path / name
        project.mkdir()
        rtl.create_project(path, "qonnx", project, rtl.Params())
        texts.append({file.relative_to(project): file.read_bytes() for file in project.rglob("*.v")})
    assert texts[0] == texts[1] and len(texts[0]) > 3


@pytest.mark.parametrize(
    "arguments, given",
    [
        ([f"MODEL={HOSTILE}/my {HOSTILE}.onnx"], ["-m", "nanotrigger.synth", "--flows=rtl", "--cores", "all", "--"]),
        (
            ["MODEL=-x.onnx", "INPUT=fixed<16,6>", f"VECTORS={HOSTILE}", "FLOWS=rtl,asic", "CORES=2"],
            [
                "-m",
                "nanotrigger.synth",
                "--input=fixed<16,6>",
                f"--vectors={HOSTILE}",
                "--flows=rtl,asic",
                "--cores",
                "2",
                "--",
            ],
        ),
    ],
)
def test_make_hands_on_what_it_is_given_as_it_is(arguments, given, tmp_path):
    """The environment's Python is one here that writes down its arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-hashed.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open('given.json', 'w'))\n")
    python.chmod(0o755)
    (tmp_path / ".tools/debian").mkdir(parents=True)
    for mark in ("env/installed", ".tools/debian/complete"):
        (tmp_path / mark).touch()
    done = subprocess.run(["make", "synth", "VENV=env", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "given.json").read_text()) == [*given, arguments[0].partition("=")[2]]


def test_synth_takes_a_file_whose_name_begins_with_a_dash(tmp_path, monkeypatch):
    from nanotrigger import run, synth

    monkeypatch.chdir(tmp_path)
    commands = []
    monkeypatch.setattr(run, "main", lambda arguments: commands.append(arguments) or 0)
    assert synth.main(["--flows=rtl", "--cores", "1", "--", f"-{HOSTILE}.onnx"]) == 0
    ((_, overlay, *_),) = commands
    assert re.fullmatch(r"results/synth_m_[A-Za-z0-9_]+/overlay\.yaml", overlay)
    import yaml

    content = yaml.safe_load(Path(overlay).read_text())
    assert [stanza["path"] for stanza in content["models"].values()] == [f"-{HOSTILE}.onnx"]


def test_a_config_that_builds_python_objects_is_refused(checkout):
    (checkout.folder / "evil.yaml").write_text("run: !!python/object/apply:os.system ['touch pwned']\n")
    done = checkout.snakemake("-n", "--configfile", "evil.yaml")
    assert done.returncode != 0 and not (checkout.folder / "pwned").exists()
    assert read_yaml("config/quickstart.yaml")


def test_run_prints_the_name_of_a_run_read_safely(tmp_path):
    """`make quickstart` reads the config itself, for the name of the run."""
    from yaml import YAMLError

    from nanotrigger.run import run_name

    path = tmp_path / "evil.yaml"
    path.write_text("run: !!python/object/apply:os.system ['touch pwned']\n")
    os.chdir(ROOT)
    with pytest.raises(YAMLError):
        run_name([str(path)])
