"""Two runs at once in one folder: the second is refused and damages nothing; what a killed run locked does not stay locked."""

import os
import signal

from study import RESULTS, assert_same, copy_of, finished_process, job_process, wait_for


def test_the_second_run_is_refused(finished_study, tmp_path):
    study = copy_of(finished_study, tmp_path / "copy")
    (study.folder / RESULTS / "tables/hardware.csv").unlink()
    first = study.start()
    job = wait_for(lambda: job_process(study.folder, "collect"), "collect")
    os.kill(job, signal.SIGSTOP)
    second = study.run()
    assert second.returncode != 0 and "Traceback" not in second.stdout
    assert "cannot be locked" in second.stdout and "no other Snakemake process" in second.stdout
    planned = study.run("-n")  # to look is allowed
    assert planned.returncode == 0 and "collect" in planned.stdout
    os.kill(job, signal.SIGCONT)
    done = finished_process(first)
    assert done.returncode == 0, done.stdout[-3000:]
    assert_same(study.folder, finished_study)


def test_a_lock_that_was_left(finished_study, tmp_path):
    """Of a killed run it is removed by the next one; of a run of which nothing is known, Snakemake's message stands."""
    study = copy_of(finished_study, tmp_path / "copy")
    lock = study.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"{RESULTS}/tables/hardware.csv\n")
    (study.folder / RESULTS / "tables/hardware.csv").unlink()
    refused = study.run()
    assert refused.returncode != 0 and "--unlock" in refused.stdout
    runs = study.folder / ".snakemake/nanotrigger/runs"
    (runs / f"{os.uname().nodename}_1").write_text(lock.name)
    assert study.run().returncode == 0 and not lock.exists()
    assert_same(study.folder, finished_study)
