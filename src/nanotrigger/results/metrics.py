"""Figures of merit of a classifier, and the check that its file is the model."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import read_vectors
from nanotrigger.results.records import read_json, write_json


def classification(logits: np.ndarray, y: np.ndarray | None) -> dict[str, float]:
    """Accuracy with its 95 % interval (Wilson) and, of jets, the area under the ROC curve of each class against the rest.

    logits: (vectors, classes); y: (vectors,), or None where no labels are known: then nothing is claimed.
    """
    if y is None:
        return {}
    correct = int((logits.argmax(1) == y).sum())
    interval = binomtest(correct, len(y)).proportion_ci(0.95, "wilson")
    scores = softmax(logits, 1)
    jets = logits.shape[1] == len(CLASSES) and set(np.unique(y)) == set(range(len(CLASSES)))
    names = CLASSES if jets else ()
    return {
        "test_jets": len(y),
        "accuracy": correct / len(y),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        **{f"auc_{name}": float(roc_auc_score(y == i, scores[:, i])) for i, name in enumerate(names)},
    }


def check_export(name: str, inputs: Any, outputs: Any) -> None:
    """Run the QONNX file on the whole test split, and stop the run where it is not exactly what the method predicts.

    Writes the metrics of the file's own outputs, and those outputs (jets, classes) float64.
    """
    from nanotrigger.qonnx.execute import compare, execute

    test = read_vectors(Path(inputs.vectors))
    logits, overflows = execute(Path(inputs.qonnx), test.x)
    mismatches = compare(logits, np.load(inputs.predictions, allow_pickle=False), name)
    np.save(outputs.outputs, logits)
    exactness = {"qonnx_vectors": len(logits), "qonnx_mismatches": mismatches, "overflows": overflows}
    write_json(outputs.metrics, classification(logits, test.y) | exactness | read_json(inputs.costs))
