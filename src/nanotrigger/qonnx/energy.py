"""Energy of one inference by operation and bit width, and the size of a network in bits: what AutoQKeras trades accuracy for.

An estimate for silicon at 45 nm and 0.9 V, in pJ; no FPGA's power, and nothing of routing, clock or leakage.

- M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, fig. 1.1.9: integer addition 0.03 pJ (8
  bits), 0.1 pJ (32 bits); multiplication 0.2 pJ (8 bits), 3.1 pJ (32 bits); reading 64 bits from a memory of 8 kB 10 pJ, of
  32 kB 20 pJ, of 1 MB 100 pJ.
- From QTools (2006.10159; github.com/google/qkeras, qtools/config_public.py and settings.py, process `horowitz`): addition as
  the line through zero and 32 bits, multiplication as the parabola through zero, 8 and 32 bits, at the geometric mean of both
  widths. From qtools/quantized_operators/multiplier_impl.py: which gates replace a multiplication (`multiply`), and how wide
  the accumulator is; every product is added once.
- Memories: 0.3125 pJ per bit in a memory of 2^18 bits (Horowitz' 20 pJ for 64) and the square root of the size from there:
  10, 20 and 113 pJ for the three memories. QTools had that law (comments of qtools/qenergy/qenergy.py) before its present cubic
  through the same points, which rises again below 8 kB, where every layer of ours lies. As in AutoQKeras' examples
  parameters and activations are in such memories, each tensor in one of its own, and read or written once.

Two things are not QTools': a zero parameter costs nothing, since what is built for one network has no gates and no memory
for it; and the last layer's sums are not written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nanotrigger.qonnx.fixed_point import FixedPointNetwork
from nanotrigger.qonnx.kinds import BINARY, FIXED, POWER, TERNARY, Format, LayerFormat

PARTS = ("multiply", "add", "parameters", "inputs", "outputs")
"""What the energy of a layer is made of: products, sums, and reading or writing of memories."""

MUX = {BINARY: 0.3, TERNARY: 0.6}
"""Energy of selecting -x, (0) or +x, and of an exclusive or, relative to an addition of the same width (QTools)."""


@dataclass(frozen=True)
class Numbers:
    """Kind of a tensor's numbers and the width of each, sign included; zero where there is no number."""

    kind: str
    bits: np.ndarray
    signed: bool

    @classmethod
    def alike(cls, form: Format, shape: tuple[int, ...], signed: bool) -> "Numbers":
        """A tensor of one format."""
        return cls(form.kind, np.full(shape, float(form.bits)), signed)


def add(bits: np.ndarray | float) -> np.ndarray:
    """pJ of an addition of that width."""
    return 0.1 / 32 * np.asarray(bits, np.float64)


def multiplication(bits: np.ndarray | float) -> np.ndarray:
    """pJ of a product of two fixed-point numbers, of that width in the geometric mean."""
    bits = np.asarray(bits, np.float64)
    # a b^2 + c b through (8, 0.2) and (32, 3.1)
    a = (3.1 / 32 - 0.2 / 8) / (32 - 8)
    return a * bits**2 + (0.2 / 8 - 8 * a) * bits


def memory(bits: float) -> float:
    """pJ of reading, or writing, all of a memory that holds so many bits."""
    return 0.3125 * float(bits) * (float(bits) / 2**18) ** 0.5


def _span(numbers: Numbers) -> np.ndarray:
    """Binary digits between the smallest and the largest power of two of those codes."""
    return np.exp2(numbers.bits - 1) - 1 if numbers.signed else np.exp2(numbers.bits) - 2


def multiply(inputs: Numbers, weights: Numbers) -> np.ndarray:
    """pJ of every product of an input (in,) and a weight (in, out): (in, out), zero where either is none."""
    x, w = inputs.bits[:, None], weights.bits
    kinds = {inputs.kind, weights.kind}
    if kinds == {BINARY}:
        energy = MUX[BINARY] * add(np.ones_like(w))
    elif weights.kind in MUX:
        energy = MUX[weights.kind] * add(np.broadcast_to(x, w.shape))
    elif inputs.kind in MUX:
        energy = MUX[inputs.kind] * add(w)
    elif kinds == {POWER}:
        energy = add(np.maximum(x, w) + 1)
    elif POWER in kinds:
        power, other = (w, x) if weights.kind == POWER else (x, w)
        width = np.sqrt(np.exp2(power) * np.maximum(other, 1))
        energy = add(width * np.log10(width))  # QTools' shifter
    else:
        energy = multiplication(np.sqrt(x * w))
    return np.where((x > 0) & (w > 0), energy, 0.0)


def product_bits(inputs: Numbers, weights: Numbers) -> np.ndarray:
    """Width of every product, (in, out), zero where there is none."""
    x, w = inputs.bits[:, None], weights.bits
    if weights.kind in MUX or inputs.kind in MUX:
        kept, width = (inputs, x) if weights.kind in MUX else (weights, w)
        bits = width + (not kept.signed)
    elif POWER in (inputs.kind, weights.kind):
        spans = [_span(numbers) for numbers in (inputs, weights) if numbers.kind == POWER]
        other = [b for numbers, b in ((inputs, x), (weights, w)) if numbers.kind != POWER]
        spans = [span[:, None] if span.ndim == 1 else span for span in spans]
        bits = sum(spans) + (other[0] + (not inputs.signed) * (weights.kind == POWER) if other else 1)
    else:
        bits = x + w
    return np.where((x > 0) & (w > 0), bits, 0.0)


def layer_energy(inputs: Numbers, weights: Numbers, bias: Numbers, outputs: Numbers | None) -> dict[str, float]:
    """pJ of a dense layer by PARTS. inputs (in,); weights (in, out); bias, outputs (out,): none where sums are not kept."""
    products = product_bits(inputs, weights)
    terms = (products > 0).sum(0)
    # a sum of n terms is wider than one of them by log2 n
    width = products.max(0) + np.ceil(np.log2(np.maximum(terms + (bias.bits > 0), 1)))
    return {
        "multiply": float(multiply(inputs, weights).sum()),
        "add": float((terms * add(width)).sum()),
        "parameters": memory(weights.bits.sum()) + memory(bias.bits.sum()),
        "inputs": memory(inputs.bits.sum()),
        "outputs": memory(outputs.bits.sum()) if outputs else 0.0,
    }


def energy(network: FixedPointNetwork) -> list[dict[str, float]]:
    """pJ of every layer of a network, by PARTS."""
    inputs = []
    for layer in network.layers:
        width = np.broadcast_to(layer.input.width, len(layer.weight))
        inputs.append(Numbers(layer.input.format.kind, width, bool(layer.input.signed.any())))
    rows = []
    for layer, before, behind in zip(network.layers, inputs, [*inputs[1:], None], strict=True):
        weights, bias = (Numbers(getattr(layer, f"{n}_kind"), layer.widths(n), True) for n in ("weight", "bias"))
        rows.append(layer_energy(before, weights, bias, behind))
    return rows


def energy_of_formats(sizes: Sequence[int], formats: Sequence[LayerFormat], input_bits: int) -> float:
    """pJ of a network of those shapes and formats in which no parameter is zero."""
    total, before = 0.0, Numbers.alike(Format(FIXED, input_bits), (sizes[0],), True)
    for (n, m), form in zip(pairwise(sizes), formats, strict=True):
        behind = form.activation and Numbers.alike(form.activation, (m,), form.activation.kind in MUX)
        weights, bias = Numbers.alike(form.kernel, (n, m), True), Numbers.alike(form.bias, (m,), True)
        total += sum(layer_energy(before, weights, bias, behind).values())
        before = behind
    return total


def bits_of_formats(sizes: Sequence[int], formats: Sequence[LayerFormat], input_bits: int) -> int:
    """Bits of all parameters and activations, inputs included: AutoQKeras' size of a network (forgiving_bits.py).

    QKeras adds 8 bits for every output of a softmax, which is left to the host here.
    """
    total = sizes[0] * input_bits
    for (n, m), form in zip(pairwise(sizes), formats, strict=True):
        total += n * m * form.kernel.bits + m * (form.bias.bits + (form.activation.bits if form.activation else 0))
    return int(total)


def model_bits(network: FixedPointNetwork) -> int:
    """The same of a network, without its parameters that are zero."""
    parameters = sum(layer.widths(name).sum() for layer in network.layers for name in ("weight", "bias"))
    return int(parameters + sum(np.broadcast_to(y.input.width, len(y.weight)).sum() for y in network.layers))
