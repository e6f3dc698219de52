"""Validation accuracy over the epochs of every training.

Validation accuracy and training loss over epochs. An HGQ training walks beta upwards, so its accuracy falls as the
network shrinks; its budgets share the walk.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import COLOURS, WIDTH

needs = ("histories",)


def applies(available):
    return "trained" in available


def plot(plan, inputs):
    tables = []
    for path in map(Path, inputs.histories):
        model, seed = path.parent.parent.name, path.parent.name
        if len(history := pd.read_csv(path)):  # a model from elsewhere was not trained here
            tables.append(history.assign(model=model, seed=int(seed.removeprefix("seed"))))
    table = pd.concat(tables)
    table["stanza"] = table.model.map(lambda m: plan.models[m].stanza)
    figure, (left, right) = plt.subplots(2, 1, figsize=(WIDTH, 6.8), sharex=True)
    drawn = set()
    for i, (stanza, rows) in enumerate(table.groupby("stanza", sort=False)):
        for _, part in rows.groupby(["model", "seed"], sort=False):
            curve = (stanza, tuple(part.val_accuracy))
            if curve in drawn:
                continue  # the budgets of one walk share its history
            drawn.add(curve)
            label = stanza if not any(d[0] == stanza for d in drawn - {curve}) else None
            for ax, column in ((left, "val_accuracy"), (right, "train_loss")):
                ax.plot(part.epoch, part[column], color=COLOURS[i % len(COLOURS)], alpha=0.8, label=label)
    left.set(ylabel="validation accuracy", xscale="log")
    right.set(xlabel="epoch", ylabel="training loss (cross entropy)", xscale="log")
    left.legend()
    return figure, table
