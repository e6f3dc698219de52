"""Accuracy against effective bit operations.

Accuracy on the test split, with 95 % intervals, against effective bit operations (2405.00645). Steps: the front of each
method, at every cost its most accurate model *on the validation split* of at most that cost; a step may lead down, where
the test split does not confirm the choice. The line of text says where the front of a method that searches for one
lies below another's at equal cost, by paired differences on the same jets (tables/front_comparisons.csv).
"""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import COLOURS, accuracy_points, method_name
from nanotrigger.results.fronts import RANGE, statement

needs = ("models", "fronts", "front_comparisons")


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table, points = pd.read_csv(inputs.models), pd.read_csv(inputs.fronts)
    compared = pd.read_csv(inputs.front_comparisons)
    figure, ax = plt.subplots(figsize=(5.2, 4.6))
    methods = list(table.method.unique())
    accuracy_points(ax, table, "ebops", methods)
    ax.axvspan(*RANGE, color="#f0f0f0", zorder=-2)
    right = ax.get_xlim()[1]
    for method, rows in points[points.on_front].groupby("method", sort=False):
        rows = rows.sort_values("ebops")
        steps = [*rows.ebops, right], [*rows.accuracy, rows.accuracy.iloc[-1]]
        ax.step(*steps, where="post", color=COLOURS[methods.index(method) % len(COLOURS)], linewidth=1, zorder=-1)
    ax.set_xlim(right=right)
    note = "Shaded: where fronts are compared. " * bool(len(compared)) + statement(compared, method_name)
    ax.set_xlabel("EBOPs")
    figure.supxlabel(textwrap.fill(note, 96), fontsize=7, x=0.02, ha="left")
    columns = ["model", "method", "seed", "ebops", "accuracy", "accuracy_low", "accuracy_high", "on_front"]
    return figure, table.merge(points[["model", "on_front"]], on="model", how="left")[columns]
