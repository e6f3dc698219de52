"""Large sweeps: trained in chunks, every point a row of figures that are those of its QONNX file, the front by validation."""

import copy
import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import read_yaml

from nanotrigger.config import load_config
from nanotrigger.data.dataset import write_dataset
from nanotrigger.errors import ExportError
from nanotrigger.methods import mixed
from nanotrigger.plan import make_plan
from nanotrigger.results import sweeps
from nanotrigger.results.metrics import check_export
from nanotrigger.results.pareto import pareto_front
from nanotrigger.results.records import read_json, write_json

STANZA = {
    "method": "mixed",
    "hidden": [8],
    "epochs": 6,
    "batch_size": 128,
    "learning_rate": 0.01,
    "sweep": {"weight_bits": {"product": [[3, 6], [2, 4, 8]]}},
    "models_per_job": 4,
    "build": ["grid_3-*", "grid_6-8"],
}


def plan_of(seeds=(0, 2), **changed):
    config = copy.deepcopy(read_yaml("config/config.yaml"))
    config["models"]["grid"] = {**STANZA, **changed}
    config["run"] |= {"models": ["grid"], "flows": ["rtl"], "seeds": list(seeds), "skip": []}
    return make_plan(load_config(config))


def test_points_chunks_and_what_is_built():
    plan = plan_of()
    stanza = plan.stanzas["grid"]
    names = [f"grid_{a}-{b}" for a, b in itertools.product((3, 6), (2, 4, 8))]
    assert [m.name for m in stanza.models] == names
    assert [[m.name for m in chunk] for chunk in stanza.chunks] == [names[:4], names[4:]]
    assert plan.chunks == {name: i // 4 for i, name in enumerate(names)}
    assert list(plan.models) == [*names[:3], "grid_6-8"] and stanza.surveyed
    assert {(p.model, p.flow) for p in plan.pairs} == {(name, "rtl") for name in plan.models}
    assert list(stanza.parameters(1)) == names[4:]
    assert not plan_of(build=["*"]).stanzas["grid"].surveyed
    assert len(plan_of(models_per_job=None).stanzas["grid"].chunks) == 1
    assert plan_of(build=[]).models == {}


def test_what_is_built_changes_no_training():
    """Neither another selection nor another point in the last chunk touches the parameters of the first."""
    first = plan_of().stanzas["grid"].parameters(0)
    assert plan_of(build=[]).stanzas["grid"].parameters(0) == first
    longer = plan_of(sweep={"weight_bits": {"product": [[3, 6, 7], [2, 4, 8]]}})
    assert longer.stanzas["grid"].parameters(0) == first and len(longer.stanzas["grid"].chunks) == 3


def test_chunks_do_not_share_a_folder_for_checkpoints(tmp_path):
    plan = plan_of()
    folders = [{job.scratch for job in plan.jobs("grid", tmp_path / str(i), tmp_path, i)} for i in range(2)]
    assert all(len(folder) == 1 for folder in folders) and not folders[0] & folders[1]
    both = [job.model for i in range(2) for job in plan.jobs("grid", tmp_path, tmp_path, i)]
    assert both == [job.model for job in plan.jobs("grid", tmp_path, tmp_path)]


@pytest.fixture(scope="module")
def surveyed(toy, tmp_path_factory):
    """The sweep, trained and surveyed chunk by chunk."""
    folder = tmp_path_factory.mktemp("sweep")
    data = folder / "toy.h5"
    write_dataset(data, {split: getattr(toy, split) for split in ("train", "val", "test")}, {"source": "toy"})
    plan = plan_of()
    for chunk in range(2):
        mixed.train(toy, plan.jobs("grid", folder / f"trained/{chunk}", folder, chunk))
        sweeps.survey(plan, "grid", chunk, folder / f"trained/{chunk}", data, folder / f"{chunk}.csv")
    sweeps.collect_sweeps(plan, [folder / "0.csv", folder / "1.csv"], folder / "sweeps.csv")
    return SimpleNamespace(plan=plan, folder=folder, data=data, table=pd.read_csv(folder / "sweeps.csv"))


def test_chunks_train_what_one_job_trains(surveyed, toy, tmp_path):
    together = plan_of(models_per_job=None)
    mixed.train(toy, together.jobs("grid", tmp_path, tmp_path, 0))
    for job in together.jobs("grid", tmp_path, tmp_path):
        chunk = surveyed.folder / f"trained/{surveyed.plan.chunks[job.model]}" / job.model / f"seed{job.seed}"
        for file in ("history.csv", "model/network.safetensors"):
            assert (job.folder / file).read_bytes() == (chunk / file).read_bytes()


def test_rows_are_what_the_single_models_give(surveyed, toy, tmp_path):
    """A point's row holds exactly what its own export and its own check, as for a model that is built, write."""
    table = surveyed.table.set_index(["model", "seed"])
    assert len(table) == 12 and table.index.is_unique and (table.qonnx_mismatches == 0).all()
    assert (table.qonnx_vectors == len(toy.test.x) + len(toy.val.x)).all()
    for model, seed in (("grid_3-2", 0), ("grid_6-4", 2), ("grid_6-8", 0)):
        folder = surveyed.folder / f"trained/{surveyed.plan.chunks[model]}" / model / f"seed{seed}"
        inputs = SimpleNamespace(
            vectors=surveyed.data,
            qonnx=tmp_path / "m.onnx",
            predictions=tmp_path / "predictions.npy",
            costs=tmp_path / "costs.json",
        )
        write_json(inputs.costs, mixed.export(folder, "qonnx", inputs.qonnx, {}))
        np.save(inputs.predictions, mixed.predict(folder, toy.standardised("test").x))
        outputs = SimpleNamespace(outputs=tmp_path / "outputs.npy", metrics=tmp_path / "metrics.json")
        check_export(model, inputs, outputs)
        metrics, row = read_json(outputs.metrics), table.loc[model, seed]
        assert row.weight_bits == model.removeprefix("grid_") and row.built == (model in surveyed.plan.models)
        for key in ("accuracy", "accuracy_low", "val_accuracy", "bops_hawq", "ebops", "nonzero_weights", "test_jets"):
            assert row[key] == pytest.approx(metrics[key], rel=1e-12), key


def test_a_point_whose_file_is_not_its_model_is_named(surveyed, monkeypatch):
    other = surveyed.folder / "trained/0/grid_3-4/seed2"
    export = mixed.export
    monkeypatch.setattr(
        mixed, "export", lambda folder, *rest: export(other if "grid_3-8" in str(folder) else folder, *rest)
    )
    with pytest.raises(ExportError, match=r"^grid_3-8 \(seed 0\): the QONNX file differs"):
        sweeps.survey(surveyed.plan, "grid", 0, surveyed.folder / "trained/0", surveyed.data, surveyed.folder / "x.csv")
    assert not (surveyed.folder / "x.csv").exists()


def test_the_front_is_chosen_on_the_validation_split(surveyed):
    """By brute force over pairs of points, means over seeds; the test split has no part in it."""
    means = surveyed.table.groupby("model")[["bops_hawq", "val_accuracy"]].mean()
    front = {
        a.Index
        for a in means.itertuples()
        if not any(
            b.bops_hawq <= a.bops_hawq
            and b.val_accuracy >= a.val_accuracy
            and (b.bops_hawq, b.val_accuracy) != (a.bops_hawq, a.val_accuracy)
            for b in means.itertuples()
        )
    }
    assert set(surveyed.table[surveyed.table.on_front].model) == front and 1 <= len(front) < 6
    parts = [surveyed.folder / f"{i}.csv" for i in (0, 1)]
    for part in parts:
        pd.read_csv(part).assign(accuracy=0.5).to_csv(surveyed.folder / f"same_{part.name}", index=False)
    sweeps.collect_sweeps(
        surveyed.plan, [surveyed.folder / f"same_{p.name}" for p in parts], surveyed.folder / "same.csv"
    )
    assert set(pd.read_csv(surveyed.folder / "same.csv").query("on_front").model) == front


def test_front_against_brute_force():
    rng = np.random.default_rng(3)
    for _ in range(20):
        cost, merit = rng.integers(0, 8, (2, 30)).astype(float)
        cost[rng.random(30) < 0.1] = np.nan
        beaten = [
            any(c <= a and m >= b and (c < a or m > b) for c, m in zip(cost, merit, strict=True))
            for a, b in zip(cost, merit, strict=True)
        ]
        np.testing.assert_array_equal(pareto_front(cost, merit), ~np.array(beaten) & ~np.isnan(cost))


def test_choosing_knows_nothing_of_the_test_split(toy, tmp_path):
    """A training without a test split gives the same model, and keeps the epoch of smallest validation loss."""
    plan = plan_of(seeds=(0,), epochs=8, models_per_job=2)
    blind = dataclasses.replace(toy, test=None)
    for data, where in ((toy, "a"), (blind, "b")):
        mixed.train(data, plan.jobs("grid", tmp_path / where, tmp_path, 0))
    for job in plan.jobs("grid", tmp_path / "a", tmp_path, 0):
        files = [tmp_path / where / job.model / "seed0/model/network.safetensors" for where in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes()
        history = pd.read_csv(job.folder / "history.csv")
        kept = history.loc[history.val_loss.idxmin()]
        val = toy.standardised("val")
        found = (mixed.predict(job.folder, val.x).argmax(1) == val.y).mean()
        assert found == pytest.approx(kept.val_accuracy, abs=2 / len(val.y))
