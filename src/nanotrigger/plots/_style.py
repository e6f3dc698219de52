"""The look that all figures share, and how one is written."""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import pandas as pd

from nanotrigger.modules import import_module
from nanotrigger.plan import Plan
from nanotrigger.plots._labels import name_point, place_labels
from nanotrigger.results.records import replace_when_whole

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Okabe and Ito's palette, told apart with any colour vision."""

MARKERS = "osD^vPX*<"
"""Two more than colours, so that what has a colour again has another marker."""
CLASS_NAMES = {"g": "gluon", "q": "quark", "w": "W", "z": "Z", "t": "top"}
METHOD_NAMES = {"float": "float, 16-bit export", "hawq": "HAWQ", "hgq": "HGQ", "hgq_lut": "HGQ-LUT"}

COLUMN = 3.4
"""Width of one column of a journal in inches, at which figures are printed."""

WIDTH = 5.2
"""Width at which figures are drawn; panels stand below each other."""

SMALLEST = 9.2
"""Smallest font size of a figure of that width: 6 pt in print."""

STYLE = {
    "figure.figsize": (WIDTH, 3.9),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.borderpad": 0.2,
    "axes.linewidth": 1.0,
    **{f"{axis}tick.{kind}.size": size for axis in "xy" for kind, size in (("major", 6), ("minor", 3))},
    "lines.linewidth": 1.4,
    "lines.markersize": 5.5,
    "savefig.dpi": 160,
}


@cache
def pyplot() -> ModuleType:
    """matplotlib's, without a window. Loaded by what draws alone: Snakemake reads all figures' modules whenever it starts."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def subplots(*shape: int, **options: Any) -> tuple[Any, Any]:
    """A figure and its axes, as matplotlib's `subplots`."""
    return pyplot().subplots(*shape, **options)


def evenly(names: Sequence[Any], most: int) -> list[Any]:
    """At most so many of `names`, the first and the last among them and the others evenly between; all where they are few."""
    names = list(names)
    if len(names) <= most:
        return names
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def method_name(method: str) -> str:
    """Label of a method in legends: its own name if it is not one of ours."""
    return METHOD_NAMES.get(method, method)


def draw(name: str, plan: Plan, inputs: Any, outputs: Any) -> None:
    """Draw one figure as PNG and PDF, with its numbers as CSV beside it.

    name: of a module of nanotrigger.plots, or the dotted path of one's own.
    """
    import mplhep

    plt = pyplot()
    plt.style.use([mplhep.style.ROOT, STYLE, {"axes.prop_cycle": plt.cycler(color=COLOURS)}])
    figure, numbers = import_module(name, "nanotrigger.plots").plot(plan, inputs)
    if not figure.legends and not any(ax.get_legend() for ax in figure.axes):
        legends_outside(figure)
    place_labels(figure)
    size = f"smallest text {smallest_text(figure):.1f} pt at a width of {COLUMN} in"
    for path, options in (
        (outputs.png, {"format": "png", "metadata": {"Software": None}}),
        (outputs.pdf, {"format": "pdf", "metadata": {"CreationDate": None, "Keywords": size}}),
    ):
        with replace_when_whole(path) as temporary:
            figure.savefig(temporary, **options)
    with replace_when_whole(outputs.csv) as temporary:
        numbers.to_csv(temporary, index=False, lineterminator="\n")


def smallest_text(figure: Any) -> float:
    """Size in points of the smallest visible text when the figure is printed as wide as a column."""
    from matplotlib.text import Text

    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return min(t.get_fontsize() for t in texts) * min(1, COLUMN / figure.get_figwidth())


POINTS = 200


def accuracy_points(axes: Any, table: Any, x: str, methods: list[str]) -> None:
    """Accuracy with its 95 % interval against a cost, with names beside the points where they are few.

    methods: all methods of the run, so that each has one colour and marker in every figure. Models without labelled
    vectors have no accuracy and no point. Of more than POINTS points the intervals would cover each other: they are left out.
    """
    table = table.dropna(subset=["accuracy", x])
    many = len(table) > POINTS
    for i, method in enumerate(methods):
        rows = table[table.method == method]
        if not len(rows):
            continue
        errors = None if many else [rows.accuracy - rows.accuracy_low, rows.accuracy_high - rows.accuracy]
        style = {"color": COLOURS[i % len(COLOURS)], "fmt": MARKERS[i % len(MARKERS)], "capsize": 2}
        style |= {"markersize": 2.5, "markeredgewidth": 0} if many else {}
        axes.errorbar(rows[x], rows.accuracy, yerr=errors, label=method_name(method), elinewidth=0.9, **style)
    if len(table) <= 12:
        for row in table.itertuples():
            name_point(axes, row.model, getattr(row, x), row.accuracy)
    axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.set_ylabel("accuracy (test split)")


GREY = "#8a8a8a"
"""Colour of what is shown for orientation and not compared."""

PUBLISHED = {"comparable": ("black", "D", 4.5), "excepted": ("black", "^", 5), "grey": (GREY, "s", 3.5)}
"""Colour, marker and size of published figures, all hollow, by how they stand beside ours."""


def published_points(axes: Any, rows: Any, x: str) -> None:
    """Published figures, hollow and behind ours; the legend says which may be compared, and what differs in the others.

    rows: as of `results.beside.published_beside`.
    """
    for word, (colour, marker, size) in PUBLISHED.items():
        part = rows[rows.standing == word]
        if not len(part):
            continue
        differs, despite = (_names(part[column]) for column in ("differs", "despite"))
        label = {
            "comparable": "published, comparable",
            "excepted": f"published, compared despite: {', '.join(despite)}",
            "grey": f"published, not comparable: {' or '.join(differs)}",
        }[word]
        if word == "grey" and despite:
            label += f"\n(some shown at all only by an exception: {', '.join(despite)})"
        style = {"color": colour, "markerfacecolor": "none", "markersize": size, "linestyle": "", "zorder": 1}
        axes.plot(part[x].astype(float), part.accuracy.astype(float), marker=marker, label=label, **style)


def _names(cells: Any) -> list[str]:
    """All names in cells of names with commas, each once."""
    return list(dict.fromkeys(name for cell in cells.dropna() for name in cell.split(", ")))


def together(numbers: list[Any]) -> Any:
    """Our numbers and the published ones in one table."""
    table = pd.concat([part for part in numbers if len(part)] or numbers, ignore_index=True)
    return table.astype({"seed": "Int64"})


def legends_outside(figure: Any) -> None:
    """Legends of a figure that has none of its own: methods above the axes, published figures below, as its footnote."""
    found: dict[str, Any] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    published = {label: handle for label, handle in found.items() if label.startswith("published")}
    ours = {label: handle for label, handle in found.items() if label not in published}
    for part, where, columns in ((ours, "outside upper center", 3), (published, "outside lower center", 1)):
        if part:
            figure.legend(part.values(), part.keys(), loc=where, ncols=columns)
