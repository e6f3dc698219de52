"""Accuracy against effective bit operations, by what has a width of its own.

Accuracy on the test split, with 95 % intervals, against EBOPs of networks that learn their widths: one for each parameter (of
look-up tables: for the input and the values of each), one for what leads to a unit, or one for a layer. Each line joins the
models of one stanza, in the order of their cost. EBOPs of look-up tables (HGQ-LUT) are HGQ2's estimate of the same quantity.
"""

import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, method_name, subplots
from nanotrigger.results.granularity import granularity_table

needs = ("accuracies", "models")


def applies(available):
    return "granularity" in available


def plot(plan, inputs):
    table = granularity_table(plan, pd.read_csv(inputs.accuracies), pd.read_csv(inputs.models))
    figure, axes = subplots()
    for i, ((method, granularity), rows) in enumerate(table.groupby(["method", "granularity"], sort=False)):
        style = {"color": COLOURS[i % len(COLOURS)], "fmt": MARKERS[i % len(MARKERS)] + "-", "markersize": 5}
        label = f"{method_name(method)}, per {granularity}"
        for _, part in rows.groupby("stanza", sort=False):
            errors = [part.accuracy - part.accuracy_low, part.accuracy_high - part.accuracy]
            axes.errorbar(part.ebops, part.accuracy, errors, capsize=2, elinewidth=0.9, label=label, **style)
            label = None  # a second stanza of that granularity has its look
    axes.set(xscale="log", xlabel="EBOPs", ylabel="accuracy (test split)")
    axes.margins(x=0.08)
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1)
    return figure, table
