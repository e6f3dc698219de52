"""Accuracy and BOPs against the share of weights that is pruned.

Accuracy on the test split, with 95 % intervals, and BOPs (2304.06745: what is zero is discounted) of networks whose
smallest weights were pruned while they trained, against the share of weights that are zero in the file.
"""

from itertools import pairwise

import pandas as pd

from nanotrigger.methods.base import layer_sizes
from nanotrigger.plots._style import COLOURS, MARKERS, subplots

needs = ("accuracies", "models")

NAMED = 9
"""More stanzas than that are told apart by their width alone, and their models not joined by lines."""


def applies(available):
    return "sparsity" in available


def plot(plan, inputs):
    rows = []
    for model in plan.models.values():
        if "sparsity" in plan.stanzas[model.stanza].roles:
            weights = sum(n * m for n, m in pairwise(layer_sizes(model.params)))
            shared = {"model": model.name, "stanza": model.stanza, "bits": model.params.bits}
            rows.append({**shared, "sparsity": model.params.sparsity, "weights": weights})
    costs = pd.read_csv(inputs.models).groupby("model")[["nonzero_weights", "bops_hawq"]].mean()
    table = pd.DataFrame(rows).join(costs, on="model").merge(pd.read_csv(inputs.accuracies), on="model")
    table["zero_weights"] = 1 - table.nonzero_weights / table.weights
    figure, (top, bottom) = subplots(2, 1, figsize=(5.2, 5.0), sharex=True, height_ratios=(3, 2))
    groups = [
        (f"{stanza}, {bits} bits", part) for (stanza, bits), part in table.groupby(["stanza", "bits"], sort=False)
    ]
    line = "-"
    if len(groups) > NAMED:
        groups, line = [(f"{bits} bits", part) for bits, part in table.groupby("bits")], ""
    for i, (label, part) in enumerate(groups):
        part = part.sort_values("zero_weights")
        errors = [part.accuracy - part.accuracy_low, part.accuracy_high - part.accuracy]
        style = {"color": COLOURS[i % len(COLOURS)], "markersize": 5}
        look = MARKERS[i % len(MARKERS)] + line
        top.errorbar(
            part.zero_weights,
            part.accuracy,
            errors,
            fmt=look,
            capsize=2,
            elinewidth=1,
            label=label,
            **style,
        )
        bottom.plot(part.zero_weights, part.bops_hawq / 1000, look, **style)
    top.set_ylabel("accuracy (test split)")
    top.legend(loc="lower left")
    bottom.set(xlabel="share of weights that are zero", ylabel="BOPs [1000]", ylim=(0, None))
    columns = ["model", "stanza", "bits", "sparsity", "zero_weights", "bops_hawq", "seeds"]
    return figure, table[[*columns, "accuracy", "accuracy_low", "accuracy_high"]]
