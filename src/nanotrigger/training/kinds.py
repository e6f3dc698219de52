"""Binary, ternary and power-of-two quantisers beside the fixed-point ones, model by model in one stack.

The kinds are arrays with a leading model axis, numbered as in `qonnx.kinds.KINDS`. Forward passes and straight-through
gradients are those of QKeras (github.com/google/qkeras, quantizers.py at 01468d2: `binary`, `ternary`,
`quantized_bits`, `quantized_po2`, `quantized_relu_po2`):

- parameters with `alpha="auto_po2"`: the gradient passes unchanged, saturated or not;
- binary and ternary activations with a fixed alpha: the gradient is that of alpha tanh(x / alpha);
- ReLUs: the gradient passes between zero and the largest value.

What differs: scales follow from the parameters once per epoch, as the fixed-point ranges here do, and not at every step; a
power-of-two ReLU has a zero in place of its smallest level, and rounds to the nearest power (QKeras: to the nearest
logarithm, whose thresholds no adder compares with exactly).
"""

from typing import Any

import torch

from nanotrigger.qonnx import kinds as names
from nanotrigger.training.quantisers import activation_range, best_range, mantissa_and_power, weight_range

FIXED, BINARY, TERNARY, POWER = map(names.KINDS.index, (names.FIXED, names.BINARY, names.TERNARY, names.POWER))

HALF_POWER = 0.70710676908493041992
"""sqrt(1/2) as a float32: the same threshold in single and double precision."""

UNROLLS = 5
"""Steps in which the scale of a ternary tensor is found, as in QKeras."""


def _halved_below(values: torch.Tensor, threshold: float) -> torch.Tensor:
    """The power of two that is above values, or half of it where values are less than that share of it; NaN for a zero."""
    mantissa, power = mantissa_and_power(values)
    return torch.where(mantissa < threshold, power / 2, power)


def nearest_logarithm(values: torch.Tensor, top: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Signed powers of two top 2^-k, k < 2^(bits - 1), whose logarithm is nearest to that of |values|; never zero.

    The sign of zero is plus. top: the largest, a power of two; top and bits broadcast against values.
    """
    size = values.abs() / top
    lowest = torch.exp2(1 - torch.exp2(bits - 1)).to(values.dtype)
    power = torch.where(size == 0, lowest, _halved_below(size, HALF_POWER).clamp(max=1).maximum(lowest))
    return torch.where(values >= 0, power, -power) * top


def nearest_power(v: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    """The nearest of 0, 1, 2, 4, ..., top, ties upwards; zero for what is negative. top broadcasts against v."""
    return torch.where(v < 0.5, 0.0, _halved_below(v, 0.75).clamp(min=1)).minimum(top)


class _Parameters(torch.autograd.Function):
    """Parameters on their grids, of whatever kind; the gradient passes straight through."""

    @staticmethod
    def forward(ctx: Any, w: torch.Tensor, bits: torch.Tensor, reach: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        fixed = kind == FIXED
        step = torch.where(fixed, reach * torch.exp2(1 - bits), reach)
        limit = torch.where(fixed, torch.exp2(bits - 1), 1.0).to(w.dtype)
        codes = torch.clamp(torch.round(w / step), -limit, torch.where(fixed, limit - 1, limit))
        codes = torch.where(kind == BINARY, torch.where(w >= 0, 1.0, -1.0).to(w.dtype), codes) * step
        return torch.where(kind == POWER, nearest_logarithm(w, reach, bits), codes)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return gradient, None, None, None


def quantise_parameters(w: torch.Tensor, bits: torch.Tensor, reach: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Weights or biases (models, in, out) on their grids; the gradient passes straight through.

    kind, bits: (models, 1, 1). reach: (models, 1, out), a power of two: the range of fixed-point numbers, the scale of binary
    and ternary ones, the largest power of two.
    """
    return _Parameters.apply(w, bits, reach, kind)


def _to_power(scale: torch.Tensor) -> torch.Tensor:
    """The power of two whose logarithm is nearest to that of scale, at least 2^-24 (QKeras: 2^round(log2(scale)))."""
    return _halved_below(scale.clamp(min=2.0**-24), HALF_POWER)


def binary_scale(w: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Power-of-two scale of the signs of w over those axes: sum(w q) / sum(q q), with q = sign(w), is the mean of |w|."""
    return _to_power(w.abs().mean(axes, keepdim=True))


def ternary_scale(w: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Power-of-two scale s of a ternary w over those axes, with a threshold of s / 2.

    Starts from two thirds of the largest |w|, exact for uniform numbers, and is refined: sum(w q) / sum(q q) with q the codes
    of the scale before (1605.04711; QKeras' `ternary`).
    """
    size = w.abs()
    scale = _to_power(size.amax(axes, keepdim=True) * (2 / 3))
    for _ in range(UNROLLS):
        kept = (size > scale / 2).to(w.dtype)
        count = kept.sum(axes, keepdim=True)
        scale = torch.where(count > 0, _to_power((size * kept).sum(axes, keepdim=True) / count.clamp(min=1)), scale)
    return scale


def parameter_range(w: torch.Tensor, bits: torch.Tensor, kind: torch.Tensor, per_output: bool) -> torch.Tensor:
    """Reach (see `quantise_parameters`) of weights or biases w (models, in, out): (models, 1, 1), or (models, 1, out).

    per_output: whether binary and ternary tensors have a scale for each output, as QKeras' kernels do and biases do not.
    Fixed-point and power-of-two tensors have one, that of the smallest squared error.
    """
    axes = (1,) if per_output else (1, 2)
    power = best_range(w, lambda top: nearest_logarithm(w, top, bits), power=2)
    reach = torch.where(kind == POWER, power, weight_range(w, bits))
    reach = torch.where(kind == BINARY, binary_scale(w, axes), reach)
    return torch.where(kind == TERNARY, ternary_scale(w, axes), reach)


def parameter_step(form: names.Format, reach: torch.Tensor) -> torch.Tensor:
    """Grid of parameters of that format: what every one of them is a multiple of. reach: see `quantise_parameters`."""
    if form.kind == names.FIXED:
        return reach * 2.0 ** (1 - form.bits)
    return reach * 2.0 ** (1 - 2 ** (form.bits - 1)) if form.kind == names.POWER else reach


def members(kind: torch.Tensor, *kinds: int) -> torch.Tensor:
    """Indices of the models of those kinds. kind: (models, 1, 1)."""
    return torch.nonzero(sum(kind.flatten() == k for k in kinds)).flatten()


def activation_reach(h: torch.Tensor, bits: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Range, scale or largest power of two of the activations of h (models, units, jets), sums before the ReLU.

    Returns (models, 1, 1). The range of fixed-point ReLUs is that of `activation_range`; the largest power of two has the
    smallest absolute error; scales are those of binary and ternary parameters.
    """
    reach = torch.ones_like(bits)
    for one in range(len(names.KINDS)):
        if not len(chosen := members(kind, one)):
            continue
        values, width = h[chosen], bits[chosen]
        if one == FIXED:
            found = activation_range(torch.relu(values), width)
        elif one == BINARY:
            found = binary_scale(values, (1, 2))
        elif one == TERNARY:
            found = ternary_scale(values, (1, 2))
        else:
            found = best_range(torch.relu(values), lambda top, v=values, b=width: _relu_power(v, top, b), power=1)
        reach[chosen] = found
    return reach


def _relu_power(h: torch.Tensor, top: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    unit = top / top_code(bits)
    return nearest_power(h / unit, top / unit) * unit


def top_code(bits: torch.Tensor) -> torch.Tensor:
    """Largest code of a power-of-two ReLU, which has 2^bits - 1 levels above zero, in units of the smallest."""
    return torch.exp2(torch.exp2(bits) - 2)


def activation_unit(bits: torch.Tensor, reach: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """What one code of an activation is worth, a power of two, (models, 1, 1)."""
    unit = torch.where(kind == FIXED, reach * torch.exp2(-bits), reach)
    return torch.where(kind == POWER, reach / top_code(bits), unit)


def activation_offset(kind: torch.Tensor) -> torch.Tensor:
    """Codes to add before an activation is truncated: half a one where it rounds half up."""
    return torch.where((kind == FIXED) | (kind == TERNARY), 0.5, 0.0)


class _Activations(torch.autograd.Function):
    """Activations of all kinds in one pass: floor and clip for all models, and what is particular for those that have it."""

    @staticmethod
    def forward(ctx: Any, h: torch.Tensor, bits: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        two_sided, power = (kind == BINARY) | (kind == TERNARY), kind == POWER
        levels = torch.where(power, top_code(bits), torch.exp2(bits)).to(h.dtype)
        low = torch.where(two_sided, -1.0, 0.0).to(h.dtype)
        high = torch.where(kind == BINARY, 0.0, torch.where(kind == TERNARY, 1.0, levels - 1)).to(h.dtype)
        ctx.save_for_backward(h, levels, kind)
        codes = torch.floor(h)
        codes = torch.clamp(codes, low, high, out=codes)
        if len(chosen := members(kind, BINARY)):
            codes[chosen] = codes[chosen] * 2 + 1
        if len(chosen := members(kind, POWER)):
            codes[chosen] = nearest_power(h[chosen], levels[chosen])
        return codes

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        h, levels, kind = ctx.saved_tensors
        result = gradient * ((h > 0) & (h < levels))
        if len(chosen := members(kind, BINARY, TERNARY)):
            x = h[chosen] - activation_offset(kind[chosen])
            result[chosen] = gradient[chosen] * (1 - torch.tanh(x) ** 2)
        return result, None, None


def mixed_codes(h: torch.Tensor, bits: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Activations as whole numbers in units of `activation_unit`: 0 to 2^bits - 1; -1 and 1; -1 to 1; or 0, 1, 2, 4, ...

    h: (models, units, jets) in those units, before the ReLU, `activation_offset` already added. bits, kind: (models, 1, 1).
    """
    return _Activations.apply(h, bits, kind)
