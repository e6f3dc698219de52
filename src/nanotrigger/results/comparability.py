"""Which published figures may stand beside ours, and what keeps the others apart.

A figure depends on more than its name: an accuracy on the dataset and the metric, look-up tables also on the stage at which
they were counted and the part, a latency in ns also on whether the clock is the target or the achieved one, BOPs on their
definition. Where any of these differs or is not known, a published figure is refused as a comparison, unless `run.compare`
names the exception; what stands there for orientation is grey, and a footnote names the differences.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from nanotrigger.config import DIFFERENCES, Compare
from nanotrigger.errors import ConfigError
from nanotrigger.plan import Plan

BINDING: dict[str, tuple[str, ...]] = {
    "value": ("dataset", "metric"),
    "bops": ("dataset", "bops"),
    "ebops": ("dataset", "ebops"),
    "latency_cycles": ("dataset", "stage", "part", "encoder"),
    "latency_ns": ("dataset", "stage", "part", "encoder", "clock"),
    "ii": ("dataset", "stage", "part", "encoder"),
    "fmax_mhz": ("dataset", "stage", "part", "encoder"),
    **dict.fromkeys(
        ("lut", "lut_percent", "ff", "dsp", "dsp_percent", "bram36"), ("dataset", "stage", "part", "encoder")
    ),
}
"""What must agree for each published column to be comparable with ours."""

ACCURACIES = ("test_accuracy", "val_accuracy", "val_or_test_accuracy", "best_epoch_accuracy", "reported_accuracy")
"""Metrics that are accuracies of a tagger; of these all but the first are grey, every other metric is left out."""


@dataclass(frozen=True)
class Ours:
    """What our side of a comparison is.

    dataset: row of config/datasets.csv; None for generated jets, which are no published set.
    """

    dataset: str | None
    stage: str | None = None
    part: str | None = None
    metric: str = "test_accuracy"
    bops: str = "hawq"
    ebops: str = "hgq2"
    clock: str = "target"
    task: str = "jets_features"


def same_part(ours: str | None, published: str | None) -> bool:
    """Whether all that is published of the part (device, package, grade) is so of ours; false where one is not known."""
    if not ours or not published:
        return False
    stated, own = (set(part.lower().split("-")) for part in (published, ours))
    return stated <= own


def differences(ours: Ours, published: Mapping[str, Any]) -> list[str]:
    """Names of what differs between our figures and a published row; what is not known differs.

    Of `task` (never excepted) and nanotrigger.config.DIFFERENCES, in that order.
    """

    def known(name: str) -> Any:
        value = published.get(name)
        return None if value is None or pd.isna(value) else value

    same = {
        "task": known("task") == ours.task,
        "dataset": ours.dataset is not None and known("dataset") == ours.dataset,
        "metric": known("metric") == ours.metric,
        "stage": ours.stage is not None and known("stage") == ours.stage,
        "part": same_part(ours.part, known("part")),
        "bops": known("bops_definition") == ours.bops,
        "ebops": known("ebops_definition") == ours.ebops,
        "clock": known("clock_convention") == ours.clock,
        # ours count the whole network; where a network has no encoder there is nothing to leave out
        "encoder": known("encoder_included") not in ("no", "unknown"),
    }
    return [name for name in ("task", *DIFFERENCES) if not same[name]]


def matches(rule: Compare, published: Mapping[str, Any]) -> bool:
    """Whether a rule of run.compare is about this row: by its id, arXiv number or model."""
    names = (published["id"], published["arxiv"], published["model"])
    return any(isinstance(name, str) and fnmatchcase(name, rule.published) for name in names)


@dataclass(frozen=True)
class Standing:
    """How a published row stands beside ours.

    word: `comparable`, `excepted` (comparable by run.compare), `grey` (some figures are not comparable) or `refused`.
    grey: per column that has a figure, the differences that keep it apart; despite: differences that run.compare excepts,
    with its reasons. differs: all names in `grey`, or why the row is refused.
    """

    word: str
    differs: tuple[str, ...] = ()
    grey: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    despite: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def standing(
    ours: Ours, published: Mapping[str, Any], rules: Sequence[Compare] = (), columns: Iterable[str] = BINDING
) -> Standing:
    """How a published row may stand beside ours, in these columns.

    Another task, dataset or kind of metric, and what was only recalled, is refused: nothing of it is shown.
    """
    if published["confidence"] == "memory":
        return Standing("refused", ("memory",))
    differ = differences(ours, published)
    applying = [rule for rule in rules if matches(rule, published)]
    excepted = {name for rule in applying for name in rule.despite}
    present = [c for c in columns if not pd.isna(published[c])]
    if not present:
        return Standing("refused", ("no figure",))
    apart = [name for name in differ if name == "task" or (name == "dataset" and name not in excepted)]
    if published["metric"] not in (None, *ACCURACIES) and not pd.isna(published["metric"]):
        apart.append("metric")
    if apart:
        return Standing("refused", tuple(apart))
    bound = {c: [name for name in BINDING[c] if name in differ] for c in present}
    grey = {c: tuple(n for n in names if n not in excepted) for c, names in bound.items()}
    grey = {c: names for c, names in grey.items() if names}
    used = [name for name in DIFFERENCES if name in excepted and any(name in names for names in bound.values())]
    reasons = tuple(dict.fromkeys(rule.reason for rule in applying if set(rule.despite) & set(used)))
    differs = tuple(name for name in DIFFERENCES if any(name in names for names in grey.values()))
    word = "grey" if grey else "excepted" if used else "comparable"
    return Standing(word, differs, grey, tuple(used), reasons)


def best_standing(
    contexts: Sequence[Ours], published: Mapping[str, Any], rules: Sequence[Compare], columns: Iterable[str] = BINDING
) -> Standing:
    """The standing beside that of our designs which the row differs least from."""
    order = ("comparable", "excepted", "grey", "refused")
    found = [standing(ours, published, rules, columns) for ours in contexts]
    return min(found, key=lambda s: (order.index(s.word), sum(map(len, s.grey.values()))))


def our_dataset(plan: Plan) -> str | None:
    """Row of config/datasets.csv that the run's jets are; None for generated jets, vectors of one's own and parts of a set."""
    dataset = plan.config.datasets.get(plan.config.run.dataset)
    return getattr(dataset, "name", None) if getattr(dataset, "as_published", True) else None


def contexts(plan: Plan, hardware: pd.DataFrame) -> list[Ours]:
    """Our sides of the comparison: one per stage and part that the run has figures of, or one without hardware."""
    measured = hardware[hardware.stage.notna()] if len(hardware) else hardware
    pairs = measured[["stage", "part"]].drop_duplicates().itertuples(index=False) if len(measured) else ()
    dataset = our_dataset(plan)
    found = [Ours(dataset, stage, None if pd.isna(part) else part) for stage, part in pairs]
    return found or [Ours(dataset)]


def active_rules(plan: Plan) -> list[Compare]:
    """The exceptions of run.compare that hold for this run's dataset."""
    return [r for r in plan.config.run.compare if r.dataset in (None, plan.config.run.dataset)]


def check_rules(plan: Plan, published: pd.DataFrame) -> None:
    """Raises ConfigError where an exception is about no published row, or about rows that are never shown."""
    rows = published.to_dict("records") if plan.config.run.compare else []
    for i, rule in enumerate(plan.config.run.compare):
        about = [row for row in rows if matches(rule, row)]
        if not about:
            raise ConfigError(
                f"config: run.compare[{i}].published = {rule.published!r}: no row of resources/published_results.csv has "
                "such an id, arxiv or model."
            )
        if all(row["confidence"] == "memory" for row in about):
            raise ConfigError(
                f"config: run.compare[{i}].published = {rule.published!r}: these rows were only recalled, and are never "
                "compared."
            )


def standings(
    plan: Plan, published: pd.DataFrame, ours: Sequence[Ours], columns: Iterable[str] = BINDING
) -> list[Standing]:
    """How each published row stands in this run, in the order of the table."""
    columns, rules = tuple(columns), active_rules(plan)
    return [best_standing(ours, row, rules, columns) for row in published.to_dict("records")]


def sentence(found: Sequence[Standing]) -> str:
    """What a footnote says of the rows that are refused; empty if none is."""
    why = {"memory": "recalled from memory only", "no figure": "without such a figure"}
    # by the first reason: a row of another task is also of another dataset
    counts = pd.Series([s.differs[0] for s in found if s.word == "refused"], dtype=object).value_counts(sort=False)
    parts = [f"{n} {why.get(name, f'of another {name}')}" for name, n in counts.items() if name != "no figure"]
    return f"Published rows that are not shown: {', '.join(parts)}." if parts else ""
