"""The history of a training: a CSV with a row per epoch."""

import csv
from collections.abc import Sequence
from pathlib import Path


def write_history(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write a training's history as CSV, a row per epoch; without rows where nothing was trained."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["epoch"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.8g}" for k, v in row.items()} for row in rows)
