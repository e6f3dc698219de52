"""Hessian trace per layer with its standard error.

Trace of the Hessian of the loss with respect to each layer's weights, of the floating-point teacher, with the standard
error over random probes (Hutchinson's estimate): how much the loss feels the rounding of a layer's weights. In a run of
more than twelve stanzas that measure it twelve are drawn, evenly over them; the CSV has all.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, evenly, subplots
from nanotrigger.results.records import read_arrays

needs = ("steps",)

SHOWN = 12
"""Stanzas, evenly over the run's where it has more."""


def applies(available):
    return "traces.npz" in available


def plot(plan, inputs):
    figure, axes = subplots()
    tables = []
    found = [Path(p) for p in inputs.steps if Path(p).name == "traces.npz"]
    drawn = evenly(found, SHOWN)
    for path in found:
        measured = read_arrays(path)
        trace, error = measured["trace"], measured["standard_error"]
        layers = np.arange(1, len(trace) + 1)
        if path in drawn:
            i = drawn.index(path)
            style = {"color": COLOURS[i % len(COLOURS)], "fmt": MARKERS[i % len(MARKERS)] + "-"}
            axes.errorbar(layers + 0.04 * i, trace, error, capsize=4, label=path.parent.name, **style)
        rows = {"stanza": path.parent.name, "layer": layers, "trace": trace, "standard_error": error}
        tables.append(pd.DataFrame(rows))
    table = pd.concat(tables)
    axes.set(xlabel="layer", ylabel="trace of the loss Hessian", xticks=np.unique(table.layer))
    axes.set_xlim(0.6, table.layer.max() + 0.4)
    axes.minorticks_off()
    axes.set_ylim(bottom=min(0, (table.trace - table.standard_error).min()))
    axes.legend()
    return figure, table
