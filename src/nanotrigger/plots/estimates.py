"""Estimates of the look-up tables beside those that synthesis found.

Top: look-up tables against effective bit operations (EBOPs), with the law LUT = exp(a log EBOPs) of the HGQ papers
refitted to this run's designs, per flow, and its standard error; dotted grey, the papers' own a = 0.985, which was fitted to
other networks, placed and routed by vendor tools. Middle: look-up tables against the cost of alkaid's adder graph; dotted,
equality. Bottom: relative error of each estimate, a point per design, with the median and the middle half of them: EBOPs
taken as LUTs, the law fitted to all models but the one it is asked about, and alkaid's cost. Designs with DSPs are left out.
"""

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, GREY, MARKERS, subplots
from nanotrigger.results.estimates import MODELS_FOR_A_FIT, PowerLaw, estimates_table

needs = ("models", "hardware")

PUBLISHED = PowerLaw(0.985, np.nan)
"""Fig. 3 of the FPGA 2026 paper on HGQ (2405.00645v3)."""

LABELS = {"ebops": "EBOPs", "law": "law, model\nleft out", "adder_cost": "alkaid's cost"}


def applies(available):
    return "hardware" in available


def plot(plan, inputs):
    table = estimates_table(pd.read_csv(inputs.models), pd.read_csv(inputs.hardware))
    figure, axes = subplots(3, 1, figsize=(5.2, 9.6))
    against_ebops, against_cost, errors = axes
    groups = list(table.groupby(["flow", "stage"], sort=False))
    for i, ((flow, stage), rows) in enumerate(groups):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "linestyle": ""}
        style["markerfacecolor"] = "none"  # flows lie on top of each other
        name = f"{flow}, {stage.replace('_', ' ')}"
        against_ebops.plot(rows.ebops, rows.lut, label=name + _fit(against_ebops, rows, style["color"]), **style)
        if len(known := rows.dropna(subset="adder_cost")):
            against_cost.plot(known.adder_cost, known.lut, **style)
        _distribution(errors, rows, (i - (len(groups) - 1) / 2) * 0.7 / len(groups), style)
    if len(table):
        span = np.array([table.ebops.min() / 1.5, table.ebops.max() * 1.5])
        against_ebops.plot(
            span, PUBLISHED(span), ":", color=GREY, label=f"published, of other networks: a = {PUBLISHED.exponent}"
        )
        figure.legend(loc="outside upper center", ncols=1 if len(groups) < 3 else 2)
    if table.adder_cost.notna().any():
        span = np.array([table.adder_cost.min() / 1.5, table.adder_cost.max() * 1.5])
        against_cost.plot(span, span, "k:")
    for ax, label in ((against_ebops, "EBOPs"), (against_cost, "cost of alkaid's adder graph")):
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel="LUTs")
        ax.margins(y=0.1)
    errors.axvline(0, color="k", linestyle=":")
    errors.set(xlabel="estimate / LUTs $-$ 1 [%]", ylim=(len(LABELS) - 0.5, -0.5))
    errors.set_yticks(range(len(LABELS)), list(LABELS.values()))
    errors.tick_params(axis="y", which="both", length=0)
    for ax in axes if not len(table) else [against_cost] if table.adder_cost.isna().all() else []:
        ax.text(0.5, 0.5, "no design to compare", ha="center", va="center", transform=ax.transAxes)
    return figure, table


def _fit(ax, rows, colour):
    """Draw the refitted law of a flow; returns what the legend says of it."""
    if rows.exponent.isna().all():
        return f"\nno fit: {rows.model.nunique()} models, {MODELS_FOR_A_FIT} are needed"
    law = PowerLaw(rows.exponent.iloc[0], rows.exponent_error.iloc[0])
    span = np.array([rows.ebops.min() / 1.2, rows.ebops.max() * 1.2])
    ax.plot(span, law(span), color=colour)
    return f"\na = {law.exponent:.3f} ± {law.error:.3f} ({rows.model.nunique()} models)"


def _distribution(ax, rows, shift, style):
    """A point per design and estimate, with median and quartiles."""
    for y, name in enumerate(LABELS):
        values = 100 * rows[f"error_{name}"].dropna()
        if not len(values):
            continue
        low, median, high = np.percentile(values, [25, 50, 75])
        ax.plot(values, np.full(len(values), y + shift), **style)
        ax.errorbar(median, y + shift, xerr=[[median - low], [high - median]], color=style["color"], capsize=0)
        ax.plot(median, y + shift, "|", color="k", markersize=11)
