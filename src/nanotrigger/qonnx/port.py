"""The ports of a model that somebody else wrote: a format for an input it does not quantise, an order for its outputs."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nanotrigger.qonnx.ap_fixed import FixedPoint
from nanotrigger.qonnx.export import QONNX_DOMAIN


def quantise_input(model: onnx.ModelProto, form: FixedPoint) -> onnx.ModelProto:
    """The model behind a Quant node of that format."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    constants = {t.name for t in result.graph.initializer}
    (given,) = [i for i in result.graph.input if i.name not in constants]
    quantised = f"{given.name}_quantised"
    for node in result.graph.node:
        for i, name in enumerate(node.input):
            if name == given.name:
                node.input[i] = quantised
    names = [f"{given.name}_{part}" for part in ("scale", "zero_point", "bits")]
    for name, value in zip(names, (form.step, 0, form.width), strict=True):
        result.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    node = helper.make_node(
        "Quant",
        [given.name, *names],
        [quantised],
        name=f"{quantised}_Quant",
        domain=QONNX_DOMAIN,
        signed=int(form.signed),
        narrow=0,
        rounding_mode="ROUND",
    )
    result.graph.node.insert(0, node)
    shape = [d.dim_value for d in given.type.tensor_type.shape.dim]
    result.graph.value_info.append(helper.make_tensor_value_info(quantised, TensorProto.FLOAT, shape))
    if not any(o.domain == QONNX_DOMAIN for o in result.opset_import):
        result.opset_import.append(helper.make_opsetid(QONNX_DOMAIN, 1))
    return result


def reorder_outputs(model: onnx.ModelProto, order: list[int]) -> onnx.ModelProto:
    """The model with the columns of its output (1, outputs) in another order."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    (output,) = result.graph.output
    index = f"{output.name}_order"
    result.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), index))
    result.graph.node.append(helper.make_node("Gather", [output.name, index], [f"{output.name}_ordered"], axis=1))
    result.graph.value_info.append(output)
    output.name = f"{output.name}_ordered"
    return result
