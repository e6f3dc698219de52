"""Tables of constants that are read at a computed index: each element becomes a look-up table in hardware."""

from collections.abc import Callable

import numpy as np
import onnx
from alkaid.trace.fixed_variable import FVariable

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.fixed_point import lsb
from nanotrigger.qonnx.graph import attributes, where
from nanotrigger.qonnx.movers import MOVERS
from nanotrigger.qonnx.requantise import MOST_ENTRIES
from nanotrigger.qonnx.symbolic import Exact, Floating, Tensor
from nanotrigger.qonnx.walk import Operands, Walk, output_name

MOST_ENTRY_BITS = 31
"""Width of a table's entries at most, their sign included."""


Reading = Callable[[np.ndarray, int, tuple[int, ...]], tuple[np.ndarray, np.ndarray]]
"""(data, axis, shape of the indices) -> flat index of each output's own, (*output), and its table, (*output, entries)."""


def _gather(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    """Gather moves elements where its indices are constant, and reads a table where its data are."""
    if walk.is_constant(node.input[1]):
        return MOVERS["Gather"](walk, node, inputs)

    def read(data: np.ndarray, axis: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.moveaxis(data, axis, -1)
        before, after = rows.shape[:axis], rows.shape[axis:-1]
        index = np.arange(int(np.prod(shape))).reshape(shape)
        out = (*before, *shape, *after)
        index = np.broadcast_to(index.reshape(*[1] * len(before), *shape, *[1] * len(after)), out)
        rows = rows.reshape(*before, *[1] * len(shape), *after, data.shape[axis])
        return index, np.broadcast_to(rows, (*out, data.shape[axis]))

    return _looked_up(walk, node, inputs, read)


def _gather_elements(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    """Each index reads the table that stands in its own place, along one axis."""

    def read(data: np.ndarray, axis: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.moveaxis(data, axis, -1)
        others = [n for i, n in enumerate(shape) if i != axis]
        rows = rows[tuple(slice(n) for n in others)]
        out = (*shape, data.shape[axis])
        return np.arange(int(np.prod(shape))).reshape(shape), np.broadcast_to(np.expand_dims(rows, axis), out)

    return _looked_up(walk, node, inputs, read)


def _looked_up(walk: Walk, node: onnx.NodeProto, inputs: Operands, read: Reading) -> Tensor:
    """Every element of the output by the index and the table that it has."""
    _, indices = inputs
    if not walk.is_constant(node.input[0]) or indices is None:
        raise ExportError(f"{where(node)}: neither its data nor its indices are constant; one of them must be.")
    if isinstance(indices, Floating):
        return walk.floating(indices, node)
    low, high, step = indices.bounds()
    if not indices.dyadic or ((step < 1) & (low != high)).any() or (low != np.round(low)).any():
        raise ExportError(f"{where(node)}: its indices are not whole numbers; round them with a quantiser before.")
    data = walk.constant(node.input[0])
    if walk.graph.constants[node.input[0]].dtype.kind != "f":
        raise ExportError(
            f"{where(node)}: its table holds {walk.graph.constants[node.input[0]].dtype}; floats are known."
        )
    axis = attributes(node).get("axis", 0) % len(data.shape)
    entries = data.shape[axis]
    if low.min() < -entries or high.max() >= entries:
        raise ExportError(
            f"{where(node)}: indices from {low.min():g} to {high.max():g} leave a table of {entries} entries; limit their "
            "range with a quantiser, Max or Min."
        )
    if (many := int((high - low).max()) + 1) > MOST_ENTRIES:
        raise ExportError(
            f"{where(node)}: {many} values of an index; a table of at most {MOST_ENTRIES} is known. Use fewer bits."
        )
    owner, tables = read(np.asarray(data.value), axis, indices.shape)
    _check_entries(node, tables)
    _, scales = read(data.scale, axis, indices.shape)
    if not (scales == scales[..., :1]).all():
        raise ExportError(f"{where(node)}: entries of one table have different scales; quantise them alike.")
    if owner.shape[:1] != (1,):
        raise ExportError(f"{where(node)}: the first axis is no longer the batch of 1; move axes before.")
    variables = np.asarray(indices.value).ravel()
    found = [_element(variables[i], table) for i, table in zip(owner.ravel(), tables.reshape(-1, entries), strict=True)]
    value = indices.symbolic(np.array(found, dtype=object).reshape(owner.shape))
    return Exact(value, scales[..., 0].copy(), output_name(node))


def _check_entries(node: onnx.NodeProto, tables: np.ndarray) -> None:
    """Raise ExportError where a table's entries are floating-point numbers, too long for alkaid's 32 bits."""
    peak, grid = np.abs(tables).max(-1), lsb(tables).min(-1)
    wide = 2 + int(np.log2(np.max(peak / grid, initial=1, where=peak > 0)))
    if wide > MOST_ENTRY_BITS:
        raise ExportError(
            f"{where(node)}: its table's entries need {wide} bits; at most {MOST_ENTRY_BITS} are known. Quantise them."
        )


def _element(variable: FVariable, table: np.ndarray) -> FVariable:
    """What a table holds at a variable's value; negative indices count from the end, as ONNX' do."""
    low, high = int(variable.low), int(variable.high)
    if low == high:
        return variable.from_const(float(table[low]), hwconf=variable.hwconf)
    return variable.lookup(table[np.arange(low, high + 1, int(variable.step))])


LOOKUPS = {"Gather": _gather, "GatherElements": _gather_elements}
