"""One pass over a graph, and what the operators share: constants, scales, results."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import Graph, attributes, where
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor, exact_constant

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


def output_name(node: onnx.NodeProto) -> str:
    """Name of the tensor that a node makes."""
    return node.output[0]


def both(node: onnx.NodeProto, inputs: Operands) -> tuple[Tensor, Tensor]:
    """The two operands of a node. Raises ExportError if it has another number of them."""
    if len(inputs) != 2:
        raise ExportError(f"{where(node)}: has {len(inputs)} inputs; two are known.")
    return inputs[0], inputs[1]


def scaled(value: FVArray, scale: np.ndarray, node: onnx.NodeProto) -> Exact:
    """What a node makes: `value` in units of `scale`."""
    return Exact(value, np.broadcast_to(scale, value.shape), output_name(node))


def integers(walk: Walk, node: onnx.NodeProto, position: int, key: str) -> list[int] | None:
    """A list that older opsets give as an attribute and newer ones as a constant input."""
    if key in (settings := attributes(node)):
        value = settings[key]
        return list(value) if isinstance(value, list | tuple) else [value]
    if len(node.input) > position and node.input[position]:
        if not walk.is_constant(node.input[position]):
            raise ExportError(f"{where(node)}: {key} is not constant.")
        return walk.graph.constants[node.input[position]].ravel().tolist()
    return None
