"""The measured rows: kept as JSON with every repeat, shown as Markdown beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.base import Measurement
from nanotrigger.results.records import read_json, replace_when_whole, write_json

Rows = list[dict[str, Any]]
"""Measurements as `asdict` gives them, with their `topic` and the `run` that measured them."""

HEADER = """# Benchmarks

Made by `make bench` from the measurements in [{data}]({data}): do not edit. `make bench BENCH="TOPIC ..."` measures some
topics again and keeps the other rows.

Median of the repeats, with the smallest and largest where there are several. *Asked* is what the project wants of that median;
it is never a test. *Run* says where and when a row was measured: see the end.
"""
COLUMNS = ("of", "what", "median", "from", "to", "unit", "repeats", "asked", "met", "run")


def merge(rows: Rows, runs: list[dict[str, Any]], run: dict[str, Any], topic: str, measured: Sequence[Measurement],
          whole: bool) -> tuple[Rows, list[dict[str, Any]]]:  # fmt: skip
    """Rows with those of one topic renewed, and the runs that still have a row, in order of first use.

    whole: the topic was measured to its end, so that rows that it did not give are gone.
    """
    new = {(m.subject, m.quantity): {"topic": topic, **asdict(m), "run": run} for m in measured}
    kept = [{**row, "run": runs[row["run"]]} for row in rows if row["topic"] != topic or not whole]
    merged = []
    for row in kept:
        replaced = new.pop((row["subject"], row["quantity"]), row) if row["topic"] == topic else row
        merged.append(replaced)
    merged = sorted([*merged, *new.values()], key=lambda row: row["topic"])
    used: list[dict[str, Any]] = []
    for row in merged:
        if row["run"] not in used:
            used.append(row["run"])
    return [{**row, "run": used.index(row["run"])} for row in merged], used


def read(path: Path) -> tuple[Rows, list[dict[str, Any]]]:
    """Rows and runs of an earlier call; none where there was none."""
    if not path.exists():
        return [], []
    content = read_json(path)
    return content["rows"], content["runs"]


def write(path: Path, rows: Rows, runs: list[dict[str, Any]], titles: Mapping[str, str]) -> None:
    """Write the JSON file `path` and the Markdown file beside it. titles: a topic's docstring."""
    write_json(path, {"rows": rows, "runs": runs})
    with replace_when_whole(path.with_suffix(".md")) as temporary:
        temporary.write_text(render(rows, runs, titles, path.name))


def render(rows: Rows, runs: Sequence[Mapping[str, Any]], titles: Mapping[str, str], data: str) -> str:
    """The Markdown text. data: name of the JSON file."""
    parts = [HEADER.format(data=data)]
    for topic in dict.fromkeys(row["topic"] for row in rows):
        title, _, text = titles.get(topic, topic).strip().partition("\n")
        lines = [_line(row) for row in rows if row["topic"] == topic]
        rule = ["---", "---", *["---:"] * 3, "---", "---:", "---", "---", "---"]
        table = "\n".join(_cells(line) for line in (COLUMNS, rule, *lines))
        parts.append(
            f"## {topic}: {title.strip().removesuffix('.')}\n\n{text.strip()}\n\n{table}\n".replace("\n\n\n\n", "\n\n")
        )
    parts.append("## Runs\n\n" + "\n".join(_run(number, run) for number, run in enumerate(runs, 1)) + "\n")
    return "\n".join(parts)


def number(value: float) -> str:
    """Four significant digits; whole numbers in full."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _line(row: Mapping[str, Any]) -> list[str]:
    measurement = Measurement(**{key: row[key] for key in Measurement.__dataclass_fields__})
    values = measurement.values
    several = len(values) > 1
    asked = [f"≤ {number(row['at_most'])}"] if row["at_most"] is not None else []
    asked += [f"≥ {number(row['at_least'])}"] if row["at_least"] is not None else []
    met = {None: "", True: "yes", False: "**no**"}[measurement.met]
    return [
        row["subject"],
        row["quantity"],
        number(measurement.median),
        number(min(values)) if several else "",
        number(max(values)) if several else "",
        row["unit"],
        str(len(values)),
        ", ".join(asked),
        met,
        str(row["run"] + 1),
    ]


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |"


def _run(number: int, run: Mapping[str, Any]) -> str:
    commit = "no commit" if run["commit"] is None else f"commit {run['commit'][:10]}{' with changes' * run['dirty']}"
    versions = ", ".join(f"{name} {value}" for name, value in run["versions"].items())
    note = f" {run['note']}" if run["note"] else ""
    return (
        f"{number}. {run['date']}, {commit}. {run['processor']}, {run['cores']} cores, {run['memory_gib']} GiB, "
        f"{run['system']}, load {run['load']} before. {versions}.{note}"
    )
