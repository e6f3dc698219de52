"""Fixed-point quantisers with straight-through gradients; every scale is a power of two.

All take tensors with a leading model axis and bit widths that broadcast against them, so that models of different
widths train side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

BELOW_ONE = 1 - 2.0**-24
"""The largest number below one in single precision; times 2^bits it rounds down to 2^bits - 1, up to 24 bits."""


def mantissa_and_power(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """m and p with values = m p, 0.5 <= |m| < 1 and p a power of two; 0 and NaN for a zero.

    p is exact on every device, as a quotient of floating-point numbers that is one itself. torch's ldexp is a pow, which an
    accelerator may round.
    """
    mantissa, _ = torch.frexp(values)
    return mantissa, values / mantissa


def power_of_two_range(peak: torch.Tensor) -> torch.Tensor:
    """Smallest power of two that is not less than `peak`, exactly, and at least 2^-24. peak: not negative."""
    peak = peak.clamp(min=2.0**-24)
    mantissa, power = mantissa_and_power(peak)
    return torch.where(mantissa == 0.5, peak, power)


@dataclass(frozen=True)
class Grid:
    """A signed grid, a step and the first and last code of each model, (models, 1, 1): worked out once for many steps."""

    step: torch.Tensor
    inverse: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    @classmethod
    def of(cls, bits: torch.Tensor, reach: torch.Tensor) -> "Grid":
        """Grid of `bits`, sign included, over `reach`, a power of two: so its step has an exact inverse."""
        step, limit = reach * torch.exp2(1 - bits), torch.exp2(bits - 1)
        return cls(step, 1 / step, -limit, limit - 1)


class _Rounded(torch.autograd.Function):
    """Weights on their grid; the gradient passes straight through."""

    @staticmethod
    def forward(ctx: Any, w: torch.Tensor, grid: Grid) -> torch.Tensor:
        return (w * grid.inverse).round_().clamp_(grid.low, grid.high).mul_(grid.step)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class _Activated(torch.autograd.Function):
    """ReLU, rounding and saturation in one pass over the activations, which are nearly all of a training's memory.

    h is in units of each model's range and has half a step added: codes are floor(h 2^bits), the gradient passes where
    0 < h < 1. Those bounds are the same for all models, which is what lets one fused kernel of torch apply them.
    """

    @staticmethod
    def forward(ctx: Any, h: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(h, levels)
        clamp = torch.clamp if ctx.needs_input_grad[0] else torch.clamp_  # without a way back h is not needed again
        return clamp(h, 0.0, BELOW_ONE).mul_(levels).floor_()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        h, levels = ctx.saved_tensors
        # into the memory of h, which nothing reads after this; torch refuses a second pass backwards
        return torch.ops.aten.hardtanh_backward.grad_input(gradient, h, 0.0, 1.0, grad_input=h).mul_(levels), None


def quantise_weights(w: torch.Tensor, bits: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """Round weights half to even onto a signed grid and saturate; the gradient passes straight through.

    w: (models, ...); bits, sign included, and reach, the power of two of the range: (models, 1, 1).
    """
    return on_grid(w, Grid.of(bits, reach))


def on_grid(w: torch.Tensor, grid: Grid) -> torch.Tensor:
    """`quantise_weights` with a grid that is known."""
    return _Rounded.apply(w, grid)


def activation_codes(h: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Activations as whole numbers from 0 to 2^bits - 1, rounded half up; no gradient where they saturate.

    h: (models, units, jets), before the ReLU, in units of the model's power-of-two range, half a step already added:
    hardware then only truncates, the half step goes into the bias of the layer before. bits: (models, 1, 1). The memory of h
    is used for something else.
    """
    return activation_levels(h, torch.exp2(bits))


def activation_levels(h: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """`activation_codes` with the number of codes that is known, 2^bits (models, 1, 1)."""
    return _Activated.apply(h, levels)


def best_range(
    values: torch.Tensor, quantise: Callable[[torch.Tensor], torch.Tensor], power: int, halvings: int = 4
) -> torch.Tensor:
    """Power-of-two range with which quantised values are nearest to the values, (models, 1, 1).

    values: (models, rows, columns); quantise(reach): what they become with a range, a new tensor. Tried are the smallest
    range that holds the largest value and its first `halvings` halves; the mean error to that power decides: few bits are
    better spent on many values than on the rare large ones, which saturate.
    """
    # torch.linalg.vector_norm takes ten times as long, and sixty for the largest magnitude
    axes = {"dim": (1, 2), "keepdim": True}
    reach = best = power_of_two_range(torch.maximum(values.amax(**axes), -values.amin(**axes)))
    least = torch.full_like(reach, torch.inf)
    for _ in range(halvings + 1):
        error = quantise(reach).sub_(values).abs_().pow_(power).sum(**axes)
        best, least = torch.where(error < least, reach, best), torch.minimum(error, least)
        reach = reach / 2
    return best


def weight_range(w: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Range of weights or biases with the smallest squared error. w: (models, rows, columns); bits: (models, 1, 1)."""
    return best_range(w, lambda reach: quantise_weights(w, bits, reach), power=2)


def activation_range(h: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Range of activations h (models, units, jets), not negative, with the smallest absolute error.

    The absolute error saturates more than the squared one; trained with, that is more accurate at 4 bits and the same at 8.
    """

    highest = torch.exp2(bits) - 1

    def quantised(reach: torch.Tensor) -> torch.Tensor:
        step = reach * torch.exp2(-bits)
        return (h * (1 / step)).add_(0.5).floor_().clamp_(max=highest).mul_(step)

    return best_range(h, quantised, power=1)


def quantise_inputs(x: torch.Tensor, bits: float, step: float) -> torch.Tensor:
    """Round inputs half to even onto a signed grid and saturate. x: (jets, features)."""
    limit = 2.0 ** (bits - 1)
    return torch.clamp(torch.round(x / step), -limit, limit - 1) * step
