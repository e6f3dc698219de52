"""Products of matrices with quantised weights, and sums."""

from dataclasses import replace

import numpy as np
import onnx

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import attributes, where
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor, moved, power_of_two
from nanotrigger.qonnx.walk import FLOAT32_BITS, Operands, Walk, bits, both, integers, output_name, scaled


def matmul(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    a, b = both(node, inputs)
    for tensor in (a, b):
        if isinstance(tensor, Floating):
            raise ExportError(f"{where(node)}: reads a floating-point tensor; put a quantiser before it.")
    if a.constant:  # (a b)^T = b^T a^T
        if len(a.shape) != 2 or len(b.shape) != 2:
            raise ExportError(f"{where(node)}: its first input is constant and not both are matrices.")
        flipped = product_of(walk, node, moved([b], "", np.transpose), moved([a], "", np.transpose))
        return replace(moved([flipped], "", np.transpose), name=output_name(node))
    return product_of(walk, node, a, b)


def product_of(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact:
    """a @ b, what is contracted brought to one scale on either side."""
    if len(b.shape) != 2:
        raise ExportError(f"{where(node)}: its second input has shape {b.shape}; a matrix is known.")
    left = _common_scale(a, -1, node)
    right = _common_scale(b, 0, node)
    if b.constant and (wide := bits(right)) > FLOAT32_BITS - 1:
        raise ExportError(
            f"{where(node)}: its weights are floating-point numbers ({wide} bits); quantise them with a Quant node."
        )
    value = walk.multiply(left.value, right.value)
    scale = left.scale[..., :1] * right.scale[:1, :]
    return _noted(walk, node, scaled(value, scale, node))


def reduce_sum(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    """A sum along constant axes, the batch's not among them."""
    x = inputs[0]
    if isinstance(x, Floating):
        raise ExportError(f"{where(node)}: reads a floating-point tensor; put a quantiser before it.")
    given = integers(walk, node, 1, "axes")
    settings = attributes(node)
    if not given and settings.get("noop_with_empty_axes", 0):
        return replace(x, name=output_name(node))
    axes = tuple(sorted({axis % len(x.shape) for axis in given or range(len(x.shape))}))
    if axes[0] == 0:
        raise ExportError(f"{where(node)}: sums over the batch; give the axes behind it.")
    for axis in axes:
        x = _common_scale(x, axis, node)
    keep = bool(settings.get("keepdims", 1))
    # of equal scales the largest is the one
    return _noted(walk, node, scaled(np.sum(x.value, axis=axes, keepdims=keep), x.scale.max(axes, keepdims=keep), node))


def _noted(walk: Walk, node: onnx.NodeProto, result: Exact) -> Exact:
    """The sum, with a note where a float32 executor rounds it."""
    if output_name(node) not in walk.graph.doubles and (wide := bits(result)) > FLOAT32_BITS:
        walk.notes.append(
            f"{where(node)}: sums of up to {wide} bits, exact here; a float32 executor rounds above {FLOAT32_BITS}"
        )
    return result


def _common_scale(tensor: Exact, axis: int, node: onnx.NodeProto) -> Exact:
    """The tensor with one scale along `axis`, the differences absorbed in shifts."""
    first = np.take(tensor.scale, [0], axis)
    ratio = tensor.scale / first
    if not power_of_two(ratio):
        raise ExportError(
            f"{where(node)}: sums over scales that differ by no power of two ({tensor.name}); quantise that axis with one."
        )
    # each sum on its own coarsest grid, so that widths are those of integers
    return replace(tensor, value=tensor.value * ratio, scale=np.broadcast_to(first, tensor.shape))
