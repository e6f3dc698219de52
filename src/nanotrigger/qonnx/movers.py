"""Operators that move or keep elements and compute nothing."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import attributes, where
from nanotrigger.qonnx.symbolic import Exact, Tensor, moved
from nanotrigger.qonnx.walk import Operands, Operator, Walk, integers, output_name


def _kept(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    x = inputs[0]
    return replace(x, name=output_name(node)) if isinstance(x, Exact) else walk.floating(x, node)


def _cast(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    """A Cast to whole numbers keeps those; what it would cut off, or wrap around, is refused."""
    x, kind = inputs[0], helper.tensor_dtype_to_np_dtype(attributes(node)["to"])
    if isinstance(x, Exact) and kind.kind in "iu":
        low, high, step = (v * x.scale for v in x.bounds())
        limits = np.iinfo(kind)
        if ((step < 1) & (low != high)).any() or (low != np.round(low)).any():
            raise ExportError(f"{where(node)}: cuts off the fraction of its input; round it with a quantiser before.")
        if low.min() < limits.min or high.max() > limits.max:
            raise ExportError(f"{where(node)}: numbers from {low.min():g} to {high.max():g} do not fit into {kind}.")
    return _kept(walk, node, inputs)


def _mover(function: Callable[[Walk, onnx.NodeProto, np.ndarray], np.ndarray]) -> Operator:
    """An operator that moves the elements of its first input, given on an array of flat indices."""
    return lambda walk, node, inputs: moved([inputs[0]], output_name(node), lambda i: function(walk, node, i))


def _reshape(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    shape = integers(walk, node, 1, "shape")
    keep = not attributes(node).get("allowzero", 0)
    return index.reshape([index.shape[i] if n == 0 and keep else n for i, n in enumerate(shape)])


def _flatten(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    axis = attributes(node).get("axis", 1)
    return index.reshape(int(np.prod(index.shape[:axis])), -1)


def _transpose(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.transpose(index, attributes(node).get("perm"))


def _squeeze(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    axes = integers(walk, node, 1, "axes")
    return np.squeeze(index, tuple(axes) if axes is not None else None)


def _unsqueeze(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.expand_dims(index, tuple(integers(walk, node, 1, "axes")))


def _expand(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.broadcast_to(index, np.broadcast_shapes(index.shape, tuple(integers(walk, node, 1, "shape"))))


def _gather(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.take(index, walk.graph.constants[node.input[1]], attributes(node).get("axis", 0))


def _slice(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    starts, ends = integers(walk, node, 1, "starts"), integers(walk, node, 2, "ends")
    axes = integers(walk, node, 3, "axes") or list(range(len(starts)))
    steps = integers(walk, node, 4, "steps") or [1] * len(starts)
    parts = [slice(None)] * index.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[axis] = slice(start, None if step < 0 and end < -index.shape[axis] else end, step)
    return index[tuple(parts)]


def _pad(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    settings = attributes(node)
    value = settings.get("value", 0.0)
    if len(node.input) > 2 and node.input[2]:
        value = float(walk.graph.constants[node.input[2]].ravel()[0])
    if settings.get("mode", "constant") != "constant" or value != 0:
        raise ExportError(f"{where(node)}: only padding with zeros is known.")
    pads = integers(walk, node, 1, "pads")
    half = len(pads) // 2
    return np.pad(index, list(zip(pads[:half], pads[half:], strict=True)), constant_values=-1)


def concat(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    axis = attributes(node)["axis"]
    return moved(inputs, output_name(node), lambda *i: np.concatenate(i, axis))


def split(walk: Walk, node: onnx.NodeProto, tensor: Tensor) -> list[Tensor]:
    """The outputs of a Split, the one operator that has several."""
    axis = attributes(node).get("axis", 0)
    sizes = integers(walk, node, 1, "split")
    length = tensor.shape[axis]
    sizes = sizes or [-(-length // len(node.output))] * (len(node.output) - 1)
    ends = list(itertools.accumulate(sizes))[: len(node.output) - 1]
    return [moved([tensor], name, lambda i, n=n: np.split(i, ends, axis)[n]) for n, name in enumerate(node.output)]


MOVERS: dict[str, Operator] = {
    "Reshape": _mover(_reshape),
    "Flatten": _mover(_flatten),
    "Transpose": _mover(_transpose),
    "Squeeze": _mover(_squeeze),
    "Unsqueeze": _mover(_unsqueeze),
    "Expand": _mover(_expand),
    "Gather": _mover(_gather),
    "Slice": _mover(_slice),
    "Pad": _mover(_pad),
    "Cast": _cast,
    "Identity": _kept,
    "Dropout": _kept,
}
"""Those that move or keep the elements of their first input alone."""
