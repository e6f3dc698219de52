"""Run a QONNX file with the stock executor and compare it with what its method predicts."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import qonnx.core.onnx_exec as stock
from onnx import helper
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

    x: (vectors, ...) float32, shaped as the model's input behind its batch axis. Returns (vectors, outputs) float64 and a
    count.
    """
    model = load_model(path)
    traced = json.loads({p.key: p.value for p in model.metadata_props}.get(TRACED, "[]"))
    parts, overflows = [], 0
    for tensors in _run(model, x):
        parts.append(tensors[model.graph.output[0].name])
        for before, after in traced:
            # a pruned element is clipped to zero by design: that is no overflow
            kept = tensors[f"{after}_low"] != tensors[f"{after}_high"]
            overflows += int(((tensors[before] != tensors[after]) & kept).sum())
    return _rows(parts), overflows


def run_model(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Outputs (vectors, outputs) float64 of the stock executor for vectors (vectors, ...) of the model's input."""
    return _rows([tensors[model.graph.output[0].name] for tensors in _run(model, x)])


def _rows(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([part.reshape(len(part), -1).astype(np.float64) for part in parts])


def _run(model: onnx.ModelProto, x: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """All tensors of the graph, for parts of the vectors in turn."""
    given = model.graph.input[0]
    shape = [d.dim_value for d in given.type.tensor_type.shape.dim[1:]]
    x = x.reshape(len(x), *shape).astype(helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type))
    size, wrapper = None, None
    for start in range(0, len(x), ROWS):
        part = x[start : start + ROWS]
        if len(part) != size:
            size = len(part)
            wrapper = ModelWrapper(model, make_deepcopy=True).transform(ChangeBatchSize(size)).transform(InferShapes())
        yield stock.execute_onnx(wrapper, {given.name: part}, return_full_exec_context=True)


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
