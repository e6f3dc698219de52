"""Fronts at equal cost: who is on them, where they are compared, and what the figure says of it."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from nanotrigger.results import fronts
from nanotrigger.results.comparisons import accuracy_row
from nanotrigger.results.fronts import Point, Segment, compared, corrected, front, segments, statement


def names(points):
    return [point.model for point in points]


def test_front_against_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = [Point(f"m{i}", *rng.integers(1, 9, 2).astype(float)) for i in range(12)]

        def beaten(p, points=points):
            """Whether another is at least as cheap and as accurate, and better in one; of equals the first name stays."""
            return any(
                q.cost <= p.cost
                and q.val_accuracy >= p.val_accuracy
                and ((q.cost, -q.val_accuracy) != (p.cost, -p.val_accuracy) or q.model < p.model)
                for q in points
                if q is not p
            )

        assert sorted(names(front(points))) == sorted(p.model for p in points if not beaten(p))


def test_segments_change_where_a_front_does():
    first = [Point("a", 100, 0.5), Point("b", 2000, 0.6), Point("c", 50_000, 0.7)]
    second = [Point("x", 3000, 0.5)]
    assert segments(first, second, 500, 20_000) == [
        Segment(500, 2000, "a", None),
        Segment(2000, 3000, "b", None),
        Segment(3000, 20_000, "b", "x"),
    ]
    # nothing is compared where neither has a model
    assert segments([Point("a", 9000, 0.5)], second, 500, 20_000)[0] == Segment(3000, 9000, None, "x")


def answers(**right):
    """Answers of models that are right on that many of 1,000 jets: the first ones, so that a difference is paired."""
    return lambda model: (np.arange(1000) < right[model])[None]


def points_table(points, method):
    """The part of the table of all models that the statement reads; another method's model is cheaper than all of them."""
    rows = [{"method": method, "vectors": "toy", "ebops": point.cost} for point in points]
    return pd.DataFrame([*rows, {"method": "other", "vectors": "toy", "ebops": 1.0}])


def test_verdicts_and_what_is_said():
    first = [Point("hgq_1", 600, 0.6), Point("hgq_2", 4000, 0.7)]
    second = [Point("p_1", 550, 0.5), Point("p_2", 8000, 0.8)]
    right = answers(hgq_1=600, hgq_2=700, p_1=599, p_2=730)
    rows = [{**row, "method": "hgq", "other": "prune", "vectors": "toy"} for row in compared(first, second, right)]
    assert [(row["model"], row["other_model"], row["verdict"]) for row in rows] == [
        (None, "p_1", fronts.NONE),
        ("hgq_1", "p_1", fronts.SAME),
        ("hgq_2", "p_1", fronts.ABOVE),
        ("hgq_2", "p_2", fronts.BELOW),
    ]
    assert rows[3]["difference"] == pytest.approx(-0.03)
    assert rows[3]["p_value"] == pytest.approx(2 * 0.5**30), "McNemar: 30 jets, all on one side"
    adjusted = corrected(rows)
    assert adjusted[3]["p_holm"] == pytest.approx(2 * rows[3]["p_value"]) and adjusted[0]["p_holm"] is None
    assert [(row["val_accuracy"], row["other_val_accuracy"]) for row in rows] == [
        (None, 0.5),
        (0.6, 0.5),
        (0.7, 0.5),
        (0.7, 0.8),
    ]
    points = points_table(first, "hgq")
    said = statement(pd.DataFrame(rows), points, str.upper)
    assert "below that of PRUNE from 8,000 to 20,000 (hgq_2 against p_2: -3.0 percentage points, 95 % interval " in said
    assert "front of HGQ lies below another one (3 comparisons, 1 above, 1 below, 1 not told apart)." in said
    better = pd.DataFrame([row for row in rows if row["verdict"] != fronts.BELOW])
    assert "lies nowhere below another one beyond the 95 % interval" in statement(better, points)
    assert statement(pd.DataFrame(columns=fronts.COMPARED_COLUMNS), points) == ""


@pytest.mark.parametrize(
    ("val_accuracy", "why"),
    [
        (
            0.81,
            "hgq_1 was chosen on the validation split, where it was ahead (0.8100 against 0.8000): the test split does not",
        ),
        (
            0.8,
            "hgq_1 was chosen on the validation split, where it was level (0.8000 against 0.8000): the test split does not",
        ),
        (
            0.79,
            "None of its models of this run within this cost is as accurate on the validation split (0.7900 against",
        ),
    ],
)
def test_why_a_front_lies_below(val_accuracy, why):
    first, second = [Point("hgq_1", 400, val_accuracy)], [Point("p_1", 450, 0.8)]
    (row,) = compared(first, second, answers(hgq_1=700, p_1=750))
    table = pd.DataFrame([row]).assign(method="hgq", other="prune", vectors="toy")
    said = statement(table, points_table(first, "hgq"))
    assert row["verdict"] == fronts.BELOW and why in said
    assert "no model from" not in said


def test_why_a_front_has_no_model():
    """Beyond the range compared, too: the fronts do not meet there, and the smallest budget is still named."""
    second = [Point("p_1", 550, 0.5), Point("p_2", 580, 0.6)]
    for cheapest, absent in (600, ["550 to 580", "580 to 600"]), (25_000, ["550 to 580", "580 to 20,000"]):
        first = [Point("hgq_1", cheapest, 0.6), Point("hgq_2", 30_000, 0.7)]
        table = pd.DataFrame(compared(first, second, answers(hgq_1=600, p_1=600, p_2=600)))
        said = statement(table.assign(method="hgq", other="prune", vectors="toy"), points_table(first, "hgq"))
        for other, where in zip(("p_1", "p_2"), absent, strict=True):
            assert f"It has no model from {where}, where prune has {other}." in said
        assert said.count(f"Its cheapest model of this run has {cheapest:,} EBOPs; a smaller budget") == 1
        assert ("meets no other method's" in said) == (cheapest == 25_000)


def run(tmp_path, methods):
    """A run of models {name: (method, ebops, validation accuracy, right answers)}: the plan's part that is read, and files."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 1000)
    given = {"data": str(tmp_path / "jets.npz")}
    np.savez(given["data"], x=np.zeros((1000, 16), np.float32), y=y)
    stanzas, models, paths = {}, {}, {"outputs": [], "metrics": []}
    for name, (method, ebops, accuracy, right) in methods.items():
        module = SimpleNamespace(__name__=f"nanotrigger.methods.{method}")
        stanzas[name] = SimpleNamespace(module=module, roles={"front"} if method == "hgq" else set())
        models[name] = SimpleNamespace(name=name, stanza=name)
        folder = tmp_path / name / "seed0"
        folder.mkdir(parents=True)
        outputs = np.eye(5)[np.where(np.arange(1000) < right, y, (y + 1) % 5)]
        np.save(folder / "outputs.npy", outputs)
        (folder / "metrics.json").write_text(f'{{"ebops": {ebops}, "val_accuracy": {accuracy}}}')
        paths["outputs"].append(str(folder / "outputs.npy"))
        paths["metrics"].append(str(folder / "metrics.json"))
    config = SimpleNamespace(run=SimpleNamespace(dataset="toy", compare=[]), datasets={})
    rows = [{"model": name, **accuracy_row((np.arange(1000) < right)[None])} for name, (*_, right) in methods.items()]
    paths["accuracies"] = tmp_path / "accuracies.csv"
    pd.DataFrame(rows).to_csv(paths["accuracies"], index=False)
    inputs = SimpleNamespace(**paths, get=lambda key, default=None: given.get(key, default))
    return SimpleNamespace(stanzas=stanzas, models=models, seeds=(0,), config=config), inputs


@pytest.fixture
def tables(tmp_path):
    plan, inputs = run(
        tmp_path,
        {
            "hgq_1": ("hgq", 900, 0.6, 600),
            "hgq_2": ("hgq", 4000, 0.7, 690),
            "hgq_3": ("hgq", 6000, 0.65, 710),
            "int_4": ("uniform", 9000, 0.66, 640),
            "given": ("external", "null", 0.9, 900),
        },
    )
    outputs = SimpleNamespace(fronts=tmp_path / "fronts.csv", compared=tmp_path / "compared.csv")
    fronts.compare_fronts(plan, inputs, outputs)
    return plan, outputs


def test_tables(tables):
    points, rows = pd.read_csv(tables[1].fronts), pd.read_csv(tables[1].compared)
    assert points[points.on_front].model.tolist() == ["hgq_1", "hgq_2", "int_4"], "chosen on val, not on test"
    assert "given" not in points.model.tolist(), "a model of unknown EBOPs is on no front"
    assert rows.method.unique().tolist() == ["hgq"] and rows.other.unique().tolist() == ["uniform"]
    (met,) = rows[rows.model.notna() & rows.other_model.notna()].itertuples()
    assert (met.ebops_from, met.ebops_to, met.model, met.other_model) == (9000, 20_000, "hgq_2", "int_4")
    assert met.difference == pytest.approx(0.05) and met.verdict == fronts.ABOVE
    assert (met.val_accuracy, met.other_val_accuracy) == (0.7, 0.66)


def test_figure_draws_a_step_at_each_point_of_a_front(tables, tmp_path):
    from nanotrigger.plots import accuracy_vs_ebops

    points = pd.read_csv(tables[1].fronts)
    points.drop(columns="on_front").assign(seed=0).to_csv(tmp_path / "models.csv", index=False)
    inputs = SimpleNamespace(
        models=tmp_path / "models.csv",
        fronts=tables[1].fronts,
        front_comparisons=tables[1].compared,
        published=ROOT / "resources/published_results.csv",
    )
    figure, numbers = accuracy_vs_ebops.plot(tables[0], inputs)
    steps = [line.get_xydata() for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert [tuple(points[0]) for points in steps] == [(900, 0.6), (9000, 0.64)]
    assert tuple(steps[0][1]) == (4000, 0.69)
    assert "nowhere below" in figure.get_supxlabel().replace("\n", " ")
    assert numbers.on_front.sum() == 3
    plt.close(figure)
