"""Operators that slide a window over space: convolutions and pools, as gathers before products and reductions."""

from dataclasses import replace

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import attributes, where
from nanotrigger.qonnx.products import product_of
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor, moved, power_of_two
from nanotrigger.qonnx.walk import Operands, Operator, Walk, both, output_name, scaled


def _windows(node: onnx.NodeProto, shape: tuple[int, ...], kernel: tuple[int, ...]) -> np.ndarray:
    """Flat indices (channels, *positions, *kernel) of what each window of (1, channels, *space) sees.

    Padding is negative: -1 - the index of an element of its channel, whose scale the zero there takes.
    """
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
    x, kernel = both(node, inputs)
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
        parts.append(product_of(walk, node, patches, weights))
    joined = moved(parts, "", lambda *p: np.concatenate([v.T for v in p]).reshape(1, -1, *positions))
    return replace(joined, name=output_name(node))


def _max_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    patches, padded, positions = _pooled(node, inputs)
    if padded:
        raise ExportError(f"{where(node)}: pads, which no fixed-point number can; pad before.")
    return _reduced(node, patches, np.max(patches.value, axis=-1), positions)


def _average_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    patches, padded, positions = _pooled(node, inputs)
    if padded and not attributes(node).get("count_include_pad", 0):
        raise ExportError(
            f"{where(node)}: averages over a varying number of elements; set count_include_pad, or pad before."
        )
    return _mean(node, patches, positions)


def _global_average_pool(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    (x,) = inputs
    if isinstance(x, Floating):
        raise ExportError(f"{where(node)}: reads a floating-point tensor; quantise it before.")
    patches = moved([x], x.name, lambda i: i.reshape(*i.shape[:2], -1))
    return _mean(node, patches, (x.shape[1], *[1] * (len(x.shape) - 2)))


def _pooled(node: onnx.NodeProto, inputs: Operands) -> tuple[Exact, bool, tuple[int, ...]]:
    """What each window holds (channels, *positions, elements), whether some of it is padding, and the window's positions."""
    (x,) = inputs
    if isinstance(x, Floating):
        raise ExportError(f"{where(node)}: reads a floating-point tensor; quantise it before.")
    windows = _windows(node, x.shape, tuple(attributes(node)["kernel_shape"]))
    index = windows.reshape(*windows.shape[: len(x.shape) - 1], -1)
    return x.take(index, x.name), bool((index < 0).any()), index.shape[:-1]


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
    return scaled(patches.symbolic(np.asarray(value)).reshape(shape), scale.reshape(shape), node)


WINDOWED: dict[str, Operator] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
}
