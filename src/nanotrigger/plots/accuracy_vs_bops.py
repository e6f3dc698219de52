"""Accuracy against bit operations, in the two definitions in use.

Accuracy on the test split, with 95 % intervals, against bit operations: as the HAWQ papers count them (2304.06745),
and as the qonnx package does. The two are not comparable.
"""

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import accuracy_points

needs = ("models",)


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.models)
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True)
    for ax, column, label in zip(
        axes, ("bops_hawq", "bops_qonnx"), ("HAWQ definition", "QONNX definition"), strict=True
    ):
        accuracy_points(ax, table, column, list(table.method.unique()))
        ax.set_xlabel(f"BOPs ({label})")
    axes[1].set_ylabel("")
    columns = ["model", "method", "seed", "bops_hawq", "bops_qonnx", "accuracy", "accuracy_low", "accuracy_high"]
    return figure, table[columns]
