"""Accuracy at equal cost: the front of each method, and where and why that of one that searches for it lies below another's.

A method's front at a cost is its most accurate model, on the validation split, of at most that cost; what it is worth is
its accuracy on the test split, which had no part in choosing it. Costs are EBOPs, counted alike for all methods whose
networks multiply; those of look-up tables are HGQ2's estimate of the same quantity, their LUTs.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.plan import Plan
from nanotrigger.results.comparisons import right_answers, tested_alike
from nanotrigger.results.pareto import pareto_front
from nanotrigger.results.records import read_json, replace_when_whole
from nanotrigger.results.statistics import compare, holm

RANGE = (500.0, 20_000.0)
"""EBOPs within which fronts are compared: the networks that a trigger has room for."""

ABOVE, BELOW, SAME, ONLY, NONE = "above", "below", "not told apart", "only this method", "only the other method"
"""How a front lies against another: by the 95 % interval of the difference, or by which has a model at all."""

POINT_COLUMNS = ["method", "model", "vectors", "seeds", "ebops", "val_accuracy", "accuracy", "accuracy_low",
                 "accuracy_high", "on_front"]  # fmt: skip
COMPARED_COLUMNS = [
    "method", "other", "vectors", "ebops_from", "ebops_to", "model", "other_model", "val_accuracy", "other_val_accuracy",
    "seeds", "test_jets", "difference", "difference_low", "difference_high", "p_value", "p_holm", "verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A model: its mean cost and mean accuracy on the validation split over its seeds."""

    model: str
    cost: float
    val_accuracy: float


@dataclass(frozen=True)
class Segment:
    """Costs from `low` to `high` over which two fronts stay as they are; a model is None where a front has none yet."""

    low: float
    high: float
    first: str | None
    second: str | None


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no cheaper or equally dear one equals in validation accuracy, cheapest first."""
    on_front = pareto_front(np.array([p.cost for p in points]), np.array([p.val_accuracy for p in points]))
    kept = sorted(itertools.compress(points, on_front), key=lambda p: (p.cost, p.model))
    return [p for i, p in enumerate(kept) if not i or p.cost > kept[i - 1].cost]


def best_at(steps: Sequence[Point], cost: float) -> str | None:
    """The model of a front at a cost; None below its cheapest."""
    affordable = [point for point in steps if point.cost <= cost]
    return affordable[-1].model if affordable else None


def segments(first: Sequence[Point], second: Sequence[Point], low: float, high: float) -> list[Segment]:
    """Where two fronts are compared: from each cost at which one changes to the next, not where neither has a model."""
    inside = {point.cost for point in (*first, *second) if low < point.cost < high}
    found = []
    for start, end in itertools.pairwise([low, *sorted(inside), high]):
        pair = best_at(first, start), best_at(second, start)
        if pair != (None, None):
            found.append(Segment(start, end, *pair))
    return found


def compared(
    first: Sequence[Point], second: Sequence[Point], right: Callable[[str], np.ndarray]
) -> list[dict[str, Any]]:
    """A row per segment of two fronts within RANGE; right(model): (seeds, jets) bool.

    Beside the difference on the test split stand both accuracies on the validation split, by which the models were chosen.
    """
    chosen_by = {point.model: point.val_accuracy for point in (*first, *second)}
    rows = []
    for segment in segments(first, second, *RANGE):
        row = {"ebops_from": segment.low, "ebops_to": segment.high, "model": segment.first}
        row |= {"other_model": segment.second}
        row |= {"val_accuracy": chosen_by.get(segment.first), "other_val_accuracy": chosen_by.get(segment.second)}
        if segment.first is None or segment.second is None:
            row["verdict"] = NONE if segment.first is None else ONLY
        else:
            a, b = right(segment.first), right(segment.second)
            result = compare(a, b)
            low, high = result.interval
            row |= {"seeds": len(a), "test_jets": a.shape[1], "difference": result.difference}
            row |= {"difference_low": low, "difference_high": high, "p_value": result.p_value}
            row["verdict"] = ABOVE if low > 0 else BELOW if high < 0 else SAME
        rows.append(row)
    return rows


def corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their p-values corrected for how many different pairs of models were compared (Holm)."""
    tested = {(r["model"], r["other_model"]): r["p_value"] for r in rows if "p_value" in r}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [{**r, "p_holm": adjusted.get((r["model"], r["other_model"]))} for r in rows]


def compare_fronts(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write the table of all models with their methods' fronts, and that of fronts compared at equal cost."""
    files = {Path(path).parts[-3:-1]: path for path in inputs.outputs}
    metrics = {Path(path).parts[-3:-1]: read_json(path) for path in inputs.metrics}
    # the intervals of a thousand models, drawn already
    drawn = pd.read_csv(inputs.accuracies).set_index("model")[["seeds", "accuracy", "accuracy_low", "accuracy_high"]]
    accuracies = drawn.to_dict("index")
    points, rows = [], []
    for group in tested_alike(plan, inputs.get("data"), inputs.get("own_vectors", [])):

        def right(model: str, y: np.ndarray = group.y) -> np.ndarray:
            return np.stack([right_answers(files[model, f"seed{seed}"], y) for seed in plan.seeds])

        found: dict[str, list[Point]] = {}
        for model in group.models:
            means = [_mean(metrics[model, f"seed{seed}"].get(key) for seed in plan.seeds) for key in KEYS]
            if None not in means:
                found.setdefault(_method(plan, model), []).append(Point(model, *means))
        fronts = {method: front(of_method) for method, of_method in found.items()}
        for method, of_method in found.items():
            kept = {point.model for point in fronts[method]}
            for point in sorted(of_method, key=lambda p: p.cost):
                row = accuracies[point.model]
                names = {"method": method, "model": point.model, "vectors": group.name, "on_front": point.model in kept}
                points.append({**row, **names, "ebops": point.cost, "val_accuracy": point.val_accuracy})
        for method, other in _pairs(plan, fronts):
            names = {"method": method, "other": other, "vectors": group.name}
            rows += [{**row, **names} for row in compared(fronts[method], fronts[other], right)]
    tables = ((points, POINT_COLUMNS, outputs.fronts), (corrected(rows), COMPARED_COLUMNS, outputs.compared))
    for content, columns, path in tables:
        with replace_when_whole(path) as temporary:
            pd.DataFrame(content).reindex(columns=columns).to_csv(temporary, index=False, lineterminator="\n")


KEYS = ("ebops", "val_accuracy")


def _mean(values: Any) -> float | None:
    values = list(values)
    return None if None in values else float(np.mean(values))


def _method(plan: Plan, model: str) -> str:
    return plan.stanzas[plan.models[model].stanza].module.__name__.rpartition(".")[2]


def _pairs(plan: Plan, fronts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A method that searches for a front is compared with every other."""
    searching = {_method(plan, model) for model, m in plan.models.items() if "front" in plan.stanzas[m.stanza].roles}
    return [(method, other) for method in fronts for other in fronts if method in searching and other != method]


def reason(row: Any) -> str:
    """Why a front lies below in a row of the table: the test split does not confirm the choice, or there was no better one."""
    accuracies = f"{row.val_accuracy:.4f} against {row.other_val_accuracy:.4f}"
    if row.val_accuracy < row.other_val_accuracy:
        return f"None of its models of this run within this cost is as accurate on the validation split ({accuracies})."
    where = "ahead" if row.val_accuracy > row.other_val_accuracy else "level"
    chosen = f"{row.model} was chosen on the validation split, where it was {where} ({accuracies})"
    return f"{chosen}: the test split does not confirm the choice."


def statement(table: pd.DataFrame, points: pd.DataFrame, name: Callable[[str], str] = str) -> str:
    """What the table of compared fronts says, in words, with a reason for each cost at which one lies below or has no model.

    points: the table of all models; name: of a method in figures. Empty where none were compared.
    """
    texts = []
    for method, rows in table.groupby("method", sort=False):
        told = rows[rows.verdict.isin([ABOVE, BELOW, SAME])]
        below = told[told.verdict == BELOW]
        verdict = "lies below another one" if len(below) else "lies nowhere below another one beyond the 95 % interval"
        count = f"{len(told)} comparisons, {(told.verdict == ABOVE).sum()} above, {len(below)} below"
        count = f" ({count}, {(told.verdict == SAME).sum()} not told apart)"
        where = f"From {RANGE[0]:,.0f} to {RANGE[1]:,.0f} EBOPs the front of {name(method)}"
        texts.append(f"{where} {verdict}{count}." if len(told) else f"{where} meets no other method's.")
        texts += [
            f"It lies below that of {name(r.other)} from {r.ebops_from:,.0f} to {r.ebops_to:,.0f} "
            f"({r.model} against {r.other_model}: {100 * r.difference:+.1f} percentage points, 95 % interval "
            f"{100 * r.difference_low:+.1f} to {100 * r.difference_high:+.1f}). {reason(r)}"
            for r in below.itertuples()
        ]
        for vectors, absent in rows[rows.verdict == NONE].groupby("vectors", sort=False):
            texts += [
                f"It has no model from {r.ebops_from:,.0f} to {r.ebops_to:,.0f}, where {name(r.other)} has {r.other_model}."
                for r in absent.itertuples()
            ]
            own = points[(points.method == method) & (points.vectors == vectors)]
            texts.append(
                f"Its cheapest model of this run has {own.ebops.min():,.0f} EBOPs; a smaller budget, a value of its stanza's "
                "key ebops, gives a cheaper one, as far down as its training goes."
            )
    return " ".join(texts)
