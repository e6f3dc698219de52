"""Accuracy and BOPs by precision and training recipe.

The ablation of 2304.06745: accuracy on the test split, with 95 % intervals, and BOPs (as that paper counts them, what is
zero discounted; the numbers beside the figure hold them undiscounted too) of each precision, trained plainly, with an L1
penalty, with batch normalisation and with both. FP32 is counted with 32 bits; its accuracy is that of the 16-bit file.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, SMALLEST, subplots
from nanotrigger.results.ablation import ablation_table
from nanotrigger.results.records import read_json

needs = ("accuracies", "metrics")


def applies(available):
    return "ablation" in available


def plot(plan, inputs):
    metrics = {Path(path).parts[-3:-1]: read_json(path) for path in inputs.metrics}
    table = ablation_table(plan, pd.read_csv(inputs.accuracies), metrics)
    precisions, recipes = list(table.precision.unique()), list(table.recipe.unique())
    figure, (top, bottom) = subplots(2, 1, figsize=(5.2, 5.4), sharex=True, height_ratios=(3, 2))
    for i, recipe in enumerate(recipes):
        rows = table[table.recipe == recipe]
        x = rows.precision.map(precisions.index) + 0.16 * (i - (len(recipes) - 1) / 2)
        errors = [rows.accuracy - rows.accuracy_low, rows.accuracy_high - rows.accuracy]
        style = {"color": COLOURS[i], "markersize": 4.5}
        top.errorbar(x, rows.accuracy, errors, fmt=MARKERS[i], capsize=2, elinewidth=1, label=recipe, **style)
        bottom.plot(x, rows.bops, MARKERS[i], **style)
    top.set_ylabel("accuracy (test split)")
    bottom.set_ylabel("BOPs")
    bottom.set_yscale("log")
    many = len(precisions) > 5
    names = precisions if many else [name.replace(", ", "\n") for name in precisions]
    bottom.set_xticks(np.arange(len(precisions)), names, fontsize=SMALLEST, rotation=90 if many else 0)
    for ax in (top, bottom):
        ax.tick_params(axis="x", which="both", length=0)
        for edge in np.arange(len(precisions) - 1) + 0.5:
            ax.axvline(edge, color="0.85", linewidth=0.8, zorder=0)
    figure.legend(loc="outside upper center", ncols=len(recipes), columnspacing=1)
    return figure, table
