"""Figures of merit of a classifier, and the check that its file is the model."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import read_dataset, read_vectors
from nanotrigger.results.records import read_array, read_json, write_json
from nanotrigger.results.statistics import accuracy_interval, area_under_curve


def classification(logits: np.ndarray, y: np.ndarray | None) -> dict[str, float]:
    """Accuracy and, of jets, the area under the ROC curve of each class against the rest, with 95 % intervals.

    logits: (vectors, classes); y: (vectors,), or None where no labels are known: then nothing is claimed. The intervals are
    of this network on other jets (see `results.statistics`); what other seeds add is in the tables over all seeds.
    """
    if y is None:
        return {}
    correct = int((logits.argmax(1) == y).sum())
    interval = accuracy_interval(correct, len(y))
    jets = logits.shape[1] == len(CLASSES) and set(np.unique(y)) == set(range(len(CLASSES)))
    scores, areas = scipy.special.softmax(logits, 1), {}
    for i, name in enumerate(CLASSES if jets else ()):
        area, bounds = area_under_curve(y == i, scores[:, i])
        areas[f"auc_{name}"] = area
        if bounds:
            areas |= {f"auc_{name}_low": bounds.low, f"auc_{name}_high": bounds.high}
    return {
        "test_jets": len(y),
        "accuracy": correct / len(y),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        **areas,
    }


def val_accuracy(qonnx: Path, vectors: Path) -> dict[str, float]:
    """Accuracy of a QONNX file on the dataset's validation split, by which models are chosen; none on own vectors."""
    from nanotrigger.qonnx.execute import execute

    if vectors.suffix == ".npz":
        return {}
    val = read_dataset(vectors).standardised("val")
    logits, _ = execute(qonnx, val.x)
    return {"val_accuracy": float((logits.argmax(1) == val.y).mean())}


def check_export(name: str, inputs: Any, outputs: Any) -> None:
    """Run the QONNX file on the whole test split, and stop the run where it is not exactly what the method predicts.

    Writes the metrics of the file's own outputs, and those outputs (jets, classes) float64 on the test split.
    """
    from nanotrigger.qonnx.execute import compare, execute

    test = read_vectors(Path(inputs.vectors))
    logits, overflows = execute(Path(inputs.qonnx), test.x)
    mismatches = compare(logits, read_array(Path(inputs.predictions)), name)
    np.save(outputs.outputs, logits)
    exactness = {"qonnx_vectors": len(logits), "qonnx_mismatches": mismatches, "overflows": overflows}
    chosen_by = val_accuracy(Path(inputs.qonnx), Path(inputs.vectors))
    write_json(outputs.metrics, classification(logits, test.y) | chosen_by | exactness | read_json(inputs.costs))
