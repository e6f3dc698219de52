"""Widths that the integer programme chooses, against the budget of BOPs.

Weight bits of each layer that the integer programme chooses under each budget: with the quantisation error of the grids
that are trained and the network's own BOPs (correct), and as the code published with 2304.06745 chooses (reference), whose
step is too large and whose activations are counted with the width of the wrong layer. Layers are shifted a little where
they would hide each other. Below: BOPs of the chosen network, nothing pruned; above the line it exceeds its budget.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, subplots
from nanotrigger.results.records import read_json

needs = ("steps",)


def applies(available):
    return "allocation.json" in available


def plot(plan, inputs):
    rows = []
    for path in (Path(p) for p in inputs.steps if Path(p).name == "allocation.json"):
        for model, chosen in read_json(path).items():
            shared = {"stanza": path.parent.name, "model": model, "allocation": chosen["allocation"]}
            shared |= {key: chosen[key] for key in ("budget", "bops", "network_bops", "objective")}
            rows += [{**shared, "layer": layer, "weight_bits": bits} for layer, bits in enumerate(chosen["bits"], 1)]
    table = pd.DataFrame(rows)
    # of several stanzas the one with most budgets is drawn; the CSV holds all
    drawn = table[table.stanza == table.groupby("stanza").budget.nunique().idxmax()]
    kinds = list(drawn.allocation.unique())
    layers = sorted(drawn.layer.unique())
    spread = 0.09 * (drawn.weight_bits.max() - drawn.weight_bits.min() + 1) / 5
    figure, axes = subplots(
        len(kinds) + 1, 1, figsize=(5.2, 2.3 * (len(kinds) + 1)), sharex=True, gridspec_kw={"hspace": 0.02}
    )
    for ax, kind in zip(axes, kinds, strict=False):
        for i, layer in enumerate(layers):
            part = drawn[(drawn.allocation == kind) & (drawn.layer == layer)].sort_values("budget")
            shift = spread * (len(layers) - 1 - 2 * i)
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4.5}
            ax.plot(part.budget / 1000, part.weight_bits + shift, linewidth=1, label=f"layer {layer}", **style)
        ax.set_ylabel("weight bits")
        ax.set_yticks(np.arange(drawn.weight_bits.min(), drawn.weight_bits.max() + 1))
        ax.tick_params(axis="y", which="minor", length=0)
        ax.margins(y=0.12)
        ax.text(0.98, 0.05, kind, transform=ax.transAxes, ha="right", va="bottom")
    last = axes[-1]
    for i, kind in enumerate(kinds):
        part = drawn[(drawn.allocation == kind) & (drawn.layer == layers[0])].sort_values("budget")
        style = {"color": COLOURS[-1 - i], "marker": MARKERS[i], "linestyle": "none", "fillstyle": "none"}
        last.plot(part.budget / 1000, part.network_bops / 1000, label=kind, **style)
    ends = np.array([drawn.budget.min(), drawn.budget.max()]) / 1000
    last.plot(ends, ends, ":", color="grey", linewidth=1)
    last.set(xlabel="budget [1000 BOPs]", ylabel="BOPs [1000]")
    last.legend()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(layers), columnspacing=1)
    return figure, table
