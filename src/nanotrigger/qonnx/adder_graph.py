"""A QONNX front end for alkaid: from a file to an adder graph of distributed arithmetic, exactly.

Registered in alkaid's entry-point group, so `alkaid.converter.trace_model` takes an `onnx.ModelProto`. What cannot be
exact is refused by name; nothing is approximated. Float operators behind the last exact tensor, as a softmax, are left to the
host and named in `notes`.
"""

import numpy as np
import onnx
from alkaid.converter.plugin import ALIRTracerPluginBase
from alkaid.trace import FVArray, HWConfig

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.graph import FLOAT_QUANTISERS, QUANTISERS, Graph, reads_table, where
from nanotrigger.qonnx.movers import MOVERS, split
from nanotrigger.qonnx.operators import HOST, OPERATORS
from nanotrigger.qonnx.quantisers import kif, quantise, quantiser
from nanotrigger.qonnx.symbolic import Exact, Tensor, power_of_two
from nanotrigger.qonnx.walk import Walk

REMEDY = "quantise it in the model, or give its format as in input: fixed<16,6>."


def input_port(graph: Graph) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, str]:
    """Format (sign, integer, fraction bits) and scale of the hardware's input, and the tensor that it holds.

    The port holds what the model's own quantiser makes of the input. Raises ExportError if there is none.
    """
    readers = graph.readers.get(graph.input, [])
    if len(readers) != 1 or readers[0].op_type not in FLOAT_QUANTISERS:
        kinds = ", ".join(node.op_type for node in readers) or "nothing"
        raise ExportError(f"input {graph.input} is read by {kinds}, not by one quantiser: {REMEDY}")
    grid, output = quantiser(graph, readers[0])
    step = np.broadcast_to(grid.step, graph.shape)
    scale = np.ones(graph.shape) if power_of_two(step) else step
    port = tuple(np.broadcast_to(v, graph.shape) / scale for v in (step, grid.low, grid.high))
    bits = kif(*port)
    if bits is None:  # a range of its own is carried by the next larger fixed-point number
        step, low, high = port
        room = np.exp2(np.ceil(np.log2(np.maximum(high + step, -low))))
        bits = kif(step, np.where(low < 0, -room, 0.0), room - step)
    return bits, scale, output


class QONNXTracer(ALIRTracerPluginBase):
    """Replays a QONNX graph on alkaid's symbolic arrays.

    overflow: "wrap" lets hardware drop the high bits behind quantisers whose range the file says was traced;
    "saturate" builds saturation everywhere. multiply: builds a product of matrices; alkaid's shared adders if absent.
    After `trace`, `cut` is the Exact tensor at which the hardware ends, `port` the name of the tensor at which it starts,
    and `notes` what a reader of its figures must know.
    """

    model: onnx.ModelProto
    cut: Exact
    port: str
    notes: list[str]

    def __init__(self, model, hwconf: HWConfig, solver_options=None, overflow="wrap", multiply=np.matmul):
        super().__init__(model, hwconf, solver_options)
        self.graph = Graph(model)
        self.overflow = overflow
        self.multiply = multiply

    def get_input_shapes(self):
        return [self.graph.shape[1:]]

    def _get_inputs(self, inputs, inputs_kif):
        if inputs is not None or inputs_kif is not None:
            return super()._get_inputs(inputs, inputs_kif)
        bits, _, _ = input_port(self.graph)
        k, i, f = (v.reshape(self.graph.shape[1:]) for v in bits)
        return (FVArray.from_kif(k, i, f, self.hwconf, 0, self.solver_options),)

    def apply_model(self, verbose, inputs):
        graph, walk = self.graph, Walk(self.graph, self.multiply)
        values: dict[str, Tensor] = {}
        try:
            _, scale, self.port = input_port(graph)
        except ExportError:
            # a caller who gave the inputs' format has put them on that grid
            scale, self.port = np.ones(graph.shape), graph.input
        tensor = graph.input
        while tensor != self.port:  # the quantiser of the port is done
            (reader,) = graph.readers[tensor]
            tensor = reader.output[0]
            values[tensor] = Exact(inputs[0][None], scale, self.port)
        values[self.port] = Exact(inputs[0][None], scale, self.port)
        host: dict[str, Tensor] = {}
        for node in graph.nodes:
            if node.output[0] in values:
                continue  # part of the port or of a quantiser
            if all(name in graph.constants for name in node.input if name):
                self._fold(walk, node)
            elif left := [host[name] for name in node.input if name in host]:
                if node.op_type in (*QUANTISERS, "MatMul", "Conv", "Gemm"):
                    raise ExportError(f"{where(node)}: reads what only a host can compute; quantise before that.")
                host[node.output[0]] = left[0]
            elif node.op_type in HOST and self._last(node):
                host[node.output[0]] = values[node.input[0]]
            else:
                self._apply(walk, node, values)
        if graph.output not in values and graph.output not in host:
            raise ExportError(f"output {graph.output} is constant: there is nothing to build.")
        last = values.get(graph.output, host.get(graph.output))
        self.cut = last if isinstance(last, Exact) else last.origin
        self.notes = walk.notes
        if self.cut.name != graph.output:
            tail = graph.part(self.cut.name, graph.output).graph.node
            self.notes.append(f"left to the host: {', '.join(node.op_type for node in tail)}")
        inner = (n for n in graph.nodes if n.op_type in QUANTISERS and n.input[0] != graph.input)
        if not any(inner) and not any(reads_table(node, graph.constants) for node in graph.nodes):
            raise ExportError("the model has no quantiser behind its input: it is a float model. Quantise it before.")
        return {graph.output: self.cut.value}, [graph.output]

    def _apply(self, walk: Walk, node: onnx.NodeProto, values: dict[str, Tensor]) -> None:
        operands = []
        for name in node.input:
            if name in values:
                operands.append(values[name])
            else:
                operands.append(walk.constant(name) if name and walk.graph.constants[name].dtype.kind == "f" else None)
        if node.op_type in QUANTISERS:
            quantised, output = quantise(walk, node, operands[0], self.overflow)
            # every tensor inside the quantiser is done
            inner = node
            while inner.output[0] != output:
                values[inner.output[0]] = quantised
                inner = walk.graph.readers[inner.output[0]][0]
            values[output] = quantised
        elif node.op_type == "Shape":
            walk.graph.constants[node.output[0]] = np.array(values[node.input[0]].shape, np.int64)
        elif node.op_type == "Split":
            values.update(zip(node.output, split(walk, node, operands[0]), strict=True))
        elif node.op_type in OPERATORS:
            values[node.output[0]] = OPERATORS[node.op_type](walk, node, operands)
        else:
            known = ", ".join(sorted({*OPERATORS, *QUANTISERS, "Split", "Shape"}))
            raise ExportError(
                f"operator {where(node)} cannot be built exactly; known: {known}; at the output: {', '.join(HOST)}."
            )

    @staticmethod
    def _fold(walk: Walk, node: onnx.NodeProto) -> None:
        """Run a node of constants; what a quantiser makes of them keeps its scale, wherever it is moved."""
        graph, output = walk.graph, node.output[0]
        graph.constants[output] = graph.run(node, graph.constants)
        if node.op_type in FLOAT_QUANTISERS:
            scale = graph.constants[node.input[1]].astype(np.float64)
            if not power_of_two(scale):
                walk.grids[output] = np.broadcast_to(scale, graph.constants[output].shape)
        elif node.input and node.input[0] in walk.grids and node.op_type in MOVERS:
            values = {**graph.constants, node.input[0]: walk.grids[node.input[0]].astype(np.float32)}
            walk.grids[output] = graph.run(node, values).astype(np.float64)

    def _last(self, node: onnx.NodeProto) -> bool:
        """Whether nothing behind a node multiplies matrices or quantises."""
        behind, seen = [node], []
        while behind:
            current = behind.pop()
            for output in current.output:
                following = self.graph.readers.get(output, [])
                seen += following
                behind += following
        return not any(n.op_type in (*QUANTISERS, "MatMul", "Conv", "Gemm") for n in seen)
