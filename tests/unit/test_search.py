"""The search: its objective against QKeras' formula, its order, its interruptions, and what it says of a bad stanza."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nanotrigger.data.dataset import write_dataset
from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.methods import autoq
from nanotrigger.methods.base import Job
from nanotrigger.training.search import Measured, Plan, bracket, open_study, promoted, read_study, rungs, search
from nanotrigger.validation import validate

QUICK = {"hidden": (8, 6), "epochs": 6, "batch_size": 128, "learning_rate": 0.01, "candidates": 12, "generation": 4}
QUICK |= {"startup": 4, "trial_epochs": 3, "kernels": ("binary", "ternary", "po2_4", 4), "biases": (4, 6)}
QUICK |= {"activations": (3, 5)}


def test_forgiving_factor_is_qkeras():
    """delta_p or delta_n per cent for every factor `rate`: 8 % of the accuracy for each halving, worked out by hand."""
    factor = autoq.forgiving_factor
    assert factor(500.0, 1000.0, 8, 8, 2) == pytest.approx(1.08)
    assert factor(125.0, 1000.0, 8, 8, 2) == pytest.approx(1.24)
    assert factor(2000.0, 1000.0, 8, 5, 2) == pytest.approx(0.95)
    assert factor(250.0, 1000.0, 6, 8, 4) == pytest.approx(1.06)
    assert factor(1000.0, 1000.0, 8, 8, 2) == 1.0
    # as ForgivingFactor.delta has it: log(reference / trial) / log(rate), times delta_p or delta_n in per cent
    for trial in np.geomspace(10, 1e5, 9):
        expected = np.where(trial < 3000, 0.08, 0.04) * np.log(3000 / trial) / np.log(2.5)
        assert factor(trial, 3000.0, 8, 4, 2.5) == pytest.approx(1 + expected)


def test_the_reference_is_the_stanza_at_eight_bits():
    params = autoq.Params(input_bits=8)
    assert autoq.reference(params)["bits"] == 8 * (4389 + 16 + 128)
    half = autoq.reference(autoq.Params(reference_bits=4, input_bits=8))
    assert half["bits"] == 4 * (4389 + 128) + 8 * 16
    assert half["energy"] < autoq.reference(params)["energy"]


def candidates_of(params):
    return {name: list(choices) for name, choices in params.space().items()}


def test_a_space_names_every_parameter_and_a_candidate_its_network():
    params = autoq.Params(hidden=(10, 7), units=(0.5, 1.0, 2.0))
    space = candidates_of(params)
    names = [f"kernel{i}" for i in (1, 2, 3)] + [f"bias{i}" for i in (1, 2, 3)]
    assert list(space) == [*names, "activation1", "activation2", "units1", "units2"]
    candidate = dict.fromkeys(names, "binary") | {"kernel2": "po2_4", "activation1": 3, "activation2": "ternary"}
    candidate |= {"units1": 0.5, "units2": 2.0}
    assert params.hidden_of(candidate) == (5, 14)
    formats = params.formats_of(candidate)
    assert [str(f.kernel) for f in formats] == ["binary", "po2_4", "binary"]
    assert [str(f.activation) for f in formats] == ["3", "ternary", "None"]
    for first in params.homogeneous():
        assert list(first) == list(space) and all(first[name] in space[name] for name in space)
        assert len({first[f"kernel{i}"] for i in (1, 2, 3)}) == 1 and params.hidden_of(first) == (10, 7)


PLAN = Plan(
    {f"p{i}": tuple(range(6)) for i in range(5)},
    candidates=120,
    generation=12,
    rungs=(9,),
    factor=3,
    seed=1,
    startup=12,
)


def ideal(candidate):
    """How many of the five choices are right, the first ones counting a little more."""
    return sum((value == i) * (1.2 - 0.1 * i) for i, value in enumerate(candidate.values()))


def measured(calls=None, stop=None):
    """A search's measure that knows the answer; raises KeyboardInterrupt where it has started `stop` generations."""
    calls = [] if calls is None else calls

    def start(candidates):
        if stop is not None and len(calls) == stop:
            raise KeyboardInterrupt
        calls.append([number for number, _ in candidates])
        known = dict(candidates)

        def train(alive, place):
            return {n: Measured(ideal(known[n]) - (len(PLAN.rungs) - 1 - place), {"place": place}) for n in alive}

        return train

    return start


def rows(study):
    return [(t.number, t.params, t.value, t.state, t.intermediate_values, t.user_attrs) for t in study.trials]


def test_it_learns_where_the_good_candidates_are(tmp_path):
    """The best of 7,776, with 120 tries, of which a random search of that length finds it one time in 65."""
    calls = []
    study = open_study(tmp_path / "a.log", "x")
    search(study, PLAN, measured(calls))
    assert study.best_value == pytest.approx(5.0) and len(study.trials) == 120
    seen = set()
    for call in calls:
        trained = {tuple(study.trials[n].params.values()) for n in call}
        assert not trained & seen, "a candidate of an earlier generation was trained again"
        seen |= trained
    assert len(seen) < 100, "no candidate came twice"


def test_what_is_known_comes_first(tmp_path):
    known = [dict.fromkeys(PLAN.space, value) for value in range(6)]
    study = open_study(tmp_path / "a.log", "x")
    plan = Plan(**{**vars(PLAN), "candidates": 24, "known": known})
    search(study, plan, measured())
    assert [trial.params for trial in study.trials[:6]] == known


@pytest.mark.parametrize("stop", [1, 4])
def test_an_interrupted_search_goes_on_to_the_same_end(tmp_path, stop):
    undisturbed = open_study(tmp_path / "a.log", "x")
    search(undisturbed, PLAN, measured())
    calls = []
    with pytest.raises(KeyboardInterrupt):
        search(open_study(tmp_path / "b.log", "x"), PLAN, measured(calls, stop))
    assert len(open_study(tmp_path / "b.log", "x").trials) == stop * 12
    search(open_study(tmp_path / "b.log", "x"), PLAN, measured(calls))
    assert calls[stop][0] >= stop * 12, "a finished generation was trained again"
    assert rows(read_study(tmp_path / "b.log")) == rows(undisturbed)


def test_a_search_killed_while_it_writes_a_generation(tmp_path):
    undisturbed = open_study(tmp_path / "a.log", "x")
    search(undisturbed, PLAN, measured())
    study = open_study(tmp_path / "b.log", "x")
    search(study, Plan(**{**vars(PLAN), "candidates": 36}), measured())
    partial = open_study(tmp_path / "c.log", "x")
    for trial in study.trials[:29]:
        partial.add_trial(trial)
    search(open_study(tmp_path / "c.log", "x"), PLAN, measured())
    assert rows(read_study(tmp_path / "c.log")) == rows(undisturbed)


def test_a_search_of_other_settings_or_damaged_is_not_used(tmp_path, capsys):
    path = tmp_path / "folder/a.log"
    search(open_study(path, "x"), Plan(**{**vars(PLAN), "candidates": 12}), measured())
    assert len(open_study(path, "x").trials) == 12
    assert len(open_study(path, "y").trials) == 0
    assert "of other settings, data or code; the search starts anew" in capsys.readouterr().out
    path.write_text("no journal\n")
    assert len(open_study(path, "y").trials) == 0
    assert "not a readable search" in capsys.readouterr().out


def test_hyperband_by_hand(tmp_path):
    """Rungs of 2, 6 and 18 epochs, one of three going on: 9, 3 and 1 of 9 in the first bracket, 9, 9 and 3 in the second."""
    assert rungs(18, 3, 2) == (2, 6, 18) and rungs(20, 3, 2) == (2, 6, 18, 20) and rungs(7, 3, 2) == (2, 6, 7)
    assert promoted({4: 0.5, 1: 0.9, 2: 0.5, 3: 0.1, 0: 0.7, 5: 0.8}, 3) == [1, 5] and promoted({7: 0.1}, 3) == [7]
    plan = Plan(**{**vars(PLAN), "candidates": 27, "generation": 9, "rungs": (2, 6, 18), "startup": 100})
    assert [bracket(plan, first) for first in (0, 9, 18, 27)] == [0, 1, 2, 0]
    trained = []

    def start(candidates):
        scores = {number: ideal(candidate) for number, candidate in candidates}

        def train(alive, place):
            trained.append((place, len(alive)))
            return {number: Measured(scores[number] + place, {}) for number in alive}

        return train

    study = open_study(tmp_path / "a.log", "x")
    search(study, plan, start)
    assert trained == [(0, 9), (1, 3), (2, 1), (0, 9), (1, 9), (2, 3), (0, 9), (1, 9), (2, 9)]
    finished = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert [trial.user_attrs["epochs"] for trial in finished] == [18] * 13
    first = study.trials[:9]
    best = max(first, key=lambda trial: ideal(trial.params))
    assert best.intermediate_values.keys() == {2, 6, 18}
    assert study.best_trial.state.name == "COMPLETE"


def job(folder, seed=0, **keys):
    inputs = {step.output: folder / step.output for step in autoq.steps}
    return Job("qe", autoq.Params(**{**QUICK, **keys}), seed, folder / "out", inputs, folder / "checkpoints")


def run(data, given, train=True):
    for step in autoq.steps:
        step.run(data if step.data else None, [given], given.inputs, given.inputs[step.output])
    if train:
        autoq.train(data, [given])
    return json.loads(given.inputs["search.json"].read_text())


@pytest.mark.parametrize("keys", [{"units": (0.5, 1.0)}, {"algorithm": "hyperband", "first_rung": 1}])
@pytest.mark.parametrize("objective", ["energy", "bits"])
def test_the_best_candidate_is_trained_and_exported(toy, tmp_path, keys, objective):
    from nanotrigger.qonnx.execute import compare, execute

    given = job(tmp_path, objective=objective, **keys)
    found = run(toy, given)
    finished = [row for row in found["candidates"] if row["finished"]]
    best = max(finished, key=lambda row: row["score"])
    assert best["candidate"] == found["chosen"] and len(found["candidates"]) == 12
    for row in finished:
        factor = autoq.forgiving_factor(row[objective], found["reference"][objective], 8, 8, 2)
        assert row["score"] == pytest.approx(row["accuracy"] * factor)
    costs = autoq.export(given.folder, "qonnx", tmp_path / "m.onnx", {})
    assert costs["layer_formats"] == [{k: v for k, v in layer.items() if v is not None} for layer in best["layers"]]
    assert costs["parameters"] == sum(
        a * b + b for a, b in zip((16, *best["hidden"]), (*best["hidden"], 5), strict=True)
    )
    x = toy.standardised("test").x
    assert compare(execute(tmp_path / "m.onnx", x)[0], autoq.predict(given.folder, x), "qe") == 0
    if "units" in keys:
        assert len({tuple(row["hidden"]) for row in found["candidates"]}) > 1
    else:
        assert {row["epochs"] for row in found["candidates"]} == {1, 3}, "nothing stopped early"
    assert not (tmp_path / "checkpoints").exists()


def test_a_rung_goes_on_from_the_one_before(toy, tmp_path, monkeypatch):
    """The parameters a candidate starts a rung with are those it was left with."""
    from nanotrigger.training import jobs as mlp

    seen, left = [], []
    original = mlp.fit

    def spied(network, data, jobs, **changed):
        seen.append({str(j): [p[m].clone() for p in network.parameters()] for m, j in enumerate(jobs)})
        fitted = original(network, data, jobs, **changed)
        left.append({str(j): [p[m].clone() for p in network.parameters()] for m, j in enumerate(jobs)})
        return fitted

    monkeypatch.setattr(mlp, "fit", spied)
    given = job(tmp_path, algorithm="hyperband", first_rung=1, candidates=6, generation=6)
    run(toy, given, train=False)
    assert len(seen) == 2 and len(seen[1]) == 2
    for name, parameters in seen[1].items():
        assert all((a == b).all() for a, b in zip(parameters, left[0][name], strict=True))


SCRIPT = """
import sys
from pathlib import Path
from nanotrigger.data.dataset import read_dataset
from nanotrigger.training import snapshot
from test_search import job, run
snapshot.INTERVAL_S = 0.0
folder, data = map(Path, sys.argv[1:])
run(read_dataset(data), job(folder, candidates=16, trial_epochs=12))
"""


def start(folder, data):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(data)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def test_a_killed_search_goes_on_to_the_same_model(toy, tmp_path):
    """kill -9 within a generation: all candidates, the choice and the model as if it had been left alone."""
    data = tmp_path / "toy.h5"
    write_dataset(data, {split: getattr(toy, split) for split in ("train", "val", "test")}, {"source": "toy"})
    undisturbed = start(tmp_path / "undisturbed", data)
    output = undisturbed.communicate(timeout=600)[0]
    assert undisturbed.returncode == 0, output
    killed = start(tmp_path / "killed", data)
    journal = tmp_path / "killed/checkpoints/study.log"
    while not (journal.is_file() and len(list(journal.parent.glob("candidate_*.safetensors"))) and has(journal, 4)):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(600) == -signal.SIGKILL
    assert not (tmp_path / "killed/study.log").exists()
    resumed = start(tmp_path / "killed", data)
    output = resumed.communicate(timeout=600)[0]
    assert resumed.returncode == 0, output
    assert "4 of 16 candidates" not in output, "the search began again"
    for name in ("search.json", "out/model/network.safetensors", "out/history.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
    assert not (tmp_path / "killed/checkpoints").exists()


def has(journal, trials):
    return journal.read_text().count('"op_code":4') >= trials


def test_a_search_that_diverges_names_the_candidate_and_leaves_nothing(toy, tmp_path):
    with pytest.raises(
        NanotriggerError, match=r"^candidate \d+ of qe \(seed 0\): the loss is not a number after epoch \d"
    ):
        run(toy, job(tmp_path, learning_rate=1e30))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"kernels": ()}, r"kernels = \[\]: the search space has no candidate. Name a choice at least"),
        ({"units": ()}, r"units = \[\]: the search space has no candidate"),
        (
            {"biases": (4, 17)},
            r"models\.m\.biases\.1 = 17: '17' is no quantiser of a parameter: give a width from 2 to 16",
        ),
        ({"activations": ("po2_5",)}, r"models\.m\.activations\.0 = 'po2_5': 'po2_5' is no quantiser of an activation"),
        ({"kernels": (4, 4)}, r"kernels = \[4, 4\]: holds a choice twice"),
        ({"units": (1.0, 0.1)}, r"units = \[1.0, 0.1\]: 0.1 times \[8, 6\] is \[0, 0\], no layer"),
        ({"algorithm": "hyperband", "first_rung": 3}, r"first_rung = 3: is not below trial_epochs = 3"),
    ],
)
def test_spaces_that_cannot_be_searched_are_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        validate(autoq.Params, {**QUICK, **changed}, "models.m")
