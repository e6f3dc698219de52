"""All 16 features of the jets of each class.

The 16 features of the jets, normalised per class; ranges hold all but half a per cent of the jets on either side, three decades
where the axis is logarithmic. Correlators and their ratios are of the groomed (mMDT) jet and without unit, mass is in GeV, the
sum of z log z and multiplicity are of the jet before grooming.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.plots._style import CLASS_NAMES, SMALLEST, WIDTH, subplots
from nanotrigger.results.jets import all_jets

needs = ("data",)
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
BINS = 40
LOGARITHMIC = ("c1_b1_mmdt", "c1_b2_mmdt", "c2_b1_mmdt", "c2_b2_mmdt")


def applies(available):
    return "data" in available


def plot(plan, inputs):
    x, y = all_jets(Path(inputs.data))
    figure, axes = subplots(6, 3, figsize=(WIDTH, 9.8))
    rows = []
    for ax, (column, feature) in zip(axes.flat, enumerate(FEATURES), strict=False):
        low, high = np.percentile(x[:, column], [0.5, 99.5])
        if feature in LOGARITHMIC:
            edges = np.geomspace(high / 1000, high, BINS + 1)
        elif feature == "multiplicity":  # whole bins of whole numbers
            step = max(1, int(np.ceil((high - low) / BINS)))
            edges = (
                np.arange(np.floor(low), high + step) - 0.5 if step == 1 else np.arange(low, high + step, step) - 0.5
            )
        else:
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for i, name in enumerate(CLASSES):
            values = x[y == i, column]
            share = np.histogram(values, edges)[0] / len(values)
            ax.stairs(share, edges, label=CLASS_NAMES[name], linestyle=LINES[i], linewidth=1.0)
            rows.append(pd.DataFrame({"feature": feature, "class": name, "low_edge": edges[:-1], "share": share}))
        ax.set_title(feature + (" [GeV]" if feature == "mass_mmdt" else ""), fontsize=SMALLEST, pad=4)
        ax.tick_params(axis="both", which="both", labelsize=SMALLEST, length=2, pad=2)
        ax.tick_params(axis="y", which="both", labelleft=False, left=False, right=False)
        if feature in LOGARITHMIC:
            ax.set_xscale("log")
        else:
            ax.locator_params(axis="x", nbins=3)
        ax.set_ylim(bottom=0)
        ax.margins(x=0)
    for ax in axes.flat[len(FEATURES) :]:
        ax.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-2].legend(handles, labels, loc="center left", ncols=2, fontsize=SMALLEST, bbox_to_anchor=(0.0, 0.5))
    figure.supylabel("share of jets per bin", fontsize=SMALLEST)
    return figure, pd.concat(rows)
