"""Hessian trace per layer with its standard error, and the widths that the integer programme chose.

Above: trace of the loss Hessian per layer of the floating-point teacher, with the standard error over random probes.
Below: weight bits that the integer programme chose under each budget.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nanotrigger.plots._style import MARKERS, WIDTH
from nanotrigger.results.records import read_json

needs = ("steps",)


def applies(available):
    return {"traces.npz", "allocation.json"} <= available


def plot(plan, inputs):
    figure, (left, right) = plt.subplots(2, 1, figsize=(WIDTH, 7.2))
    rows = []
    for path in (Path(p) for p in inputs.steps if Path(p).name == "traces.npz"):
        stanza = path.parent.name
        with np.load(path, allow_pickle=False) as measured:
            trace, error = measured["trace"], measured["standard_error"]
        layers = np.arange(1, len(trace) + 1)
        left.errorbar(layers, trace, error, fmt="o-", capsize=3, label=stanza)
        allocation = read_json(path.parent / "allocation.json")
        shift = np.linspace(-0.12, 0.12, len(allocation)) if len(allocation) > 1 else [0.0]
        for i, (model, chosen) in enumerate(allocation.items()):
            label = f"{model} ({chosen['bops']:,.0f} BOPs)"
            right.plot(layers + shift[i], chosen["bits"], MARKERS[i % len(MARKERS)] + ":", label=label)
            for layer in range(len(trace)):
                rows.append([stanza, model, layer + 1, trace[layer], error[layer], chosen["bits"][layer]])
    left.set(xlabel="layer", ylabel="trace of the loss Hessian", xticks=layers)
    left.set_ylim(bottom=0)
    right.set(xlabel="layer", ylabel="weight bits chosen", xticks=layers)
    right.margins(y=0.3)
    left.legend()
    right.legend()
    return figure, pd.DataFrame(rows, columns=["stanza", "model", "layer", "trace", "standard_error", "weight_bits"])
