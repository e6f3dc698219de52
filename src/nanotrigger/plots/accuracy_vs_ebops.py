"""Accuracy against effective bit operations.

Accuracy on the test split, with 95 % intervals, against effective bit operations (2405.00645).
"""

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import accuracy_points

needs = ("models",)


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.models)
    figure, ax = plt.subplots()
    accuracy_points(ax, table, "ebops", list(table.method.unique()))
    ax.set_xlabel("EBOPs")
    return figure, table[["model", "method", "seed", "ebops", "accuracy", "accuracy_low", "accuracy_high"]]
