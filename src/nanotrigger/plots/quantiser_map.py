"""Which quantiser each layer's kernel, bias and activation have.

Quantisers of the models that have more than one: widths in bits of fixed-point numbers, binary (-s, +s), ternary (-s, 0, +s)
and powers of two with the bits of their codes; darker is wider. Models whose widths differ within a tensor are not shown, and
of several with the same quantisers the first; of more than 24 that are left 24, evenly over the run's.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import SMALLEST, WIDTH, evenly, subplots
from nanotrigger.qonnx.kinds import BINARY, FIXED, TERNARY, Format, parse
from nanotrigger.results.records import read_json

needs = ("metrics",)

PLACES = ("kernel", "bias", "activation")
TEXTS = {BINARY: "±1", TERNARY: "0, ±1"}
PANELS = 2
"""In a row."""

SHOWN = 24


def applies(available):
    return "trained" in available


def plot(plan, inputs):
    models: dict[str, list[dict]] = {}
    seen = set()
    for path in map(Path, inputs.metrics):
        layers = read_json(path).get("layer_formats") or []
        names = [name for layer in layers for name in layer.values()]
        if len(set(names)) > 1 and None not in names and (key := repr(layers)) not in seen:
            seen.add(key)
            models.setdefault(path.parent.parent.name, layers)
    rows = [
        [model, layer + 1, place, layers[layer][place]]
        for model, layers in models.items()
        for layer in range(len(layers))
        for place in PLACES
        if place in layers[layer]
    ]
    table = pd.DataFrame(rows, columns=["model", "layer", "place", "quantiser"])
    models = dict(evenly(list(models.items()), SHOWN))
    columns = min(max(len(models), 1), PANELS)
    lines = -(-max(len(models), 1) // columns)
    figure, axes = subplots(lines, columns, figsize=(WIDTH, 2.6 * lines), squeeze=False)
    for ax in axes.ravel()[len(models) :]:
        ax.axis("off")
    for ax, (model, layers) in zip(axes.ravel(), models.items(), strict=False):
        _panel(ax, layers)
        ax.set_title(model, fontsize=10)
    for ax in axes[:, 0]:
        ax.set_ylabel("layer")
    if not models:
        axes[0, 0].text(0.5, 0.5, "every model has one quantiser throughout", ha="center", va="center")
    return figure, table


def _panel(ax, layers):
    bits = np.full((len(layers), len(PLACES)), np.nan)
    for row, layer in enumerate(layers):
        for column, place in enumerate(PLACES):
            if place not in layer:
                continue
            name = layer[place]
            form = Format(FIXED, name) if isinstance(name, int) else parse(name, activation=place == "activation")
            bits[row, column] = form.bits
            text = TEXTS.get(form.kind, f"{form.bits:g}" if form.kind == FIXED else f"$2^n$, {form.bits:g}")
            ax.text(column, row, text, ha="center", va="center", color="w" if form.bits > 6 else "k")
    ax.imshow(np.log2(bits), cmap="Blues", vmin=-0.6, vmax=4.3, aspect="auto")
    ax.set_xticks(range(len(PLACES)), PLACES, fontsize=SMALLEST)
    ax.set_yticks(range(len(layers)), [str(i + 1) for i in range(len(layers))], fontsize=SMALLEST)
    ax.tick_params(which="both", length=0)
    ax.set_xticks(np.arange(len(PLACES) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(layers) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="w", linewidth=2, linestyle="-")
    for spine in ax.spines.values():
        spine.set_visible(False)
