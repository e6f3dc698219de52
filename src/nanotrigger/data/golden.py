"""The golden check: a published model must score on the published test jets exactly what its authors say.

The QKeras model of the QONNX zoo (2206.07527) is right in 126,487 of the 166,000 test jets of OpenML 42468. Any other
number means that jets, their order, their standardisation or the order of the classes are not the papers'. The score is
computed from the published file as the authors did: all 664,000 other jets standardise, in double precision, and the
stock executor runs the file. The run's dataset must hold those very test jets.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.config import DATASETS_TABLE, DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import read_dataset
from nanotrigger.data.download import check, fetch
from nanotrigger.data.formats import read_arff
from nanotrigger.data.lock import Lock
from nanotrigger.data.sources import dataset_files, golden_rows
from nanotrigger.data.splits import PUBLISHED_SEED, PUBLISHED_TEST_FRACTION
from nanotrigger.errors import DataError
from nanotrigger.results.records import replace_when_whole

MODELS_TABLE = DATASETS_TABLE.with_name("models.csv")
COLUMNS = ["model", "dataset", "test_jets", "expected_correct", "correct", "accuracy", "status"]


def tutorial_test_jets(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test jets as the authors of the model made them: raw, standardised, and their labels.

    x: (jets, 16) float64 in the file's order; y: (jets,). Returns (test, 16) float64, (test, 16) float32 and (test,).
    This does not use the project's own splits or standardisation, which it is to check.
    """
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    others, test, _, y_test = train_test_split(x, y, test_size=PUBLISHED_TEST_FRACTION, random_state=PUBLISHED_SEED)
    return test, StandardScaler().fit(others).transform(test).astype(np.float32), y_test


def correct_jets(model: Path, x: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> int:
    """Number of jets whose largest output is that of their class. x: (jets, 16) standardised; classes: the file's order.

    Of equal outputs the first counts, in the file's order, as for its authors.
    """
    from nanotrigger.qonnx.execute import load_model, run_model
    from nanotrigger.qonnx.graph import named

    if sorted(classes) != sorted(CLASSES):
        raise DataError(f"{model}: its classes {', '.join(classes)} are no order of {', '.join(CLASSES)}.")
    index = np.array([CLASSES.index(name) for name in classes])
    outputs = run_model(named(load_model(model)), x)
    return int((index[outputs.argmax(1)] == y).sum())


def score(row: dict[str, Any], model: Path, jets: Path, data: Path, table: Path = DATASETS_TABLE) -> dict[str, Any]:
    """Row of the golden table. model: the published file; jets: OpenML's; data: the run's dataset.

    Raises DataError for a score that is not the published one, and for a dataset that holds other test jets.
    """
    (source,) = dataset_files(row["dataset"], table)
    raw, x, y = tutorial_test_jets(*read_arff(source, jets))
    test = read_dataset(data).test
    if not (np.array_equal(test.x, raw.astype(np.float32)) and np.array_equal(test.y, y)):
        raise DataError(
            f"{data}: its test jets are not the {len(y)} of {row['dataset']} that the papers use. Delete it and run again."
        )
    correct = correct_jets(model, x, y, row["classes"])
    if (correct, len(y)) != (row["correct"], row["test_jets"]):
        raise DataError(
            f"golden: {row['name']} is right in {correct} of {len(y)} test jets of {row['dataset']}; published are "
            f"{row['correct']} of {row['test_jets']}. Jets, their order, standardisation or classes are not the papers', so no "
            f"accuracy of this run may stand beside theirs. Look at {jets} and the versions of scikit-learn and qonnx."
        )
    status = "reproduced exactly"
    return _row(row, status) | {"correct": correct, "accuracy": correct / len(y)}


def _row(row: dict[str, Any], status: str) -> dict[str, Any]:
    known = {"model": row["name"], "dataset": row["dataset"], "test_jets": row["test_jets"]}
    return {**known, "expected_correct": row["correct"], "status": status}


def reason_not_to_run(stanza: PythiaDataset | DownloadedDataset | None) -> str | None:
    """Why a published score cannot be checked on a run's dataset; None where it can."""
    if stanza is None:
        return "the run has no dataset"
    if isinstance(stanza, PythiaDataset):
        return "the run's jets are generated, not the published ones"
    if not stanza.as_published:
        return f"the run uses a subset or another split of {stanza.name}"
    return None


def golden(
    stanza: PythiaDataset | DownloadedDataset | None,
    inputs: Any,
    path: str,
    models: Path = MODELS_TABLE,
    table: Path = DATASETS_TABLE,
    downloads: Path = Path("downloads/models"),
) -> None:
    """Write the golden table: every published score, reproduced or not run and why.

    inputs: `jets`, the published file, and `data`, the run's dataset, where there are any.
    """
    everything = pd.read_csv(models, dtype=str, keep_default_na=False)
    given = getattr(inputs, "jets", [])
    files = [given] if isinstance(given, str) else list(given)
    rows = []
    for dataset in dict.fromkeys(everything["dataset"]):
        for row in golden_rows(dataset, models):
            reason = reason_not_to_run(stanza)
            if reason is None and stanza.name != dataset:
                reason = f"the run's jets are {stanza.name}, the score is of {dataset}"
            if reason is None:
                try:
                    model = published_model(row, stanza.golden_model, downloads, table)
                except DataError as error:
                    reason = str(error).replace("\n", " ")
            rows.append(
                _row(row, f"not run: {reason}")
                if reason
                else score(row, model, Path(files[0]), Path(inputs.data), table)
            )
    with replace_when_whole(Path(path)) as temporary:
        shown = pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"correct": "Int64"})
        shown.to_csv(temporary, index=False, lineterminator="\n")


def published_model(row: dict[str, Any], own: str | None, downloads: Path, table: Path) -> Path:
    """The published model's file: an own copy, or a download; both have the sha256 of the table, or DataError is raised."""
    source, path = row["source"], Path(own) if own else downloads / row["source"].file
    if not path.exists():
        try:
            fetch(source, path, table, attempts=2, wait=1)
        except DataError as error:
            print(error, flush=True)
            raise DataError(
                f"{source.file} could not be downloaded (why: the log of this rule); name a copy of it under golden_model "
                "of the dataset's stanza"
            ) from None
    check(source, path, Lock(table))
    return path
