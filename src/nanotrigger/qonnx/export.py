"""Write a fixed-point network as a QONNX file of operators that the stock executor runs, exactly.

- A quantiser with one grid is one Quant node. One with a grid per element is Quant (scale as a tensor, one wide width,
  since the executor takes no tensor of widths), Max and Min.
- Of activations a sign is a BipolarQuant, three values a narrow Quant of two bits, powers of two a sum of one-bit Quants.
- Half-up rounding is truncation after half a step, and the half step goes into the bias before it: free in hardware.
- A float32 has 24 bits. Where a layer's sums may need more, they are computed in double precision between two Casts,
  so that the file is exact on every executor, whatever the order of summation.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser
from nanotrigger.qonnx.kinds import FIXED
from nanotrigger.results.records import replace_when_whole

QONNX_DOMAIN = "qonnx.custom_op.general"
TRACED = "nanotrigger.traced"
"""Metadata key: JSON list of [before, after] tensor names around each clipping whose range was traced on data."""

FLOAT32_BITS, DOUBLE_BITS = 24, 53


class GraphWriter:
    """Nodes and constants of a file in the order they are added."""

    def __init__(self):
        self.nodes, self.constants, self.traced = [], [], []

    def constant(self, name: str, value: np.ndarray | float, dtype: type = np.float32) -> str:
        array = np.asarray(value, dtype)
        if not np.array_equal(array.astype(np.float64), np.asarray(value, np.float64)):
            raise ExportError(f"{name}: holds values that are not exact in {np.dtype(dtype).name}.")
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_{kind}", **attributes))
        return output

    def quant(
        self, source: str, output: str, scale: np.ndarray, bits: int, signed: bool, rounding: str, narrow: bool = False
    ) -> str:
        parameters = [
            self.constant(f"{output}_scale", scale),
            self.constant(f"{output}_zero_point", 0),
            self.constant(f"{output}_bits", bits),
        ]
        return self.node(
            "Quant",
            [source, *parameters],
            output,
            domain=QONNX_DOMAIN,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=rounding,
        )

    def bipolar(self, source: str, output: str, scale: np.ndarray) -> str:
        scale = self.constant(f"{output}_scale", scale)
        return self.node("BipolarQuant", [source, scale], output, domain=QONNX_DOMAIN)

    def powers(self, source: str, name: str, q: Quantiser, dtype: type) -> str:
        """The nearest power of two as a sum of steps: a comparator of one bit for each level.

        A one-bit Quant of x / 2 + 2^(k-2) with scale 2^k is 2^k from 1.5 2^k on: what 2^(k+1) is more than 2^k.
        """
        top = round(float(np.log2(q.high / q.step)))
        half = self.node("Mul", [source, self.constant(f"{name}_half", 0.5, dtype)], f"{name}_halved")
        twice = self.node("Mul", [source, self.constant(f"{name}_two", 2.0, dtype)], f"{name}_doubled")
        total = self.quant(twice, f"{name}_level0", q.step, 1, False, "FLOOR")
        for k in range(top):
            unit = float(q.step) * 2.0**k
            shift = self.constant(f"{name}_shift{k + 1}", unit / 4, dtype)
            moved = self.node("Add", [half, shift], f"{name}_moved{k + 1}")
            level = self.quant(moved, f"{name}_level{k + 1}", unit, 1, False, "FLOOR")
            total = self.node("Add", [total, level], name if k == top - 1 else f"{name}_to{k + 1}")
        return total

    def quantiser(self, source: str, name: str, q: Quantiser, kind: int) -> str:
        """The quantised tensor, in single precision. kind: of the source, TensorProto.FLOAT or DOUBLE."""
        if q.rounding == "SIGN":
            if kind == TensorProto.DOUBLE:  # unlike Quant, BipolarQuant gives what it gets
                source = self.node("Cast", [source], f"{source}_single", to=TensorProto.FLOAT)
            return self.bipolar(source, name, q.step)
        if q.rounding == "POWER":
            return self.powers(source, name, q, helper.tensor_dtype_to_np_dtype(kind))
        rounding = "FLOOR" if q.rounding == "HALF_UP" else q.rounding
        signed = bool(q.signed.any())
        width = int(q.bits.max()) + signed
        span = 2.0**q.bits * q.step
        if q.step.ndim == 0 and q.low == -span * signed and q.high == span - q.step:
            return self.quant(source, name, q.step, width, signed, rounding)
        if q.step.ndim == 0 and signed and q.low == q.step - span and q.high == span - q.step:
            return self.quant(source, name, q.step, width, signed, rounding, narrow=True)
        dead = q.low == q.high
        step = np.where(dead, 1.0, q.step)
        # eight spare bits, so that what leaves the range is seen by Max and Min and can be counted
        wide = self.quant(source, f"{name}_wide", step, max(width, 1) + 8, True, rounding)
        lowest = self.node("Max", [wide, self.constant(f"{name}_low", q.low)], f"{name}_raised")
        clipped = self.node("Min", [lowest, self.constant(f"{name}_high", q.high)], name)
        if q.traced:
            self.traced.append([wide, clipped])
        return clipped

    def parameter(self, name: str, value: np.ndarray, step: np.ndarray, kind: str) -> str:
        """A weight or bias as a constant behind a Quant node that keeps it as it is and tells tools its grid.

        Signs, three values and powers of two are written on the finest grid of their tensor: hls4ml 1.3.0 takes no
        BipolarQuant and no scales that differ from output to output behind a constant.
        """
        grid = step.flat[0] if (step == step.flat[0]).all() else step if kind == FIXED else step.min()
        reach = np.maximum(value / grid + 1, -value / grid).max(initial=1)
        width = max(int(np.ceil(np.log2(reach))) + 1, 2)  # one signed bit is -1 and +1 to QONNX, never zero
        return self.quant(self.constant(f"{name}_float", value), name, grid, width, True, "ROUND")

    def write(self, path: Path, output: str, kind: int, shape: tuple[int, int], metadata: dict[str, str]) -> None:
        """Write the file, whole or not at all. output, kind: its output and that one's type; shape: features and classes."""
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                "nanotrigger",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, shape[0]])],
                [helper.make_tensor_value_info(output, kind, [1, shape[1]])],
                self.constants,
            ),
            opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(QONNX_DOMAIN, 2)],
            ir_version=10,
            producer_name="nanotrigger",
        )
        helper.set_model_props(model, {**metadata, TRACED: json.dumps(self.traced)})
        with replace_when_whole(path) as temporary:
            onnx.save(model, temporary)

    def sum_kind(self, bits: int, layer: int) -> int:
        """The type in which sums of so many bits are exact. Raises ExportError naming the layer if there is none."""
        if bits > DOUBLE_BITS:
            raise ExportError(
                f"layer {layer}: its sums need {bits} bits; at most {DOUBLE_BITS} can be computed exactly. Use fewer bits."
            )
        return TensorProto.DOUBLE if bits > FLOAT32_BITS else TensorProto.FLOAT


def _fold_half_steps(network: FixedPointNetwork) -> list[Dense]:
    """Layers whose biases hold half a step of the half-up quantiser that follows."""
    layers = list(network.layers)
    for i, layer in enumerate(layers[1:]):
        if layer.input.rounding != "HALF_UP":
            continue
        half = np.where(layer.input.low == layer.input.high, 0.0, layer.input.step / 2)
        bias = layers[i].bias + half
        step = np.where(half > 0, np.minimum(layers[i].bias_step, np.where(half > 0, half, 1.0)), layers[i].bias_step)
        layers[i] = replace(layers[i], bias=bias, bias_step=step)
    if layers[0].input.rounding == "HALF_UP":
        raise ExportError("the input quantiser rounds half up, which QONNX has no mode for: use ROUND or FLOOR.")
    return layers


def write_qonnx(network: FixedPointNetwork, path: Path, metadata: dict[str, str]) -> None:
    """Write `network` to `path`, whole or not at all.

    Input `x` (1, features) float32: standardised features; output `logits` (1, classes). `metadata` goes into the
    file's properties. Raises ExportError where a number is not exact, or a sum needs more than the 53 bits of a double.
    """
    graph = GraphWriter()
    current = "x"
    layers = _fold_half_steps(network)
    kind = TensorProto.FLOAT
    for i, layer in enumerate(layers):
        name = f"dense{i}"
        current = graph.quantiser(current, f"{name}_input", layer.input, kind)
        weight = graph.parameter(f"{name}_weight", layer.weight, layer.weight_step, layer.weight_kind)
        bias = graph.parameter(f"{name}_bias", layer.bias, layer.bias_step, layer.bias_kind)
        kind = graph.sum_kind(layer.sum_bits(), i)
        if kind == TensorProto.DOUBLE:
            current, weight, bias = (
                graph.node("Cast", [tensor], f"{tensor}_double", to=kind) for tensor in (current, weight, bias)
            )
        last = i == len(layers) - 1
        current = graph.node("MatMul", [current, weight], f"{name}_product")
        current = graph.node("Add", [current, bias], "logits" if last else f"{name}_sum")
        if layer.relu:
            current = graph.node("Relu", [current], f"{name}_relu")
    graph.write(path, current, kind, (len(layers[0].weight), layers[-1].weight.shape[1]), metadata)
