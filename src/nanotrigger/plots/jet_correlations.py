"""Rank correlations of the 16 features, of all jets and within the classes.

Spearman's rank correlation of the 16 features: above the diagonal of all jets together, below it the mean over the classes of
the correlation within each.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.plots._style import SMALLEST, WIDTH, subplots
from nanotrigger.results.jets import all_jets

needs = ("data",)


def applies(available):
    return "data" in available


def plot(plan, inputs):
    x, y = all_jets(Path(inputs.data))
    found = {"all": scipy.stats.spearmanr(x).statistic}
    found |= {name: scipy.stats.spearmanr(x[y == i]).statistic for i, name in enumerate(CLASSES)}
    within = np.mean([found[name] for name in CLASSES], axis=0)
    shown = np.where(np.triu(np.ones_like(within), 1) > 0, found["all"], within)
    np.fill_diagonal(shown, np.nan)
    figure, ax = subplots(figsize=(WIDTH, 6.0))
    image = ax.imshow(shown, cmap="PuOr", vmin=-1, vmax=1)
    ax.set_xticks(range(len(FEATURES)), FEATURES, rotation=90, fontsize=SMALLEST)
    ax.set_yticks(range(len(FEATURES)), FEATURES, fontsize=SMALLEST)
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    for i in range(len(FEATURES)):
        for j in range(len(FEATURES)):
            if i != j and abs(shown[i, j]) >= 0.5:
                dark = abs(shown[i, j]) > 0.65
                text = f"{shown[i, j]:.1f}".replace("0.", ".").replace("-", "\u2212")
                ax.text(j, i, text, ha="center", va="center", fontsize=SMALLEST, color="w" if dark else "k")
    bar = figure.colorbar(image, ax=ax, location="bottom", shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("rank correlation (above: all jets; below: within classes)", fontsize=SMALLEST)
    bar.ax.tick_params(labelsize=SMALLEST)
    rows = [
        {"jets": name, "feature": FEATURES[i], "other": FEATURES[j], "rank_correlation": values[i, j]}
        for name, values in found.items()
        for i in range(len(FEATURES))
        for j in range(i)
    ]
    return figure, pd.DataFrame(rows)
