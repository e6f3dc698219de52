"""AND gates against the cost that was planned with.

Two-input ANDs of each design, by the flow of examples/and_gates, against alkaid's cost of its adders, by which they were
shared: an estimate of LUTs before anything is mapped. Inverters and flip-flops are not counted.
"""

import pandas as pd

from nanotrigger.plots._labels import name_point
from nanotrigger.plots._style import COLOURS, MARKERS, method_name, subplots
from nanotrigger.results.records import read_json

COLUMNS = ["model", "seed", "flow", "adder_cost", "ands"]


def plot(plan, inputs):
    """The figure and its numbers. inputs: models, the table, and records, those of the designs."""
    records = [record for record in map(read_json, inputs.records) if record["status"] == "done"]
    designs = [{**{key: record[key] for key in COLUMNS[:4]}, "ands": record["cells"]["AND"]} for record in records]
    methods = pd.read_csv(inputs.models)[["model", "seed", "method"]]
    table = pd.DataFrame(designs, columns=COLUMNS).merge(methods, on=["model", "seed"])
    figure, axes = subplots()
    for i, (method, rows) in enumerate(table.groupby("method", sort=False)):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "linestyle": ""}
        axes.plot(rows.adder_cost, rows.ands, label=method_name(method), **style)
    for row in table.itertuples():
        name_point(axes, row.model, row.adder_cost, row.ands)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.15)
    axes.set_xlabel("alkaid's cost of the adders (LUTs)")
    axes.set_ylabel("two-input ANDs")
    return figure, table
