"""ROC curve per class: background that passes against signal that is kept.

Background efficiency against signal efficiency for each class against the rest, from the outputs of the QONNX files, of the
run's first seed. Of more than 60 models 60 are shown, evenly over the run's.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import read_dataset
from nanotrigger.plots._style import CLASS_NAMES, COLOURS, SMALLEST, WIDTH, evenly, subplots
from nanotrigger.results.records import read_array

needs = ("data", "outputs")
EFFICIENCIES = np.linspace(0.05, 1, 96)
NAMED = 9
"""More models than that are drawn without their names."""

SHOWN = 60
"""More curves than these cover each other; the CSV has those that are drawn."""

LINES = ["-", "--", ":", "-."]


def applies(available):
    return "data" in available


def plot(plan, inputs):
    from sklearn.metrics import roc_curve

    y = read_dataset(Path(inputs.data)).test.y
    figure, axes = subplots(3, 2, figsize=(WIDTH, 7.4), sharex=True, sharey=True)
    panels = axes.flat[: len(CLASSES)]
    rows = []
    own = {model.name for model in plan.models.values() if plan.stanzas[model.stanza].own_vectors}
    first = [
        p
        for p in map(Path, inputs.outputs)
        if p.parent.name == f"seed{plan.seeds[0]}" and p.parent.parent.name not in own
    ]
    for i, path in enumerate(evenly(first, SHOWN)):
        model = path.parent.parent.name
        scores = scipy.special.softmax(read_array(path), 1)
        for label, (ax, name) in enumerate(zip(panels, CLASSES, strict=True)):
            mistag, kept, _ = roc_curve(y == label, scores[:, label])
            curve = np.interp(EFFICIENCIES, kept, mistag)
            style = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
            ax.plot(EFFICIENCIES, curve, label=model, **style)
            rows.append(pd.DataFrame({"model": model, "class": name, "signal": EFFICIENCIES, "background": curve}))
    for ax, name in zip(panels, CLASSES, strict=True):
        ax.set_ylim(1e-3, 1)
        ax.text(0.05, 0.95, CLASS_NAMES[name], ha="left", va="top", transform=ax.transAxes)
        ax.set_yscale("log")
    figure.supylabel("background efficiency", fontsize=11)
    figure.supxlabel("signal efficiency", fontsize=11)
    axes[1, 1].tick_params(labelbottom=True)
    # the last panel of the grid has room for the names
    axes[2, 1].axis("off")
    handles, names = panels[0].get_legend_handles_labels()
    shown = NAMED if len(names) > NAMED else len(names)
    title = f"{shown} of {len(first):,} models" if shown < len(first) else None
    axes[2, 1].legend(
        handles[:shown], names[:shown], loc="center", title=title, fontsize=SMALLEST, title_fontsize=SMALLEST
    )
    return figure, pd.concat(rows)
