"""How many weights have which width, for the models whose widths differ within a layer.

Number of weights per width (sign included), stacked by layer, for models whose widths differ within a layer. Zero
bits: the weight is pruned.
"""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, SMALLEST, WIDTH
from nanotrigger.results.records import read_json

needs = ("metrics",)


def applies(available):
    return "trained" in available


def plot(plan, inputs):
    rows = []
    for path in map(Path, inputs.metrics):
        model, seed = path.parent.parent.name, int(path.parent.name.removeprefix("seed"))
        for layer, widths in enumerate(read_json(path).get("weight_bits_histogram", ())):
            rows += [[model, seed, layer + 1, int(bits), count] for bits, count in widths.items()]
    table = pd.DataFrame(rows, columns=["model", "seed", "layer", "bits", "weights"])
    # zero is a pruned weight, not a width
    mixed = table[table.bits > 0].groupby(["model", "layer"]).bits.nunique().groupby("model").max()
    shown = [model for model in table.model.unique() if mixed.get(model, 0) > 1] or list(table.model.unique()[:1])
    size = 0.6 + 2.3 * math.ceil(len(shown) / 2)
    figure, axes = plt.subplots(
        math.ceil(len(shown) / 2), min(2, len(shown)), figsize=(WIDTH, size), squeeze=False, sharey=True
    )
    for ax, model in zip(axes.flat, shown, strict=False):
        rows = table[(table.model == model) & (table.seed == table.seed.min())]
        widths = np.arange(rows.bits.max() + 1)
        bottom = np.zeros(len(widths))
        for layer, part in rows.groupby("layer"):
            counts = part.set_index("bits").weights.reindex(widths, fill_value=0).to_numpy()
            ax.bar(widths, counts, bottom=bottom, color=COLOURS[(layer - 1) % len(COLOURS)], label=f"layer {layer}")
            bottom += counts
        ax.set_title(model, fontsize=SMALLEST)
        ax.set_xticks(widths if len(widths) < 10 else widths[:: math.ceil(len(widths) / 9)])
        ax.xaxis.set_minor_locator(plt.NullLocator())
        ax.set_yscale("symlog", linthresh=10)
    for ax in axes.flat[len(shown) :]:
        ax.axis("off")
    figure.supxlabel("bits (0: pruned)", fontsize=11)
    figure.supylabel("weights", fontsize=11)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure, table
