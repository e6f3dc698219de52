"""The benchmarks' own arithmetic and bookkeeping; no time is asserted."""

import importlib
import json
import os
import sys
import time
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import _table, _topic
from bench.base import Measurement, Options, in_new_process, one_core, ratios, repeated, side_by_side
from nanotrigger.errors import ToolError
from nanotrigger.modules import discover


def run(commit, **changes):
    return {
        "date": "2026-01-01 00:00 UTC",
        "commit": commit,
        "dirty": False,
        "processor": "Z80",
        "cores": 1,
        "memory_gib": 0.1,
        "system": "CP/M",
        "load": 0.0,
        "versions": {"yosys": "0.70"},
        "note": "",
        **changes,
    }


@pytest.mark.parametrize("topic", discover("bench"))
def test_every_topic_says_what_it_measures(topic):
    module = importlib.import_module(f"bench.{topic}")
    title, _, text = module.__doc__.partition("\n")
    assert callable(module.measure) and len(title) > 20 and text.strip()


def test_the_topics_are_found_and_the_helpers_are_not():
    assert {"hardware", "waist"} <= set(discover("bench"))
    assert not {"base", "_table", "__main__"} & set(discover("bench"))


@pytest.mark.parametrize("values, median", [((3.0, 1.0, 2.0), 2.0), ((4.0, 1.0, 2.0, 3.0), 2.5), ((7.0,), 7.0)])
def test_median(values, median):
    assert Measurement("m", "q", "s", values).median == median


def test_a_row_without_a_value_is_refused():
    with pytest.raises(ValueError, match="m: q"):
        Measurement("m", "q", "s", ())


@pytest.mark.parametrize(
    "asked, met",
    [
        ({}, None),
        ({"at_most": 2.0}, True),
        ({"at_most": 1.9}, False),
        ({"at_least": 2.0}, True),
        ({"at_least": 3}, False),
    ],
)
def test_what_is_asked_is_asked_of_the_median(asked, met):
    assert Measurement("m", "q", "s", (1.0, 2.0, 100.0), **asked).met is met


def test_what_is_compared_is_measured_in_turn():
    calls = []
    seconds = side_by_side([lambda: calls.append("a"), lambda: calls.append("b")], repeats=3)
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in seconds] == [3, 3]


def test_seconds_are_those_of_each_function():
    slow, fast = side_by_side([lambda: time.sleep(0.02), lambda: None], repeats=2)
    assert min(slow) >= 0.02 and min(fast) < min(slow)


def test_patience_ends_the_repeats_but_the_first_is_always_made():
    calls = []
    assert len(repeated(lambda: calls.append(1), repeats=3, patience_s=0.0)) == len(calls) == 1


def test_ratios_are_of_each_round():
    assert ratios((1.0, 6.0), (2.0, 3.0)) == (0.5, 2.0)
    with pytest.raises(ValueError):
        ratios((1.0, 6.0), (2.0,))


def test_one_core_holds_for_new_processes_too_and_ends():
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(in_new_process(os.sched_getaffinity, 0)) == 1
    assert os.sched_getaffinity(0) == before


def test_subjects_are_chosen_by_name_or_pattern():
    assert Options("r").chosen("hgq_1000")
    assert Options("r", ("hgq_1000",)).chosen("hgq_1000")
    assert not Options("r", ("hgq_1000",)).chosen("hgq_10000")
    assert Options("r", ("hawq*", "hgq_?000")).chosen("hgq_3000")


def measured(*rows):
    return [Measurement(subject, quantity, "s", (value,)) for subject, quantity, value in rows]


def medians(rows):
    return {(row["topic"], row["subject"], row["quantity"]): row["values"][0] for row in rows}


def test_rows_of_other_topics_are_kept_with_their_run():
    rows, runs = _table.merge([], [], run("old"), "b", measured(("m", "x", 1.0)), True)
    rows, runs = _table.merge(rows, runs, run("new"), "a", measured(("m", "x", 2.0)), True)
    assert medians(rows) == {("a", "m", "x"): 2.0, ("b", "m", "x"): 1.0}
    assert [(row["topic"], runs[row["run"]]["commit"]) for row in rows] == [("a", "new"), ("b", "old")]


def test_a_topic_measured_in_part_keeps_its_other_rows_and_one_measured_whole_does_not():
    first = _table.merge([], [], run("old"), "a", measured(("m", "x", 1.0), ("m", "y", 1.0)), True)
    rows, runs = _table.merge(*first, run("new"), "a", measured(("m", "y", 2.0), ("n", "y", 2.0)), False)
    assert medians(rows) == {("a", "m", "x"): 1.0, ("a", "m", "y"): 2.0, ("a", "n", "y"): 2.0}
    assert [runs[row["run"]]["commit"] for row in rows] == ["old", "new", "new"]
    rows, runs = _table.merge(*first, run("new"), "a", measured(("m", "y", 2.0)), True)
    assert medians(rows) == {("a", "m", "y"): 2.0}
    assert [r["commit"] for r in runs] == ["new"]  # a run without rows is gone


def test_the_table_shows_the_spread_what_is_asked_and_where_it_was_measured(tmp_path):
    rows = [
        Measurement("hgq", "build", "s", (1.5, 0.25, 3.0), at_most=2.0),
        Measurement("hgq", "rate", "1/s", (1234567.8,), at_least=2e6),
        Measurement("hawq", "LUTs", "LUT", (29096.0,)),
    ]
    path = tmp_path / "benchmarks.json"
    _table.write(
        path, *_table.merge([], [], run("0123456789abcdef", dirty=True), "t", rows, True), {"t": "Title.\n\nText."}
    )
    text = path.with_suffix(".md").read_text()
    assert "## t: Title\n\nText.\n\n| of |" in text
    lines = [line for line in text.splitlines() if line.startswith("| h")]
    assert lines == [
        "| hgq | build | 1.5 | 0.25 | 3 | s | 3 | ≤ 2 | yes | 1 |",
        "| hgq | rate | 1,234,568 |  |  | 1/s | 1 | ≥ 2,000,000 | **no** | 1 |",
        "| hawq | LUTs | 29,096 |  |  | LUT | 1 |  |  | 1 |",
    ]
    assert (
        "1. 2026-01-01 00:00 UTC, commit 0123456789 with changes. Z80, 1 cores, 0.1 GiB, CP/M, load 0.0 before. yosys 0.70."
        in text
    )
    again, _ = _table.read(path)
    assert again == json.loads(path.read_text())["rows"]
    assert again[0]["values"] == [1.5, 0.25, 3.0]  # every repeat is kept


def test_a_topic_that_fails_keeps_what_was_measured_before(tmp_path, capsys):
    path = tmp_path / "benchmarks.json"
    rows, runs = _table.merge([], [], run("old"), "waist", measured(("m", "x", 1.0)), True)
    _table.write(path, rows, runs, {})
    before = path.read_bytes()
    assert command.main(["waist", "--results", str(tmp_path), "--data", str(path)]) == 1
    assert "run 'make quickstart' first" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("error, shown", [(ToolError("no g++"), "no g++"), (KeyError("lut"), "KeyError: 'lut'")])
def test_what_a_topic_gave_before_it_failed_is_not_lost(error, shown, monkeypatch, capsys):
    def measure(options):
        yield measured(("m", "x", 1.0))[0]
        raise error

    monkeypatch.setitem(sys.modules, "bench.broken", SimpleNamespace(measure=measure))
    rows, problem = _topic.measure("broken", Options("r"))
    assert [row.quantity for row in rows] == ["x"] and shown in problem
    assert ("Traceback" in problem) is isinstance(error, KeyError)
    assert "m: x: 1 s" in capsys.readouterr().out


def test_an_unknown_topic_is_refused_with_a_suggestion(capsys):
    with pytest.raises(SystemExit):
        command.main(["hardwar"])
    assert "Did you mean hardware?" in capsys.readouterr().err
