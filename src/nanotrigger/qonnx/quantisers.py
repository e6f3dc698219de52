"""QONNX's quantisers in hardware: Quant, IntQuant, BipolarQuant and Trunc.

Behind a fixed-point number on a grid of a power of two a quantiser is rounding and clipping. Behind anything else it becomes a
function of integers, found by running the file's own operators on every integer that can arrive.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
from alkaid.trace import FVArray

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.fixed_point import Quantiser
from nanotrigger.qonnx.graph import Graph, attributes, where
from nanotrigger.qonnx.requantise import build
from nanotrigger.qonnx.symbolic import Exact, Floating, power_of_two
from nanotrigger.qonnx.walk import Walk

ALKAID = {"FLOOR": "TRN", "ROUND": "RND_CONV", "HALF_EVEN": "RND_CONV"}
"""QONNX rounding modes that alkaid builds itself."""

BEFORE_FLOOR: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "CEIL": lambda step, grid: (step - grid, step - grid),
    "UP": lambda step, grid: (step - grid, 0.0),
    "DOWN": lambda step, grid: (0.0, step - grid),
    "HALF_UP": lambda step, grid: (step / 2, step / 2 - grid),
    "HALF_DOWN": lambda step, grid: (step / 2 - grid, step / 2),
}
"""What to add to a multiple of `grid` before truncation to `step`, for numbers from zero up and for negative ones."""

SLACK = 2.0**-21
"""Relative error that a float32 sum of some tens of terms may have."""

ROUNDING = (*ALKAID, *BEFORE_FLOOR)


@dataclass(frozen=True)
class Format:
    """A Quant node's numbers: codes from low to high, times scale, all arrays that broadcast to the tensor.

    zero: the zero point, which codes do not hold. bipolar: one signed bit, -1 or +1.
    """

    scale: np.ndarray
    zero: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rounding: str
    bipolar: bool = False

    @classmethod
    def of(cls, graph: Graph, node: onnx.NodeProto) -> "Format":
        """Raises ExportError where a parameter is not constant or cannot be built."""
        try:
            given = [graph.constants[name].astype(np.float64) for name in node.input[1:]]
        except KeyError as error:
            raise ExportError(f"{where(node)}: {error} is not constant; scale, zero point and width must be.") from None
        settings = attributes(node)
        if node.op_type == "BipolarQuant":
            return cls(given[0], np.float64(0), np.float64(-1), np.float64(1), "ROUND", bipolar=True)
        scale, zero, bits = given
        if (scale <= 0).any():
            raise ExportError(f"{where(node)}: its scale {scale.min():g} is not positive.")
        if (zero != np.round(zero)).any():
            raise ExportError(f"{where(node)}: zero point {zero.tolist()} is not an integer.")
        if (bits != np.round(bits)).any() or (bits < 1).any():
            raise ExportError(f"{where(node)}: bit width {bits.tolist()}; whole numbers from 1 are known.")
        signed, narrow = settings.get("signed", 1), settings.get("narrow", 0)
        rounding = settings.get("rounding_mode", "ROUND").upper()
        if rounding not in ROUNDING:
            raise ExportError(f"{where(node)}: rounding mode {rounding} is not known; known: {', '.join(ROUNDING)}.")
        if signed and (bits == 1).all():
            return cls(scale, zero, np.float64(-1), np.float64(1), rounding, bipolar=True)
        low = -(2.0 ** (bits - 1)) + narrow if signed else 0.0 * bits
        high = 2.0 ** (bits - 1) - 1 if signed else 2.0**bits - 1 - narrow
        return cls(scale, zero, low, high, rounding)


def quantiser(graph: Graph, node: onnx.NodeProto) -> tuple[Quantiser, str]:
    """The quantiser that starts at a Quant node, Max and Min behind it included, and the name of its output."""
    form, output = Format.of(graph, node), node.output[0]
    low, high = (form.low - form.zero) * form.scale, (form.high - form.zero) * form.scale
    if raised := graph.only_reader(output, "Max"):
        low = np.maximum(low, graph.constants[next(n for n in raised.input if n != output)])
        output = raised.output[0]
    if lowered := graph.only_reader(output, "Min"):
        high = np.minimum(high, graph.constants[next(n for n in lowered.input if n != output)])
        output = lowered.output[0]
    return Quantiser(form.scale, low, high, form.rounding, output in graph.traced), output


def kif(step: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Sign, integer and fraction bits where the range is that of a fixed-point number; None where it is not.

    step, low, high: arrays of one shape; low = high = 0 is a pruned element without bits.
    """
    dead = (low == high) & (low == 0)
    integer = np.round(np.log2(np.where(dead, 1.0, np.maximum(high + step, -low))))
    span = np.exp2(integer)
    if np.any(~dead & ((high != span - step) | ((low != 0) & (low != -span)))):
        return None
    fraction = np.round(-np.log2(step))
    return tuple(np.where(dead, 0, v).astype(int) for v in (low < 0, integer, fraction))


def quantise(walk: Walk, node: onnx.NodeProto, source: Exact | Floating, overflow: str) -> tuple[Exact, str]:
    """The quantised tensor and the name of the tensor that holds it. overflow: wrap or saturate, where a range was traced."""
    if node.op_type == "Trunc":
        return by_function(walk, node, source), node.output[0]
    form = Format.of(walk.graph, node)
    if isinstance(source, Floating) or not power_of_two(form.scale / source.scale):
        return by_function(walk, node, source), node.output[0]
    if form.bipolar:
        return _bipolar(node, form, source), node.output[0]
    grid, output = quantiser(walk.graph, node)
    shape = source.shape
    scale = np.broadcast_to(form.scale, shape)
    # a grid of a power of two is held as it is, any other as codes with the scale beside them
    unit = np.ones(shape) if power_of_two(scale) else scale
    step = scale / unit
    low, high, zero = (np.broadcast_to(v, shape) / unit for v in (grid.low, grid.high, form.zero * form.scale))
    value = source.value * (source.scale / unit)
    # half to even looks at the code, which the zero point shifts
    value = _rounded(value + zero if (zero != 0).any() else value, step, low + zero, high + zero, grid, overflow)
    return Exact(value - zero if (zero != 0).any() else value, unit, output), output


def _rounded(
    value: FVArray, step: np.ndarray, low: np.ndarray, high: np.ndarray, grid: Quantiser, overflow: str
) -> FVArray:
    bits = kif(step, low, high)
    if grid.rounding not in ALKAID:
        value = _offset(value, step, grid.rounding)
    mode = ALKAID.get(grid.rounding, "TRN")
    if bits is not None:
        return value.quantize(*bits, "WRAP" if grid.traced and overflow == "wrap" else "SAT", mode)
    # a range of its own: clipped first, as the operator does, then rounded with room to spare
    clipped = np.minimum(np.maximum(value, low), high)
    room = np.ceil(np.log2(np.maximum(np.abs(low), np.abs(high)) / step + 2)).astype(int)
    fraction = np.round(-np.log2(step)).astype(int)
    return clipped.quantize(np.ones(step.shape, int), room - fraction, fraction, "WRAP", mode)


def _offset(value: FVArray, step: np.ndarray, rounding: str) -> FVArray:
    """What turns truncation into another rounding: an offset that may depend on the sign."""
    result = []
    for v, s in zip(np.asarray(value).ravel(), step.ravel(), strict=True):
        # a value that cannot be finer than the step is not rounded
        if v.step >= s:
            result.append(v)
            continue
        positive, negative = BEFORE_FLOOR[rounding](float(s), float(v.step))
        if v.low >= 0 or positive == negative:
            result.append(v + positive)
        elif v.high < 0:
            result.append(v + negative)
        else:
            result.append(v + positive + v.is_negative() * (negative - positive))
    return FVArray(np.array(result, dtype=object).reshape(value.shape), value.solver_options, value.hwconf)


def _bipolar(node: onnx.NodeProto, form: Format, source: Exact) -> Exact:
    """+scale from zero up, -scale below."""
    if (form.zero != 0).any():
        raise ExportError(f"{where(node)}: one signed bit with a zero point.")
    scale = np.broadcast_to(form.scale, source.shape)
    unit = np.ones(source.shape) if power_of_two(scale) else scale
    signs = [1.0 - v.is_negative() * 2.0 for v in np.asarray(source.value).ravel()]
    value = source.symbolic(np.array(signs, dtype=object).reshape(source.shape)) * (scale / unit)
    return Exact(value, unit, node.output[0])


def by_function(walk: Walk, node: onnx.NodeProto, source: Exact | Floating) -> Exact:
    """A quantiser as a function of the integers behind it, found on every one that can arrive."""
    graph = walk.graph
    function = walk.floating(source, node)
    counts = function.reachable()
    scale = np.broadcast_to(_output_scale(graph, node), source.shape)
    codes = _codes(walk, node, function, scale)
    if not function.origin.dyadic:
        _note_doubtful(walk, node, function, codes, scale)
    unit = np.ones(source.shape) if power_of_two(scale) else scale
    codes, step = codes.reshape(len(codes), -1), (scale / unit).ravel()
    origins = np.asarray(function.origin.value).ravel()[function.index.ravel()]
    built: list = []
    for element, (variable, count) in enumerate(zip(origins, counts.ravel(), strict=True)):
        try:
            built.append(build(variable, codes[:count, element]) * step[element])
        except ValueError as error:
            raise ExportError(f"{where(node)}, element {element}: {error}. Use fewer bits.") from None
    return Exact(function.origin.symbolic(np.array(built, dtype=object).reshape(source.shape)), unit, node.output[0])


def _codes(walk: Walk, node: onnx.NodeProto, function: Floating, scale: np.ndarray) -> np.ndarray:
    """What a quantiser makes of every reachable value, in its own integers: (reachable, *shape[1:]) int32."""
    parts = []
    for table in function.tables(walk.graph):
        codes = np.round(table / scale)
        # the file's numbers are codes times the scale, rounded to a float32
        if not np.allclose(codes * scale, table, rtol=1e-6, atol=0):
            raise ExportError(f"{where(node)}: gives numbers that are no multiples of its scale.")
        parts.append(codes.astype(np.int32))
    return np.concatenate(parts)


def _note_doubtful(walk: Walk, node: onnx.NodeProto, function: Floating, codes: np.ndarray, scale: np.ndarray) -> None:
    """Count the integers that a float executor may put on either side of a threshold.

    Its sums of scaled integers carry rounding errors where the scale is no power of two; here they are exact multiples.
    """
    beside = np.zeros(codes.shape, bool)
    for relative in (1 - SLACK, 1 + SLACK):
        origin = replace(function.origin, scale=function.origin.scale * relative)
        beside |= _codes(walk, node, replace(function, origin=origin), scale) != codes
    if count := int(beside.sum()):
        walk.notes.append(
            f"{where(node)}: {count} of {codes.size} reachable integers lie within a float's rounding of a threshold: "
            "an executor may quantise them otherwise"
        )


def _output_scale(graph: Graph, node: onnx.NodeProto) -> np.ndarray:
    if node.op_type == "Trunc":
        try:
            given = [graph.constants[name].astype(np.float64) for name in node.input[1:]]
        except KeyError as error:
            raise ExportError(f"{where(node)}: {error} is not constant.") from None
        if (given[1] != 0).any():
            raise ExportError(f"{where(node)}: zero point {given[1].tolist()}; only zero is known.")
        return given[3] if len(given) == 5 else given[0]
    return Format.of(graph, node).scale
