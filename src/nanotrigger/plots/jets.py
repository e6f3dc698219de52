"""Groomed mass and multiplicity of the jets of each class.

Groomed (mMDT) mass and ungroomed multiplicity of the jets, normalised per class.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import read_dataset
from nanotrigger.plots._style import CLASS_NAMES, WIDTH, subplots

needs = ("data",)
PANELS = {
    "mass_mmdt": (np.linspace(0, 250, 51), "groomed mass [GeV]"),
    "multiplicity": (np.linspace(0, 200, 51), "multiplicity"),
}


def applies(available):
    return "data" in available


def plot(plan, inputs):
    data = read_dataset(Path(inputs.data))
    x = np.concatenate([data.train.x, data.val.x, data.test.x])
    y = np.concatenate([data.train.y, data.val.y, data.test.y])
    figure, axes = subplots(2, 1, figsize=(WIDTH, 6.8))
    rows = []
    for ax, (feature, (edges, label)) in zip(axes, PANELS.items(), strict=True):
        for i, name in enumerate(CLASSES):
            values = x[y == i, FEATURES.index(feature)]
            share = np.histogram(values, edges)[0] / len(values)
            ax.stairs(share, edges, label=CLASS_NAMES[name], linewidth=1.4)
            rows.append(pd.DataFrame({"feature": feature, "class": name, "low_edge": edges[:-1], "share": share}))
        ax.set(xlabel=label, ylabel="share of jets per bin")
    axes[1].legend()
    return figure, pd.concat(rows)
