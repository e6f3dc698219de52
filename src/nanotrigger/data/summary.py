"""The table of a run's dataset: jets of each split and class, and where they come from."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import SPLITS, read_dataset
from nanotrigger.results.records import replace_when_whole, sha256


def dataset_table(data: Path) -> pd.DataFrame:
    """A row per split.

    `repeated_jets` counts test jets that are, in all features, train or validation jets as well; `sha256` is of the
    dataset, `checked_by` what vouches for the published files that it was made of.
    """
    dataset = read_dataset(data)
    with h5py.File(data, "r") as file:
        attributes = dict(file.attrs)
    rows = []
    for split in SPLITS:
        y = getattr(dataset, split).y
        rows.append(
            {
                "split": split,
                "jets": len(y),
                **{
                    f"jets_{name}": int(count) for name, count in zip(CLASSES, np.bincount(y, minlength=5), strict=True)
                },
                "repeated_jets": int(attributes["repeated_test_jets"]) if split == "test" else None,
                "source": dataset.source,
                "standardised_on": attributes["standardised_on"],
                "checked_by": attributes.get("checked_by"),
                "sha256": sha256(data),
            }
        )
    return pd.DataFrame(rows).astype({"repeated_jets": "Int64"})


def write_dataset_table(data: str, path: str) -> None:
    """Write tables/dataset.csv."""
    with replace_when_whole(Path(path)) as temporary:
        dataset_table(Path(data)).to_csv(temporary, index=False, lineterminator="\n")
