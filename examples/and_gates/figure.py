"""AND gates against effective bit operations.

Two-input ANDs of each design, by the flow of examples/and_gates, against the EBOPs of its network, a count of its
multiplications alone. Inverters and flip-flops are not counted.
"""

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._labels import name_point
from nanotrigger.plots._style import COLOURS, MARKERS, method_name
from nanotrigger.results.records import read_json


def plot(plan, inputs):
    """The figure and its numbers. inputs: models, the table, and records, those of the designs."""
    designs = [
        {"model": record["model"], "seed": record["seed"], "flow": record["flow"], "ands": record["cells"]["AND"]}
        for record in map(read_json, inputs.records)
        if record["status"] == "done"
    ]
    table = pd.DataFrame(designs, columns=["model", "seed", "flow", "ands"])
    models = pd.read_csv(inputs.models)[["model", "method", "seed", "ebops"]]
    table = table.merge(models, on=["model", "seed"]).dropna(subset=["ebops"])
    figure, axes = plt.subplots()
    for i, (method, rows) in enumerate(table.groupby("method", sort=False)):
        axes.plot(rows.ebops, rows.ands, MARKERS[i % 7], color=COLOURS[i % 7], label=method_name(method))
        for row in rows.itertuples():
            name_point(axes, row.model, row.ebops, row.ands)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.15)
    axes.set_xlabel("EBOPs")
    axes.set_ylabel("two-input ANDs")
    return figure, table
