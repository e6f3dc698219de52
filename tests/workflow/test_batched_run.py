"""Exports and designs of a large run in batches: the results of jobs of their own, and no more work than those."""

import base64
import json
import re
import shutil

import pytest
from conftest import ROOT, Checkout, merged
from test_export import network

from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.results.job_records import OF_DESIGN, OF_MODEL, find_record

MODELS = ("a", "b", "c")
CONFIG = {
    "run": {"name": "echo", "dataset": None, "models": list(MODELS), "flows": ["echo"], "batches": 2},
    "models": {name: {"method": "external", "path": f"{name}.onnx", "random_vectors": 50} for name in MODELS},
    "flows": {"echo": {"flow": "extension.echo_flow"}},
}
ALL = sorted(f"{step} {name}" for step in ("create", "synthesize") for name in MODELS)


def run(made, config, *arguments, fails=False):
    """Run it; returns what was created and synthesised, as 'synthesize a', and the output."""
    calls = made.folder / "calls"
    calls.write_text("")
    done = made.snakemake("--cores", "2", *arguments, overlay=config, env={"CALLS": str(calls)})
    assert (done.returncode != 0) == fails, done.stdout[-5000:]
    found = [re.sub(r"results/echo/models/(\w+)/.*", r"\1", line) for line in calls.read_text().splitlines()]
    return sorted(found), done.stdout


def records(made):
    return {
        str(path.relative_to(made.folder)): path.read_bytes()
        for pattern in ("hardware/*/*/*/*", "models/*/*/model.onnx", "models/*/*/metrics.json")
        for path in (made.folder / "results/echo").glob(pattern)
        if path.name not in ("emulation.json", "netlist.json")  # which hold how long it took
    }


def begun(folder):
    made = Checkout(folder)
    shutil.copytree(ROOT / "tests/fixtures/extension", made.folder / "extension")
    for seed, name in enumerate(MODELS):
        write_qonnx(network(4, seed=seed, hidden_units=4), made.folder / f"{name}.onnx", {})
    return made


def cells(made):
    """LUTs of each design."""
    found = (made.folder / "results/echo/hardware").glob("*/seed0/echo/record.json")
    return {path.parts[-4]: json.loads(path.read_text())["lut"] for path in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = begun(tmp_path_factory.mktemp("batches"))
    assert run(made, CONFIG, "hardware")[0] == ALL
    return made


@pytest.fixture
def settled(finished):
    """The run as its configuration says, after whatever the test before left: it lies where it was made, as the records name
    source files by their whole paths."""
    run(finished, CONFIG, "hardware")
    return finished


def test_a_batch_is_a_job_for_many(finished):
    other = merged(CONFIG, {"run": {"name": "other"}})
    said = finished.snakemake("-n", overlay=other).stdout
    counts = dict(re.findall(r"^(\w+_batch) +(\d+)$", said, re.M))
    assert set(counts.values()) == {"2"} and len(counts) == 7
    assert not re.search(r"^(export|emulate|synthesize) +\d+$", said, re.M)


def test_each_member_has_a_record_as_if_it_were_a_job(finished):
    results = finished.folder / "results/echo"
    for job in ("export/a/0", "synthesize/a/0/echo", "read_report/a/0/echo"):
        _, record = find_record(results, job)
        assert record["id"] == job and record["script"] == f"workflow/scripts/{job.split('/')[0]}.py"
    assert record["read"]["results/echo/hardware/a/seed0/echo/synthesis.tar.gz"]


def logs_of(made):
    return {
        str(path.relative_to(made.folder / "logs/echo")): path for path in (made.folder / "logs/echo").rglob("*.log")
    }


def begun_in(log):
    """The jobs whose logs are in a file, in order."""
    return re.findall(r"^##### job (\w+) #####$", log.read_text(), re.M)


def test_a_member_leaves_two_logs_and_nothing_among_snakemakes_notes(settled):
    """Those of a model's exports and of a design's steps are gathered in those of the last; also when this runs again alone."""
    found = logs_of(settled)
    own = {name for name in found if "," in name}
    assert own == {f"check_export/{m},0.log" for m in MODELS} | {f"read_report/{m},0,echo.log" for m in MODELS}
    log = found["read_report/a,0,echo.log"]
    assert begun_in(log) == list(OF_DESIGN) and begun_in(found["check_export/a,0.log"]) == list(OF_MODEL)
    before = log.read_text()
    (settled.folder / "results/echo/hardware/a/seed0/echo/record.json").unlink()
    for path in (settled.folder / "results/echo/provenance/batches").rglob("record.json.list"):
        path.unlink()
    assert run(settled, CONFIG, "hardware")[0] == []
    first, again = (text.rpartition("##### job read_report")[0] for text in (before, log.read_text()))
    assert again == first and begun_in(log) == list(OF_DESIGN) and set(logs_of(settled)) == set(found)

    place = settled.folder / ".snakemake/metadata"
    # a long name is cut into folders, whose names begin with an @
    names = [
        "".join(part.removeprefix("@") for part in p.relative_to(place).parts) for p in place.rglob("*") if p.is_file()
    ]
    noted = [base64.b64decode(name).decode() for name in names]
    assert any("/provenance/batches/" in path for path in noted)
    assert not [path for path in noted if re.match(r"results/echo/(models|hardware)/", path)]


def test_results_are_those_of_jobs_of_their_own_which_a_batch_finds_done(settled, tmp_path):
    """The same files, byte for byte; and what was made alone, or in other batches, is not made again."""
    before = records(settled)
    assert len(before) == 3 * (5 + 2)
    assert run(settled, merged(CONFIG, {"run": {"batches": 5}}), "hardware")[0] == []
    made = begun(tmp_path)
    assert run(made, merged(CONFIG, {"run": {"batches": 0}}), "hardware")[0] == ALL
    alone = records(made)
    assert {path: len(content) for path, content in alone.items()} == {p: len(content) for p, content in before.items()}
    assert [p for p in before if alone[p] != before[p]] == []
    assert run(made, CONFIG, "hardware")[0] == [] and records(made) == alone


def test_a_run_that_comes_back_to_other_batches_takes_nothing_old_for_done(settled):
    """Files that were made meanwhile with another parameter are not those that the lists of these batches named."""
    before = cells(settled)
    other = merged(CONFIG, {"run": {"batches": 5}, "flows": {"echo": {"lut_per_kb": 9}}})
    run(settled, other, "hardware")
    assert all(cells(settled)[name] > 8 * before[name] for name in MODELS)
    run(settled, CONFIG, "hardware")
    assert cells(settled) == before
    numbers = sorted(path.name for path in (settled.folder / "results/echo/provenance/batches").iterdir())
    assert numbers == ["2"], "lists of other numbers are gone"


def test_a_run_in_batches_stays_in_them(settled):
    left_out = {**CONFIG, "run": {key: value for key, value in CONFIG["run"].items() if key != "batches"}}
    assert "Nothing to be done" in settled.snakemake("-n", "hardware", overlay=left_out).stdout
    said = settled.snakemake("-n", "hardware", overlay=merged(CONFIG, {"run": {"batches": 0}})).stdout
    assert "run.batches: is 0, but results/echo was begun in batches" in said and "Traceback" not in said


def test_a_changed_script_runs_again_for_each(settled):
    script = settled.folder / "workflow/scripts/synthesize.py"
    before = script.read_text()
    script.write_text(f"# changed\n{before}")
    assert run(settled, CONFIG, "hardware")[0] == [f"synthesize {name}" for name in MODELS]
    script.write_text(before)


def test_a_changed_or_lost_part_repeats_that_part_alone(settled):
    assert "Nothing to be done" in settled.snakemake("-n", "hardware", overlay=CONFIG).stdout
    results = settled.folder / "results/echo"
    lost = results / "hardware/a/seed0/echo/record.json"
    before = lost.read_bytes()
    lost.unlink()
    for path in (results / "provenance/batches").rglob("record.json.list"):
        path.unlink()  # as the message says that names the lost file
    write_qonnx(network(4, seed=9, hidden_units=6), settled.folder / "other.onnx", {})
    changed = merged(CONFIG, {"models": {"b": {"path": "other.onnx"}}})
    assert run(settled, changed, "hardware")[0] == ["create b", "synthesize b"] and lost.read_bytes() == before


def test_a_damaged_file_is_named_with_its_list_and_made_again(settled):
    """The DAG sees the list alone: the message names both, and who deletes them gets the same file again."""
    results = settled.folder / "results/echo"
    archive, record = (results / "hardware/a/seed0/echo" / name for name in ("synthesis.tar.gz", "record.json"))
    whole, before = archive.read_bytes(), record.read_bytes()
    archive.write_bytes(whole[:50])
    record.unlink()
    for path in (results / "provenance/batches").rglob("record.json.list"):
        path.unlink()
    calls, said = run(settled, CONFIG, "hardware", fails=True)
    assert calls == [] and "synthesis.tar.gz: has 50 of the " in said and "Traceback" not in said
    assert (
        "failed; the end of its log:\n        nanotrigger: results/echo/hardware/a/seed0/echo/synthesis.tar.gz" in said
    )
    (remove,) = set(re.findall(r"delete (.*) and run the same command again", said))
    named = [settled.folder / path for path in remove.split()]
    assert named[0] == archive and {path.name for path in named[1:]} == {"synthesis.tar.gz.list"}
    for path in named:
        path.unlink()
    assert run(settled, CONFIG, "hardware")[0] == ["synthesize a"]
    assert archive.read_bytes() == whole and record.read_bytes() == before


def test_one_that_fails_does_not_stop_the_others_and_is_named(settled):
    failing = merged(CONFIG, {"flows": {"echo": {"fails_for": "/c/"}}})
    calls, said = run(settled, failing, "--keep-going", "hardware", fails=True)
    assert calls == ALL, "all others of its batch were done"
    assert "the licence server does not answer" in said and "model c, seed 0, flow echo" in said
    results = settled.folder / "results/echo"
    assert (results / "hardware/c/seed0/echo/project_synthesize/name").exists()
    unfinished = (results / "tables/hardware_unfinished.csv").read_text()
    assert "not reached: synthesize failed for others of its batch (log: logs/echo/synthesize_batch/" in unfinished
    assert "failed in synthesize: the licence server does not answer" in unfinished
    # what failed is tried again, and nothing else
    assert run(settled, failing, "hardware", fails=True)[0] == ["synthesize c"]
