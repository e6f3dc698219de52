"""Accuracy against effective bit operations.

Accuracy on the test split, with 95 % intervals, against effective bit operations (2405.00645). Steps: the front of each
method, at every cost its most accurate model *on the validation split* of at most that cost; a step may lead down, where
the test split does not confirm the choice. The text below says where the front of a method that searches for one lies below
another's at equal cost, by paired differences on the same jets, and why: the test split does not confirm the choice made on
the validation split, or no model within that cost is as accurate there either (tables/front_comparisons.csv). Open black
diamonds: published figures of the same dataset and metric. Grey: published on the same dataset, but not comparable, for what
the legend names (the authors' checkpoints state accuracies of a validation split). None is shown beside generated jets.
Intervals of more than 200 points would cover each other and are left out.
"""

import textwrap
from pathlib import Path

import pandas as pd

from nanotrigger.plots._style import (
    COLOURS,
    SMALLEST,
    accuracy_points,
    method_name,
    published_points,
    subplots,
    together,
)
from nanotrigger.results.beside import published_beside
from nanotrigger.results.comparability import Ours, our_dataset
from nanotrigger.results.fronts import RANGE, statement

needs = ("models", "fronts", "front_comparisons", "published")


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table, points = pd.read_csv(inputs.models), pd.read_csv(inputs.fronts)
    compared = pd.read_csv(inputs.front_comparisons)
    text = textwrap.fill(statement(compared, points, method_name), 84)
    figure, ax = subplots(figsize=(5.2, 4.2 + 0.16 * text.count("\n")))
    methods = list(table.method.unique())
    accuracy_points(ax, table, "ebops", methods)
    if len(compared):
        ax.axvspan(*RANGE, color="#f0f0f0", zorder=-2)
    right = ax.get_xlim()[1]
    for method, rows in points[points.on_front].groupby("method", sort=False):
        rows = rows.sort_values("ebops")
        steps = [*rows.ebops, right], [*rows.accuracy, rows.accuracy.iloc[-1]]
        ax.step(*steps, where="post", color=COLOURS[methods.index(method) % len(COLOURS)], linewidth=1, zorder=-1)
    ax.set_xlim(right=right)
    published = published_beside(plan, Path(inputs.published), Ours(our_dataset(plan)), "ebops")
    published_points(ax, published, "ebops")
    ax.set_xlabel("EBOPs (shaded: where fronts are compared)" if len(compared) else "EBOPs")
    figure.supxlabel(text, fontsize=SMALLEST, x=0.02, ha="left")
    columns = ["model", "method", "seed", "ebops", "accuracy", "accuracy_low", "accuracy_high", "on_front"]
    numbers = table.merge(points[["model", "on_front"]], on="model", how="left")[columns]
    return figure, together([numbers.assign(published=False), published.assign(published=True)])
