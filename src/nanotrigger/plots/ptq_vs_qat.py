"""Quantisation after training against quantisation while training, by width.

Accuracy on the test split, with 95 % intervals, of networks that were trained in floating point and then quantised (PTQ),
and of networks that were trained as quantised ones (QAT), with the same inputs, penalty and normalisation.
"""

import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, subplots

needs = ("accuracies",)
ALIKE = ("hidden", "input_bits", "l1", "batch_norm")
"""Keys in which a QAT model is like the PTQ model that it is drawn with."""


def applies(available):
    return {"ptq", "qat"} <= available


def plot(plan, inputs):
    rows = []
    for model in plan.models.values():
        for role in plan.stanzas[model.stanza].roles & {"ptq", "qat"}:
            alike = tuple(getattr(model.params, key) for key in ALIKE)
            rows.append({"model": model.name, "role": role, "alike": alike, "bits": model.params.bits})
    table = pd.DataFrame(rows).merge(pd.read_csv(inputs.accuracies), on="model")
    after = table[table.role == "ptq"]
    table = table[table.alike.isin(set(after.alike))].sort_values(["role", "bits"])
    figure, axes = subplots()
    groups = list(table.groupby(["alike", "role"], sort=False))
    for i, ((alike, role), part) in enumerate(groups):
        errors = [part.accuracy - part.accuracy_low, part.accuracy_high - part.accuracy]
        differing = (
            "" if after.alike.nunique() == 1 else f", {alike[1]}-bit inputs, L1 {alike[2]:g}" + ", BN" * alike[3]
        )
        style = {"color": COLOURS[i % len(COLOURS)], "fmt": MARKERS[i % len(MARKERS)], "markersize": 5}
        style["fmt"] += "-" * part.bits.is_unique  # a line through several models of one width would say nothing
        axes.errorbar(
            part.bits, part.accuracy, errors, capsize=2, elinewidth=1, label=role.upper() + differing, **style
        )
    axes.set(xlabel="bits of weights and activations", ylabel="accuracy (test split)", xticks=sorted(set(table.bits)))
    axes.minorticks_off()
    axes.legend(loc="lower right")
    table = table.assign(**{key: [values[i] for values in table.alike] for i, key in enumerate(ALIKE)})
    return figure, table[["model", "role", "bits", *ALIKE, "seeds", "accuracy", "accuracy_low", "accuracy_high"]]
