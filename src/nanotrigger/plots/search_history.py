"""What a search tried, and the front of accuracy against cost that it found.

Two panels for each search. Above: score of every candidate (accuracy on the validation split times the forgiving factor of
2006.10159) in the order of the search, and the best so far. Open: candidates that were stopped early, at their last score.
Below: accuracy on the validation split after the few epochs of the search against what the objective counts, with the
front; star: the one that was chosen, which is then trained at full length; dotted: the reference, to which costs are
compared. In a run of more than twelve searches twelve are drawn, evenly over them; the CSV has all.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, WIDTH, evenly, subplots
from nanotrigger.results.records import read_json

needs = ("steps",)

UNITS = {"energy": "energy per inference [pJ]", "bits": "bits of the network"}

SHOWN = 12
"""Searches, evenly over the run's where it has more."""


def applies(available):
    return "search.json" in available


def plot(plan, inputs):
    found = {path.parent.name: read_json(path) for path in map(Path, inputs.steps) if path.name == "search.json"}
    drawn = evenly(list(found), SHOWN)
    figure, axes = subplots(2 * len(drawn), 1, figsize=(WIDTH, 0.8 + 5.4 * len(drawn)))
    panels = dict(zip(drawn, axes.reshape(-1, 2), strict=True))
    tables = []
    for stanza, search in found.items():
        table = pd.DataFrame(search["candidates"]).drop(columns="layers")
        table.insert(0, "stanza", stanza)
        table["cost"] = table[search["objective"]]
        table["best"] = table.score.where(table.finished).cummax().ffill()
        table["chosen"] = table.candidate == search["chosen"]
        table["front"] = _front(table)
        tables.append(table)
        if stanza not in panels:
            continue
        above, below = panels[stanza]
        _history(above, table)
        _costs(below, table, search)
        above.set_ylabel(f"{stanza}: score")
        below.set_ylabel("accuracy (val split)")
    named = {label: line for ax in axes.ravel() for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure, pd.concat(tables)


def _front(table):
    """Whether no other finished candidate is as accurate at a lower cost, or more accurate at none higher."""
    kept = []
    for row in table.itertuples():
        others = table[table.finished & (table.cost <= row.cost) & (table.accuracy >= row.accuracy)]
        better = (others.cost < row.cost) | (others.accuracy > row.accuracy)
        kept.append(bool(row.finished and not better.any()))
    return kept


def _history(ax, table):
    for finished, style in ((False, {"markerfacecolor": "none", "color": "0.55"}), (True, {"color": COLOURS[5]})):
        rows = table[table.finished == finished]
        if len(rows):
            label = "candidates" if finished else "stopped early"
            ax.plot(rows.candidate, rows.score, "o", markersize=4, label=label, **style)
    ax.step(table.candidate, table.best, where="post", color=COLOURS[0], label="best so far")
    row = table[table.chosen]
    ax.plot(row.candidate, row.score, "*", color=COLOURS[1], markersize=14, label="chosen")
    # failed ones would hide the others
    ax.set_ylim(
        bottom=max(table.score.min(), table.score.median() - 3 * (table.score.max() - table.score.median())) - 0.02
    )
    ax.set_xlabel("candidate")


def _costs(ax, table, search):
    rows = table[table.finished]
    ax.plot(rows.cost, rows.accuracy, "o", color=COLOURS[5], markersize=4)
    front = table[table.front].sort_values("cost")
    ax.step(front.cost, front.accuracy, where="post", color=COLOURS[2], label="front")
    row = table[table.chosen]
    ax.plot(row.cost, row.accuracy, "*", color=COLOURS[1], markersize=14, label="chosen")
    ax.axvline(search["reference"][search["objective"]], color="k", linestyle=":", label="reference")
    middle = rows.accuracy.median()
    ax.set_ylim(bottom=max(rows.accuracy.min(), middle - 3 * (rows.accuracy.max() - middle)) - 0.01)
    ax.set(xscale="log", xlabel=UNITS[search["objective"]])
    ticks = np.array([1, 2, 5])[:, None] * 10.0 ** np.arange(1, 7)
    low, high = ax.get_xlim()
    ax.set_xticks([t for t in np.sort(ticks.ravel()) if low <= t <= high])
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    ax.minorticks_off()
