"""The report of a run that failed: what there is of it, and what its jobs said last."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nanotrigger.logs import MARK, TRACEBACK, ended_well, last_error
from nanotrigger.plan import Model, Plan
from nanotrigger.redaction import redacted_data
from nanotrigger.report.source import Failure, Source
from nanotrigger.report.write import write_report
from nanotrigger.results.records import read_json, sha256


def failures(logs: Path, since: float) -> tuple[Failure, ...]:
    """Jobs whose log, written after `since` (seconds since the epoch), ends with an error."""
    found = []
    for log in sorted(logs.rglob("*.log")):
        text = log.read_text(errors="replace") if log.stat().st_mtime >= since else ""
        if any(mark in text for mark in (MARK, TRACEBACK)) and not ended_well(text):
            found.append(Failure(log.relative_to(logs).with_suffix("").as_posix(), last_error(log)))
    return tuple(found)


class Current:
    """Which files below a run's folder are its own, and not of an earlier configuration or of other jets.

    A model is, if its manifest names the stanza that the plan has, and the hashes of the files that are there. What is made
    from all models and designs is, if they all are there and none of them is newer.
    """

    def __init__(self, plan: Plan, results: Path):
        self.plan, self.results = plan, results
        self.hashes: dict[Path, str] = {}
        self.confirmed: set[Path] = set()

    def same(self, path: Path, expected: str) -> bool:
        if path not in self.hashes and path.is_file():
            self.hashes[path] = sha256(path)
        if self.hashes.get(path) != expected:
            return False
        self.confirmed.add(path)
        return True

    def model(self, model: Model, seed: int) -> list[Path]:
        folder = self.results / "models" / model.name / f"seed{seed}"
        manifest, metrics, network = (folder / name for name in ("manifest.json", "metrics.json", "model.onnx"))
        if not manifest.is_file() or not network.is_file():
            return []
        found, module = read_json(manifest), self.plan.stanzas[model.stanza].module
        stanza = redacted_data({"method": module.__name__, **model.params.model_dump(mode="json")})
        if found.get("stanza") != stanza or not all(self.same(Path(p), h) for p, h in found.get("inputs", {}).items()):
            return []
        compared = [metrics] if metrics.is_file() and metrics.stat().st_mtime >= network.stat().st_mtime else []
        return [manifest, network, *(path for path in [folder / "history.csv"] if path.is_file()), *compared]

    def files(self, reported: Iterable[str | Path]) -> list[Path]:
        """reported: what a finished run ends with; of it, what stands for this run's models and designs."""
        plan, results = self.plan, self.results
        kept = [path for model in plan.models.values() for seed in plan.seeds for path in self.model(model, seed)]
        made = [path for path in kept if path.name == "metrics.json"]
        wanted = len(plan.models) * len(plan.seeds) + len(plan.pairs) * len(plan.seeds)
        for pair in plan.pairs:
            folders = (results / "hardware" / pair.model / f"seed{seed}" / pair.flow for seed in plan.seeds)
            made += [path for folder in folders if (path := folder / "record.json").is_file()]
        if made and len(made) == wanted:
            newest = max(path.stat().st_mtime for path in made)
            paths = (Path(path) for path in reported)
            kept += [p for p in paths if p.is_file() and p.stat().st_mtime >= newest]
        dataset = results / "data" / f"{plan.config.run.dataset}.h5"
        config, designs = results / "config.yaml", results / "tables/hardware_unfinished.csv"
        if dataset in self.confirmed:
            kept.append(dataset)
        if config.is_file() and yaml.safe_load(config.read_text()) == plan.config.public():
            kept.append(config)
        return [*kept, designs] if designs.is_file() else kept


def write_unfinished_report(
    plan: Plan,
    results: Path,
    logs: Path,
    since: float,
    reported: Iterable[str | Path],
    figures: Mapping[str, Mapping[str, Any]],
) -> Path:
    """Write the report of a run that failed, beside that of a finished one. Arguments as of `failures` and Source."""
    path = results / "report_unfinished.html"
    files = Current(plan, results).files(reported)
    write_report(Source.of(plan, results, files, figures=figures, failures=failures(logs, since)), path)
    return path
