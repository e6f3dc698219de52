"""What a killed run or job leaves behind: its programs, its locks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study import assert_nothing_runs, processes_of, wait_for

from nanotrigger import running
from nanotrigger.errors import NanotriggerError, ToolError
from nanotrigger.leash import KILLED, ORPHANED
from nanotrigger.tools.run import limited

JOB = """
import subprocess, sys, time
from nanotrigger.leash import leashed

with leashed(sys.argv[1] if len(sys.argv) > 1 else None):
    # a compiler's compiler, in a session of its own as vendors' programs are
    subprocess.Popen(["sh", "-c", "sleep 301 & exec sleep 302"], start_new_session=True, stdout=subprocess.DEVNULL)
    print("begun", flush=True)
    sys.stdin.readline()
"""
RUN = """
import sys, time
from nanotrigger import running

running.begin()
running.note_locks(sys.argv[1:])
print("begun", flush=True)
sys.stdin.readline()
"""
BATCH = """
import multiprocessing, subprocess, threading
from nanotrigger.batches import _end_with_batch
from nanotrigger.leash import leashed

def member():
    threading.Thread(target=_end_with_batch, daemon=True).start()
    with leashed(None):
        subprocess.Popen(["sh", "-c", "sleep 301 & exec sleep 302"], start_new_session=True, stdout=subprocess.DEVNULL)
        print("begun", flush=True)
        subprocess.run(["sleep", "303"], stdout=subprocess.DEVNULL)

with leashed(None):
    process = multiprocessing.get_context("fork").Process(target=member)
    process.start()
    print(process.pid, flush=True)
    process.join()
    print(f"its member ended with {process.exitcode}", flush=True)
"""


def begun(folder: Path, script: str, *arguments: object):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, **pipes)
    process.said = []
    while (line := process.stdout.readline()) != "begun\n":
        assert line, (folder / "log").read_text()
        process.said.append(line)
    return process


def test_what_a_killed_job_started_ends_with_it(tmp_path):
    job = begun(tmp_path, JOB)
    wait_for(lambda: len(processes_of(tmp_path, "sleep 30")) >= 2, "the job's programs")
    job.kill()
    assert_nothing_runs(tmp_path)
    assert (tmp_path / "log").read_text() == f"\n{KILLED}\n"


def test_a_killed_batch_ends_with_its_member_and_what_that_started(tmp_path):
    """Though the batch's own leash knows nothing of either: a member has another."""
    batch = begun(tmp_path, BATCH)
    wait_for(lambda: len(processes_of(tmp_path, "sleep 30")) >= 3, "the member's programs")
    batch.kill()
    assert_nothing_runs(tmp_path)
    assert (tmp_path / "log").read_text() == f"\n{KILLED}\n" * 2


def test_a_killed_member_ends_with_what_it_started_and_the_batch_goes_on(tmp_path):
    batch = begun(tmp_path, BATCH)
    wait_for(lambda: len(processes_of(tmp_path, "sleep 30")) >= 3, "the member's programs")
    (member,) = map(int, batch.said)
    os.kill(member, signal.SIGKILL)
    assert batch.communicate()[0] == "its member ended with -9\n" and batch.returncode == 0
    assert_nothing_runs(tmp_path)
    assert (tmp_path / "log").read_text() == f"\n{KILLED}\n"


def test_a_job_that_ends_by_itself_says_nothing_of_it(tmp_path):
    job = begun(tmp_path, JOB)
    job.communicate("\n")
    assert job.returncode == 0 and (tmp_path / "log").read_text() == ""
    for pid in processes_of(tmp_path, "sleep 30"):
        os.kill(pid, signal.SIGKILL)  # a job waits for what it starts; what it leaves on purpose stays


def test_a_job_ends_with_its_run(tmp_path):
    run = begun(tmp_path, RUN)
    (file,) = (tmp_path / ".snakemake/nanotrigger/runs").iterdir()
    job = begun(tmp_path, JOB, file)
    time.sleep(0.2)
    assert job.poll() is None
    run.kill()
    assert job.wait(600) == -signal.SIGKILL
    assert_nothing_runs(tmp_path)
    assert (tmp_path / "log").read_text() == f"\n{ORPHANED}\n"


def test_locks_of_a_killed_run_alone_are_removed(tmp_path, monkeypatch):
    """A run that is alive keeps its locks, and those of a run of another machine, of which nothing is known, stay."""
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    for name in ("0.output.lock", "1.output.lock", "2.output.lock"):
        (locks / name).write_text("file\n")
    alive, dead = begun(tmp_path, RUN, locks / "0.output.lock"), begun(tmp_path, RUN, locks / "1.output.lock")
    assert len(list(locks.iterdir())) == 3
    dead.kill()
    dead.wait()
    begun(tmp_path, RUN).communicate("\n")
    assert sorted(path.name for path in locks.iterdir()) == ["0.output.lock", "2.output.lock"]
    # killed before it noted any: with no other run alive, all that is there was left over
    alive.kill()
    alive.wait()
    foreign = tmp_path / ".snakemake/nanotrigger/runs/elsewhere_1"
    foreign.write_text("2.output.lock")
    begun(tmp_path, RUN).communicate("\n")
    assert [path.name for path in locks.iterdir()] == ["2.output.lock"]
    foreign.unlink()
    late = begun(tmp_path, RUN)
    late.kill()
    late.wait()
    begun(tmp_path, RUN).communicate("\n")
    assert not list(locks.iterdir()) and not list((tmp_path / ".snakemake/nanotrigger/runs").iterdir())


def test_locks_of_a_run_that_gave_its_jobs_to_a_queue_stay_until_they_are_removed(tmp_path):
    """Its jobs go on without it: a second run would give them to the queue again."""
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("file\n")
    queued = begun(tmp_path, RUN.replace("sys.argv[1:])", "sys.argv[1:], queued=True)"), locks / "0.output.lock")
    queued.kill()
    queued.wait()
    for _ in range(2):
        begun(tmp_path, RUN).communicate("\n")
        late = begun(tmp_path, RUN)  # of one that was killed before it noted any, nobody knows whose they are
        late.kill()
        late.wait()
        assert [path.name for path in locks.iterdir()] == ["0.output.lock"]
    (locks / "0.output.lock").unlink()  # as by snakemake --unlock
    begun(tmp_path, RUN).communicate("\n")
    assert not list((tmp_path / ".snakemake/nanotrigger/runs").iterdir())


def test_one_process_does_a_job_at_a_time(tmp_path):
    path = tmp_path / "jobs/a"
    with (
        running.exclusive(path, "results/a", "makes this"),
        pytest.raises(NanotriggerError, match=rf"results/a: process {os.getpid()} on .* makes this now. Wait"),
        running.exclusive(path, "results/a", "makes this"),
    ):
        pass
    with running.exclusive(path, "results/a", "makes this"):
        pass
    assert not path.exists()


def test_programs_that_a_library_starts_have_a_time_limit(tmp_path):
    with (
        pytest.raises(ToolError, match=r"building it took longer than its limit of 0.5 s"),
        limited(0.5, "building it"),
    ):
        subprocess.run(["sh", "-c", "sleep 3600 & sleep 3601; exit 3"], cwd=tmp_path, check=True)
    assert_nothing_runs(tmp_path)
    with limited(30, "it"):
        subprocess.run(["true"], check=True)
    with limited(None, "it"):
        subprocess.run(["true"], check=True)
