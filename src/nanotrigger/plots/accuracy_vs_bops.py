"""Accuracy against bit operations, in the two definitions in use.

Accuracy on the test split, with 95 % intervals, against bit operations: above as the HAWQ papers count them (2304.06745),
below as the qonnx package does. The two are not comparable, and a published figure stands only beside those of its own
definition: open black diamonds on the same dataset and metric, grey where something differs, which the legend names.
Intervals of more than 200 points would cover each other and are left out.
"""

from pathlib import Path

import pandas as pd

from nanotrigger.plots._style import WIDTH, accuracy_points, published_points, subplots, together
from nanotrigger.results.beside import published_beside
from nanotrigger.results.comparability import Ours, our_dataset

needs = ("models", "published")


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.models)
    figure, axes = subplots(2, 1, figsize=(WIDTH, 7.0))
    columns = ["model", "method", "seed", "bops_hawq", "bops_qonnx", "accuracy", "accuracy_low", "accuracy_high"]
    numbers = [table[columns].assign(published=False)]
    for ax, definition in zip(axes, ("hawq", "qonnx"), strict=True):
        accuracy_points(ax, table, f"bops_{definition}", list(table.method.unique()))
        ours = Ours(our_dataset(plan), bops=definition)
        published = published_beside(plan, Path(inputs.published), ours, "bops")
        published_points(ax, published, "bops")
        numbers.append(published.rename(columns={"bops": f"bops_{definition}"}).assign(published=True))
        ax.set_xlabel(f"BOPs ({definition.upper()} definition)")
    return figure, together(numbers)
