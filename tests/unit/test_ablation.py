"""The HAWQ paper's table and figures from known networks: BOPs against the repository's published ones, and by hand."""

import copy
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import read_yaml

from nanotrigger.config import load_config
from nanotrigger.plan import make_plan
from nanotrigger.plots import ablation, bit_allocation, precision_sweep, pruning, ptq_vs_qat
from nanotrigger.qonnx import costs
from nanotrigger.results.ablation import compared
from nanotrigger.results.records import write_json
from nanotrigger.training.network import BatchedMLP, Widths

SIZES = (16, 64, 32, 32, 5)
PUBLISHED = {"FP32": 4_652_832, "INT12": 737_312, "INT8": 362_784, "INT6": 226_592, "INT4": 124_448}
"""BOPs of 2304.06745's repository, nothing pruned: FP32 asserted there, the others by its formula and its widths."""


def plan_of(*stanzas, **changed):
    config = copy.deepcopy(read_yaml("config/config.yaml"))
    config["run"] |= {"models": list(stanzas), "flows": [], "seeds": [0], "skip": []}
    for stanza, keys in changed.items():
        config["models"][stanza] |= keys
    return make_plan(load_config(config))


def counted(params, zero):
    """Costs of a network of that width, of which about a share of each layer's parameters is zero."""
    widths = Widths.uniform(4, params.bits, getattr(params, "input_bits", params.bits))
    network = BatchedMLP(SIZES, [widths], 4.0, [0])
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.where(torch.rand_like(p) < zero, 0.0, 0.75))
    network.calibrate(torch.randn(50, 16))
    return costs.summary(network.fixed_point())


def accuracies_of(plan):
    rows = [
        {"model": m, "seeds": 1, "accuracy": 0.7 + i / 1000, "val_accuracy": 0.7} for i, m in enumerate(plan.models)
    ]
    table = pd.DataFrame(rows)
    return table.assign(accuracy_low=table.accuracy - 0.01, accuracy_high=table.accuracy + 0.01)


def test_the_table_of_the_paper(tmp_path):
    torch.manual_seed(0)
    plan = plan_of("float", "float_l1", "float_bn", "float_l1_bn", "int", "int_l1", "int_bn", "int_l1_bn", "ptq")
    metrics = {}
    for name, model in plan.models.items():
        folder = tmp_path / name / "seed0"
        metrics[name] = counted(model.params, 0.4 * (model.params.l1 > 0))
        write_json(folder / "metrics.json", metrics[name])
    accuracies_of(plan).to_csv(tmp_path / "accuracies.csv")
    inputs = SimpleNamespace(
        metrics=sorted(map(str, tmp_path.rglob("metrics.json"))), accuracies=tmp_path / "accuracies.csv"
    )
    figure, table = ablation.plot(plan, inputs)
    assert list(table.precision) == [name for name in PUBLISHED for _ in range(4)]
    assert list(table.recipe) == ["baseline", "L1", "BN", "L1+BN"] * 5
    for row in table.itertuples():
        assert row.bops_unpruned == pytest.approx(PUBLISHED[row.precision])
        if row.precision == "FP32" or "L1" not in row.recipe:
            assert row.bops == pytest.approx(row.bops_unpruned) and row.nonzero == 1
            continue
        # m n (p b_a b_w + b_a + b_w + log2 n): p stands before the product alone
        b, share = int(row.precision.removeprefix("INT")), metrics[row.model]["layer_density"]
        by_hand = sum(
            n * m * (p * b * b + b + b + math.log2(n)) for p, (n, m) in zip(share, pairwise(SIZES), strict=True)
        )
        assert row.bops == pytest.approx(by_hand) and 0.5 < row.nonzero < 0.7
        assert 0.55 < row.bops / row.bops_unpruned < 0.85
    assert len(table) == 20 and [t.get_text() for t in figure.axes[1].get_xticklabels()] == list(PUBLISHED)


def test_another_input_width_is_another_precision():
    plan = plan_of("qat")
    assert compared(plan) == {}, "one recipe alone is no ablation"
    names = {m: plan.stanzas["qat"].module.precision(plan.models[m].params).name for m in ("qat_8", "qat_4")}
    assert names == {"qat_8": "INT8, 16-bit input", "qat_4": "INT4, 16-bit input"}


def test_qat_is_drawn_beside_ptq_only_where_it_is_alike(tmp_path):
    plan = plan_of("ptq", "qat", "int", "int_bn", "pruned")
    accuracies_of(plan).to_csv(tmp_path / "a.csv")
    figure, table = ptq_vs_qat.plot(plan, SimpleNamespace(accuracies=tmp_path / "a.csv"))
    assert set(table.model) == {m for m in plan.models if m.startswith(("ptq", "qat"))}
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["PTQ", "QAT"]
    assert set(table.input_bits) == {16} and len(table) == 14


def test_pruning_is_drawn_against_what_is_zero(tmp_path):
    plan = plan_of("pruned", "int")
    accuracies_of(plan).to_csv(tmp_path / "a.csv")
    weights = sum(a * b for a, b in pairwise(SIZES))
    rows = [
        {"model": m, "nonzero_weights": weights * (1 - getattr(p.params, "sparsity", 0)) - 8, "bops_hawq": 1e5}
        for m, p in plan.models.items()
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv")
    inputs = SimpleNamespace(accuracies=tmp_path / "a.csv", models=tmp_path / "m.csv")
    _, table = pruning.plot(plan, inputs)
    assert list(table.model) == [m for m in plan.models if m.startswith("pruned")]
    np.testing.assert_allclose(table.zero_weights, table.sparsity + 8 / weights)


def test_choices_of_the_programme_in_their_figures(tmp_path):
    """The same widths chosen by both, and widths that the sweep does not have."""
    chosen = {
        "a": {"allocation": "correct", "budget": 2e5, "bits": [4, 8]},
        "b": {"allocation": "correct", "budget": 3e5, "bits": [9, 9]},
        "c": {"allocation": "reference", "budget": 2e5, "bits": [8, 4]},
        "d": {"allocation": "reference", "budget": 3e5, "bits": [4, 8]},
    }
    common = {"bops": 1.0, "network_bops": 2e5, "objective": 1.0}
    steps = [tmp_path / "stanza/allocation.json", tmp_path / "stanza/traces.npz"]
    write_json(steps[0], {name: {**common, **content} for name, content in chosen.items()})
    _, table = bit_allocation.plot(None, SimpleNamespace(steps=steps))
    assert len(table) == 8 and set(table[table.model == "c"].weight_bits) == {8, 4}
    rows = [
        {"model": f"s_{w}", "stanza": "s", "weight_bits": w, "on_front": w == "4-4", "bops_hawq": 1e5 * (i + 1)}
        for i, w in enumerate(("4-4", "4-8", "8-4", "8-8"))
    ]
    sweep = pd.DataFrame(rows).assign(accuracy=0.7, accuracy_low=0.69, accuracy_high=0.71, val_accuracy=0.7)
    sweep.to_csv(tmp_path / "sweeps.csv")
    inputs = SimpleNamespace(sweeps=tmp_path / "sweeps.csv", get=lambda key, default: steps)
    _, table = precision_sweep.plot(None, inputs)
    table = table.set_index("weight_bits")
    assert list(table.index[table.chosen_correct]) == ["4-8"]
    assert list(table.index[table.chosen_reference]) == ["4-8", "8-4"]
