"""Figures of widths, and of LUTs against EBOPs."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nanotrigger.plots import lut_vs_ebops, weight_bits
from nanotrigger.qonnx import costs
from nanotrigger.qonnx.fixed_point import Dense, Quantiser


def test_histograms_count_signs_and_what_is_pruned():
    step = np.array([1.0, 0.5, 1.0])
    port = Quantiser(step, low=np.array([-2.0, 0.0, 0.0]), high=np.array([1.0, 1.5, 0.0]), rounding="ROUND")
    bits = np.array([[3, 0], [2, 2], [0, 0]])
    layer = Dense(port, bits * 1.0, np.ones((3, 2)), bits, np.zeros(2), np.ones(2), np.zeros(2), True)
    assert costs.weight_bits_histogram([layer]) == [{"0": 3, "3": 2, "4": 1}]
    # two bits of which one is the sign's; two bits without a sign; pruned
    assert costs.activation_bits_histogram([layer]) == [{"0": 1, "2": 2}]


def plan_of(stanzas):
    """stanzas: {name: (method, models)}."""
    found = {
        name: SimpleNamespace(
            module=SimpleNamespace(__name__=method), models=[SimpleNamespace(name=model) for model in models]
        )
        for name, (method, models) in stanzas.items()
    }
    return SimpleNamespace(stanzas=found, models=[model for _, models in stanzas.values() for model in models])


def test_widths_of_every_method_are_drawn(tmp_path):
    plan = plan_of({"float": ("float", ["float"]), "int": ("uniform", ["int_8", "int_4"]),
                    "hgq": ("hgq", ["hgq_1", "hgq_2", "hgq_3"])})  # fmt: skip
    paths = []
    for model in plan.models:
        mixed = model.startswith("hgq")
        weights = {"0": 5, "3": 2, "5": 1} if mixed else {"0": 1, "8": 7}
        content = {"weight_bits_histogram": [weights, {"8": 4}], "activation_bits_histogram": [{"4": 16}, {"8": 3}]}
        path = tmp_path / model / "seed0/metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        paths.append(str(path))
    figure, table = weight_bits.plot(plan, SimpleNamespace(metrics=paths))
    rows = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert rows == ["float", "int_8", "hgq_1", "hgq_3"], "one of each method, and the ends of what is mixed"
    assert set(table.model) == set(plan.models)
    heights = {round(patch.get_x() + 0.4): patch.get_height() for patch in figure.axes[4].patches if patch.get_height()}
    assert heights == {0: 5, 3: 2, 5: 1, 8: 4}
    activations = table[(table.model == "float") & (table.quantity == "activations")]
    assert activations["count"].tolist() == [16, 3]
    plt.close(figure)


def test_luts_against_ebops(tmp_path):
    models = pd.DataFrame({"model": ["a", "b", "c"], "method": ["hgq", "hgq", "external"], "seed": 0,
                           "ebops": [1000, 4000, np.nan]})  # fmt: skip
    rows = [
        ["a", "rtl", 900, 0],
        ["b", "rtl", 3000, 0],
        ["b", "hls4ml", 3000, 10],
        ["c", "rtl", 5, 0],
        ["a", "x", np.nan, 0],
    ]
    hardware = pd.DataFrame(rows, columns=["model", "flow", "lut", "dsp"])
    hardware = hardware.assign(
        seed=0, stage=["logic_synthesis"] * 2 + ["hls_estimate"] + ["logic_synthesis"] * 2, part="p"
    )
    models.to_csv(tmp_path / "models.csv", index=False)
    hardware.to_csv(tmp_path / "hardware.csv", index=False)
    inputs = SimpleNamespace(models=tmp_path / "models.csv", hardware=tmp_path / "hardware.csv")
    figure, table = lut_vs_ebops.plot(None, inputs)
    assert table.lut_and_dsp.tolist() == [900, 3000, 3550], "no design of unknown EBOPs or LUTs"
    assert len(figure.axes) == 2, "a panel for each stage"
    # the fit as it is published, exp(0.985 ln EBOPs)
    assert table.lut_fit.tolist() == pytest.approx(np.exp(0.985 * np.log([1000, 4000, 4000])))
    guides = [
        line for line in figure.axes[0].lines if line.get_linestyle() in ("-", "--") and len(line.get_xdata()) == 2
    ]
    solid, dashed = (line.get_xydata() for line in guides)
    assert np.array_equal(solid[:, 0], solid[:, 1]) and (dashed[:, 1] < dashed[:, 0]).all()
    plt.close(figure)
