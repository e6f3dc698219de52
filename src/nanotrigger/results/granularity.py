"""The ablation of what shares a width: each parameter, what leads to a unit, or a layer (2405.00645, 2604.22293).

Rows are the models of the run whose method takes part (its `roles`), of methods that the run trains at two granularities or
more. Costs are EBOPs; those of look-up tables are HGQ2's estimate of the same quantity.
"""

import pandas as pd

from nanotrigger.plan import Plan

COLUMNS = ["method", "granularity", "stanza", "model", "seeds", "ebops", "accuracy", "accuracy_low", "accuracy_high"]
FINEST_FIRST = ("parameter", "channel", "layer")


def compared(plan: Plan) -> dict[str, tuple[str, str]]:
    """Method and granularity of each model of the run that takes part; one granularity alone shows no effect of it."""
    found = {}
    for model in plan.models.values():
        stanza = plan.stanzas[model.stanza]
        if "granularity" in stanza.roles:
            found[model.name] = stanza.module.__name__.rpartition(".")[2], model.params.granularity
    kinds = set(found.values())
    several = {method for method, _ in kinds if sum(other == method for other, _ in kinds) > 1}
    return {name: kind for name, kind in found.items() if kind[0] in several}


def granularity_table(plan: Plan, accuracies: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """A row per model that takes part, finest granularity and cheapest first; methods in the order of the run.

    accuracies: the table over seeds; models: that of every seed, whose mean EBOPs are taken. A model without labelled
    vectors, or whose EBOPs are not known, has no row.
    """
    rows = [
        {"method": method, "granularity": granularity, "stanza": plan.models[name].stanza, "model": name}
        for name, (method, granularity) in compared(plan).items()
    ]
    costs = models.groupby("model").ebops.mean()
    table = (
        pd.DataFrame(rows).join(costs, on="model").merge(accuracies, on="model").dropna(subset=["ebops", "accuracy"])
    )
    order = {name: i for i, name in enumerate([*table.method.unique(), *FINEST_FIRST])}
    keys = ["method", "granularity", "ebops"]
    return table.sort_values(keys, key=lambda c: c if c.name == "ebops" else c.map(order), kind="stable")[COLUMNS]
