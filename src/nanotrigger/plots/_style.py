"""The look that all figures share, and how one is written."""

import importlib
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import mplhep

from nanotrigger.plan import Plan
from nanotrigger.results.records import replace_when_whole

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Okabe and Ito's palette, told apart with any colour vision."""

MARKERS = "osD^vPX"
CLASS_NAMES = {"g": "gluon", "q": "quark", "w": "W", "z": "Z", "t": "top"}
METHOD_NAMES = {"float": "float, 16-bit export", "hawq": "HAWQ", "hgq": "HGQ"}

STYLE = {
    "figure.figsize": (5.2, 3.9),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 6,
    "savefig.dpi": 160,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
}


def method_name(method: str) -> str:
    """Label of a method in legends: its own name if it is not one of ours."""
    return METHOD_NAMES.get(method, method)


def draw(name: str, plan: Plan, inputs: Any, outputs: Any) -> None:
    """Draw one figure as PNG and PDF, with its numbers as CSV beside it."""
    plt.style.use([mplhep.style.ROOT, STYLE])
    figure, numbers = importlib.import_module(f"nanotrigger.plots.{name}").plot(plan, inputs)
    for path, options in (
        (outputs.png, {"format": "png", "metadata": {"Software": None}}),
        (outputs.pdf, {"format": "pdf", "metadata": {"CreationDate": None}}),
    ):
        with replace_when_whole(path) as temporary:
            figure.savefig(temporary, **options)
    with replace_when_whole(outputs.csv) as temporary:
        numbers.to_csv(temporary, index=False, lineterminator="\n")


def accuracy_points(axes: Any, table: Any, x: str, methods: list[str]) -> None:
    """Accuracy with its 95 % interval against a cost; names beside the points, in turn above and below.

    methods: all methods of the run, so that each has one colour and marker in every figure. Models without labelled
    vectors have no accuracy and no point.
    """
    table = table.dropna(subset=["accuracy", x])
    for i, method in enumerate(methods):
        rows = table[table.method == method]
        if not len(rows):
            continue
        errors = [rows.accuracy - rows.accuracy_low, rows.accuracy_high - rows.accuracy]
        style = {"color": COLOURS[i % len(COLOURS)], "fmt": MARKERS[i % len(MARKERS)], "capsize": 2}
        axes.errorbar(rows[x], rows.accuracy, yerr=errors, label=method_name(method), elinewidth=0.9, **style)
    if len(table) <= 12:
        for i, row in enumerate(table.sort_values(x).itertuples()):
            shift = (4, 5) if i % 2 else (4, -12)
            axes.annotate(row.model, (getattr(row, x), row.accuracy), shift, textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_ylabel("accuracy (test split)")
    axes.legend(loc="lower right")
