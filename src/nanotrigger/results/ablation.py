"""The ablation of 2304.06745: precision, L1 penalty and batch normalisation, with the BOPs that the penalty saves.

Rows are the models of the run whose method takes part (its `roles`), at each precision that is trained by more than one
recipe; a run may hold some of the paper's rows, or more.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.methods.base import Precision, layer_sizes
from nanotrigger.plan import Model, Plan
from nanotrigger.qonnx.costs import hawq_layer_bops

RECIPES = ("baseline", "L1", "BN", "L1+BN")
COLUMNS = [
    "precision", "recipe", "model", "seeds", "accuracy", "accuracy_low", "accuracy_high", "val_accuracy", "nonzero", "bops",
    "bops_unpruned",
]  # fmt: skip
"""nonzero: share of weights and biases that are not zero, over all layers; bops: with that share of each layer."""


def recipe(params: Any) -> str:
    """How a model is trained, as the paper names it."""
    return RECIPES[(params.l1 > 0) + 2 * params.batch_norm]


def compared(plan: Plan) -> dict[str, Precision]:
    """Precision of each model of the run that takes part; a precision with one recipe alone shows no effect of it."""
    found = {}
    for model in plan.models.values():
        stanza = plan.stanzas[model.stanza]
        if "ablation" in stanza.roles:
            found[model.name] = stanza.module.precision(model.params)
    recipes = {(precision.name, recipe(plan.models[name].params)) for name, precision in found.items()}
    several = {name for name, _ in recipes if sum(other == name for other, _ in recipes) > 1}
    return {name: precision for name, precision in found.items() if precision.name in several}


def layer_bops(params: Any, metrics: dict[str, Any], density: list[float]) -> float:
    """BOPs of a model of one width in each layer, with a share of parameters per layer that are not zero."""
    widths = zip(metrics["layer_activation_bits"], metrics["layer_weight_bits"], density, strict=True)
    return sum(hawq_layer_bops(n, m, *w) for (n, m), w in zip(pairwise(layer_sizes(params)), widths, strict=True))


def costs(model: Model, metrics: list[dict[str, Any]], fixed: float | None) -> dict[str, float]:
    """Mean over seeds of what a model costs. fixed: its BOPs where they are not those of the file."""
    if fixed is not None:
        return {"nonzero": 1.0, "bops": fixed, "bops_unpruned": fixed}
    sizes = [n * m + m for n, m in pairwise(layer_sizes(model.params))]
    density = [m["layer_density"] for m in metrics]
    return {
        "nonzero": float(np.mean([np.average(d, weights=sizes) for d in density])),
        "bops": float(np.mean([m["bops_hawq"] for m in metrics])),
        "bops_unpruned": float(np.mean([layer_bops(model.params, m, [1.0] * len(sizes)) for m in metrics])),
    }


def ablation_table(plan: Plan, accuracies: pd.DataFrame, metrics: dict[tuple[str, str], Any]) -> pd.DataFrame:
    """A row per model that takes part, in the order of the run's precisions and the paper's recipes.

    accuracies: the table over seeds; metrics: of each (model, seed folder).
    """
    rows = []
    for name, precision in compared(plan).items():
        model = plan.models[name]
        own = [metrics[name, f"seed{seed}"] for seed in plan.seeds]
        row = {"precision": precision.name, "recipe": recipe(model.params), "model": name}
        rows.append(row | costs(model, own, precision.bops))
    table = pd.DataFrame(rows).merge(accuracies, on="model", how="left")
    order = {name: i for i, name in enumerate([*table.precision.unique(), *RECIPES])}
    return table.sort_values(["precision", "recipe"], key=lambda c: c.map(order), kind="stable")[COLUMNS]
