"""What shares a width: which models the figure takes, at which costs and in which lines."""

import copy
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from conftest import read_yaml

from nanotrigger.config import load_config
from nanotrigger.plan import make_plan
from nanotrigger.plots import granularity as figure_of
from nanotrigger.results.granularity import compared


def plan_of(*stanzas, **added):
    config = copy.deepcopy(read_yaml("config/config.yaml"))
    config["models"] |= {name: {**config["models"][like], **keys} for name, (like, keys) in added.items()}
    config["run"] |= {"models": [*stanzas, *added], "flows": [], "seeds": [0, 1], "skip": []}
    return make_plan(load_config(config))


def tables(plan, folder, without=()):
    """Tables of a run whose models cost what their budget is, give or take 10 over two seeds; the cheapest is the worst."""
    accuracies, models = [], []
    for name, model in plan.models.items():
        cost = getattr(model.params, "ebops", 50_000)
        models += [{"model": name, "seed": seed, "ebops": cost - 10 + 20 * seed} for seed in plan.seeds]
        accuracies.append({"model": name, "seeds": 2, "accuracy": 0.7 - 50 / cost})
    table = pd.DataFrame(accuracies)
    table = table.assign(accuracy_low=table.accuracy - 0.01, accuracy_high=table.accuracy + 0.02)
    inputs = SimpleNamespace(accuracies=folder / "accuracies.csv", models=folder / "models.csv")
    table[~table.model.isin(without)].to_csv(inputs.accuracies, index=False)
    pd.DataFrame(models).to_csv(inputs.models, index=False)
    return inputs


@pytest.mark.parametrize(
    ("stanzas", "methods"),
    [
        (("hgq", "hgq_lut", "float"), set()),
        (("hgq_layer", "hgq_lut"), set()),
        (("hgq", "hgq_layer", "hgq_lut", "float"), {"hgq"}),
    ],
)
def test_a_method_takes_part_with_two_granularities(stanzas, methods):
    assert {method for method, _ in compared(plan_of(*stanzas)).values()} == methods


def test_lines_costs_and_intervals(tmp_path):
    # dearest first, the order of the run; a second stanza of one granularity; a method of one; a model without labels
    plan = plan_of(
        "float",
        "hgq_layer",
        "hgq",
        "hgq_lut",
        reverse=("hgq_channel", {"sweep": {"ebops": [8000, 1000, 4000]}}),
        wide=("hgq_channel", {"hidden": [32], "sweep": {"ebops": [2000, 3000]}}),
        tables=("hgq_lut", {"granularity": "channel", "sweep": {"ebops": [700, 1500]}}),
    )
    figure, table = figure_of.plot(plan, tables(plan, tmp_path, without=["hgq_500"]))
    assert set(table.model) == {name for name in plan.models if name not in ("float", "hgq_500")}
    assert list(table.method.unique()) == ["hgq", "hgq_lut"]
    assert list(table[table.method == "hgq"].granularity.unique()) == ["parameter", "channel", "layer"]
    assert table.ebops.tolist() == [plan.models[m].params.ebops for m in table.model], "the mean over seeds"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "HGQ, per parameter",
        "HGQ, per channel",
        "HGQ, per layer",
        "HGQ-LUT, per parameter",
        "HGQ-LUT, per channel",
    ]
    lines = [bar.lines[0] for bar in figure.axes[0].containers]
    drawn = [tuple(line.get_xdata()) for line in lines]
    assert (1000, 4000, 8000) in drawn and (2000, 3000) in drawn, "each stanza a line, from cheap to dear"
    looks = {line: (line.get_color(), line.get_marker()) for line in lines}
    assert len(set(looks.values())) == len(labels) == len(lines) - 1
    same = [looks[lines[drawn.index(x)]] for x in ((1000, 4000, 8000), (2000, 3000))]
    assert same[0] == same[1]
    (low, high) = figure.axes[0].containers[0].lines[2][0].get_segments()[0][:, 1]
    first = table.iloc[0]
    assert (low, high) == pytest.approx((first.accuracy_low, first.accuracy_high))
    assert (first.accuracy_low, first.accuracy_high) == pytest.approx((first.accuracy - 0.01, first.accuracy + 0.02))
    plt.close(figure)
