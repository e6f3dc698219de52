"""What each ONNX operator does to exact numbers: one function per operator, in OPERATORS by its name.

An operator of which no exact result exists becomes a step of a float function (see `symbolic`). What can be neither is
refused by name.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import Graph, attributes, where
from nanotrigger.qonnx.requantise import multiple
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor, exact_constant, moved, power_of_two

FLOAT32_BITS = 24
"""Bits up to which a float32 holds every integer: the file's own numbers are exact that far."""


@dataclass
class Walk:
    """The state of one pass over a graph.

    multiply: builds a product of matrices; grids: scales of quantised constants; notes: what a reader of the result must know.
    """

    graph: Graph
    multiply: Callable[[FVArray, np.ndarray], FVArray] = np.matmul
    grids: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def constant(self, name: str) -> Exact:
        """A constant as integers times its quantiser's scale, or as it stands."""
        array = self.graph.constants[name]
        if name not in self.grids:
            return exact_constant(array, name)
        scale = np.broadcast_to(self.grids[name], array.shape)
        return Exact(np.round(array.astype(np.float64) / scale), scale, name)

    def is_constant(self, name: str) -> bool:
        return name in self.graph.constants

    def floating(self, tensor: Tensor, node: onnx.NodeProto) -> Floating:
        """The node as the next step of a float function."""
        if isinstance(tensor, Exact):
            tensor = Floating(tensor, np.arange(int(np.prod(tensor.shape))).reshape(tensor.shape), ())
        changed = self.graph.shapes.get(node.output[0], tensor.shape) != tensor.shape
        if changed:
            raise ExportError(f"{where(node)}: changes the shape of a floating-point tensor; quantise it before.")
        return tensor.then(node)


Operands = list[Tensor | None]
Operator = Callable[[Walk, onnx.NodeProto, Operands], Tensor]


def bits(value: Exact) -> int:
    """Bits that hold the magnitude of every element's reachable values."""
    low, high, step = value.bounds()
    step = np.where(np.isfinite(step), step, 1.0)
    peak = np.maximum(np.abs(low), np.abs(high)) / step
    return int(np.ceil(np.log2(peak.max(initial=0) + 1)))


def _name(node: onnx.NodeProto) -> str:
    return node.output[0]


def _both(node: onnx.NodeProto, inputs: Operands) -> tuple[Tensor, Tensor]:
    if len(inputs) != 2:
        raise ExportError(f"{where(node)}: has {len(inputs)} inputs; two are known.")
    return inputs[0], inputs[1]


def _elementwise(exact: Callable[[Walk, onnx.NodeProto, Exact, Exact], Exact | None]) -> Operator:
    """An operator of two tensors: exact where that can be, a float step where one of them is constant."""

    def operator(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
        a, b = _both(node, inputs)
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


def _result(value: FVArray, scale: np.ndarray, node: onnx.NodeProto) -> Exact:
    return Exact(value, np.broadcast_to(scale, value.shape), _name(node))


def _sum(sign: float) -> Operator:
    def exact(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
        first, second = (a, b) if not a.constant else (b, a)
        pair = _aligned(first, second)
        if pair is None:
            return None
        one, other = pair
        value = one.value + sign * other.value if first is a else sign * one.value + other.value
        result = _result(value, one.scale, node)
        both = not (a.constant or b.constant)
        double = _name(node) in walk.graph.doubles
        return result if both or double or _representable(result) else None

    return _elementwise(exact)


def _product(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
    if not (a.constant or b.constant):
        return _result(a.value * b.value, a.scale * b.scale, node)
    x, factor = (b, a) if a.constant else (a, b)
    if bits(x) + bits(factor) > FLOAT32_BITS and not power_of_two(np.abs(factor.value)):
        return None  # the file's own product is a float that rounds
    shape = np.broadcast_shapes(a.shape, b.shape)
    return _result(_multiples(x, factor.value, shape), np.broadcast_to(a.scale * b.scale, shape), node)


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
    return _result(a.value * (1 / b.value), a.scale, node)


def _extreme(function: Callable) -> Operator:
    def exact(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact | None:
        first, second = (a, b) if not a.constant else (b, a)
        pair = _aligned(first, second)
        if pair is None or (second.constant and not _representable(second)):
            return None
        return _result(function(pair[0].value, pair[1].value), pair[0].scale, node)

    return _elementwise(exact)


def _relu(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    return replace(x, value=x.value.relu(), name=_name(node)) if isinstance(x, Exact) else walk.floating(x, node)


def _leaky_relu(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    slope = float(np.float32(attributes(node).get("alpha", 0.01)))
    short = exact_constant(np.float64(slope), "alpha")
    if isinstance(x, Exact) and 0 <= slope <= 1 and bits(x) + bits(short) <= FLOAT32_BITS:
        falling = _multiples(x, np.float64(slope), x.shape)
        return replace(x, value=np.maximum(x.value, falling), name=_name(node))
    return walk.floating(x, node)


def _clip(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    x, *given = inputs
    settings = attributes(node)
    limits = [t if t is not None else None for t in [*given, None, None][:2]]
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
    return replace(x, value=value, name=_name(node))


def _same(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    x = inputs[0]
    return replace(x, name=_name(node)) if isinstance(x, Exact) else walk.floating(x, node)


def _step_of_a_function(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    dynamic = [t for t in inputs if t is not None and (isinstance(t, Floating) or not t.constant)]
    if len(dynamic) != 1:
        raise ExportError(f"{where(node)}: has {len(dynamic)} inputs that are not constant; one is known.")
    return walk.floating(dynamic[0], node)


def _matmul(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    a, b = _both(node, inputs)
    for tensor in (a, b):
        if isinstance(tensor, Floating):
            raise ExportError(f"{where(node)}: reads a floating-point tensor; put a quantiser before it.")
    if a.constant:  # (a b)^T = b^T a^T
        if len(a.shape) != 2 or len(b.shape) != 2:
            raise ExportError(f"{where(node)}: its first input is constant and not both are matrices.")
        flipped = _product_of(walk, node, moved([b], "", np.transpose), moved([a], "", np.transpose))
        return replace(moved([flipped], "", np.transpose), name=_name(node))
    return _product_of(walk, node, a, b)


def _product_of(walk: Walk, node: onnx.NodeProto, a: Exact, b: Exact) -> Exact:
    """a @ b, what is contracted brought to one scale on either side."""
    if len(b.shape) != 2:
        raise ExportError(f"{where(node)}: its second input has shape {b.shape}; a matrix is known.")
    left = _common_scale(a, -1, node)
    right = _common_scale(b, 0, node)
    if b.constant and (wide := bits(replace(right, value=right.value))) > FLOAT32_BITS - 1:
        raise ExportError(
            f"{where(node)}: its weights are floating-point numbers ({wide} bits); quantise them with a Quant node."
        )
    value = walk.multiply(left.value, right.value)
    scale = left.scale[..., :1] * right.scale[:1, :]
    result = _result(value, scale, node)
    if _name(node) not in walk.graph.doubles and (wide := bits(result)) > FLOAT32_BITS:
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


def _windows(node: onnx.NodeProto, shape: tuple[int, ...], kernel: tuple[int, ...]) -> np.ndarray:
    """Flat indices (channels, *positions, *kernel) of what each window of (1, channels, *space) sees; -1 is padding."""
    space, settings = shape[2:], attributes(node)
    strides = settings.get("strides", [1] * len(space))
    dilations = settings.get("dilations", [1] * len(space))
    padding = settings.get("auto_pad", "NOTSET")
    if settings.get("ceil_mode", 0):
        raise ExportError(f"{where(node)}: ceil_mode is not known; pad explicitly.")
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    if padding in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(space, strides, reach, strict=True)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        begin, end = (small, large) if padding == "SAME_UPPER" else (large, small)
    elif padding == "VALID":
        begin = end = [0] * len(space)
    else:
        pads = settings.get("pads", [0] * (2 * len(space)))
        begin, end = pads[: len(space)], pads[len(space) :]
    flat = np.arange(int(np.prod(shape))).reshape(shape)[0]
    borrowed = -1 - flat.reshape(len(flat), -1)[:, 0].reshape(-1, *[1] * len(space))
    flat = np.pad(flat, [(0, 0), *zip(begin, end, strict=True)], constant_values=-1)
    flat = np.where(flat < 0, borrowed, flat)
    seen = np.lib.stride_tricks.sliding_window_view(flat, reach, axis=tuple(range(1, flat.ndim)))
    starts = tuple(slice(None, None, s) for s in strides)
    inside = tuple(slice(None, None, d) for d in dilations)
    return seen[(slice(None), *starts, *inside)]


def _conv(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    x, kernel = _both(node, inputs)
    if isinstance(x, Floating) or not kernel.constant:
        raise ExportError(f"{where(node)}: needs a quantised input and a constant kernel.")
    if len(x.shape) not in (3, 4):
        raise ExportError(f"{where(node)}: input of shape {x.shape}; one or two axes of space are known.")
    groups = attributes(node).get("group", 1)
    windows = _windows(node, x.shape, kernel.shape[2:])
    positions, size = windows.shape[1 : len(x.shape) - 1], int(np.prod(kernel.shape[2:]))
    depth, outputs = x.shape[1] // groups, kernel.shape[0] // groups
    parts = []
    for group in range(groups):
        seen = windows[group * depth : (group + 1) * depth].reshape(depth, -1, size)
        patches = x.take(seen.transpose(1, 0, 2).reshape(-1, depth * size), x.name)
        weights = moved(
            [kernel], kernel.name, lambda k, g=group: k[g * outputs : (g + 1) * outputs].reshape(outputs, -1).T
        )
        parts.append(_product_of(walk, node, patches, weights))
    joined = moved(parts, "", lambda *p: np.concatenate([v.T for v in p]).reshape(1, -1, *positions))
    return replace(joined, name=_name(node))


def _max_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    patches, positions = _pooled(walk, node, inputs)
    if any((w < 0).any() for w in patches[1:]):
        raise ExportError(f"{where(node)}: pads, which no fixed-point number can; pad before.")
    value = patches[0].value
    return _reduced(node, patches[0], np.max(value, axis=-1), positions)


def _average_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    patches, positions = _pooled(walk, node, inputs)
    if (patches[1] < 0).any() and not attributes(node).get("count_include_pad", 0):
        raise ExportError(
            f"{where(node)}: averages over a varying number of elements; set count_include_pad, or pad before."
        )
    return _mean(node, patches[0], positions)


def _global_average_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    if isinstance(x, Floating):
        raise ExportError(f"{where(node)}: reads a floating-point tensor; quantise it before.")
    patches = moved([x], x.name, lambda i: i.reshape(*i.shape[:2], -1))
    return _mean(node, patches, (x.shape[1], *[1] * (len(x.shape) - 2)))


def _pooled(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> tuple[tuple[Exact, np.ndarray], tuple[int, ...]]:
    (x,) = inputs
    if isinstance(x, Floating):
        raise ExportError(f"{where(node)}: reads a floating-point tensor; quantise it before.")
    windows = _windows(node, x.shape, tuple(attributes(node)["kernel_shape"]))
    index = windows.reshape(*windows.shape[: len(x.shape) - 1], -1)
    return (x.take(index, x.name), index), index.shape[:-1]


def _mean(node: onnx.NodeProto, patches: Exact, positions: tuple[int, ...]) -> Exact:
    count = patches.shape[-1]
    total = _reduced(node, patches, np.sum(patches.value, axis=-1), positions)
    if power_of_two(np.float64(count)):
        return replace(total, value=total.value * (1 / count))
    return replace(total, scale=total.scale / count)


def _reduced(node: onnx.NodeProto, patches: Exact, value: FVArray, positions: tuple[int, ...]) -> Exact:
    scale = patches.scale.max(-1)
    if not (patches.scale == scale[..., None]).all():
        raise ExportError(f"{where(node)}: pools over elements of different scales; quantise them alike.")
    shape = (1, *positions)
    return _result(patches.symbolic(np.asarray(value)).reshape(shape), scale.reshape(shape), node)


def _integers(walk: Walk, node: onnx.NodeProto, position: int, key: str) -> list[int] | None:
    """A list that older opsets give as an attribute and newer ones as a constant input."""
    if key in (settings := attributes(node)):
        value = settings[key]
        return list(value) if isinstance(value, list | tuple) else [value]
    if len(node.input) > position and node.input[position]:
        if not walk.is_constant(node.input[position]):
            raise ExportError(f"{where(node)}: {key} is not constant.")
        return walk.graph.constants[node.input[position]].ravel().tolist()
    return None


def _mover(function: Callable[[Walk, onnx.NodeProto, np.ndarray], np.ndarray]) -> Operator:
    """An operator that moves the elements of its first input, given on an array of flat indices."""
    return lambda walk, node, inputs: moved([inputs[0]], _name(node), lambda i: function(walk, node, i))


def _reshape(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    shape = _integers(walk, node, 1, "shape")
    keep = not attributes(node).get("allowzero", 0)
    return index.reshape([index.shape[i] if n == 0 and keep else n for i, n in enumerate(shape)])


def _flatten(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    axis = attributes(node).get("axis", 1)
    return index.reshape(int(np.prod(index.shape[:axis])), -1)


def _transpose(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.transpose(index, attributes(node).get("perm"))


def _squeeze(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    axes = _integers(walk, node, 1, "axes")
    return np.squeeze(index, tuple(axes) if axes is not None else None)


def _unsqueeze(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    return np.expand_dims(index, tuple(_integers(walk, node, 1, "axes")))


def _gather(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    if not walk.is_constant(node.input[1]):
        raise ExportError(f"{where(node)}: its indices are not constant.")
    return np.take(index, walk.graph.constants[node.input[1]], attributes(node).get("axis", 0))


def _slice(walk: Walk, node: onnx.NodeProto, index: np.ndarray) -> np.ndarray:
    starts, ends = _integers(walk, node, 1, "starts"), _integers(walk, node, 2, "ends")
    axes = _integers(walk, node, 3, "axes") or list(range(len(starts)))
    steps = _integers(walk, node, 4, "steps") or [1] * len(starts)
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
    pads = _integers(walk, node, 1, "pads")
    half = len(pads) // 2
    return np.pad(index, list(zip(pads[:half], pads[half:], strict=True)), constant_values=-1)


def _concat(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    axis = attributes(node)["axis"]
    return moved(inputs, _name(node), lambda *i: np.concatenate(i, axis))


def split(walk: Walk, node: onnx.NodeProto, tensor: Tensor) -> list[Tensor]:
    """The outputs of a Split, the one operator that has several."""
    axis = attributes(node).get("axis", 0)
    sizes = _integers(walk, node, 1, "split")
    length = tensor.shape[axis]
    sizes = sizes or [-(-length // len(node.output))] * (len(node.output) - 1)
    ends = list(itertools.accumulate(sizes))[: len(node.output) - 1]
    return [moved([tensor], name, lambda i, n=n: np.split(i, ends, axis)[n]) for n, name in enumerate(node.output)]


OPERATORS: dict[str, Operator] = {
    "Add": _sum(1.0),
    "Sub": _sum(-1.0),
    "Mul": _elementwise(_product),
    "Div": _elementwise(_quotient),
    "Max": _extreme(np.maximum),
    "Min": _extreme(np.minimum),
    "Relu": _relu,
    "LeakyRelu": _leaky_relu,
    "Clip": _clip,
    "MatMul": _matmul,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "Cast": _same,
    "Identity": _same,
    "Dropout": _same,
    "Reshape": _mover(_reshape),
    "Flatten": _mover(_flatten),
    "Transpose": _mover(_transpose),
    "Squeeze": _mover(_squeeze),
    "Unsqueeze": _mover(_unsqueeze),
    "Gather": _mover(_gather),
    "Slice": _mover(_slice),
    "Pad": _mover(_pad),
    "Concat": _concat,
    **dict.fromkeys(
        ("BatchNormalization", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Softplus", "PRelu", "Exp", "Log", "Sqrt",
         "Pow", "Abs", "Neg", "Floor", "Ceil", "Round", "Erf", "Softsign"),
        _step_of_a_function,
    ),
}  # fmt: skip

HOST = ("Softmax", "LogSoftmax", "ArgMax", "Sigmoid", "Hardmax")
"""Operators that may stand at the output and are left to the host."""
