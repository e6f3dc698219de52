"""Stratified train, validation and test splits."""

import numpy as np
from sklearn.model_selection import train_test_split

from nanotrigger.data.dataset import Split
from nanotrigger.errors import DataError


def split_jets(x: np.ndarray, y: np.ndarray, test_fraction: float, val_fraction: float, seed: int) -> dict[str, Split]:
    """Split jets into train, val and test with equal class shares.

    x: (jets, features); y: (jets,). `test_fraction` is of all jets, `val_fraction` of what remains.
    Raises DataError where a class has too few jets for every split to hold one.
    """
    try:
        rest, test = train_test_split(np.arange(len(y)), test_size=test_fraction, random_state=seed, stratify=y)
        train, val = train_test_split(rest, test_size=val_fraction, random_state=seed, stratify=y[rest])
    except ValueError as error:
        raise DataError(
            f"{len(y)} jets cannot be split into train, val and test ({error}). Ask for more jets."
        ) from None
    return {name: Split(x[rows], y[rows]) for name, rows in {"train": train, "val": val, "test": test}.items()}
