"""Which models are compared on which jets, with what reference, and how it is drawn."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nanotrigger.config import load_config
from nanotrigger.data.dataset import write_dataset
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import make_plan
from nanotrigger.plots import paired_accuracy
from nanotrigger.results.comparisons import (
    ALL_PAIRS,
    best_of,
    compare_models,
    comparison_rows,
    pairs,
)
from nanotrigger.results.records import write_json

SEEDS = (0, 4)
ACCURACY = {"strong": 0.9, "weak": 0.5, "middle": 0.7, "twin_a": 0.9, "twin_b": 0.6, "alone": 0.8, "unlabelled": 0.2}


class Inputs(SimpleNamespace):
    def get(self, name, default=None):
        return getattr(self, name, default)


def outputs_for(y, accuracy, rng):
    """Logits (vectors, 5) of a model that is right on about that share of the vectors."""
    right = rng.random(len(y)) < accuracy
    return 3.0 * np.eye(5)[np.where(right, y, (y + 1) % 5)] + rng.random((len(y), 5))


@pytest.fixture
def run(tmp_path, toy):
    """Three models on a dataset; two on the same vectors of their own, one on others, and one without labels."""
    rng = np.random.default_rng(0)
    write_dataset(tmp_path / "toy.h5", {n: getattr(toy, n) for n in ("train", "val", "test")}, {"source": "toy"})
    own = {
        "twin_a": {"x": np.zeros((70, 3), np.float32), "y": np.arange(70) % 5},
        "alone": {"x": np.ones((60, 3), np.float32), "y": np.arange(60) % 5},
        "unlabelled": {"x": np.ones((50, 3), np.float32)},
    }
    own["twin_b"] = own["twin_a"]
    models, labels = {}, dict.fromkeys(("strong", "weak", "middle"), toy.test.y)
    for name, arrays in own.items():
        path = tmp_path / "training" / name / "vectors.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, **arrays)
        (tmp_path / "m.onnx").write_bytes(b"")
        models[name] = {"method": "external", "path": str(tmp_path / "m.onnx"), "vectors": str(path)}
        labels[name] = arrays.get("y", np.zeros(50, int))
    models |= {name: {"method": "float"} for name in ("weak", "strong", "middle")}
    selected = {"name": "r", "dataset": "toy", "models": list(models), "flows": [], "seeds": list(SEEDS)}
    datasets = {"toy": {"source": "pythia", "jets": 2000}}
    plan = make_plan(load_config({"run": selected, "datasets": datasets, "models": models}))
    files = {"outputs": [], "metrics": []}
    for name in plan.models:
        for seed in SEEDS:
            folder = tmp_path / "models" / name / f"seed{seed}"
            folder.mkdir(parents=True)
            np.save(folder / "outputs.npy", outputs_for(labels[name], ACCURACY[name], rng))
            # `middle` is the best on the validation split, though not on the test split
            write_json(
                folder / "metrics.json", {"val_accuracy": 0.9 if name == "middle" else 0.5} if name in labels else {}
            )
            files["outputs"].append(str(folder / "outputs.npy"))
            files["metrics"].append(str(folder / "metrics.json"))
    inputs = Inputs(
        **files, data=str(tmp_path / "toy.h5"), own_vectors=[str(p) for p in tmp_path.glob("training/*/vectors.npz")]
    )
    outputs = SimpleNamespace(accuracies=tmp_path / "accuracies.csv", comparisons=tmp_path / "comparisons.csv")
    return SimpleNamespace(plan=plan, inputs=inputs, outputs=outputs, labels=labels, folder=tmp_path)


def tables(run):
    compare_models(run.plan, run.inputs, run.outputs)
    return pd.read_csv(run.outputs.accuracies), pd.read_csv(run.outputs.comparisons)


def test_only_models_tested_alike_are_compared(run):
    accuracies, comparisons = tables(run)
    assert set(accuracies.model) == set(ACCURACY) - {"unlabelled"}
    found = {frozenset(pair) for pair in zip(comparisons.model, comparisons.other)}
    on_dataset = {frozenset(p) for p in (("strong", "weak"), ("strong", "middle"), ("weak", "middle"))}
    assert found == on_dataset | {frozenset(("twin_a", "twin_b"))} and len(comparisons) == 4
    assert (comparisons.groupby("vectors").comparisons.first().sort_values() == [1, 3]).all()


def test_figures_are_those_of_the_outputs(run):
    accuracies, comparisons = (t.set_index("model") for t in tables(run))
    means = {}
    for name in ACCURACY:
        files = [np.load(run.folder / f"models/{name}/seed{s}/outputs.npy", allow_pickle=False) for s in SEEDS]
        means[name] = np.mean([(f.argmax(1) == run.labels[name]).mean() for f in files])
    for name, row in accuracies.iterrows():
        assert row.accuracy == pytest.approx(means[name]) and row.accuracy_low < row.accuracy < row.accuracy_high
        assert row.seeds == 2 and row.test_jets == len(run.labels[name])
        assert row.seeds_low <= row.accuracy <= row.seeds_high
    for name, row in comparisons.iterrows():
        assert row.difference == pytest.approx(means[name] - means[row.other])
        assert row.difference * row.seeds * row.test_jets == pytest.approx(row.only_model_right - row.only_other_right)
        assert row.p_value <= row.p_holm <= 1


def test_the_reference_is_chosen_without_the_test_split(run):
    _, comparisons = tables(run)
    on_dataset = comparisons[comparisons.vectors == "toy"]
    assert set(on_dataset[on_dataset.other_is_reference].other) == {"middle"}
    assert set(on_dataset[on_dataset.other_is_reference].model) == {"strong", "weak"}


def test_a_run_without_labels_has_empty_tables(run):
    del run.inputs.data
    run.inputs.own_vectors = [str(run.folder / "training/unlabelled/vectors.npz")]
    models = {name: model for name, model in run.plan.models.items() if name == "unlabelled"}
    run.plan = SimpleNamespace(config=run.plan.config, models=models, seeds=SEEDS)
    accuracies, comparisons = tables(run)
    assert len(accuracies) == len(comparisons) == 0
    assert {"model", "accuracy_low"} <= set(accuracies) and {"other", "p_holm"} <= set(comparisons)


def test_outputs_of_other_jets_are_refused(run):
    path = run.folder / "models/weak/seed4/outputs.npy"
    np.save(path, np.load(path, allow_pickle=False)[:-1])
    with pytest.raises(NanotriggerError, match=r"weak/seed4/outputs\.npy: 399 outputs, but 400 labels"):
        tables(run)


def test_many_models_make_rows_in_proportion():
    names = tuple(f"m{i}" for i in range(1000))
    few = names[:ALL_PAIRS]
    assert len({frozenset(p) for p in pairs(few, "m3")}) == len(pairs(few, "m3")) == ALL_PAIRS * (ALL_PAIRS - 1) / 2
    assert {p for p in pairs(few, "m3") if "m3" in p} == {(m, "m3") for m in few if m != "m3"}
    many = pairs(names, "m3")
    assert len(many) == 999 and {other for _, other in many} == {"m3"}
    assert pairs(("m3",), "m3") == []


def test_the_best_on_the_validation_split():
    assert best_of(("a", "b", "c"), {"a": 0.5, "b": 0.7, "c": 0.7}) == "b"
    assert best_of(("a", "b"), {"a": None, "b": None}) == "a"


def drawn(number, tmp_path):
    """The figure of so many models beside a reference, the first of them much worse than the others."""
    rng = np.random.default_rng(1)
    y = rng.random((1, 500))
    right = {f"m{i}": y + 0.1 * rng.random((1, 500)) < (0.4 if i == 1 else 0.7) for i in range(number)}
    rows = comparison_rows(tuple(right), "m0", right.__getitem__)
    pd.DataFrame(rows).assign(vectors="toy").to_csv(tmp_path / "c.csv", index=False)
    pd.DataFrame({"model": list(right), "method": "hgq"}).to_csv(tmp_path / "m.csv", index=False)
    plan = SimpleNamespace(config=SimpleNamespace(run=SimpleNamespace(dataset="toy")))
    inputs = SimpleNamespace(comparisons=tmp_path / "c.csv", models=tmp_path / "m.csv")
    figure, numbers = paired_accuracy.plot(plan, inputs)
    plt.close(figure)
    return figure, numbers


def test_figure_shows_differences_from_the_reference(tmp_path):
    figure, numbers = drawn(6, tmp_path)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == list(numbers.model) and len(numbers) == 5
    assert numbers.difference.is_monotonic_increasing and numbers.model[0] == "m1"
    points = {
        (x, y): line.get_markerfacecolor()
        for line in axes.lines
        for x, y in zip(*line.get_data())
        if line.get_marker() == "o"
    }
    assert len(points) == 5
    filled = {y for (x, y), face in points.items() if face != "white"}
    assert filled == set(np.flatnonzero(numbers.p_holm < 0.05)) == {0}
    for x, y in points:
        assert x == pytest.approx(100 * numbers.difference[y])
    assert "accuracy of m0" in axes.get_xlabel()


def test_figure_of_many_models_does_not_grow(tmp_path):
    (few, _), (many, numbers) = drawn(16, tmp_path), drawn(120, tmp_path)
    assert len(numbers) == 119 and len(many.axes[0].get_yticks()) == 0
    assert few.get_size_inches()[1] < many.get_size_inches()[1] < 7
