"""Operators that act element by element: sums, products by constants, extremes, rectifiers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import attributes, where
from nanotrigger.qonnx.requantise import multiple
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor, exact_constant, power_of_two
from nanotrigger.qonnx.walk import FLOAT32_BITS, Operands, Operator, Walk, bits, both, output_name, scaled


def _elementwise(exact: Callable[[Walk, onnx.NodeProto, Exact, Exact], Exact | None]) -> Operator:
    """An operator of two tensors: exact where that can be, a float step where one of them is constant."""

    def operator(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
        a, b = both(node, inputs)
        if isinstance(a, Exact) and isinstance(b, Exact):
            result = exact(walk, node, a, b)
            if result is not None:
                return result
        dynamic = [t for t in (a, b) if isinstance(t, Floating) or not t.constant]
        if len(dynamic) == 1:
            return walk.floating(dynamic[0], node)
        if any(isinstance(t, Floating) for t in dynamic):
            raise ExportError(
                f"{where(node)}: combines two tensors of which one is floating-point; quantise it before."
            )
        raise ExportError(f"{where(node)}: its inputs have scales that differ by no power of two; quantise both alike.")

    return operator


def _aligned(a: Exact, b: Exact) -> tuple[Exact, Exact] | None:
    """Both on one scale, if a shift can bring them there."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    a_scale, b_scale = np.broadcast_to(a.scale, shape), np.broadcast_to(b.scale, shape)
    # a constant zero is on any scale
    zero = np.broadcast_to(b.value == 0, shape) if b.constant else np.zeros(shape, bool)
    ratio = np.where(zero, 1.0, b_scale / a_scale)
    if not power_of_two(ratio):
        return None
    value = b.value * (b.scale / a.scale) if b.scale.shape == a.scale.shape else _broadcast(b, shape) * ratio
    return a, replace(b, value=value)


def _broadcast(tensor: Exact, shape: tuple[int, ...]) -> FVArray | np.ndarray:
    values = np.broadcast_to(np.asarray(tensor.value), shape)
    return values if tensor.constant else tensor.symbolic(values)


def _representable(result: Exact) -> bool:
    """Whether the file computes this exactly too; a sum of many digits is a float that rounds."""
    return bits(result) <= FLOAT32_BITS


def _sum(sign: float) -> Operator:
    def exact(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
        first, second = (a, b) if not a.constant else (b, a)
        pair = _aligned(first, second)
        if pair is None:
            return None
        one, other = pair
        value = one.value + sign * other.value if first is a else sign * one.value + other.value
        result = scaled(value, one.scale, node)
        neither = not (a.constant or b.constant)
        double = output_name(node) in walk.graph.doubles
        return result if neither or double or _representable(result) else None

    return _elementwise(exact)


def _product(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
    if not (a.constant or b.constant):
        return scaled(a.value * b.value, a.scale * b.scale, node)
    x, factor = (b, a) if a.constant else (a, b)
    if bits(x) + bits(factor) > FLOAT32_BITS and not power_of_two(np.abs(factor.value)):
        return None  # the file's own product is a float that rounds
    shape = np.broadcast_shapes(a.shape, b.shape)
    return scaled(_multiples(x, factor.value, shape), np.broadcast_to(a.scale * b.scale, shape), node)


def _multiples(x: Exact, factor: np.ndarray, shape: tuple[int, ...]) -> FVArray:
    """x * factor, elementwise, for constants of any length."""
    pairs = zip(
        np.broadcast_to(np.asarray(x.value), shape).ravel(), np.broadcast_to(factor, shape).ravel(), strict=True
    )
    return x.symbolic(np.array([multiple(v, float(f)) for v, f in pairs], dtype=object).reshape(shape))


def _quotient(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
    if not b.constant:
        raise ExportError(f"{where(node)}: divides by a tensor that is not constant.")
    if not (b.dyadic and power_of_two(np.abs(b.value))):
        return None
    return scaled(a.value * (1 / b.value), a.scale, node)


def _extreme(function: Callable) -> Operator:
    def exact(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
        first, second = (a, b) if not a.constant else (b, a)
        pair = _aligned(first, second)
        if pair is None or (second.constant and not _representable(second)):
            return None
        return scaled(function(pair[0].value, pair[1].value), pair[0].scale, node)

    return _elementwise(exact)


def _relu(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    return replace(x, value=x.value.relu(), name=output_name(node)) if isinstance(x, Exact) else walk.floating(x, node)


def _leaky_relu(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    slope = float(np.float32(attributes(node).get("alpha", 0.01)))
    short = exact_constant(np.float64(slope), "alpha")
    if isinstance(x, Exact) and 0 <= slope <= 1 and bits(x) + bits(short) <= FLOAT32_BITS:
        falling = _multiples(x, np.float64(slope), x.shape)
        return replace(x, value=np.maximum(x.value, falling), name=output_name(node))
    return walk.floating(x, node)


def _clip(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    x, *given = inputs
    settings = attributes(node)
    limits = [*given, None, None][:2]
    for i, key in enumerate(("min", "max")):
        if limits[i] is None and key in settings:
            limits[i] = exact_constant(np.float32(settings[key]), key)
    if not isinstance(x, Exact):
        return walk.floating(x, node)
    value = x.value
    for limit, function in zip(limits, (np.maximum, np.minimum), strict=True):
        if limit is None or not np.isfinite(limit.value).all() or np.abs(limit.value).max() > 1e30:
            continue
        pair = _aligned(x, limit)
        if pair is None:
            return walk.floating(x, node)
        value = function(value, np.broadcast_to(pair[1].value, x.shape))
    return replace(x, value=value, name=output_name(node))


ELEMENTWISE: dict[str, Operator] = {
    "Add": _sum(1.0),
    "Sub": _sum(-1.0),
    "Mul": _elementwise(_product),
    "Div": _elementwise(_quotient),
    "Max": _extreme(np.maximum),
    "Min": _extreme(np.minimum),
    "Relu": _relu,
    "LeakyRelu": _leaky_relu,
    "Clip": _clip,
}
