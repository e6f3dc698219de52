"""Run a QONNX file with the stock executor and compare it with what its method predicts."""

import json
from pathlib import Path

import numpy as np
import onnx
import qonnx.core.onnx_exec as stock
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes

from nanotrigger.errors import ExportError, NanotriggerError
from nanotrigger.qonnx.export import TRACED

ROWS = 16384
"""Jets per pass of the executor, which keeps every tensor of the graph."""


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file. Raises NanotriggerError that names it if it is absent or damaged."""
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds for damaged files
        raise NanotriggerError(f"{path}: not a readable ONNX file ({error}).") from None
    if not model.graph.node:
        raise NanotriggerError(f"{path}: not an ONNX model: its graph is empty.")
    return model


def execute(path: Path, x: np.ndarray) -> tuple[np.ndarray, int]:
    """Outputs of the stock executor, and the number of activations that left a traced range.

    x: (jets, features) float32, standardised. Returns (jets, classes) float64 and a count.
    """
    model = load_model(path)
    traced = json.loads({p.key: p.value for p in model.metadata_props}.get(TRACED, "[]"))
    name, output = model.graph.input[0].name, model.graph.output[0].name
    parts, overflows, size, wrapper = [], 0, None, None
    for start in range(0, len(x), ROWS):
        part = x[start : start + ROWS]
        if len(part) != size:
            size = len(part)
            wrapper = ModelWrapper(onnx.load(path)).transform(ChangeBatchSize(size)).transform(InferShapes())
        tensors = stock.execute_onnx(wrapper, {name: part}, return_full_exec_context=True)
        parts.append(tensors[output].astype(np.float64))
        for before, after in traced:
            # a pruned element is clipped to zero by design: that is no overflow
            kept = tensors[f"{after}_low"] != tensors[f"{after}_high"]
            overflows += int(((tensors[before] != tensors[after]) & kept).sum())
    return np.concatenate(parts), overflows


def compare(outputs: np.ndarray, expected: np.ndarray, model: str) -> int:
    """Number of rows of `outputs` that differ anywhere from `expected`, both (jets, classes).

    Raises ExportError naming the model and its first differing row where there is one.
    """
    if outputs.shape != expected.shape:
        raise ExportError(f"{model}: its QONNX file gives outputs {outputs.shape}, its method {expected.shape}.")
    rows = np.flatnonzero((outputs != expected).any(1))
    if len(rows):
        first = rows[0]
        raise ExportError(
            f"{model}: the QONNX file differs from the method's predict in {len(rows)} of {len(outputs)} jets; "
            f"first in row {first}: file {outputs[first].tolist()}, predict {expected[first].tolist()}."
        )
    return 0
