"""How many weights and activations have which width.

Number of weights (left) and of activations (right) per width, sign included, stacked by layer; an activation is an input of
the layer. Zero bits: pruned. The axes are logarithmic above ten. Every model whose widths differ within a layer is shown, up
to two of a stanza (its first and its last), and of every other method its first model; of more than 12 such models 12, evenly
over the run's. The CSV beside the figure holds all.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, SMALLEST, WIDTH, evenly, subplots
from nanotrigger.results.records import read_json

needs = ("metrics",)

KINDS = {"weights": "weight_bits_histogram", "activations": "activation_bits_histogram"}
COLUMNS = ["model", "seed", "quantity", "layer", "bits", "count"]

SHOWN = 12


def applies(available):
    return "trained" in available


def shown(plan, table):
    """The models that are drawn, in the run's order."""
    # zero is a pruned weight, not a width
    weights = table[(table.bits > 0) & (table.quantity == "weights")]
    differ = weights.groupby(["model", "layer"]).bits.nunique().groupby("model").max()
    drawn, methods = set(), set()
    for stanza in plan.stanzas.values():
        trained = [model.name for model in stanza.models if model.name in differ.index]
        mixed = [name for name in trained if differ[name] > 1]
        if mixed or (trained and stanza.module.__name__ not in methods):
            drawn |= {mixed[0], mixed[-1]} if mixed else {trained[0]}
            methods.add(stanza.module.__name__)
    return [name for name in plan.models if name in drawn]


def plot(plan, inputs):
    from matplotlib.patches import Rectangle

    rows = []
    for path in map(Path, inputs.metrics):
        model, seed, content = path.parent.parent.name, int(path.parent.name.removeprefix("seed")), read_json(path)
        for quantity, key in KINDS.items():
            for layer, widths in enumerate(content.get(key) or ()):
                rows += [[model, seed, quantity, layer + 1, int(bits), count] for bits, count in widths.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    models = evenly(shown(plan, table), SHOWN)
    size = (WIDTH, 0.9 + 1.5 * len(models))
    figure, axes = subplots(len(models), len(KINDS), figsize=size, squeeze=False, sharex="col", sharey="col")
    for row, model in zip(axes, models, strict=True):
        row[0].set_ylabel(model, fontsize=SMALLEST)
        for ax, quantity in zip(row, KINDS, strict=True):
            _stack(ax, table[(table.model == model) & (table.seed == table.seed.min()) & (table.quantity == quantity)])
    for ax, quantity in zip(axes[0], KINDS, strict=True):
        ax.set_title(quantity, fontsize=11)
    figure.supxlabel("bits (0: pruned)", fontsize=11)
    layers = range(1, table.layer.max() + 1)
    handles = [Rectangle((0, 0), 1, 1, color=COLOURS[(layer - 1) % len(COLOURS)]) for layer in layers]
    figure.legend(handles, [f"layer {n}" for n in layers], loc="outside upper center", ncols=len(handles))
    return figure, table


def _stack(ax, rows):
    """Bars of counts per width, one layer on the other."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    widths = np.arange(rows.bits.max() + 1)
    bottom = np.zeros(len(widths))
    for layer, part in rows.groupby("layer"):
        counts = part.set_index("bits")["count"].reindex(widths, fill_value=0).to_numpy()
        ax.bar(widths, counts, bottom=bottom, color=COLOURS[(layer - 1) % len(COLOURS)])
        bottom += counts
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(labelsize=SMALLEST, which="both")
    ax.set_yscale("symlog", linthresh=10)
