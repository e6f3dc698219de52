"""A stack of multi-layer perceptrons of one architecture, with bit widths that differ from model to model."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser
from nanotrigger.training.quantisers import (
    power_of_two_step,
    quantise_activations,
    quantise_inputs,
    quantise_weights,
)


@dataclass(frozen=True)
class Widths:
    """Bit widths of one model. weights: one per layer, sign included, biases alike; activations: one per hidden layer,
    unsigned; input: of the standardised features, sign included. An infinite width means floating point."""

    input: float
    weights: tuple[float, ...]
    activations: tuple[float, ...]

    @classmethod
    def floating(cls, layers: int) -> "Widths":
        inf = float("inf")
        return cls(inf, (inf,) * layers, (inf,) * (layers - 1))


class BatchedMLP(torch.nn.Module):
    """`models` ReLU perceptrons with shapes `sizes`, evaluated in one pass.

    Parameters `weights[l]` (models, in, out) and `biases[l]` (models, 1, out). Buffers: widths, the input step, and the
    running largest activation per hidden layer (models, 1, 1), from which activation steps follow.
    """

    def __init__(self, sizes: Sequence[int], widths: Sequence[Widths], input_peak: float, seeds: Sequence[int]):
        super().__init__()
        self.sizes = tuple(sizes)
        if len({w.input for w in widths}) != 1:
            raise ValueError("models that train together share one input width")
        pairs = list(pairwise(self.sizes))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights = torch.nn.ParameterList(
            torch.stack([torch.randn(a, b, generator=g) * (2 / a) ** 0.5 for g in generators]) for a, b in pairs
        )
        self.biases = torch.nn.ParameterList(torch.zeros(len(widths), 1, b) for _, b in pairs)

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values).reshape(-1, 1, 1)

        for layer in range(len(pairs)):
            self.register_buffer(f"weight_bits{layer}", column([w.weights[layer] for w in widths]))
        for layer in range(len(pairs) - 1):
            self.register_buffer(f"activation_bits{layer}", column([w.activations[layer] for w in widths]))
            self.register_buffer(f"peak{layer}", torch.zeros(len(widths), 1, 1))
        self.register_buffer("input_bits", torch.tensor(widths[0].input))
        self.register_buffer("input_peak", torch.tensor(float(input_peak)))
        self.momentum = 0.95

    @property
    def models(self) -> int:
        return len(self.weights[0])

    def input_step(self) -> float:
        return float(power_of_two_step(self.input_peak, self.input_bits, signed=True))

    def _quantised(self) -> bool:
        return bool(torch.isfinite(self.weight_bits0).any())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (jets, features), standardised. Returns logits (models, jets, classes)."""
        if torch.isfinite(self.input_bits):
            x = quantise_inputs(x, float(self.input_bits), self.input_step())
        h = x.expand(self.models, -1, -1)
        last = len(self.weights) - 1
        quantised = self._quantised()
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if quantised:
                bits = getattr(self, f"weight_bits{layer}")
                w, b = quantise_weights(w, bits), quantise_weights(b, bits)
            h = torch.baddbmm(b, h, w)
            if layer == last:
                return h
            h = torch.relu(h)
            if self.training:
                self._track(layer, h)
            if quantised:
                h = quantise_activations(h, getattr(self, f"activation_bits{layer}"), getattr(self, f"peak{layer}"))
        return h

    @torch.no_grad()
    def _track(self, layer: int, h: torch.Tensor) -> None:
        peak = getattr(self, f"peak{layer}")
        seen = h.detach().amax((1, 2), keepdim=True)
        peak.copy_(torch.where(peak == 0, seen, self.momentum * peak + (1 - self.momentum) * seen))

    @torch.no_grad()
    def measure_peaks(self, x: torch.Tensor) -> None:
        """Set every activation range from the jets `x`, layer by layer as quantised so far."""
        self.momentum, before = 0.0, self.momentum
        self.train()(x)
        self.momentum = before
        self.eval()

    @torch.no_grad()
    def set_widths(self, widths: Sequence[Widths]) -> None:
        """Give every model other bit widths, its parameters and ranges unchanged."""
        self.input_bits.fill_(widths[0].input)
        for layer in range(len(self.weights)):
            getattr(self, f"weight_bits{layer}").copy_(
                torch.tensor([w.weights[layer] for w in widths]).reshape(-1, 1, 1)
            )
        for layer in range(len(self.weights) - 1):
            bits = torch.tensor([w.activations[layer] for w in widths]).reshape(-1, 1, 1)
            getattr(self, f"activation_bits{layer}").copy_(bits)

    def one(self, model: int) -> dict[str, torch.Tensor]:
        """State of one model of the stack, with a model axis of length one."""
        state = {}
        for name, value in self.state_dict().items():
            state[name] = (value[model : model + 1] if value.ndim else value).detach().clone().contiguous()
        return state

    def save(self, model: int, path: Path) -> None:
        """Write one model as safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.one(model), path)

    @classmethod
    def load(cls, path: Path) -> "BatchedMLP":
        """Read one model (a stack of length one), ready to predict."""
        state = load_file(path)
        layers = sum(name.startswith("weights.") for name in state)
        shapes = [state[f"weights.{layer}"].shape for layer in range(layers)]
        network = cls((*(s[1] for s in shapes), shapes[-1][2]), [Widths.floating(layers)], 1.0, [0])
        network.load_state_dict(state)
        return network.eval()

    @torch.no_grad()
    def predict(self, x: np.ndarray, rows: int = 65536) -> np.ndarray:
        """Logits in double precision, which holds every fixed-point sum exactly. x: (jets, features) standardised.

        Returns (models, jets, classes) float64.
        """
        double = self.eval().double()
        parts = [double(torch.from_numpy(x[i : i + rows]).double()) for i in range(0, len(x), rows)]
        self.float()
        return torch.cat(parts, 1).numpy()

    @torch.no_grad()
    def fixed_point(self, model: int = 0) -> FixedPointNetwork:
        """One model of the stack as exact fixed-point numbers. Its widths must be finite."""
        layers = []
        step = self.input_step()
        limit = 2.0 ** float(self.input_bits - 1)
        quantiser = Quantiser(step, -limit * step, (limit - 1) * step, "ROUND")
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            bits = getattr(self, f"weight_bits{layer}")[model : model + 1].double()
            w, b = w[model : model + 1].double(), b[model : model + 1].double()
            steps = [float(power_of_two_step(t.abs().amax(), bits, signed=True)) for t in (w, b)]
            weight, bias = quantise_weights(w, bits)[0].numpy(), quantise_weights(b, bits)[0, 0].numpy()
            width = float(bits) - 1
            hidden = layer < len(self.weights) - 1
            layers.append(
                Dense(
                    input=quantiser,
                    weight=weight,
                    weight_step=np.full_like(weight, steps[0]),
                    weight_bits=np.where(weight != 0, width, 0),
                    bias=bias,
                    bias_step=np.full_like(bias, steps[1]),
                    bias_bits=np.where(bias != 0, width, 0),
                    relu=hidden,
                )
            )
            if hidden:
                bits = float(getattr(self, f"activation_bits{layer}")[model])
                peak = getattr(self, f"peak{layer}")[model].double()
                step = float(power_of_two_step(peak, torch.tensor(bits), signed=False))
                quantiser = Quantiser(step, 0.0, (2.0**bits - 1) * step, "HALF_UP")
        return FixedPointNetwork(tuple(layers))
