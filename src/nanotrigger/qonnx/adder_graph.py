"""A QONNX front end for alkaid: from a file to an adder graph of distributed arithmetic, exactly.

Registered in alkaid's entry-point group, so `alkaid.converter.trace_model` takes an `onnx.ModelProto`. What cannot be
exact is refused by name; nothing is approximated.
"""

import json
from collections.abc import Callable

import numpy as np
import onnx
from alkaid.converter.plugin import ALIRTracerPluginBase
from alkaid.trace import FVArray, HWConfig
from alkaid.trace.ops import quantize
from onnx import helper, numpy_helper
from qonnx.custom_op.general.intquant import int_quant

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.export import TRACED
from nanotrigger.qonnx.fixed_point import Quantiser

ROUNDING = {"FLOOR": "TRN", "ROUND": "RND_CONV", "HALF_EVEN": "RND_CONV"}
"""QONNX rounding modes that alkaid has under another name."""


class Graph:
    """A model's nodes, constants and who reads what."""

    def __init__(self, model: onnx.ModelProto):
        self.nodes = list(model.graph.node)
        self.constants = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
        inputs = [i for i in model.graph.input if i.name not in self.constants]
        if len(inputs) != 1 or len(model.graph.output) != 1:
            raise ExportError(
                f"the model has {len(inputs)} inputs and {len(model.graph.output)} outputs; one of each is needed."
            )
        self.input, self.output = inputs[0].name, model.graph.output[0].name
        self.shape = tuple(d.dim_value for d in inputs[0].type.tensor_type.shape.dim)
        if not self.shape or 0 in self.shape:
            raise ExportError(f"input {self.input} has a dynamic shape {self.shape}: fix its batch axis to 1.")
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        properties = {p.key: p.value for p in model.metadata_props}
        self.traced = {after for _, after in json.loads(properties.get(TRACED, "[]"))}

    def only_reader(self, tensor: str, kind: str) -> onnx.NodeProto | None:
        """The node that reads `tensor`, if there is just one and it is of that kind with a constant beside."""
        readers = self.readers.get(tensor, [])
        if len(readers) == 1 and readers[0].op_type == kind and tensor != self.output:
            others = [name for name in readers[0].input if name != tensor]
            if len(others) == 1 and others[0] in self.constants:
                return readers[0]
        return None

    def quantiser(self, node: onnx.NodeProto) -> tuple[Quantiser, str]:
        """The quantiser that starts at a Quant node, Max and Min behind it included, and the name of its output."""
        where = f"{node.op_type} {node.name or node.output[0]}"
        try:
            scale, zero, bits = (self.constants[name] for name in node.input[1:])
        except KeyError as error:
            raise ExportError(f"{where}: {error} is not a constant; scale, zero point and width must be.") from None
        if np.any(zero != 0):
            raise ExportError(f"{where}: zero point {zero.tolist()}; only zero is exact in hardware.")
        if np.any(np.exp2(np.round(np.log2(scale))) != scale):
            raise ExportError(f"{where}: its scale is not a power of two.")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        rounding = attributes.get("rounding_mode", b"ROUND").decode().upper()
        if rounding not in ROUNDING:
            raise ExportError(f"{where}: rounding mode {rounding} is not available; known: {', '.join(ROUNDING)}.")
        signed = attributes["signed"]
        low = -(2.0 ** (bits - 1) - attributes["narrow"]) if signed else 0.0 * bits
        high = 2.0 ** (bits - signed) - 1 - (attributes["narrow"] if not signed else 0)
        low, high, output = low * scale, high * scale, node.output[0]
        if raised := self.only_reader(output, "Max"):
            low = np.maximum(low, self.constants[next(n for n in raised.input if n != output)])
            output = raised.output[0]
        if lowered := self.only_reader(output, "Min"):
            high = np.minimum(high, self.constants[next(n for n in lowered.input if n != output)])
            output = lowered.output[0]
        return Quantiser(scale, low, high, rounding, output in self.traced), output


def input_quantiser(model: onnx.ModelProto) -> Quantiser:
    """The quantiser that the model applies to its input: the format of the hardware's port.

    Raises ExportError if the input is read by anything else.
    """
    graph = Graph(model)
    readers = graph.readers.get(graph.input, [])
    if len(readers) != 1 or readers[0].op_type not in ("Quant", "IntQuant"):
        kinds = ", ".join(node.op_type for node in readers)
        raise ExportError(f"input {graph.input} is read by {kinds}, not by one Quant: quantise the input in the model.")
    return graph.quantiser(readers[0])[0]


def _kif(q: Quantiser, shape: tuple[int, ...], where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sign, integer and fraction bits of a quantiser whose range is that of a fixed-point number."""
    step, low, high = (np.broadcast_to(v, shape) for v in (q.step, q.low, q.high))
    dead = low == high
    if np.any(dead & (low != 0)):
        raise ExportError(f"{where}: an element is clipped to a constant other than zero.")
    integer = np.round(np.log2(np.where(dead, 1.0, np.maximum(high + step, -low))))
    span = np.exp2(integer)
    if np.any(~dead & ((high != span - step) | ((low != 0) & (low != -span)))):
        raise ExportError(f"{where}: its range is not that of a fixed-point number (a power of two).")
    fraction = np.round(-np.log2(step))
    return tuple(np.where(dead, 0, v).astype(int) for v in (low < 0, integer, fraction))


class QONNXTracer(ALIRTracerPluginBase):
    """Replays a QONNX graph on alkaid's symbolic arrays.

    overflow: "wrap" lets hardware drop the high bits behind quantisers whose range the file says was traced;
    "saturate" builds saturation everywhere. operators: replacements for entries of OPERATORS.
    """

    model: onnx.ModelProto

    def __init__(
        self,
        model,
        hwconf: HWConfig,
        solver_options=None,
        overflow: str = "wrap",
        operators: dict[str, Callable] | None = None,
    ):
        super().__init__(model, hwconf, solver_options)
        self.graph = Graph(model)
        self.overflow = overflow
        self.operators = OPERATORS | (operators or {})

    def get_input_shapes(self):
        return [self.graph.shape[1:]]

    def _get_inputs(self, inputs, inputs_kif):
        if inputs is not None or inputs_kif is not None:
            return super()._get_inputs(inputs, inputs_kif)
        port = _kif(input_quantiser(self.model), self.graph.shape, f"input {self.graph.input}")
        k, i, f = (v.reshape(self.graph.shape[1:]) for v in port)
        return (FVArray.from_kif(k, i, f, self.hwconf, 0, self.solver_options),)

    def apply_model(self, verbose, inputs):
        graph = self.graph
        values: dict[str, FVArray | np.ndarray] = {graph.input: inputs[0][None], **graph.constants}
        for node in graph.nodes:
            if node.output[0] in values:
                continue  # already part of a quantiser
            if node.op_type in ("Quant", "IntQuant"):
                self._quantise(node, values)
                continue
            if node.op_type not in self.operators:
                raise ExportError(
                    f"operator {node.op_type} ({node.name}) cannot be built exactly; known: "
                    f"{', '.join(sorted(self.operators))}, Quant."
                )
            values[node.output[0]] = self.operators[node.op_type](*(values[name] for name in node.input))
        return {graph.output: values[graph.output]}, [graph.output]

    def _quantise(self, node: onnx.NodeProto, values: dict) -> None:
        source = values[node.input[0]]
        if isinstance(source, np.ndarray) and not isinstance(source, FVArray):
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = int_quant(
                source,
                *(values[name] for name in node.input[1:]),
                attributes["signed"],
                attributes["narrow"],
                attributes.get("rounding_mode", b"ROUND").decode(),
            )
            return
        quantiser, output = self.graph.quantiser(node)
        if node.input[0] == self.graph.input:
            values[output] = source  # the port has this format already
        else:
            kif = _kif(quantiser, source.shape, node.name)
            mode = "WRAP" if quantiser.traced and self.overflow == "wrap" else "SAT"
            values[output] = quantize(source, *kif, mode, ROUNDING[quantiser.rounding])
        # every tensor inside the quantiser is done
        inner = node
        while inner.output[0] != output:
            values[inner.output[0]] = values[output]
            inner = self.graph.readers[inner.output[0]][0]


OPERATORS: dict[str, Callable] = {
    "Add": lambda a, b: a + b,
    "Cast": lambda a: a,
    "MatMul": lambda a, b: a @ b,
    "Relu": lambda a: a.relu(),
    "Sub": lambda a, b: a - b,
}
