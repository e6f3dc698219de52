"""A finished run knows where each result comes from, and `verify` names whatever was changed since."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pandas as pd
import pytest
from conftest import Checkout
from snakemake.iocontainers import Wildcards
from test_export import network

from nanotrigger import verify as command
from nanotrigger.errors import NanotriggerError
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.job_records import (
    OF_DESIGN,
    JobRecord,
    damaged_inputs,
    find_record,
    fingerprint,
    fingerprints,
    gathered_by,
    logs_gathered_by,
    read_records,
)
from nanotrigger.results.provenance import Makers, altered_files, expected_files
from nanotrigger.results.records import read_json
from nanotrigger.verify import verify

RESULTS = Path("results/tiny")
PROVENANCE = RESULTS / "provenance.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run without training and synthesis: one QONNX file on vectors of its own, to the tables and figures."""
    checkout = Checkout(tmp_path_factory.mktemp("provenance"))
    write_qonnx(network(4, hidden_units=4), checkout.folder / "model.onnx", {})
    stanza = {"method": "external", "path": "model.onnx", "random_vectors": 100}
    config = {"run": {"name": "tiny", "dataset": None, "models": ["file"], "flows": []}, "models": {"file": stanza}}
    git(checkout.folder, "init", "--quiet")
    git(checkout.folder, "add", "Snakefile")
    git(checkout.folder, "commit", "--quiet", "-m", "first")
    done = checkout.snakemake("--cores", "2", overlay=config)
    assert done.returncode == 0, done.stdout[-4000:]
    checkout.config = config
    return checkout


def git(folder, *arguments):
    who = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    """The finished run in a folder of its own, which the test stands in and may spoil."""
    shutil.copytree(finished.folder / RESULTS, tmp_path / RESULTS)
    for name in ("config", "workflow", "resources", "src", "model.onnx"):
        (tmp_path / name).symlink_to(finished.folder / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_unchanged_run_is_as_it_was_made(copy, capsys):
    assert command.main(["tiny"]) == 0
    said = capsys.readouterr().out
    assert "files are as they were made" in said and "note:" not in said
    tables = int(said.split("made, ")[1].split(" ")[0])
    assert tables >= 8, "every table was made again"


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_every_kind_of_change_is_named(copy, capsys):
    tables, model = RESULTS / "tables", RESULTS / "models/file/seed0"
    edit(tables / "models.csv", "file", "fils")
    (model / "outputs.npy").write_bytes((model / "outputs.npy").read_bytes()[:-8])
    (RESULTS / "checks.txt").unlink()
    (RESULTS / "models/extra.json").write_bytes(b"0")
    lines = set()
    assert command.main(["tiny", "--files-only"]) == 1
    for line in capsys.readouterr().out.splitlines()[:-1]:
        lines.add(line)
    size = len((model / "outputs.npy").read_bytes())
    assert lines == {
        f"altered: {tables}/models.csv: altered",
        f"altered: {model}/outputs.npy: cut to {size} of {size + 8} bytes",
        f"missing: {RESULTS}/checks.txt",
        f"unexpected: {RESULTS}/models/extra.json: was not there when the run ended",
    }


def test_a_table_that_no_longer_follows_from_its_records_is_named(copy):
    """An altered record is named, and so are the tables that would now be others."""
    metrics = RESULTS / "models/file/seed0/metrics.json"
    content = read_json(metrics)
    metrics.write_text(json.dumps({**content, "parameters": content["parameters"] + 1}))
    problems = verify(Path(RESULTS)).problems
    assert any(line.startswith(f"altered: {metrics}") for line in problems)
    (table,) = [line for line in problems if f"{RESULTS}/tables/models.csv" in line]
    assert table.startswith("does not follow from its records") and "line 2 says" in table
    assert not [line for line in problems if "accuracies.csv" in line], "that table holds nothing of the change"


def test_changed_hashes_do_not_hide_a_change(copy):
    """Who also changes the hash in the provenance contradicts the record of the job, whose own hash stands there too."""
    table = RESULTS / "tables/models.csv"
    edit(table, "file", "fils")
    content = read_json(PROVENANCE)
    content["files"][str(table)] |= fingerprint(table)
    PROVENANCE.write_text(json.dumps(content))
    problems = verify(RESULTS, tables=False).problems
    assert problems == [
        f"altered: {PROVENANCE}: does not agree with the record: {table}: altered since collect made it"
    ]
    record = RESULTS / "provenance/jobs/collect.json"
    edit(record, '"threads": 1', '"threads": 2')
    assert f"altered: {record}: the record of a job" in verify(RESULTS, tables=False).problems
    record.write_bytes(record.read_bytes()[:99])
    (cut,) = [line for line in verify(RESULTS, tables=False).problems if "collect" in line]
    assert cut.startswith(f"altered: {record}: cannot be read. It is the record of the job collect, ")


def test_changed_sources_are_noted_and_are_no_fault(copy, finished):
    (copy / "resources").unlink()
    shutil.copytree(finished.folder / "resources", copy / "resources")
    (copy / "resources/published_results.csv").write_text("other\n")
    verdict = verify(RESULTS, tables=False)
    assert not verdict.problems
    assert verdict.notes == ["1 files that the run read have changed since: resources/published_results.csv"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {}}'])
def test_without_readable_provenance_there_is_one_message(copy, capsys, content):
    PROVENANCE.write_text(content)
    assert command.main(["tiny"]) == 2
    assert str(PROVENANCE) in capsys.readouterr().err
    assert command.main(["nosuch"]) == 2
    assert "Finish the run first" in capsys.readouterr().err


def test_each_result_has_stanza_seed_commit_and_files(finished):
    stated = read_json(finished.folder / PROVENANCE)
    head = git(finished.folder, "rev-parse", "HEAD")
    model = stated["results"]["models/file/seed0"]
    assert model["stanza"]["path"] == "model.onnx" and model["seed"] == 0 and model["dataset"] is None
    assert model["commits"] == [{"commit": head, "dirty": False}]
    assert {"train/file/0", "export/file/0", "check_export/file/0"} <= set(model["jobs"])
    assert f"{RESULTS}/models/file/seed0/model.onnx" in model["files"]
    (environment,) = model["environments"]
    packages = stated["environments"][environment]["packages"]
    assert all(packages[name] == version(name) for name in ("numpy", "snakemake", "pandas"))
    rows = stated["tables"]["tables/models.csv"]
    assert len(rows) == len(pd.read_csv(finished.folder / RESULTS / "tables/models.csv"))
    assert all(row["from"] == ["models/file/seed0"] for row in rows)
    table = stated["read"]["resources/published_results.csv"]
    assert (
        table["sha256"]
        == hashlib.sha256((finished.folder / "resources/published_results.csv").read_bytes()).hexdigest()
    )


def test_a_commit_reruns_nothing_and_an_edit_of_a_result_is_refused(finished):
    git(finished.folder, "commit", "--quiet", "--allow-empty", "-m", "second")
    done = finished.snakemake("-n", overlay=finished.config)
    assert "Nothing to be done" in done.stdout
    table = finished.folder / RESULTS / "tables/accuracies.csv"
    before, times = table.read_bytes(), table.stat()
    try:
        table.write_bytes(before + b"\n")
        os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))  # unseen by the DAG
        done = finished.snakemake("--cores", "1", "--forcerun", "provenance", overlay=finished.config)
        assert done.returncode != 0
        assert "tables/accuracies.csv: altered, " in done.stdout and "run again" in done.stdout
    finally:
        table.write_bytes(before)
        os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert finished.snakemake("--cores", "1", "--forcerun", "provenance", overlay=finished.config).returncode == 0


def test_the_crate_describes_the_files(finished):
    pytest.importorskip("rocrate", reason="rocrate, of the optional target ro_crate, is not installed")
    from rocrate.rocrate import ROCrate

    done = finished.snakemake("--cores", "1", "ro_crate", overlay=finished.config)
    assert done.returncode == 0, done.stdout[-3000:]
    crate = ROCrate(finished.folder / RESULTS)  # its own reader takes it
    stated = read_json(finished.folder / PROVENANCE)
    files = {entity.id: entity for entity in crate.get_by_type("File")}
    assert files["tables/models.csv"]["sha256"] == stated["files"][f"{RESULTS}/tables/models.csv"]["sha256"]
    (collect,) = [a for a in crate.get_by_type("CreateAction") if a["name"] == "collect"]
    assert files["tables/models.csv"] in collect["result"] and files["tables/accuracies.csv"] in collect["object"]
    done = subprocess.run(
        [sys.executable, "-m", "nanotrigger.verify", "tiny", "--files-only"], cwd=finished.folder, capture_output=True
    )
    assert done.returncode == 0, "the crate is no unexpected file"


class Listed(list):
    """A list with names, as Snakemake's."""

    _names: ClassVar = {}

    def items(self):
        return ()


def fake(rule, inputs, outputs):
    lists = {"input": Listed(inputs), "output": Listed(outputs), "params": Listed(), "wildcards": Listed()}
    return SimpleNamespace(rule=rule, threads=1, **lists)


def test_a_folder_is_what_the_last_job_left_that_worked_in_it(tmp_path, monkeypatch):
    """A project grows while it is built; what was built is no alteration, what came later is."""
    monkeypatch.chdir(tmp_path)
    project = Path("r/hardware/project")
    create = JobRecord(fake("create", [], [str(project)]), Path("r"))
    project.mkdir(parents=True)
    (project / "a.v").write_text("module")
    (project / "log").write_text("created")
    create.write()
    build = JobRecord(fake("build", [str(project)], ["r/built.json"]), Path("r"))
    (project / "a.o").write_text("object")
    (project / "log").write_text("created, built")
    Path("r/built.json").write_text("{}")
    build.write()
    records = read_records(Path("r"))
    makers, expected = Makers(records), expected_files(records)
    assert makers.chain(["r/built.json"]) == ["create", "build"]
    assert makers.of(project / "a.o") == "create" and expected[str(project / "log")][1] == "build"
    now = fingerprints(["r/hardware", "r/built.json"])
    assert len(now) == 4 and altered_files(now, expected) == []
    (project / "a.v").write_text("modulo")
    now = fingerprints(["r/hardware", "r/built.json"])
    assert altered_files(now, expected) == [f"{project}/a.v: altered since build made it"]


def test_a_job_that_fails_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r").mkdir()
    Path("r/out").write_text("1")
    JobRecord(fake("make", [], ["r/out"]), Path("r")).write()
    assert list(read_records(Path("r"))) == ["make"]
    JobRecord(fake("make", [], ["r/out"]), Path("r"))  # begins again, and never ends
    assert not read_records(Path("r"))


def design_job(rule):
    output = Path("r/hardware/m_0.1/seed0/rtl") / f"{rule}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(rule)
    job = fake(rule, [], [str(output)])
    job.wildcards = Wildcards(fromdict={"model": "m_0.1", "seed": "0", "flow": "rtl"})
    return job


def test_the_last_job_of_a_design_gathers_the_records_of_those_before(tmp_path, monkeypatch):
    """One that ran again since has a file of its own, and counts; also where it is asked who made a damaged file."""
    monkeypatch.chdir(tmp_path)
    results = Path("r")
    for rule in OF_DESIGN:
        JobRecord(design_job(rule), results).write()
    (path,) = (results / "provenance/jobs").rglob("*.json")
    assert path == results / "provenance/jobs/read_report/m_0.1,0,rtl.json"
    assert set(read_records(results)) == {f"{rule}/m_0.1/0/rtl" for rule in OF_DESIGN}
    assert find_record(results, "emulate/m_0.1/0/rtl")[0] == path
    folder = results / "hardware/m_0.1/seed0/rtl"
    reader = fake("read", [str(folder / "emulate.json"), str(folder / "synthesize.json")], ["r/x"])
    assert damaged_inputs(reader, results) == []
    (folder / "synthesize.json").write_text("syn")
    job = design_job("emulate")
    record = JobRecord(job, results)
    Path(job.output[0]).write_text("emulated again")
    record.write()
    assert find_record(results, "emulate/m_0.1/0/rtl")[0].parent.name == "emulate"
    ((line, remove),) = damaged_inputs(reader, results)
    assert line.startswith(f"{remove}: has 3 of the 10 bytes with which it was made (synthesize/m_0.1/0/rtl, ")
    assert remove == str(folder / "synthesize.json"), "the other file is what its newer record says"


def test_the_last_job_of_a_models_exports_gathers_as_well():
    assert gathered_by("check_export/m/0") == ("export/m/0",) and gathered_by("export/m/0") == ()
    assert gathered_by("jets_check_export/m/0") == ("jets_export/m/0",), "as a module of another workflow"
    log = Path("jets/logs/r/check_export/m,0.log")
    assert logs_gathered_by("jets_check_export", log) == {"jets_export": Path("jets/logs/r/export/m,0.log")}
    found = logs_gathered_by("read_report", Path("logs/r/read_report/m,0,rtl.log"))
    assert found == {rule: Path(f"logs/r/{rule}/m,0,rtl.log") for rule in OF_DESIGN[:-1]}
    assert logs_gathered_by("train", Path("logs/r/train/check_export/0.log")) == {}, "a stanza may have that name"
    assert logs_gathered_by("my_check_export", Path("logs/r/mine.log")) == {}


def test_a_damaged_file_of_gathered_records_is_replaced_only_where_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = Path("r")
    for rule in OF_DESIGN:
        JobRecord(design_job(rule), results).write()
    path = results / "provenance/jobs/read_report/m_0.1,0,rtl.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(NanotriggerError, match=r"0,rtl\.json: cannot be read.* --forcerun create_project$"):
        JobRecord(design_job("read_report"), results)
    for rule in OF_DESIGN:
        JobRecord(design_job(rule), results).write()
    assert len(read_records(results)) == len(OF_DESIGN)


def test_a_damaged_record_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("r/provenance/jobs/x.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(NanotriggerError, match=r"x\.json: cannot be read"):
        read_records(Path("r"))
