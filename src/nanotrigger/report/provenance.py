"""What the results were made from: commit, packages, tools, hashes and the whole configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from nanotrigger.report.source import Source

TITLE = "Provenance"


def flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Keys and values of nested dictionaries, the keys dotted; lists in brackets, None as null."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _text(value)))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def manifests(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Manifests of the models that are there, each with the name of its model and seed."""
    for model in source.plan.models:
        for seed in source.plan.seeds:
            if (found := source.json(f"models/{model}/seed{seed}/manifest.json")) is not None:
                yield f"{model}, seed {seed}", found


def hashes(source: Source) -> list[tuple[str, str]]:
    """Path and SHA-256 of every input that a manifest names."""
    found = {path: value for _, m in manifests(source) for path, value in m.get("inputs", {}).items()}
    return sorted(found.items())


def versions(source: Source) -> list[tuple[str, str, str]]:
    """What every model was made with, and what only some were: name, value, and of which models if not of all."""
    made: dict[tuple[str, str], list[str]] = {}
    number = 0
    for name, manifest in manifests(source):
        number += 1
        git = manifest.get("git") or {}
        commit = git.get("commit") or "not a git checkout"
        state = {None: "", True: ", with changes that are not committed", False: ""}[git.get("dirty")]
        pairs = [("commit", commit + state), ("Python", manifest.get("python") or "not recorded")]
        for key, value in (*pairs, *sorted(manifest.get("packages", {}).items())):
            made.setdefault((key, str(value)), []).append(name)
    return [(key, value, "" if len(of) == number else "; ".join(of)) for (key, value), of in made.items()]


def tools(source: Source) -> list[tuple[str, str, str]]:
    """Flow, tool and version of the designs that have any."""
    designs = source.designs
    if designs is None or not len(designs):
        return []
    rows = designs[["flow", "tool", "version"]].dropna(subset=["version"]).astype(object)
    rows = rows.where(rows.notna(), "")
    return sorted({tuple(map(str, row)) for row in rows.itertuples(index=False)})


def content(source: Source) -> dict[str, Any]:
    return {
        "versions": versions(source),
        "tools": tools(source),
        "hashes": hashes(source),
        "config": source.text("config.yaml"),
    }
