"""The papers' figures, and which of them may stand beside ours.

A published row is shown only where dataset and metric are the same; its hardware figures carry its own stage, since the
papers place and route with vendor tools. Figures recalled from memory are never shown.
"""

from pathlib import Path

import pandas as pd

from nanotrigger.config import DownloadedDataset, PythiaDataset

PUBLISHED_NAME = {"openml_42468": "OpenML 42468"}
"""How resources/published_results.csv names our datasets."""


def comparable_rows(path: Path, dataset: PythiaDataset | DownloadedDataset | None) -> tuple[pd.DataFrame, list[str]]:
    """Published rows of the same dataset and metric, as rows of the summary, and the footnotes they need."""
    if dataset is None:
        return pd.DataFrame(), []
    if isinstance(dataset, PythiaDataset):
        return pd.DataFrame(), [
            "Jets generated with Pythia 8 in the style of the published sets: no published figure may stand beside them."
        ]
    rows = pd.read_csv(path)
    same = (
        rows.dataset.fillna("").str.contains(PUBLISHED_NAME[dataset.name], regex=False)
        & rows.accuracy_kind.fillna("").str.startswith("test acc")
        & (rows.source_confidence == "from_source")
        & rows.accuracy_pct.notna()
    )
    rows = rows[same]
    placed = rows.lut.notna()
    table = pd.DataFrame(
        {
            "model": rows.model,
            "flow": "published: " + rows.paper,
            "accuracy": pd.to_numeric(rows.accuracy_pct, errors="coerce") / 100,
            "stage": placed.map({True: "place_and_route", False: None}),
            **{
                c: pd.to_numeric(rows[c], errors="coerce") for c in ("lut", "ff", "dsp", "latency_cycles", "latency_ns")
            },
            "status": "published, " + rows.tool.fillna("tool not stated"),
        }
    )
    return table, [
        "Rows marked 'published' are the papers' own, on the same dataset and metric (resources/published_results.csv).",
        "Their LUT, FF, DSP and latency come after place and route by vendor tools, ours from the stage named in each row: "
        "they are not the same quantity.",
    ]
