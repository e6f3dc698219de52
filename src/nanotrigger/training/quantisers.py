"""Fixed-point quantisers with straight-through gradients; every scale is a power of two.

All take tensors with a leading model axis and bit widths that broadcast against them, so that models of different
widths train side by side. An infinite width leaves the tensor as it is.
"""

import torch


def power_of_two_step(peak: torch.Tensor, bits: torch.Tensor, signed: bool) -> torch.Tensor:
    """Smallest power-of-two step with which `bits` bits reach `peak`.

    peak: largest magnitude, at least zero; bits: width, the sign included where `signed`. Broadcast together.
    """
    exponent = torch.ceil(torch.log2(peak.clamp(min=2.0**-24)))
    return torch.exp2(exponent - (bits - int(signed)))


def quantise_weights(w: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Round weights half to even onto a signed grid that fits the largest of each model.

    w: (models, ...); bits: (models, 1, 1), the sign included. The gradient passes straight through.
    """
    peak = w.detach().abs().amax(tuple(range(1, w.ndim)), keepdim=True)
    step = power_of_two_step(peak, bits, signed=True)
    limit = torch.exp2(bits - 1)
    q = torch.clamp(torch.round(w.detach() / step), -limit, limit - 1) * step
    return w + (torch.where(torch.isinf(bits), w.detach(), q) - w.detach())


def quantise_activations(h: torch.Tensor, bits: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    """Round activations half up onto an unsigned grid and saturate; no gradient where it saturates.

    h: (models, jets, units), not negative; bits, peak: (models, 1, 1). Half up, because hardware then only truncates:
    the half step goes into the bias of the layer before.
    """
    step = power_of_two_step(peak, bits, signed=False)
    top = (torch.exp2(bits) - 1) * step
    exact = torch.isinf(bits)
    inside = torch.where(exact, h, torch.minimum(h, top))
    q = torch.floor(inside.detach() / step + 0.5) * step
    q = torch.where(exact, inside.detach(), torch.minimum(q, top))
    return inside + (q - inside.detach())


def quantise_inputs(x: torch.Tensor, bits: float, step: float) -> torch.Tensor:
    """Round inputs half to even onto a signed grid and saturate. x: (jets, features)."""
    limit = 2.0 ** (bits - 1)
    return torch.clamp(torch.round(x / step), -limit, limit - 1) * step
