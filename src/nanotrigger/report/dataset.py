"""The jets: where they come from, how they are split, and what they look like."""

import json
from typing import Any

import pandas as pd

from nanotrigger.report import figures
from nanotrigger.report.provenance import flat, hashes
from nanotrigger.report.source import Source
from nanotrigger.report.tables import Table, stored, table

TITLE = "Jets"


def is_of_jets(name: str) -> bool:
    """Whether a table describes the dataset: its name begins so."""
    return name.partition("_")[0] in ("jets", "dataset", "generator")


def splits(source: Source, path: str) -> tuple[Table | None, dict[str, Any]]:
    """Jets of each class in each split, and the attributes of the dataset file but for arrays."""
    import h5py
    import numpy as np

    file_path = source.path(path)
    if file_path is None:
        return None, {}
    with h5py.File(file_path, "r") as file:
        attributes = {key: _plain(value) for key, value in file.attrs.items() if not isinstance(value, np.ndarray)}
        classes = [str(c) for c in file.attrs.get("classes", ())]
        rows = []
        for name, group in file.items():
            if classes and "y" in group:
                counts = np.bincount(group["y"][:], minlength=len(classes))
                rows.append({"split": name, **dict(zip(classes, counts, strict=True)), "all": counts.sum()})
    return (table(pd.DataFrame(rows), "splits", "Jets of each class") if rows else None), attributes


def _plain(value: Any) -> Any:
    """An attribute as plain data: dictionaries are stored as JSON."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def content(source: Source) -> dict[str, Any] | None:
    name = source.plan.config.run.dataset
    stems = filter(is_of_jets, source.names("tables", ".csv"))
    tables = [shown for stem in stems if (shown := stored(source, stem, stem.replace("_", " ")))]
    pictures = [figures.figure(source, stem) for stem in figures.names(source) if figures.of_jets(source, stem)]
    if name is None and not tables and not pictures:
        return None
    counted, attributes = splits(source, f"data/{name}.h5")
    stanza = source.plan.config.datasets[name].model_dump(mode="json") if name else {}
    attributes.pop("stanza", None)
    return {
        "name": name,
        "generated": stanza.get("source") == "pythia",
        "stanza": flat(stanza),
        "attributes": flat(attributes),
        "sha256": next((h for path, h in hashes(source) if path.endswith(f"data/{name}.h5")), None),
        "splits": counted,
        "tables": tables,
        "figures": pictures,
    }
