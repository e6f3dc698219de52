"""Accuracy against effective bit operations.

Accuracy on the test split, with 95 % intervals, against effective bit operations (2405.00645). Open black diamonds:
published figures of the same dataset and metric. Grey: published on the same dataset, but not comparable, for what the legend
names (the authors' checkpoints state accuracies of a validation split). None is shown beside generated jets.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from nanotrigger.plots._style import accuracy_points, published_points, together
from nanotrigger.results.beside import published_beside
from nanotrigger.results.comparability import Ours, our_dataset

needs = ("models", "published")


def applies(available):
    return "data" in available


def plot(plan, inputs):
    table = pd.read_csv(inputs.models)
    figure, ax = plt.subplots()
    accuracy_points(ax, table, "ebops", list(table.method.unique()))
    published = published_beside(plan, Path(inputs.published), Ours(our_dataset(plan)), "ebops")
    published_points(ax, published, "ebops")
    ax.set_xlabel("EBOPs")
    numbers = table[["model", "method", "seed", "ebops", "accuracy", "accuracy_low", "accuracy_high"]]
    return figure, together([numbers.assign(published=False), published.assign(published=True)])
