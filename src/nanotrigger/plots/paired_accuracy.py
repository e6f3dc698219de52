"""Which models differ from the reference, compared on the same jets.

Accuracy of each model minus that of the reference (the most accurate on the validation split), with the 95 % interval of
the paired difference, over jets and, where there are several, over seeds. Filled: different after Holm's correction for all
comparisons of the run (p < 0.05); hollow: not shown to differ. In order of the difference.
"""

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, SMALLEST, method_name, subplots

needs = ("models", "comparisons")

NAMED = 40
"""More models are drawn without their names, on a figure that does not grow."""

SIGNIFICANT = 0.05


def applies(available):
    return "comparisons" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.comparisons)
    table = table[table.other_is_reference & (table.vectors == plan.config.run.dataset)]
    methods = pd.read_csv(inputs.models).drop_duplicates("model").set_index("model").method
    table = table.assign(method=table.model.map(methods)).sort_values("difference", kind="stable", ignore_index=True)
    named = len(table) <= NAMED
    figure, axes = subplots(figsize=(5.2, 1.6 + 0.26 * len(table) if named else 6.4))
    for i, method in enumerate(methods.unique()):  # all methods of the run, so that each looks alike in every figure
        rows = table[table.method == method]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        for shown, face in ((rows.p_holm < SIGNIFICANT, colour), (rows.p_holm >= SIGNIFICANT, "white")):
            _points(axes, rows[shown], colour, marker if named else ".", face)
        if len(rows):
            axes.plot([], [], marker, color=colour, label=method_name(method))
    axes.axvline(0, color="k", linestyle=":", linewidth=1)
    axes.set_ylim(-0.8, len(table) - 0.2)
    axes.tick_params(axis="y", which="both", length=0)
    if named:
        axes.set_yticks(np.arange(len(table)), table.model, fontsize=SMALLEST)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(table)} models")
    axes.set_xlabel(f"accuracy $-$ accuracy of {table.other.iloc[0]} [percentage points]")
    if len(table.other.iloc[0]) > 14:
        axes.xaxis.label.set_size(SMALLEST)
    hint = f"filled: differs, p < {SIGNIFICANT} after Holm's correction"
    figure.legend(loc="outside upper center", ncols=4, title=hint, title_fontsize=9.5)
    return figure, table


def _points(axes, rows, colour, marker, face):
    """Differences in percentage points with their intervals, each at its rank."""
    low, middle, high = (100 * rows[c] for c in ("difference_low", "difference", "difference_high"))
    # an interval of resampled jets may leave out the difference itself by rounding alone, where hardly any jets differ
    errors = np.clip([middle - low, high - middle], 0, None)
    style = {"capsize": 2, "elinewidth": 1.1} if marker != "." else {"elinewidth": 0.3, "markersize": 4}
    axes.errorbar(middle, rows.index, xerr=errors, color=colour, fmt=marker, markerfacecolor=face, **style)
