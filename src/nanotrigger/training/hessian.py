"""Hutchinson's estimate of the trace of the loss Hessian, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call, grad, jvp

from nanotrigger.progress import Progress
from nanotrigger.training.loop import cross_entropy
from nanotrigger.training.network import BatchedMLP
from nanotrigger.training.quantisers import quantise_weights, weight_range


@dataclass(frozen=True)
class TraceEstimate:
    """Mean and standard error over probes, each (layers,), in units of loss per weight squared."""

    mean: np.ndarray
    standard_error: np.ndarray


def hessian_traces(network: BatchedMLP, x: np.ndarray, y: np.ndarray, probes: int, seed: int) -> TraceEstimate:
    """Trace of the Hessian of the mean cross entropy with respect to each layer's weights.

    network: a stack of one model in floating point. x: (jets, features) float32, standardised; y: (jets,).
    E[v^T H v] over `probes` vectors v of random signs; a probe covers one layer, so the noise of the blocks that couple
    layers does not enter. Source: 1911.03852 (HAWQ-V2), eq. 9.
    """
    x, y = torch.from_numpy(x), torch.from_numpy(y).long()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    samples = np.empty((probes, len(network.weights)))
    with Progress(total=probes * len(network.weights), desc="Hessian traces", unit="probe") as progress:
        for layer in range(len(network.weights)):
            name = f"weights.{layer}"

            def loss(w: torch.Tensor, name: str = name) -> torch.Tensor:
                return cross_entropy(functional_call(network, {**parameters, name: w}, (x,)), y).sum()

            for probe in range(probes):
                signs = torch.randint(0, 2, parameters[name].shape, generator=generator) * 2.0 - 1.0
                product = jvp(grad(loss), (parameters[name],), (signs,))[1]
                samples[probe, layer] = float((signs * product).sum())
                progress.update()
    return TraceEstimate(samples.mean(0), samples.std(0, ddof=1) / np.sqrt(probes))


def quantisation_errors(network: BatchedMLP, weight_bits: Sequence[int]) -> np.ndarray:
    """||Q(W) - W||^2 (layers, choices) of a model's weights at each width, on the grids that training uses."""
    errors = np.empty((network.layers, len(weight_bits)))
    for layer, w in enumerate(w.detach() for w in network.weights):
        for choice, width in enumerate(weight_bits):
            bits = torch.tensor(float(width))
            errors[layer, choice] = float(((quantise_weights(w, bits, weight_range(w, bits)) - w) ** 2).sum())
    return errors


def reference_errors(network: BatchedMLP, weight_bits: Sequence[int]) -> np.ndarray:
    """||Q(W) - W||^2 (layers, choices) with the step of the code published with 2304.06745, (qmax - qmin) / (qmax - 1).

    qmin, qmax: smallest and largest code of a signed grid of that width, -2^(b-1) and 2^(b-1) - 1; the weights' own range
    is missing in it. Only for a comparison with what that code chose. NaN at 2 bits, where the step is infinite.
    """
    errors = np.full((network.layers, len(weight_bits)), np.nan)
    for choice, width in enumerate(weight_bits):
        if width == 2:
            continue
        lowest, highest = -(2 ** (width - 1)), 2 ** (width - 1) - 1
        step = (highest - lowest) / (highest - 1)
        for layer, w in enumerate(w.detach().double() for w in network.weights):
            errors[layer, choice] = float(((torch.clamp(torch.round(w / step), lowest, highest) * step - w) ** 2).sum())
    return errors
