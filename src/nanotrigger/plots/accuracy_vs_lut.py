"""Accuracy against look-up tables of every synthesised design.

Accuracy on the test split, with 95 % intervals, against look-up tables after the stage named on the axis. Open black
diamonds: published figures of the same dataset, metric, stage and part. Triangles: compared by an exception of the config.
Grey: published on the same dataset, but not comparable, for one or more of what the legend names (each in the CSV). None is
shown beside generated jets.
Intervals of more than 200 points would cover each other and are left out.
"""

from pathlib import Path

import pandas as pd

from nanotrigger.plots._style import WIDTH, accuracy_points, published_points, subplots, together
from nanotrigger.results.beside import published_beside
from nanotrigger.results.comparability import Ours, our_dataset

needs = ("models", "hardware", "published")


def applies(available):
    return {"data", "hardware"} <= available


def plot(plan, inputs):
    models, hardware = pd.read_csv(inputs.models), pd.read_csv(inputs.hardware)
    table = models.merge(hardware[hardware.lut.notna()], on=["model", "seed"])
    columns = ["model", "method", "seed", "flow", "stage", "part", "lut", "accuracy", "accuracy_low", "accuracy_high"]
    # one panel per stage and part: their figures are not the same quantity
    panels = list(table[["stage", "part"]].drop_duplicates().itertuples(index=False)) or [
        ("nothing was synthesised", "")
    ]
    figure, axes = subplots(len(panels), 1, figsize=(WIDTH, 0.8 + 3.4 * len(panels)), squeeze=False)
    numbers = [table[columns].assign(published=False)]
    for ax, (stage, part) in zip(axes[:, 0], panels, strict=True):
        rows = table[(table.stage == stage) & (table.part == part)]
        accuracy_points(ax, rows, "lut", list(models.method.unique()))
        if len(rows):
            ours = Ours(our_dataset(plan), stage, part)
            published = published_beside(plan, Path(inputs.published), ours, "lut")
            published_points(ax, published, "lut")
            numbers.append(published.assign(published=True, panel=f"{stage}, {part}"))
        ax.set_xlabel(f"LUTs ({stage.replace('_', ' ')}{', ' if part else ''}{part.partition('-')[0]})")
    return figure, together(numbers)
