"""Published figures for the panels of a figure: beside ours, or grey, never without saying which."""

from pathlib import Path

import pandas as pd

from nanotrigger.plan import Plan
from nanotrigger.results.comparability import Ours, active_rules, standing
from nanotrigger.results.published import published_table

COLUMNS = ["id", "model", "paper", "source", "confidence", "caveat", "stage", "part", "metric"]


def published_beside(plan: Plan, path: Path, ours: Ours, x: str) -> pd.DataFrame:
    """Published rows that have an accuracy and `x` (a column of resources/published_results.csv), beside our panel.

    Columns `accuracy` (a fraction), x, `standing` (comparable, excepted or grey), `differs`, `despite` and
    `reason`, and those that say whose figures they are. Another definition of x is another quantity: such rows are left out.
    """
    table, rules = published_table(path), active_rules(plan)
    rows = []
    for row in table[table.value.notna() & table[x].notna()].to_dict("records"):
        found = standing(ours, row, rules, ("value", x))
        if found.word == "refused" or {"bops", "ebops"} & set(found.differs):
            continue
        facts = {c: row[c] for c in COLUMNS} | {"accuracy": row["value"], x: row[x], "standing": found.word}
        said = {"differs": found.differs, "despite": found.despite, "reason": found.reasons}
        rows.append(facts | {c: ", ".join(names) or None for c, names in said.items()})
    said = ["accuracy", x, "standing", "differs", "despite", "reason"]
    return pd.DataFrame(rows, columns=[*COLUMNS, *said])
