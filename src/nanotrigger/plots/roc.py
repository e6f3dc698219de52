"""ROC curve per class: background that passes against signal that is kept.

Background efficiency against signal efficiency for each class against the rest, from the outputs of the QONNX files.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.metrics import roc_curve

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import read_dataset
from nanotrigger.plots._style import CLASS_NAMES, COLOURS

needs = ("data", "outputs")
EFFICIENCIES = np.linspace(0.05, 1, 96)
LINES = ["-", "--", ":", "-."]


def applies(available):
    return "data" in available


def plot(plan, inputs):
    y = read_dataset(Path(inputs.data)).test.y
    figure, axes = plt.subplots(1, len(CLASSES), figsize=(15, 3.6), sharey=True)
    rows = []
    for i, path in enumerate(map(Path, inputs.outputs)):
        model, seed = path.parent.parent.name, path.parent.name
        if seed != f"seed{plan.seeds[0]}" or plan.stanzas[plan.models[model].stanza].own_vectors:
            continue
        scores = softmax(np.load(path, allow_pickle=False), 1)
        for label, (ax, name) in enumerate(zip(axes, CLASSES, strict=True)):
            mistag, kept, _ = roc_curve(y == label, scores[:, label])
            curve = np.interp(EFFICIENCIES, kept, mistag)
            style = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
            ax.plot(EFFICIENCIES, curve, label=model, **style)
            rows.append(pd.DataFrame({"model": model, "class": name, "signal": EFFICIENCIES, "background": curve}))
    for ax, name in zip(axes, CLASSES, strict=True):
        ax.set(title=CLASS_NAMES[name], xlabel="signal efficiency", ylim=(1e-3, 1))
        ax.set_yscale("log")
    axes[0].set_ylabel("background efficiency")
    axes[0].legend(fontsize=8)
    return figure, pd.concat(rows)
