"""Progress: a line a minute in the terminal with an estimate, and the end of the log of a job that fails."""

import os
import re
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import BASE_RUN

from nanotrigger import progress
from nanotrigger.errors import NanotriggerError
from nanotrigger.job import job
from nanotrigger.logs import end_of, gather, heading, killed, last_error, remove_empty, separate
from nanotrigger.tools.run import run_tool


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """A file in place of the terminal: its descriptor, and a function that reads it."""
    monkeypatch.setattr(progress, "_doing", [])
    path = tmp_path / "terminal"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    yield descriptor, path.read_text
    os.close(descriptor)


def test_the_terminal_hears_how_far_a_job_is(terminal):
    descriptor, said = terminal
    start = time.monotonic()
    with progress.told("train hgq 0", "logs/r/train/hgq/0.log", descriptor, interval_s=0.05):
        for _ in progress.Progress(range(8), desc="training hgq", mininterval=0):
            time.sleep(0.04)
    lines = said().splitlines()
    assert 2 <= len(lines) <= (time.monotonic() - start) / 0.05
    pattern = (
        r"train hgq 0: \d+ s so far; training hgq: (\d+)% \((\d) of 8\)(, about \d+ s left)? \(log: logs/\S+\.log\)"
    )
    found = [re.fullmatch(pattern, line) for line in lines]
    assert all(found), lines
    shares = [int(match[2]) for match in found]
    assert shares == sorted(shares) and shares[-1] > shares[0] and found[-1][3]


def test_the_estimate_is_of_what_is_left(monkeypatch):
    """A quarter done since it went on at 20, in 40 s: 30 steps took 40 s, 50 more take 67 s."""
    bar = progress.Progress(total=100, initial=20, desc="walk", file=open(os.devnull, "w"))  # noqa: SIM115
    bar.update(30)
    monkeypatch.setattr(bar, "start_t", bar._time() - 40)
    assert str(bar) == "walk: 50% (50 of 100), about 1 min left"
    bar.close()
    assert bar not in progress._doing


@pytest.mark.parametrize(
    "seconds, text", [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (12000, "3 h 20 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert progress.duration(seconds) == text


def test_a_program_that_runs_is_named_with_its_limit(terminal, tmp_path):
    descriptor, said = terminal
    with progress.told("synthesize", "a.log", descriptor, interval_s=0.1):
        run_tool([sys.executable, "-c", "import time; time.sleep(0.35)"], tmp_path, "tool.log", 600)
    assert re.search(r"synthesize: \d+ s so far; \S+ \(stopped after 10 min\), for \d+ s \(log: a.log\)", said())
    assert not progress._doing


def body(folder, monkeypatch, raising):
    """A script's body in a job whose terminal is captured; returns what the terminal got and the log."""
    monkeypatch.chdir(folder)
    log = folder / "logs/r/train/m.log"
    fake = SimpleNamespace(
        rule="train",
        wildcards=["m"],
        threads=1,
        log=["logs/r/train/m.log"],
        config=BASE_RUN,
        replayed=True,
        input=[],
        output=["results/r/m"],
    )
    out = folder / "terminal"
    kept = os.dup(1), os.dup(2)
    descriptor = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 2)
    # pytest has put another stream in its place
    monkeypatch.setattr(sys, "stderr", open(2, "w", closefd=False))  # noqa: SIM115
    try:
        with job(fake):
            for i in range(40):
                os.write(1, f"epoch {i}\n".encode())
            if raising:
                raise raising
    finally:
        for number, old in enumerate(kept, 1):
            os.dup2(old, number)
    return out.read_text(), log.read_text()


@pytest.mark.parametrize("error", [NanotriggerError("models.m.rate = 3: too high.\nLower it."), KeyError("surprise")])
def test_a_failed_job_ends_with_the_end_of_its_log_and_its_path(tmp_path, monkeypatch, error):
    with pytest.raises(SystemExit) as ended:
        body(tmp_path, monkeypatch, error)
    assert ended.value.code == 1
    lines = (tmp_path / "terminal").read_text().splitlines()
    assert lines[0] == "train m failed; the end of its log:" and lines[-1] == "(log: logs/r/train/m.log)"
    assert "    epoch 39" in lines and len(lines) <= 17 and "    epoch 9" not in lines
    if isinstance(error, NanotriggerError):
        assert lines[-3:-1] == ["    nanotrigger: models.m.rate = 3: too high.", "    Lower it."]
    else:
        assert lines[-2] == "    KeyError: 'surprise'"


def test_a_job_that_ends_well_says_nothing_in_the_terminal(tmp_path, monkeypatch):
    said, log = body(tmp_path, monkeypatch, None)
    assert said == "" and log.splitlines()[-1].startswith("ended well after ")
    assert list(killed(tmp_path / "logs", 0)) == []


def test_jobs_that_were_killed_are_known_by_their_logs(tmp_path):
    logs = {
        "well": "x\nended well after 3 s\n",
        "said": "nanotrigger: no\n",
        "bad": "Traceback (most recent call last)\n",
    }
    others = {"killed": "epoch 1\r50%|##| epoch 2\n", "begun": heading("train").decode(), "snakemakes_own": ""}
    for name, text in {**logs, **others}.items():
        (tmp_path / f"{name}.log").write_text(text)
    (tmp_path / "older.log").write_text("epoch 1")
    os.utime(tmp_path / "older.log", (1, 1))
    assert [path.stem for path in killed(tmp_path, 1000)] == ["begun", "killed"]
    assert end_of(tmp_path / "killed.log", 5) == "    50%|##| epoch 2", "of a bar the last state"
    assert end_of(tmp_path / "begun.log", 5) == "    (empty)"
    assert last_error(tmp_path / "said.log") == "no"


def test_a_long_message_is_shown_whole(tmp_path):
    message = "nanotrigger: config: 30 things:\n" + "\n".join(f"thing {i}" for i in range(30))
    (tmp_path / "a.log").write_text("noise\n" * 50 + message + "\n")
    assert end_of(tmp_path / "a.log", 5).splitlines() == [f"    {line}" for line in message.splitlines()]


def written(folder, **texts):
    """Logs of rules, begun as jobs do."""
    paths = {rule: folder / rule / "m,0.log" for rule in texts}
    for rule, path in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(heading(rule) + texts[rule].encode())
    return paths


def test_logs_that_one_gathered_come_apart_again_but_those_that_are_newer(tmp_path):
    paths = written(
        tmp_path, emulate="fast\nended well after 1 s\n", synthesize="50%\r100%, no end", read_report="read\n"
    )
    before, own = {rule: paths[rule] for rule in ("emulate", "synthesize")}, paths["read_report"]
    whole = {rule: path.read_bytes() for rule, path in paths.items()}
    gather(own, before)
    assert own.read_bytes() == whole["emulate"] + whole["synthesize"] + b"\n" + whole["read_report"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]
    assert last_error(own) == "read" and end_of(own, 15) == "    read", "its own alone"

    paths |= written(tmp_path, emulate="again\n")
    separate(own, before)
    assert paths["emulate"].read_bytes() == heading("emulate") + b"again\n"
    assert paths["synthesize"].read_bytes() == whole["synthesize"] + b"\n"
    own.write_bytes(heading("read_report") + b"anew\n")
    gather(own, before)
    newer = [heading("emulate"), b"again\n", whole["synthesize"], b"\n", heading("read_report"), b"anew\n"]
    assert own.read_bytes() == b"".join(newer)


def test_empty_logs_replace_nothing_and_are_removed(tmp_path):
    """As Snakemake leaves them for the jobs of a group, when the last of them has gathered their logs."""
    paths = written(tmp_path, emulate="fast\n", read_report="read\n")
    before, own = {"emulate": paths["emulate"]}, paths["read_report"]
    gather(own, before)
    paths["emulate"].touch()
    gathered = own.read_bytes()
    separate(own, before)
    assert paths["emulate"].read_bytes() == heading("emulate") + b"fast\n"
    paths["emulate"].write_bytes(b"")
    gather(own, before)
    assert own.read_bytes() == gathered and not paths["emulate"].exists()
    paths["emulate"].touch()
    remove_empty([tmp_path / "emulate", tmp_path / "read_report", tmp_path / "absent"])
    assert own.exists() and not paths["emulate"].exists()


def test_a_log_without_a_heading_gets_one(tmp_path):
    """As an earlier version left it."""
    paths = written(tmp_path, emulate="", read_report="read\n")
    paths["emulate"].write_text("fast\n")
    gather(paths["read_report"], {"emulate": paths["emulate"]})
    separate(paths["read_report"], {"emulate": paths["emulate"]})
    assert paths["emulate"].read_bytes() == heading("emulate") + b"fast\n"


def test_a_gathered_log_holds_no_secret(tmp_path, monkeypatch):
    paths = written(tmp_path, emulate="key is planted-key-9\n", read_report="read\n")
    monkeypatch.setenv("SOME_API_KEY", "planted-key-9")
    gather(paths["read_report"], {"emulate": paths["emulate"]})
    assert "key is ***\n" in paths["read_report"].read_text()


def test_logs_stay_apart_where_they_cannot_be_gathered(tmp_path, monkeypatch):
    def full(path):
        raise OSError("no space left")

    paths = written(tmp_path, emulate="fast\n", read_report="read\n")
    whole = {path: path.read_bytes() for path in paths.values()}
    monkeypatch.setattr("nanotrigger.logs.redact_file", full)
    with pytest.raises(OSError, match="no space left"):
        gather(paths["read_report"], {"emulate": paths["emulate"]})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == whole
