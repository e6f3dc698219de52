"""Validation accuracy over the epochs of every training.

Validation accuracy and training loss over epochs. An HGQ training walks beta upwards, so its accuracy falls as the
network shrinks; its budgets share the walk. Of more than 12 stanzas colours tell the methods, and of more than 60 different
curves 60 are drawn, evenly over the run's; the CSV has all.
"""

import io
from pathlib import Path

import pandas as pd

from nanotrigger.plots._style import COLOURS, WIDTH, evenly, method_name, subplots

needs = ("histories",)

NAMED = 12
"""More stanzas than that share the colour and the name of their method."""

CURVES = 60


def applies(available):
    return "trained" in available


def histories(paths):
    """All histories as one table, with columns `model` and `seed`; those of models from elsewhere are empty.

    Files of the same columns are read as one: each on its own takes pandas a millisecond.
    """
    texts = {}
    for place, path in enumerate(map(Path, paths)):
        header, _, body = path.read_text().partition("\n")
        name = f"{place},{path.parent.parent.name},{path.parent.name.removeprefix('seed')}"
        texts.setdefault(header, []).extend(f"{name},{line}\n" for line in body.splitlines() if line)
    tables = [
        pd.read_csv(io.StringIO(f"place,model,seed,{header}\n{''.join(lines)}"), dtype={"model": str})
        for header, lines in texts.items()
        if lines
    ]
    table = pd.concat(tables).sort_values("place", kind="stable").drop(columns="place")
    return table[[*(c for c in table if c not in ("model", "seed")), "model", "seed"]]


def plot(plan, inputs):
    table = histories(inputs.histories)
    table["stanza"] = table.model.map(lambda m: plan.models[m].stanza)
    figure, (left, right) = subplots(2, 1, figsize=(WIDTH, 6.8), sharex=True)
    # the budgets of one walk share its history
    parts = {}
    for (stanza, _, _), part in table.groupby(["stanza", "model", "seed"], sort=False):
        parts.setdefault((stanza, tuple(part.val_accuracy)), part)
    many = len(plan.stanzas) > NAMED
    names = {
        s.name: method_name(s.module.__name__.rpartition(".")[2]) if many else s.name for s in plan.stanzas.values()
    }
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(names[s] for s, _ in parts))}
    labels = set()
    for (stanza, _), part in evenly(list(parts.items()), CURVES):
        name = names[stanza]
        style = {"color": colours[name], "alpha": 0.8} | ({"linewidth": 0.7} if len(parts) > CURVES else {})
        for ax, column in ((left, "val_accuracy"), (right, "train_loss")):
            ax.plot(part.epoch, part[column], label=None if name in labels else name, **style)
        labels.add(name)
    left.set(ylabel="validation accuracy", xscale="log")
    right.set(xlabel="epoch", ylabel="training loss (cross entropy)", xscale="log")
    legend = left.legend()
    for line in legend.get_lines():
        line.set_alpha(1)
    return figure, table
