"""Every point of a sweep, its front, and where the integer programme's choices lie.

Accuracy on the test split against BOPs (2304.06745) of every point of the sweeps that have a table of their own, with the
95 % interval over jets of one point of middling accuracy. The front is chosen on the validation split, on which it rises;
on the test split it need not. Marked are the points of the widths that the integer programme chose, with the correct
perturbation and with that of the published code; in both marks where both chose the same.
"""

from pathlib import Path

import pandas as pd

from nanotrigger.plots._style import COLOURS, subplots
from nanotrigger.results.records import read_json

needs = ("sweeps", "steps")
LOOKS = {"correct": ("D", COLOURS[2], 26), "reference": ("s", COLOURS[1], 60)}


def applies(available):
    return "sweeps" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.sweeps)
    keys = ["stanza", "model", *(["weight_bits"] if "weight_bits" in table else [])]
    numbers = ["bops_hawq", "accuracy", "accuracy_low", "accuracy_high", "val_accuracy"]
    table = table.groupby([*keys, "on_front"], sort=False, dropna=False)[numbers].mean().reset_index()
    chosen = _choices(inputs.get("steps", []))
    for kind in chosen.allocation.unique():
        widths = set(chosen[chosen.allocation == kind].weight_bits)
        table[f"chosen_{kind}"] = table.weight_bits.isin(widths) if "weight_bits" in table else False
    figure, axes = subplots(figsize=(5.2, 4.4))
    for i, (stanza, rows) in enumerate(table.groupby("stanza", sort=False)):
        colour = COLOURS[(0, 3, 5)[i % 3]]
        label = f"{stanza}: {len(rows)} points"
        axes.plot(rows.bops_hawq / 1000, rows.accuracy, ".", color=colour, alpha=0.3, markersize=4, label=label)
        front = rows[rows.on_front].sort_values("bops_hawq")
        axes.plot(front.bops_hawq / 1000, front.accuracy, ".-", color="k", markersize=5, linewidth=1, zorder=4)
        one = rows.loc[(rows.accuracy - rows.accuracy.median()).abs().idxmin()]
        edge = rows.bops_hawq.max() / 1000 * 1.04
        errors = [[one.accuracy - one.accuracy_low], [one.accuracy_high - one.accuracy]]
        axes.errorbar([edge], [one.accuracy], yerr=errors, color=colour, capsize=3, label="95 % over jets")
    axes.plot([], [], ".-", color="k", linewidth=1, label="front (chosen on validation)")
    for kind in chosen.allocation.unique():
        marked = table[table[f"chosen_{kind}"]]
        marker, colour, size = LOOKS[kind]
        style = {"marker": marker, "s": size, "facecolor": "none", "edgecolor": colour, "linewidth": 1.2, "zorder": 5}
        axes.scatter(marked.bops_hawq / 1000, marked.accuracy, label=f"integer programme, {kind}", **style)
    axes.set(xlabel="BOPs [1000]", ylabel="accuracy (test split)")
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1)
    return figure, table


def _choices(steps):
    """Widths and kind of every allocation of the run."""
    rows = []
    for path in (Path(p) for p in steps if Path(p).name == "allocation.json"):
        for chosen in read_json(path).values():
            rows.append({"allocation": chosen["allocation"], "weight_bits": "-".join(map(str, chosen["bits"]))})
    return pd.DataFrame(rows, columns=["allocation", "weight_bits"]).drop_duplicates()
