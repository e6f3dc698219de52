"""Energy of an inference by layer and by what it is spent on.

Above: energy of one inference per layer, and of the whole network (black), at 45 nm: products, sums, and reading and writing of
memories by bit width, from the figures of Horowitz (ISSCC 2014) with the rules of QTools (2006.10159). An estimate, without
routing, clock or leakage. Below: what the whole is spent on. Of more than 24 models 24 are shown, evenly from the one that
takes most to the one that takes least; the CSV has all.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, WIDTH, evenly, subplots
from nanotrigger.results.records import read_json

needs = ("metrics",)

SHOWN = 24

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
    size = (WIDTH, 2 * max(2.4, 1.5 + 0.26 * len(models)))
    figure, (above, below) = subplots(2, 1, figsize=size)
    places = {model: place for place, model in enumerate(models)}
    for layer, part in shown.groupby("layer"):
        style = {"color": COLOURS[(layer - 1) % 6], "marker": MARKERS[(layer - 1) % len(MARKERS)]}
        above.plot(part.energy_pj, part.model.map(places), linestyle="", label=f"layer {layer}", **style)
    whole = shown.groupby("model")[[*LABELS, "energy_pj"]].sum().reindex(models)
    above.plot(whole.energy_pj, range(len(models)), "k|", markersize=13, markeredgewidth=2.2, label="all")
    start = np.zeros(len(models))
    for part, colour in zip(LABELS, COLOURS, strict=False):
        share = (100 * whole[part] / whole.energy_pj).to_numpy(float)
        below.barh(range(len(models)), share, left=start, color=colour, height=0.7, label=LABELS[part])
        start += share
    above.set(xscale="log", xlabel="energy per inference [pJ]", ylim=(len(models) - 0.4, -0.6))
    below.set(xlabel="share [%]", xlim=(0, 100), ylim=(len(models) - 0.4, -0.6))
    if len(models) < len(found):
        above.set_ylabel(f"{len(models)} of {len(found):,} models")
    for ax, columns in ((above, 3), (below, 2)):
        ax.set_yticks(range(len(models)), models)
        ax.tick_params(axis="y", which="both", length=0)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
    return figure, table
