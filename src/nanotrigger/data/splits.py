"""Train, validation and test splits: the papers', and stratified ones."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from nanotrigger.data.dataset import Split
from nanotrigger.errors import DataError

PUBLISHED_TEST_FRACTION, PUBLISHED_SEED = 0.2, 42


def split_jets(x: np.ndarray, y: np.ndarray, test_fraction: float, val_fraction: float, seed: int) -> dict[str, Split]:
    """Split jets into train, val and test with equal class shares.

    x: (jets, features); y: (jets,). `test_fraction` is of all jets, `val_fraction` of what remains.
    Raises DataError where a class has too few jets for every split to hold one.
    """
    rows = stratified_rows(y, test_fraction, val_fraction, seed)
    return {name: Split(x[of], y[of]) for name, of in rows.items()}


def stratified_rows(y: np.ndarray, test_fraction: float, val_fraction: float, seed: int) -> dict[str, np.ndarray]:
    """Rows of train, val and test with equal class shares; see `split_jets`."""
    try:
        rest, test = train_test_split(np.arange(len(y)), test_size=test_fraction, random_state=seed, stratify=y)
        train, val = train_test_split(rest, test_size=val_fraction, random_state=seed, stratify=y[rest])
    except ValueError as error:
        raise DataError(
            f"{len(y)} jets cannot be split into train, val and test ({error}). Ask for more jets."
        ) from None
    return {"train": train, "val": val, "test": test}


def published_rows(jets: int, val_fraction: float) -> dict[str, np.ndarray]:
    """Rows of train, val and test of a set in one file, as the papers draw them.

    Test jets are scikit-learn's `train_test_split(test_size=0.2, random_state=42)` without stratification, in its order:
    166,000 of OpenML's 830,000 (hls4ml tutorial; 2207.07958; 2405.00645). Validation jets are the last `val_fraction` of
    the others in that order, as Keras' `validation_split` takes them.
    """
    rest, test = train_test_split(np.arange(jets), test_size=PUBLISHED_TEST_FRACTION, random_state=PUBLISHED_SEED)
    first = int(len(rest) * (1 - val_fraction))
    return {"train": rest[:first], "val": rest[first:], "test": test}


def archive_rows(train_jets: int, test_jets: int, val_fraction: float, seed: int) -> dict[str, np.ndarray]:
    """Rows of train, val and test of a set published as two archives, train jets before test jets.

    The archive that its publishers call val is the papers' test: they report on it. Models must not be chosen on it as
    well (2304.06745 does), so that validation jets are drawn at random from the train archive. Every split keeps the
    order of its archive.
    """
    drawn = np.random.default_rng(seed).permutation(train_jets)[: round(train_jets * val_fraction)]
    is_val = np.zeros(train_jets, bool)
    is_val[drawn] = True
    rows = {"train": np.flatnonzero(~is_val), "val": np.flatnonzero(is_val)}
    return {**rows, "test": train_jets + np.arange(test_jets)}


def subset_rows(rows: dict[str, np.ndarray], jets: int, seed: int) -> dict[str, np.ndarray]:
    """A random part of every split, in its order, so that `jets` remain and the splits keep their shares.

    Raises DataError where there are fewer.
    """
    total = sum(map(len, rows.values()))
    if jets > total:
        raise DataError(f"a subset of {jets} jets was asked for, the set has {total}. Ask for fewer.")
    ends = np.round(np.cumsum([0, *(len(of) for of in rows.values())]) * (jets / total)).astype(int)
    rng = np.random.default_rng(seed)
    return {
        name: of[np.sort(rng.permutation(len(of))[:count])]
        for (name, of), count in zip(rows.items(), np.diff(ends), strict=True)
    }


def repeated_jets(train: np.ndarray, test: np.ndarray) -> int:
    """Number of test jets whose features are, all of them and exactly, those of a train jet.

    train, test: (jets, features) float32.
    """
    # -0 equals 0
    frames = [pd.DataFrame(part + np.float32(0)) for part in (train, test)]
    hashes = [pd.util.hash_pandas_object(frame, index=False).to_numpy() for frame in frames]
    candidates = np.isin(hashes[1], hashes[0])
    if not candidates.any():
        return 0
    seen = {row.tobytes() for row in frames[0].to_numpy()[np.isin(hashes[0], hashes[1][candidates])]}
    return sum(row.tobytes() in seen for row in frames[1].to_numpy()[candidates])
