"""The ablation of 2304.06745: precision, L1 penalty and batch normalisation, with the BOPs that the penalty saves.

Rows are the models of the run whose method takes part (its `roles`), at each precision that is trained by more than one
recipe; a run may hold some of the paper's rows, or more.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.methods.base import Precision, layer_sizes
from nanotrigger.plan import Model, Plan
from nanotrigger.qonnx.costs import hawq_layer_bops
from nanotrigger.results.records import read_json, replace_when_whole
from nanotrigger.results.tables import latex, markdown

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


def formatted(table: pd.DataFrame) -> pd.DataFrame:
    """The table as papers print it: accuracies in percent with their interval, whole BOPs."""
    interval = [
        f"{100 * r.accuracy:.2f} ({100 * r.accuracy_low:.2f}-{100 * r.accuracy_high:.2f})" for r in table.itertuples()
    ]
    return pd.DataFrame(
        {
            "precision": table.precision,
            "recipe": table.recipe,
            "accuracy, 95 %": interval,
            "not zero": [f"{share:.3f}" for share in table.nonzero],
            "BOPs": [f"{bops:,.0f}" for bops in table.bops],
            "BOPs, nothing zero": [f"{bops:,.0f}" for bops in table.bops_unpruned],
        }
    )


def ablation(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write the table as CSV, Markdown and LaTeX."""
    metrics = {Path(path).parts[-3:-1]: read_json(path) for path in inputs.metrics}
    table = ablation_table(plan, pd.read_csv(inputs.accuracies), metrics)
    shown = formatted(table)
    seeds = f"mean over {len(plan.seeds)} seeds" if len(plan.seeds) > 1 else "one seed"
    note = f"Dataset: {plan.config.run.dataset}; accuracy in percent on its test split, {seeds}."
    if any(precision.bops is not None for precision in compared(plan).values()):
        note += " FP32: accuracy of the 16-bit file."
    texts = {
        outputs.csv: table.to_csv(index=False, lineterminator="\n"),
        outputs.markdown: markdown(shown) + f"\n- {note}\n",
        outputs.latex: latex(shown).replace("%", r"\%") + f"% {note}\n",
    }
    for path, text in texts.items():
        with replace_when_whole(path) as temporary:
            temporary.write_text(text)
