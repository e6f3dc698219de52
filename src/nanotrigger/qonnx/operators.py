"""What each ONNX operator does to exact numbers: one function per operator, by its name.

An operator of which no exact result exists becomes a step of a float function (see `symbolic`). What can be neither is
refused by name.
"""

import onnx

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.elementwise import ELEMENTWISE
from nanotrigger.qonnx.graph import where
from nanotrigger.qonnx.lookups import LOOKUPS
from nanotrigger.qonnx.movers import MOVERS, concat
from nanotrigger.qonnx.products import matmul, reduce_sum
from nanotrigger.qonnx.symbolic import Floating, Tensor
from nanotrigger.qonnx.walk import Operands, Operator, Walk
from nanotrigger.qonnx.windows import WINDOWED


def _step_of_a_function(walk: Walk, node: onnx.NodeProto, inputs: Operands) -> Tensor:
    dynamic = [t for t in inputs if t is not None and (isinstance(t, Floating) or not t.constant)]
    if len(dynamic) != 1:
        raise ExportError(f"{where(node)}: has {len(dynamic)} inputs that are not constant; one is known.")
    return walk.floating(dynamic[0], node)


OPERATORS: dict[str, Operator] = {
    **ELEMENTWISE,
    **WINDOWED,
    **MOVERS,
    **LOOKUPS,
    "MatMul": matmul,
    "ReduceSum": reduce_sum,
    "Concat": concat,
    **dict.fromkeys(
        ("BatchNormalization", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Softplus", "PRelu", "Exp", "Log", "Sqrt",
         "Pow", "Abs", "Neg", "Floor", "Ceil", "Round", "Erf", "Softsign"),
        _step_of_a_function,
    ),
}  # fmt: skip

HOST = ("Softmax", "LogSoftmax", "ArgMax", "Sigmoid", "Hardmax")
"""Operators that may stand at the output and are left to the host."""
