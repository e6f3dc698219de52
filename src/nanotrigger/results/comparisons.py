"""Accuracies of a run's models over their seeds, and which of them differ: paired, on the jets that both were tested on."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.data.dataset import read_vectors
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan
from nanotrigger.results.records import read_array, read_json, replace_when_whole, sha256
from nanotrigger.results.statistics import compare, holm, model_interval, seeds_interval

ALL_PAIRS = 15
"""Up to so many models (105 pairs) each is compared with each; more are compared with the reference alone."""

ACCURACY_COLUMNS = [
    "model", "vectors", "seeds", "test_jets", "accuracy", "accuracy_low", "accuracy_high", "seeds_sd", "seeds_low",
    "seeds_high", "val_accuracy",
]  # fmt: skip
COMPARISON_COLUMNS = [
    "model", "other", "other_is_reference", "vectors", "seeds", "test_jets", "difference", "difference_low",
    "difference_high", "only_model_right", "only_other_right", "test", "p_value", "p_holm", "comparisons",
]  # fmt: skip


@dataclass(frozen=True)
class Tested:
    """Models that were tested on the same labelled vectors. name: of the vectors; y: (vectors,); models: in the run's order."""

    name: str
    y: np.ndarray
    models: tuple[str, ...]


def tested_alike(plan: Plan, dataset: str | None, own_vectors: Iterable[str]) -> list[Tested]:
    """The run's models by what they were tested on; those without labels are in none.

    own_vectors: training/<stanza>/vectors.npz of the stanzas that bring their own. Files of the same content are the same
    vectors.
    """
    own = {Path(path).parent.name: str(path) for path in own_vectors}
    groups: dict[str, tuple[str, list[str]]] = {}
    hashes = {path: sha256(Path(path)) for path in (*own.values(), *([dataset] if dataset else []))}
    for name, model in plan.models.items():
        path = own.get(model.stanza, dataset)
        groups.setdefault(hashes[path], (path, []))[1].append(name)
    found = []
    for path, models in groups.values():
        y = read_vectors(Path(path)).y
        if y is not None:
            found.append(Tested(plan.config.run.dataset if path == dataset else path, y, tuple(models)))
    return found


def pairs(models: tuple[str, ...], reference: str) -> list[tuple[str, str]]:
    """Which models are compared: each with the reference; up to ALL_PAIRS models, also the others among each other."""
    with_reference = [(model, reference) for model in models if model != reference]
    if len(models) > ALL_PAIRS:
        return with_reference
    return with_reference + list(combinations((m for m in models if m != reference), 2))


def best_of(models: tuple[str, ...], val_accuracy: dict[str, float | None]) -> str:
    """The model of highest accuracy on the validation split, which the test split has no part in choosing.

    The first of equals; the run's first model where none has one, as on vectors of one's own.
    """
    return max(models, key=lambda model: -1.0 if val_accuracy[model] is None else val_accuracy[model])


def accuracy_row(right: np.ndarray) -> dict[str, float]:
    """Mean accuracy of a model's replicas with its interval; right: (seeds, jets) bool."""
    low, high = model_interval(right)
    row = {"seeds": len(right), "test_jets": right.shape[1], "accuracy": float(right.mean())}
    row |= {"accuracy_low": low, "accuracy_high": high}
    if len(right) > 1:
        means = right.mean(1)
        row |= dict(zip(("seeds_low", "seeds_high"), seeds_interval(means))) | {"seeds_sd": float(means.std(ddof=1))}
    return row


def comparison_rows(
    models: tuple[str, ...], reference: str, right: Callable[[str], np.ndarray]
) -> list[dict[str, Any]]:
    """A row per compared pair, with p-values adjusted for all of them. right(model): (seeds, jets) bool."""
    rows = []
    for model, other in pairs(models, reference):
        found = compare(right(model), right(other))
        rows.append(
            {
                "model": model,
                "other": other,
                "other_is_reference": other == reference,
                "seeds": len(right(model)),
                "test_jets": right(model).shape[1],
                "difference": found.difference,
                "difference_low": found.interval.low,
                "difference_high": found.interval.high,
                "only_model_right": found.only_first,
                "only_other_right": found.only_second,
                "test": found.test,
                "p_value": found.p_value,
            }
        )
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"p_holm": adjusted, "comparisons": len(rows)}
    return rows


def compare_models(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write the tables of accuracies over seeds and of compared models."""
    files = {Path(path).parts[-3:-1]: path for path in inputs.outputs}
    metrics = {Path(path).parts[-3:-1]: read_json(path) for path in inputs.metrics}

    def mean_val_accuracy(model: str) -> float | None:
        found = [metrics[model, f"seed{seed}"].get("val_accuracy") for seed in plan.seeds]
        return None if None in found else float(np.mean(found))

    accuracies, comparisons = [], []
    for group in tested_alike(plan, inputs.get("data"), inputs.get("own_vectors", [])):

        @functools.lru_cache(maxsize=ALL_PAIRS)  # memory does not grow with the models: one of many is read twice
        def right(model: str, y: np.ndarray = group.y) -> np.ndarray:
            return np.stack([right_answers(files[model, f"seed{seed}"], y) for seed in plan.seeds])

        val_accuracy = {model: mean_val_accuracy(model) for model in group.models}
        common = {"vectors": group.name}
        for model in group.models:
            row = {"model": model, "val_accuracy": val_accuracy[model], **accuracy_row(right(model))}
            accuracies.append(row | common)
        rows = comparison_rows(group.models, best_of(group.models, val_accuracy), right)
        comparisons += [row | common for row in rows]
    for rows, columns, path in (
        (accuracies, ACCURACY_COLUMNS, outputs.accuracies),
        (comparisons, COMPARISON_COLUMNS, outputs.comparisons),
    ):
        with replace_when_whole(path) as temporary:
            pd.DataFrame(rows).reindex(columns=columns).to_csv(temporary, index=False, lineterminator="\n")


def right_answers(path: str, y: np.ndarray) -> np.ndarray:
    """Whether the outputs (vectors, classes) in a file are largest for the label, (vectors,) bool."""
    outputs = read_array(Path(path))
    if len(outputs) != len(y):
        raise NanotriggerError(f"{path}: {len(outputs)} outputs, but {len(y)} labels. Delete it and run again.")
    return outputs.argmax(1) == y
