"""A QONNX file as the hardware front end reads it: one input, fixed shapes, no fused biases, quantisers named as such."""

import json
from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp, is_custom_op
from qonnx.transformation.extract_conv_bias import ExtractBiasFromConv
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.qcdq_to_qonnx import QCDQToQuant

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.export import QONNX_DOMAIN, TRACED

FLOAT_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant")
"""What makes fixed-point numbers of any numbers."""

QUANTISERS = (*FLOAT_QUANTISERS, "Trunc")

KEPT = [*QUANTISERS, "QuantizeLinear", "DequantizeLinear"]
"""What folding of constants leaves alone, since it tells a grid."""


def named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with QONNX's operators in QONNX's domain, whatever older exporters called it, and its shapes."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for node in result.graph.node:
        if node.op_type in QUANTISERS:
            node.domain = QONNX_DOMAIN
    if not any(o.domain == QONNX_DOMAIN for o in result.opset_import):
        result.opset_import.append(helper.make_opsetid(QONNX_DOMAIN, 1))
    return ModelWrapper(result).transform(InferShapes()).model


def with_quantisers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with Quant nodes in place of pairs of QuantizeLinear and DequantizeLinear."""
    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return model
    wrapper = ModelWrapper(model, make_deepcopy=True).transform(InferShapes()).transform(FoldConstants(KEPT))
    _quantise_constants(wrapper.model)
    return named(wrapper.transform(InferShapes()).transform(QCDQToQuant()).model)


def _quantise_constants(model: onnx.ModelProto) -> None:
    """Make a Quant node of each DequantizeLinear that stands alone behind integer weights, in place.

    qonnx 1.0.0 does so too, but not where a tensor of more than two axes has a scale per channel.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for position, node in enumerate(list(model.graph.node)):
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        codes = constants[node.input[0]]
        scale = constants[node.input[1]].astype(np.float32)
        zero = constants[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros_like(scale)
        shape = [1] * codes.ndim
        if scale.size > 1:
            shape[attributes(node).get("axis", 1)] = -1
        scale, zero = scale.reshape(shape if scale.size > 1 else ()), zero.astype(np.float32).reshape(shape)
        output = node.output[0]
        values = {
            "weights": (codes.astype(np.float32) - zero) * scale,
            "scale": scale,
            "zero_point": np.float32(0),
            # codes relative to their zero point need a bit more
            "bits": np.float32(8 * codes.dtype.itemsize + bool(zero.any())),
        }
        for name, value in values.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{output}_{name}"))
        settings = {"signed": 1 if codes.dtype.kind == "i" or zero.any() else 0, "narrow": 0, "rounding_mode": "ROUND"}
        names = [f"{output}_{name}" for name in values]
        quant = helper.make_node("Quant", names, [output], name=f"{output}_Quant", domain=QONNX_DOMAIN, **settings)
        model.graph.node.remove(node)
        model.graph.node.insert(position, quant)


def normalise(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with QONNX's own quantisers, every bias an Add of its own, and all shapes inferred.

    QCDQ becomes Quant. Raises ExportError where an axis is dynamic or there is not one input and one output.
    """
    model = ModelWrapper(named(with_quantisers(model)))
    constants = {t.name for t in model.graph.initializer}
    for given in [i for i in model.graph.input if i.name in constants]:
        model.graph.input.remove(given)
    inputs, outputs = list(model.graph.input), list(model.graph.output)
    if len(inputs) != 1 or len(outputs) != 1:
        raise ExportError(
            f"the model has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed: cut it."
        )
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if not shape or min(shape) < 1:
        raise ExportError(
            f"input {inputs[0].name} has a dynamic or unknown shape {shape}: fix it, the batch axis to 1."
        )
    if shape[0] != 1:
        raise ExportError(f"input {inputs[0].name} has shape {shape}: its first axis must be a batch of 1.")
    for step in (InferShapes(), FoldConstants(KEPT), GemmToMatMul(), ExtractBiasFromConv()):
        model = model.transform(step)
    model = model.transform(InferShapes())
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    return model.model


class Graph:
    """A normalised model's nodes, constants and who reads what."""

    def __init__(self, model: onnx.ModelProto):
        self.model = normalise(model)
        graph = self.model.graph
        self.nodes = list(graph.node)
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.shape = tuple(d.dim_value for d in graph.input[0].type.tensor_type.shape.dim)
        self.opsets = {o.domain: o.version for o in self.model.opset_import}
        infos = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.input, *graph.output)}
        self.shapes = {n: tuple(d.dim_value for d in t.shape.dim) for n, t in infos.items()}
        self.doubles = {name for name, t in infos.items() if t.elem_type == TensorProto.DOUBLE}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        properties = {p.key: p.value for p in self.model.metadata_props}
        self.traced = {after for _, after in json.loads(properties.get(TRACED, "[]"))}

    def only_reader(self, tensor: str, kind: str) -> onnx.NodeProto | None:
        """The node that reads `tensor`, if there is just one and it is of that kind with a constant beside."""
        readers = self.readers.get(tensor, [])
        if len(readers) == 1 and readers[0].op_type == kind and tensor != self.output:
            others = [name for name in readers[0].input if name != tensor]
            if len(others) == 1 and others[0] in self.constants:
                return readers[0]
        return None

    def run(self, node: onnx.NodeProto, values: dict[str, np.ndarray]) -> np.ndarray:
        """First output of one node, as the stock executor computes it: QONNX's own operators, else onnxruntime."""
        feeds = {name: values[name] for name in node.input if name}
        if is_custom_op(node.domain, node.op_type):
            context = {**feeds, node.output[0]: None}
            getCustomOp(node, onnx_opset_version=self.opsets.get(node.domain, 1)).execute_node(
                context, self.model.graph
            )
            return np.asarray(context[node.output[0]])
        inputs = [helper.make_tensor_value_info(n, _kind(v), v.shape) for n, v in feeds.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        model = helper.make_model(
            helper.make_graph([node], "one", inputs, outputs),
            opset_imports=[helper.make_opsetid("", self.opsets.get("", 13))],
            ir_version=8,
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, feeds)[0]

    def part(self, source: str, sink: str) -> onnx.ModelProto:
        """The nodes that compute `sink` from `source`, as a model of their own.

        Raises ExportError if they need any other tensor that is not constant.
        """
        wanted, kept = {sink}, []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= {n for n in node.input if n and n != source}
        made = {name for node in kept for name in node.output}
        if loose := sorted(wanted - made - set(self.constants) - {source, sink}):
            raise ExportError(f"{sink} depends on {', '.join(loose)} besides {source}")

        def info(name):
            kind = TensorProto.DOUBLE if name in self.doubles else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, self.shapes[name])

        constants = [t for t in self.model.graph.initializer if t.name in wanted]
        graph = helper.make_graph(kept[::-1], "part", [info(source)], [info(sink)], constants)
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes, text decoded."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}


def reads_table(node: onnx.NodeProto, constants: Collection[str]) -> bool:
    """Whether a Gather reads a table: its data are constant, and its indices are not."""
    if node.op_type not in ("Gather", "GatherElements"):
        return False
    return node.input[0] in constants and node.input[1] not in constants


def where(node: onnx.NodeProto) -> str:
    """How messages name a node."""
    return f"{node.op_type} {node.name or node.output[0]}"


def _kind(array: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(array.dtype)
