"""Energy of an inference by layer and by what it is spent on.

Left: energy of one inference per layer, and of the whole network (black), at 45 nm: products, sums, and reading and writing of
memories by bit width, from the figures of Horowitz (ISSCC 2014) with the rules of QTools (2006.10159). An estimate, without
routing, clock or leakage. Right: what the whole is spent on. Of more than 40 models 40 are shown, evenly from the one that
takes most to the one that takes least; the CSV has all.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, evenly
from nanotrigger.results.records import read_json

needs = ("metrics",)

SHOWN = 40

LABELS = {
    "multiply": "products",
    "add": "sums",
    "parameters": "reading parameters",
    "inputs": "reading inputs",
    "outputs": "writing activations",
}


def applies(available):
    return "trained" in available


def plot(plan, inputs):
    rows = []
    for path in map(Path, inputs.metrics):
        model, seed = path.parent.parent.name, int(path.parent.name.removeprefix("seed"))
        for layer, parts in enumerate(read_json(path).get("layer_energy_pj") or ()):
            rows.append({"model": model, "seed": seed, "layer": layer + 1, **{p: parts[p] for p in LABELS}})
    table = pd.DataFrame(rows, columns=["model", "seed", "layer", *LABELS])
    table["energy_pj"] = table[list(LABELS)].sum(axis=1)
    shown = table[table.seed == table.seed.min()]
    found = list(shown.groupby("model").energy_pj.sum().sort_values(ascending=False).index)
    models = evenly(found, SHOWN)
    shown = shown[shown.model.isin(models)]
    size = (9.6, max(2.8, 1.5 + 0.3 * len(models)))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, width_ratios=(3, 2))
    places = {model: place for place, model in enumerate(models)}
    for layer, part in shown.groupby("layer"):
        style = {"color": COLOURS[(layer - 1) % 6], "marker": MARKERS[(layer - 1) % len(MARKERS)]}
        left.plot(part.energy_pj, part.model.map(places), linestyle="", label=f"layer {layer}", **style)
    whole = shown.groupby("model")[[*LABELS, "energy_pj"]].sum().reindex(models)
    left.plot(whole.energy_pj, range(len(models)), "k|", markersize=13, markeredgewidth=2.2, label="all")
    start = np.zeros(len(models))
    for part, colour in zip(LABELS, COLOURS, strict=False):
        share = (100 * whole[part] / whole.energy_pj).to_numpy()
        right.barh(range(len(models)), share, left=start, color=colour, height=0.7, label=LABELS[part])
        start += share
    left.set(xscale="log", xlabel="energy per inference [pJ]", ylim=(len(models) - 0.4, -0.6))
    left.set_yticks(range(len(models)), models)
    if len(models) < len(found):
        left.set_ylabel(f"{len(models)} of {len(found):,} models")
    right.set(xlabel="share [%]", xlim=(0, 100))
    for ax in (left, right):
        ax.tick_params(axis="y", which="both", length=0)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure, table
