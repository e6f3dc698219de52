"""What was generated: cross sections, and the share of possible jets that were kept.

Left: Pythia's cross section of each class's hard process, its partons between 995 and 1005 GeV of transverse momentum and
decays as switched on, with its statistical error. Right: jets in the window of transverse momentum and pseudorapidity with more
than one particle left by grooming, of all that the generated events can give, with 95 % intervals.
"""

import numpy as np
import pandas as pd

from nanotrigger.plots._style import CLASS_NAMES, COLOURS, subplots

needs = ("jets",)


def applies(available):
    return "generated" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.jets)
    figure, (left, right) = subplots(1, 2, figsize=(5.2, 3.2), sharey=True)
    rows = np.arange(len(table))
    errors = {"fmt": "o", "color": COLOURS[0], "capsize": 3, "markersize": 5}
    left.errorbar(table.cross_section_pb, rows, xerr=table.cross_section_error_pb, **errors)
    left.set(xscale="log", xlabel="cross section [pb]")
    span = 100 * np.array([table.acceptance - table.acceptance_low, table.acceptance_high - table.acceptance])
    right.errorbar(100 * table.acceptance, rows, xerr=span, **errors)
    right.set_xlabel("jets kept [%]")
    left.margins(x=0.15)
    right.margins(x=0.2)
    left.set_yticks(rows, [CLASS_NAMES[name] for name in table["class"]])
    left.set_ylim(len(table) - 0.5, -0.5)
    for ax in (left, right):
        ax.tick_params(axis="y", which="minor", left=False, right=False)
        ax.grid(axis="y", linewidth=0.4, color="0.85")
    columns = ["class", "events", "cross_section_pb", "cross_section_error_pb", "in_window", "lost_by_grooming"]
    return figure, table[[*columns, "acceptance", "acceptance_low", "acceptance_high"]]
