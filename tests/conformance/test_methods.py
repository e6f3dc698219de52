"""What every method promises, for all of them: found by listing the package, so a new one is tested the day it is added."""

import csv
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import HEAVY, merged, read_yaml
from safetensors import safe_open

from nanotrigger.config import ModelStanza, load_config
from nanotrigger.data.dataset import write_dataset
from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.methods.base import CONTRACT, Job, load_method
from nanotrigger.modules import discover
from nanotrigger.plan import make_plan, sweep_values

METHODS = discover("nanotrigger.methods")
QUICK = {"epochs": 4, "teacher_epochs": 3, "probes": 4, "ebops": 10**7, "hidden": (10, 6), "warmup": 1, "restarts": 1}
QUICK |= {"bops_budget": 10**6, "batch_size": 128, "weight_bits": (4, 6, 5)}
# one of each kind for two hidden layers; for a search these are its choices
QUICK |= {"kernels": (3, "binary", "po2_4"), "biases": (4, "ternary", 6), "activations": ("ternary", 4)}
QUICK |= {"candidates": 8, "input_fraction": 2, "generation": 4, "startup": 4, "trial_epochs": 3}


def fields_of(method: str):
    return load_method(method).Params.model_fields


def stanza_of_a_file(folder: Path) -> dict:
    """What a method needs that takes a model from a file instead of training one."""
    from test_export import network

    from nanotrigger.qonnx.export import write_qonnx

    write_qonnx(network(6), folder / "given.onnx", {})
    return {"path": str(folder / "given.onnx"), "vectors": "dataset"}


def params_of(method: str, folder: Path, **changed):
    """Parameters from the stanza that the shipped config has for a method, cut down to seconds."""
    fields = fields_of(method)
    if "path" in fields:
        return load_method(method).Params(**stanza_of_a_file(folder))
    config = merged(read_yaml("config/config.yaml"), read_yaml("config/quickstart.yaml"))
    stanzas = [s for s in config["models"].values() if s["method"] == method]
    assert stanzas, f"config/config.yaml has no stanza for the method {method}"
    point = {key: sweep_values(values)[0] for key, values in stanzas[0].get("sweep", {}).items()}
    keys = {k: v for k, v in stanzas[0].items() if k not in ModelStanza.model_fields}
    quick = {k: v for k, v in {**QUICK, **changed}.items() if k in fields}
    return load_method(method).Params(**{**keys, **point, **quick})


def train(method: str, data, folder: Path, seeds=(0, 1), scratch: Path | None = None, **changed) -> list[Job]:
    module, params = load_method(method), params_of(method, folder, **changed)
    steps = [step for step in getattr(module, "steps", ()) if step.needed(params)]
    made = {step.output: folder / step.output for step in steps}
    jobs = [Job(method, params, seed, folder / f"seed{seed}", made, scratch) for seed in seeds]
    for step in steps:
        step.run(data if step.data else None, jobs, {n: folder / n for n in step.needs}, folder / step.output)
    module.train(data, jobs)
    return jobs


@pytest.fixture(scope="session", params=METHODS)
def trained(request, toy, tmp_path_factory):
    """Trained without a test split: models are chosen on the validation split, and `test` only reports."""
    blind = dataclasses.replace(toy, test=None)
    return load_method(request.param), train(request.param, blind, tmp_path_factory.mktemp(request.param))


def outliers(x: np.ndarray) -> np.ndarray:
    """Jets, the same jets far outside the training range, and single features at absurd values."""
    far = np.concatenate([x, x * 50, x * -50])
    return np.concatenate(
        [far, np.eye(x.shape[1], dtype=np.float32) * 1e4, np.eye(x.shape[1], dtype=np.float32) * -1e4]
    )


def test_contract(trained):
    module, _ = trained
    assert not [part for part in CONTRACT if not hasattr(module, part)]
    assert "qonnx" in module.exports, "QONNX is the waist: every method writes it"
    for name, field in module.Params.model_fields.items():
        assert field.description, f"{module.__name__}.Params.{name} has no description"


def test_methods_import_without_heavy_libraries():
    code = f"import sys; from nanotrigger.methods.base import load_method; [load_method(m) for m in {METHODS}]; "
    code += f"print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_qonnx_file_equals_predict(trained, toy, tmp_path):
    from nanotrigger.qonnx.execute import compare, execute

    module, jobs = trained
    x = outliers(toy.standardised("test").x)
    for job in jobs:
        path = tmp_path / f"{job.seed}.onnx"
        costs = module.export(job.folder, "qonnx", path, {"model": job.model})
        assert json.loads(json.dumps(costs, allow_nan=False)), "they become a file"
        outputs, _ = execute(path, x)
        assert compare(outputs, module.predict(job.folder, x), str(job)) == 0
        assert len(np.unique(outputs, axis=0)) > len(toy.test.x) / 4, "a constant network proves nothing"


def test_jets_outside_the_training_range_saturate(trained, toy):
    """A feature far above its range acts like one further above; wrapping around would bring other values back."""
    module, jobs = trained
    x = np.repeat(toy.standardised("test").x[:20], 16, axis=0)
    far, further = x.copy(), x.copy()
    rows, feature = np.arange(len(x)), np.tile(np.arange(16), 20)
    far[rows, feature], further[rows, feature] = 1000.0, 1300.5
    predict = module.predict
    np.testing.assert_array_equal(predict(jobs[0].folder, far), predict(jobs[0].folder, further))


def test_history_and_model_files(trained):
    module, jobs = trained
    for job in jobs:
        with open(job.folder / "history.csv") as file:
            rows = list(csv.DictReader(file))
        if "epochs" in module.Params.model_fields:
            assert 1 <= len(rows) <= QUICK["epochs"]
            assert {"epoch", "train_loss", "val_accuracy"} <= set(rows[0])
        else:
            assert rows == [], "a history of what was not trained"
        assert any((job.folder / "model").iterdir())
        assert not list(job.folder.rglob("*.pkl")), "no pickle is ever written"


def test_seeds_differ_and_a_seed_repeats(trained, toy, tmp_path):
    """A seed gives the same model again, and the same one with a test split as without."""
    module, jobs = trained
    x = toy.standardised("test").x
    first = [module.predict(job.folder, x) for job in jobs]
    again = train(jobs[0].model, toy, tmp_path)
    np.testing.assert_array_equal(first[0], module.predict(again[0].folder, x))
    if "epochs" in module.Params.model_fields and not getattr(module, "steps", ()):
        assert (first[0] != first[1]).any(), "two seeds gave the same model"


def test_costs(trained, tmp_path):
    module, jobs = trained
    costs = module.export(jobs[0].folder, "qonnx", tmp_path / "m.onnx", {})
    if "hidden" not in module.Params.model_fields:
        # counted by the qonnx package: weights of the file's two matrices
        assert costs["parameters"] == 16 * 12 + 12 * 5 and costs["ebops"] is None and costs["bops_qonnx"] > 0
        return
    if not any(node.op_type == "MatMul" for node in onnx.load(tmp_path / "m.onnx").graph.node):
        # nothing is multiplied: there are no BOPs, and parameters are entries of tables
        assert 0 < costs["nonzero_weights"] <= costs["parameters"] and costs["ebops"] > 0
        assert costs["bops_hawq"] is None and costs["bops_qonnx"] is None
        return
    sizes = (16, *QUICK["hidden"], 5)
    assert costs["parameters"] == sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert 0 < costs["nonzero_weights"] <= costs["parameters"]
    assert costs["ebops"] > 0 and costs["bops_hawq"] > costs["bops_qonnx"] > 0


@pytest.mark.parametrize("method", METHODS)
def test_unknown_key_names_key_and_model(method, tmp_path):
    config = merged(read_yaml("config/config.yaml"), read_yaml("config/quickstart.yaml"))
    if "path" in fields_of(method):
        config["models"]["given"] = {"method": method, **stanza_of_a_file(tmp_path)}
    name, stanza = next((n, s) for n, s in config["models"].items() if s["method"] == method)
    key = next(iter(load_method(method).Params.model_fields))
    stanza[key + "s"] = 1
    with pytest.raises(ConfigError, match=rf"models\.{name}.*{key}s: unknown key.*Did you mean {key}\?"):
        make_plan(load_config(config))


@pytest.mark.parametrize("value", [-1, 0, 1, 99, 3.5, "eight"])
@pytest.mark.parametrize("method", METHODS)
def test_a_width_out_of_range_names_key_and_model(method, value, tmp_path):
    """Every key of a method that is a width, or a list of them."""
    widths = [key for key in fields_of(method) if key == "bits" or key.endswith("_bits")]
    # a difference of widths may be none
    widths = [key for key in widths if not (key.endswith("_extra_bits") and value in (0, 1))]
    if not widths:
        pytest.skip("this method has no such key")
    for key in widths:
        config = merged(read_yaml("config/config.yaml"), read_yaml("config/quickstart.yaml"))
        name, stanza = next((n, s) for n, s in config["models"].items() if s["method"] == method)
        given = [value] if "tuple" in str(fields_of(method)[key].annotation) else value
        stanza.get("sweep", {}).pop(key, None)
        with pytest.raises(ConfigError, match=rf"models\.{name}\b.*{key}\b"):
            make_plan(load_config(merged(config, {"models": {name: {key: given}}})))


@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_diverges_names_the_model_and_leaves_nothing(method, toy, tmp_path):
    if "learning_rate" not in fields_of(method):
        pytest.skip("this method has no learning rate to diverge with")
    model = rf"(teacher of |candidate \d+ of )?{method} \(seed 0\)|{method}"
    with pytest.raises(
        NanotriggerError, match=rf"^({model}): the loss is not a number after epoch \d+. Lower its learn"
    ):
        train(method, toy, tmp_path, seeds=(0,), learning_rate=1e30)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "something was left behind"


@pytest.mark.parametrize("method", [m for m in METHODS if getattr(load_method(m), "steps", ())])
def test_a_training_that_diverges_after_its_steps_leaves_what_they_made_alone(method, toy, tmp_path):
    """As where a teacher was trained before, and then a model's rate is too high for it."""
    module, params = load_method(method), params_of(method, tmp_path)
    if "learning_rate" not in fields_of(method):
        pytest.skip("this method has no learning rate to diverge with")
    made = {step.output: tmp_path / step.output for step in module.steps if step.needed(params)}
    jobs = [Job(method, params, 0, tmp_path / "trained", made, tmp_path / "checkpoints")]
    for step in module.steps:
        if step.needed(params):
            step.run(toy if step.data else None, jobs, {n: made[n] for n in step.needs}, made[step.output])
    hot = [
        Job(method, params.model_copy(update={"learning_rate": 1e30}), 0, tmp_path / "trained", made, tmp_path / "c")
    ]
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    try:
        module.train(toy, hot)
    except NanotriggerError as error:
        assert str(error).startswith(f"{method} (seed 0): the loss is not a number after epoch")
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
    else:
        assert (tmp_path / "trained/history.csv").is_file(), "it trains nothing after its steps, so nothing can diverge"


FAR = {"ebops": 2000, "beta": (1e-5, 1e-2)}
"""With it a walk takes its 60 epochs, too."""

KILLED = """
import sys
from pathlib import Path
from nanotrigger.data.dataset import read_dataset
from nanotrigger.training import snapshot
from test_methods import FAR, train
snapshot.INTERVAL_S = 0.0
data, folder = map(Path, sys.argv[2:])
train(sys.argv[1], read_dataset(data), folder, scratch=folder / "checkpoints", epochs=60, patience=60, batch_norm=True, **FAR)
"""


def start(method: str, data: Path, folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, method, str(data), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def epochs_kept(folder: Path) -> int:
    """Epochs in the checkpoint that is furthest, 0 without any."""
    epochs = [0]
    for path in folder.glob("*.safetensors"):
        # a training that ends takes its checkpoint with it
        with suppress(FileNotFoundError), safe_open(path, "np") as file:
            epochs.append(int(file.metadata()["epoch"]))
    return max(epochs)


# pruning, whose checkpoints hold most, in every run of the tests; all others are slow together
@pytest.mark.parametrize("method", [pytest.param(m, marks=() if m == "prune" else pytest.mark.slow) for m in METHODS])
def test_a_killed_training_goes_on_to_the_same_model(method, toy, tmp_path):
    """kill -9 in the middle: files identical to those of a training that was left alone."""
    if "epochs" not in fields_of(method):
        pytest.skip("this method trains nothing")
    data, one, other = tmp_path / "toy.h5", tmp_path / "undisturbed", tmp_path / "killed"
    write_dataset(data, {split: getattr(toy, split) for split in ("train", "val", "test")}, {"source": "toy"})
    undisturbed = start(method, data, one)
    output = undisturbed.communicate(timeout=600)[0]
    assert undisturbed.returncode == 0, output
    killed = start(method, data, other)
    while epochs_kept(other / "checkpoints") < 2:
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=600)
    assert killed.returncode == -signal.SIGKILL
    assert epochs_kept(other / "checkpoints") < 60 and not list(other.rglob("history.csv"))
    resumed = start(method, data, other)
    output = resumed.communicate(timeout=600)[0]
    assert resumed.returncode == 0, output
    assert "the training goes on after epoch" in output
    assert not (other / "checkpoints").exists()
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    for name in names:
        if name.suffix != ".log":  # a search's storage has the time of each candidate
            assert (other / name).read_bytes() == (one / name).read_bytes(), name


def test_two_trainings_do_not_share_a_checkpoint(toy, tmp_path):
    """The second ends at once and names the first; the first is not disturbed, and frees the file even when killed."""
    from nanotrigger.training.checkpoint import Checkpoint

    data = tmp_path / "toy.h5"
    write_dataset(data, {split: getattr(toy, split) for split in ("train", "val", "test")}, {"source": "toy"})
    first = start("prune", data, tmp_path / "models")
    file = tmp_path / "models/checkpoints/prune_seed_0.safetensors"
    while not file.is_file():
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    second = start("prune", data, tmp_path / "models")
    output = second.communicate(timeout=600)[0]
    assert second.returncode != 0
    assert f"{file}: process {first.pid} on " in output and "trains the same models here now" in output
    assert file.is_file() and not list(tmp_path.rglob("history.csv"))
    first.kill()
    first.wait(600)
    with Checkpoint(file).held():
        pass
