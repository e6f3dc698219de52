"""Accuracy against look-up tables of every synthesised design.

Accuracy on the test split, with 95 % intervals, against look-up tables after the stage named on the axis.
"""

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import accuracy_points

needs = ("models", "hardware")


def applies(available):
    return {"data", "hardware"} <= available


def plot(plan, inputs):
    models, hardware = pd.read_csv(inputs.models), pd.read_csv(inputs.hardware)
    table = models.merge(hardware[hardware.lut.notna()], on=["model", "seed"])
    columns = ["model", "method", "seed", "flow", "stage", "part", "lut", "accuracy", "accuracy_low", "accuracy_high"]
    # one panel per stage: figures of different stages are not the same quantity
    stages = list(table.stage.unique()) or ["nothing was synthesised"]
    figure, axes = plt.subplots(1, len(stages), figsize=(5.2 * len(stages), 3.9), squeeze=False, sharey=True)
    for ax, stage in zip(axes[0], stages, strict=True):
        if len(table):
            accuracy_points(ax, table[table.stage == stage], "lut", list(models.method.unique()))
        ax.set_xlabel(f"LUTs ({stage.replace('_', ' ')})")
    return figure, table[columns]
