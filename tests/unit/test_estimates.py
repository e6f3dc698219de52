"""Estimates beside the truth: the fit against closed forms and scipy, and a figure of any run."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from nanotrigger.plots import estimates as figure
from nanotrigger.results.estimates import estimates_table, fit_power_law, left_out


def tables(luts, ebops=None, costs=None, flow="rtl", stage="logic_synthesis", **hardware):
    """Tables of a run: a model per number of LUTs, one seed."""
    names = [f"m{i}" for i in range(len(luts))]
    ebops = [1000.0 * 2**i for i in range(len(luts))] if ebops is None else ebops
    models = pd.DataFrame({"model": names, "seed": 0, "ebops": ebops})
    rows = {"model": names, "seed": 0, "flow": flow, "stage": stage, "lut": luts, "dsp": 0, "adder_cost": costs}
    return models, pd.DataFrame(rows).assign(**hardware)


def test_designs_on_a_law_give_it_back_without_error():
    ebops = np.array([300.0, 4000.0, 90000.0])
    law = fit_power_law(ebops, ebops**0.985)
    assert law.exponent == pytest.approx(0.985, abs=1e-12) and law.error == pytest.approx(0, abs=1e-12)
    assert law(np.array([1000.0])) == pytest.approx(np.exp(0.985 * np.log(1000)))


def test_two_designs_by_hand():
    """EBOPs e and e^2, LUTs e and e^3: a = (1 + 6) / (1 + 4), residuals -0.4 and 0.2, variance 0.2 / 1 / 5."""
    law = fit_power_law(np.exp([1, 2]), np.exp([1, 3]))
    assert law.exponent == pytest.approx(7 / 5) and law.error == pytest.approx(np.sqrt(0.2 / 5))


def test_the_fit_and_its_error_are_those_of_scipy():
    rng = np.random.default_rng(0)
    ebops = np.exp(rng.uniform(5, 12, 30))
    lut = ebops**0.97 * np.exp(rng.normal(size=30, scale=0.2))
    value, variance = curve_fit(lambda x, a: a * x, np.log(ebops), np.log(lut), p0=[1])
    law = fit_power_law(ebops, lut)
    assert law.exponent == pytest.approx(value[0], rel=1e-7)
    assert law.error == pytest.approx(np.sqrt(variance[0, 0]), rel=1e-6)


def test_the_error_is_that_of_repeated_experiments():
    rng = np.random.default_rng(1)
    ebops = np.exp(rng.uniform(6, 11, 8))
    laws = [fit_power_law(ebops, ebops * np.exp(rng.normal(size=8, scale=0.3))) for _ in range(3000)]
    spread = np.std([law.exponent for law in laws])
    assert np.sqrt(np.mean([law.error**2 for law in laws])) == pytest.approx(spread, rel=0.05)


def test_a_model_is_left_out_with_all_its_seeds():
    designs = pd.DataFrame({"model": ["a", "a", "b", "c"], "ebops": [100.0, 120.0, 1000.0, 10000.0]})
    designs["lut"] = designs.ebops**0.9
    designs.loc[:1, "lut"] = [5000.0, 6000.0]
    estimate = left_out(designs)
    # without model a the others lie on the law; with it they would not
    assert estimate[:2].to_numpy() == pytest.approx(designs.ebops[:2].to_numpy() ** 0.9)
    assert estimate[2] > 1000**0.9 * 1.1


def test_errors_are_relative_to_the_luts_that_were_counted():
    table = estimates_table(*tables([900.0, 1600.0, 5000.0], costs=[1000.0, 1600.0, None]))
    assert table.error_ebops.tolist() == pytest.approx([1000 / 900 - 1, 2000 / 1600 - 1, 4000 / 5000 - 1])
    assert table.error_adder_cost[:2].tolist() == pytest.approx([1 / 9, 0]) and np.isnan(table.error_adder_cost[2])
    law = fit_power_law([2000, 4000], [1600, 5000])
    assert table.law[0] == pytest.approx(1000**law.exponent)
    assert table.error_law[0] == pytest.approx(1000**law.exponent / 900 - 1)
    assert (table.fitted_models == 3).all() and table.exponent.nunique() == 1


def test_flows_are_fitted_apart():
    models, rtl = tables([1000.0**0.9, 2000.0**0.9, 4000.0**0.9])
    hardware = pd.concat([rtl, rtl.assign(flow="xls", lut=models.ebops**0.8), rtl.assign(stage="place_and_route")[:2]])
    table = estimates_table(models, hardware)
    found = table.groupby(["flow", "stage"]).exponent.first()
    assert found["rtl", "logic_synthesis"] == pytest.approx(0.9)
    assert found["xls", "logic_synthesis"] == pytest.approx(0.8)
    assert np.isnan(found["rtl", "place_and_route"])


@pytest.mark.parametrize(
    "change",
    [{"stage": "hls_estimate"}, {"lut": np.nan}, {"dsp": 4}, {"stage": None, "lut": np.nan}],
    ids=["an estimate itself", "not synthesised", "multiplications in DSPs", "not run"],
)
def test_what_is_no_truth_is_not_compared_with(change):
    assert len(estimates_table(*tables([900.0, 1600.0, 5000.0]))) == 3
    assert not len(estimates_table(*tables([900.0, 1600.0, 5000.0], **change)))


@pytest.mark.parametrize("designs", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("costs", [True, False])
def test_a_figure_of_any_run(designs, costs, tmp_path):
    luts = [900.0, 1900.0, 3000.0, 9000.0, 13000.0][:designs]
    models, hardware = tables(luts, costs=[0.9 * n for n in luts] if costs else None)
    inputs = SimpleNamespace(models=tmp_path / "models.csv", hardware=tmp_path / "hardware.csv")
    models.to_csv(inputs.models, index=False)
    hardware.to_csv(inputs.hardware, index=False)
    drawn, table = figure.plot(None, inputs)
    drawn.savefig(tmp_path / "figure.png")
    assert len(table) == designs and table.law.notna().all() == (designs >= 3 or not designs)
    words = " ".join(text.get_text() for legend in drawn.legends for text in legend.get_texts())
    words += " ".join(text.get_text() for ax in drawn.axes for text in ax.texts)
    assert ("no design to compare" in words) == (designs == 0 or not costs)
    assert (f"no fit: {designs} models, 3 are needed" in words) == (0 < designs < 3)
    if designs >= 3:
        law = fit_power_law(models.ebops, luts)
        assert f"a = {law.exponent:.3f} ± {law.error:.3f} ({designs} models)" in words
