"""A fixed-point format for the input of a model that does not quantise it itself."""

import re
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nanotrigger.errors import ConfigError
from nanotrigger.qonnx.export import QONNX_DOMAIN

FORMAT = re.compile(r"^(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*>$")


@dataclass(frozen=True)
class FixedPoint:
    """ap_fixed<width, integer> of Vitis HLS: integer bits count the sign; numbers are rounded half to even and saturate."""

    width: int
    integer: int
    signed: bool

    @classmethod
    def parse(cls, text: str) -> "FixedPoint":
        """From `fixed<16,6>` or `ufixed<8,0>`. Raises ConfigError for anything else."""
        match = FORMAT.match(text.strip().removeprefix("ap_"))
        if not match or not 1 <= int(match[2]) <= 24:
            raise ConfigError(f"'{text}' is not a format of 1 to 24 bits, as fixed<16,6> or ufixed<8,0>.")
        return cls(int(match[2]), int(match[3]), not match[1])

    @property
    def step(self) -> float:
        return 2.0 ** (self.integer - self.width)

    def random(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers of the format, every code as likely, float32."""
        low = -(2 ** (self.width - 1)) if self.signed else 0
        return (rng.integers(low, low + 2**self.width, shape) * self.step).astype(np.float32)


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
