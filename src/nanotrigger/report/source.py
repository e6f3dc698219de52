"""What a report is made of: the plan of a run, and those of its files that are its own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan
from nanotrigger.results.records import read_json

LABELS = ("arxiv", "version", "id", "item")
"""Columns of texts that look like numbers: of 2006.10160 no digit may be lost."""


PAGES = 100
"""Models of a run up to which each has a page and all its rows: a report of thousands is 100 MB, which no browser opens."""


@dataclass(frozen=True)
class Failure:
    """A job that failed: its log below the logs of the run, and the message at its end."""

    log: str
    message: str


@dataclass(frozen=True)
class Source:
    """The files of a run that its report shows.

    results: the folder of the run; files: below it, each with its path from there; figures: of each figure's module, by
    name, its docstring (`text`) and the kinds of input that it reads (`needs`). failures: None for a run that finished.
    """

    plan: Plan
    results: Path
    files: frozenset[str]
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: tuple[Failure, ...] | None = None
    _read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, plan: Plan, results: Path, paths: Iterable[str | Path], **others: Any) -> "Source":
        """A source of files given by their paths; those outside of `results`, as sources of the package, are left out."""
        inside = (Path(path) for path in paths)
        names = (p.relative_to(results).as_posix() for p in inside if p.is_relative_to(results))
        return cls(plan, Path(results), frozenset(names), **others)

    def path(self, name: str) -> Path | None:
        return self.results / name if name in self.files else None

    def text(self, name: str) -> str | None:
        path = self.path(name)
        return None if path is None else path.read_text()

    def json(self, name: str) -> Any:
        path = self.path(name)
        return None if path is None else read_json(path)

    def table(self, name: str) -> pd.DataFrame | None:
        """A CSV file of the run; None where it has none. Raises NanotriggerError naming a file that cannot be read."""
        path = self.path(name)
        if path is None:
            return None
        try:
            if name not in self._read:
                # "NA" and the like are names as any other: only an empty cell is empty
                options = {"keep_default_na": False, "na_values": [""], "low_memory": False}
                self._read[name] = pd.read_csv(path, dtype=dict.fromkeys(LABELS, str), **options)
            return self._read[name]
        except pd.errors.EmptyDataError:
            return pd.DataFrame()
        except (OSError, ValueError) as error:
            raise NanotriggerError(f"{path}: cannot be read ({error}). Delete it and run again.") from None

    def names(self, folder: str, suffix: str) -> list[str]:
        """Files right in a folder of the run, without their ending, in alphabetical order."""
        pattern = re.compile(rf"{re.escape(folder)}/([^/]+){re.escape(suffix)}")
        return sorted(match[1] for name in self.files if (match := pattern.fullmatch(name)))

    @cached_property
    def designs(self) -> pd.DataFrame | None:
        """The table of designs: of an unfinished run as far as it came; None where neither was written."""
        finished = self.table("tables/hardware.csv")
        return self.table("tables/hardware_unfinished.csv") if finished is None else finished

    @cached_property
    def paged(self) -> tuple[str, ...]:
        """The models that have a page, in the run's order: all of them up to PAGES.

        Of more, those on their method's front of accuracy against cost, then the most accurate ones, on the validation split.
        """
        names = tuple(self.plan.models)
        if len(names) <= PAGES:
            return names
        fronts, accuracies = self.table("tables/fronts.csv"), self.table("tables/accuracies.csv")
        order: list[str] = []
        if fronts is not None and len(fronts):
            order += list(fronts[fronts.on_front].sort_values("val_accuracy", ascending=False, kind="stable").model)
        if accuracies is not None and len(accuracies):
            order += list(accuracies.sort_values("val_accuracy", ascending=False, kind="stable").model)
        chosen = set(list(dict.fromkeys(name for name in (*order, *names) if name in self.plan.models))[:PAGES])
        return tuple(name for name in names if name in chosen)


def anchor(*parts: object) -> str:
    """Fragment of a link to a part of the report; letters, digits and . _ - alone, so that it needs no quoting."""
    return "-".join(re.sub(r"[^\w.]+", "_", str(part), flags=re.ASCII) for part in parts)
