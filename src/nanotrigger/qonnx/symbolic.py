"""What flows through a graph while it is turned into hardware: exact integers, or a float function of them.

A tensor is `Exact`, a fixed-point number times a scale that need not be a power of two, until an operator comes whose
result no fixed-point number holds, as a batch normalisation. From there it is `Floating`: the exact tensor it came from and
the nodes since, until a quantiser makes it exact again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.fixed_point import lsb
from nanotrigger.qonnx.graph import Graph, where

MOST_VALUES = 2**22
"""Reachable values of one number over which a float function is evaluated at most."""
MOST_EVALUATIONS = 2**28
"""Evaluations of a float function at most, over all elements."""
AT_ONCE = 2**22
"""Numbers evaluated at once: a few tens of megabytes."""


@dataclass(frozen=True)
class Exact:
    """value * scale, elementwise.

    value: FVArray, or float64 where constant, multiples of powers of two; scale: float64 of the same shape, positive.
    name: the tensor of the graph that holds it.
    """

    value: FVArray | np.ndarray
    scale: np.ndarray
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def constant(self) -> bool:
        return not isinstance(self.value, FVArray)

    @property
    def dyadic(self) -> bool:
        """Whether every number is a multiple of a power of two."""
        return bool((self.scale == 1).all())

    def bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lowest and highest value and the step between them, of the shape of the tensor, without the scale."""
        if self.constant:
            return self.value, self.value, lsb(self.value)
        flat = [(float(v.low), float(v.high), float(v.step)) for v in np.asarray(self.value).ravel()]
        return tuple(np.array(part).reshape(self.shape) for part in zip(*flat, strict=True))

    def take(self, index: np.ndarray, name: str) -> "Exact":
        """Elements by their flat index; -1 - i gives zero on the scale of element i."""
        absent = index < 0
        index = np.where(absent, -1 - index, index)
        value, scale = np.asarray(self.value).ravel()[index], self.scale.ravel()[index]
        if self.constant:
            return Exact(np.where(absent, 0.0, value), scale, name)
        return Exact(self.symbolic(np.where(absent, 0.0, value)), scale, name)

    def symbolic(self, values: np.ndarray) -> FVArray:
        """Variables with the options of this tensor."""
        return FVArray(values, self.value.solver_options, self.value.hwconf)


@dataclass(frozen=True)
class Floating:
    """A float function of an exact tensor, element by element.

    index: flat index of each element's origin in `origin`; steps: nodes, or index arrays where elements were moved.
    """

    origin: Exact
    index: np.ndarray
    steps: tuple[onnx.NodeProto | np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    def then(self, node: onnx.NodeProto) -> "Floating":
        return Floating(self.origin, self.index, (*self.steps, node))

    def take(self, index: np.ndarray, name: str) -> "Floating":
        if (index < 0).any():
            raise ExportError(f"{name}: pads a floating-point tensor; quantise it before.")
        return Floating(self.origin, self.index.ravel()[index], (*self.steps, index))

    def reachable(self) -> np.ndarray:
        """How many values the origin of each element can have, (*shape[1:],). Raises ExportError where they are too many."""
        low, high, step = self.origin.bounds()
        counts = np.round((high - low) / np.where(np.isfinite(step), step, 1.0)).astype(np.int64) + 1
        most, name = int(counts.max()), self.origin.name
        if most > MOST_VALUES or most * self.index.size > MOST_EVALUATIONS:
            raise ExportError(
                f"{name}: {most} reachable values of {self.index.size} elements are too many to evaluate the float operators "
                "behind it. Use fewer bits, or constants that are multiples of powers of two."
            )
        if self.origin.shape[0] != 1 or self.shape[0] != 1:
            raise ExportError(f"{name}: the first axis is no longer the batch of 1; move axes after the quantiser.")
        return counts.ravel()[self.index][0]

    def tables(self, graph: Graph) -> Iterator[np.ndarray]:
        """The function on every reachable value of each element's origin, from the lowest.

        Yields (values, *shape[1:]), in parts; an element that has fewer values than another repeats its last.
        """
        low, high, step = self.origin.bounds()
        step = np.where(np.isfinite(step), step, 1.0)
        last = np.round((high - low) / step).astype(np.int64)
        kind = np.float64 if self.origin.name in graph.doubles else np.float32
        rows = max(1, AT_ONCE // low.size)
        for start in range(0, int(last.max()) + 1, rows):
            at = np.arange(start, min(start + rows, int(last.max()) + 1)).reshape(-1, *[1] * (low.ndim - 1))
            yield self._evaluate(graph, ((low + np.minimum(at, last) * step) * self.origin.scale).astype(kind))

    def _evaluate(self, graph: Graph, current: np.ndarray) -> np.ndarray:
        """The steps on a batch of values of the origin, node by node as the stock executor runs them."""
        for part in self.steps:
            if isinstance(part, np.ndarray):
                current = current.reshape(len(current), -1)[:, part[0].ravel()].reshape(-1, *part.shape[1:])
                continue
            dynamic = next(n for n in part.input if n not in graph.constants)
            before = len(current)
            current = graph.run(part, {**graph.constants, dynamic: current})
            if len(current) != before:
                raise ExportError(f"{where(part)}: mixes the batch axis with others.")
        return current


Tensor = Exact | Floating


def moved(tensors: Sequence[Tensor], name: str, function: Callable[..., np.ndarray]) -> Tensor:
    """An operator that only moves elements, given as a function of arrays of their flat indices."""
    starts = np.cumsum([0, *(int(np.prod(t.shape)) for t in tensors)])
    flat = [np.arange(a, b).reshape(t.shape) for a, b, t in zip(starts, starts[1:], tensors, strict=False)]
    index = np.asarray(function(*flat))
    if len(tensors) == 1:
        return tensors[0].take(index, name)
    if not all(isinstance(t, Exact) for t in tensors):
        raise ExportError(f"{name}: joins floating-point tensors; quantise them before.")
    first = next((t for t in tensors if not t.constant), tensors[0])
    value = np.concatenate([np.asarray(t.value).ravel() for t in tensors])[index]
    scale = np.concatenate([t.scale.ravel() for t in tensors])[index]
    return Exact(value if first.constant else first.symbolic(value), scale, name)


def power_of_two(ratio: np.ndarray) -> bool:
    """Whether every ratio of scales is a power of two, so that a shift converts one into the other."""
    return bool((np.frexp(ratio)[0] == 0.5).all())


def exact_constant(array: np.ndarray, name: str) -> Exact:
    """A constant as it stands, every float being a multiple of a power of two."""
    return Exact(np.asarray(array, np.float64), np.ones(np.shape(array)), name)
