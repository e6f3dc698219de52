"""A stack of multi-layer perceptrons of one architecture, with bit widths that differ from model to model.

Batch normalisation stands behind every dense layer, the last included, as in 2304.06745, and is folded into its weights
and biases *before* these are quantised: w g / sqrt(v + e) and b - m g / sqrt(v + e). Training folds with the statistics
of the batch, evaluation with the running ones, and a saved model holds the folded numbers alone. So what is validated,
saved and exported is one and the same network of quantised weights, products, sums and ReLUs.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser, activation_quantiser
from nanotrigger.qonnx.kinds import FIXED, KINDS, POWER, Format, LayerFormat
from nanotrigger.results.records import replace_when_whole
from nanotrigger.training import kinds
from nanotrigger.training.parts import ACTIVATIONS, models_per_part
from nanotrigger.training.quantisers import (
    Grid,
    activation_levels,
    activation_range,
    on_grid,
    power_of_two_range,
    quantise_inputs,
    weight_range,
)

STATISTICS_MOMENTUM = 0.9
EPSILON = 1e-5
"""Added to the variance of a batch normalisation."""

PARAMETERS = ("weight", "bias")


def cells(device: torch.device) -> int:
    """Activations of one layer that are worked on at a time: on an accelerator enough to keep it busy with one call after the
    other."""
    return ACTIVATIONS if device.type == "cpu" else 2**28


@dataclass(frozen=True)
class Widths:
    """Bit widths of one model. weights: one per layer, sign included, biases alike; activations: one per hidden layer,
    unsigned; input: of the standardised features, sign included. Infinite widths, all of them, mean floating point.

    formats: kind and width of every kernel, bias and activation, where they are not all fixed-point numbers with biases as
    wide as their kernels.
    """

    input: float
    weights: tuple[float, ...]
    activations: tuple[float, ...]
    formats: tuple[LayerFormat, ...] | None = None

    @classmethod
    def floating(cls, layers: int) -> "Widths":
        inf = float("inf")
        return cls(inf, (inf,) * layers, (inf,) * (layers - 1))

    @classmethod
    def uniform(cls, layers: int, bits: int, input_bits: int) -> "Widths":
        """One width for weights, biases and activations."""
        return cls(input_bits, (bits,) * layers, (bits,) * (layers - 1))

    @classmethod
    def leaving(cls, weights: Sequence[int], extra: int, input_bits: int) -> "Widths":
        """A width for each layer's weights and biases; the activations that leave it have `extra` bits more."""
        return cls(input_bits, tuple(weights), tuple(bits + extra for bits in weights[:-1]))

    @classmethod
    def of(cls, input_bits: int, formats: Sequence[LayerFormat]) -> "Widths":
        """Any kind of quantiser in every place."""
        weights = tuple(layer.kernel.bits for layer in formats)
        return cls(input_bits, weights, tuple(layer.activation.bits for layer in formats[:-1]), tuple(formats))

    def layer(self, layer: int) -> LayerFormat:
        """Formats of one layer."""
        if self.formats:
            return self.formats[layer]
        weights, *activation = (Format(FIXED, bits) for bits in (self.weights[layer], *self.activations[layer:][:1]))
        return LayerFormat(weights, weights, *activation)


def _column(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)


def _affine(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sums of a layer, (models, out, jets). h: (models, in, jets); w: (models, in, out); b: (models, 1, out).

    Jets last: the few outputs of a layer then are the rows of its matrices and not their columns.
    """
    return torch.baddbmm(b.transpose(1, 2), w.transpose(1, 2), h)


class BatchedMLP(torch.nn.Module):
    """`models` ReLU perceptrons with shapes `sizes`, evaluated in one pass.

    Parameters `weights[l]` (models, in, out), `biases[l]` (models, 1, out) and, with batch normalisation, `gammas[l]`
    (models, 1, out). Buffers: the largest input; widths and power-of-two ranges of weights, biases and activations, per layer
    (models, 1, 1); running means and variances (models, 1, out); and where weights are pruned masks of ones and zeros
    (models, in, out). The models of a stack are all quantised or all in floating point, all
    normalised or all not, and have one input width. A `mixed` stack, in which any model has formats (see Widths), holds the
    kinds of all its kernels, biases and activations and the widths of its biases too (models, 1, 1), and ranges of weights
    for every output (models, 1, out).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        widths: Sequence[Widths],
        input_peak: float,
        seeds: Sequence[int],
        batch_norm: bool = False,
        pruned: bool = False,
        mixed: bool = False,
    ):
        super().__init__()
        self.sizes = tuple(sizes)
        self.batch_norm, self.pruned = batch_norm, pruned
        self.mixed = mixed or any(w.formats for w in widths)
        self.frozen = False
        """Whether batch normalisation uses the running statistics in training too."""
        self.effective: list[torch.Tensor] = []
        """Weights of the last training pass as they act: masked and folded, not yet rounded."""
        self._known: dict[str, Any] = {}
        """What follows from widths and ranges, which do not change while a network is in training mode."""
        pairs, models = list(pairwise(self.sizes)), len(widths)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights = torch.nn.ParameterList(
            torch.stack([torch.randn(a, b, generator=g) * (2 / a) ** 0.5 for g in generators]) for a, b in pairs
        )
        self.biases = torch.nn.ParameterList(torch.zeros(models, 1, b) for _, b in pairs)
        self.gammas = torch.nn.ParameterList(torch.ones(models, 1, b) for _, b in pairs if batch_norm)
        for layer, (a, b) in enumerate(pairs):
            for name in ("weight_bits", "weight_range", "bias_range"):
                per_output = self.mixed and name == "weight_range"
                self.register_buffer(f"{name}{layer}", torch.ones(models, 1, b if per_output else 1))
            for name in ("bias_bits", "weight_kind", "bias_kind", "activation_kind") if self.mixed else ():
                self.register_buffer(f"{name}{layer}", torch.zeros(models, 1, 1))
            if layer < len(pairs) - 1:
                for name in ("activation_bits", "activation_range"):
                    self.register_buffer(f"{name}{layer}", torch.ones(models, 1, 1))
            if batch_norm:
                self.register_buffer(f"mean{layer}", torch.zeros(models, 1, b))
                self.register_buffer(f"variance{layer}", torch.ones(models, 1, b))
            if pruned:
                self.register_buffer(f"mask{layer}", torch.ones(models, a, b))
        self.register_buffer("input_bits", torch.tensor(0.0))
        self.register_buffer("input_peak", torch.tensor(float(input_peak)))
        self.set_widths(widths)

    @property
    def models(self) -> int:
        return len(self.weights[0])

    @property
    def layers(self) -> int:
        return len(self.weights)

    def input_step(self) -> float:
        return float(power_of_two_range(self.input_peak) * torch.exp2(1 - self.input_bits))

    @torch.no_grad()
    def set_widths(self, widths: Sequence[Widths]) -> None:
        """Give every model other bit widths, its parameters and ranges unchanged."""
        if len({w.input for w in widths}) != 1:
            raise ValueError("models that train together share one input width")
        self.input_bits.fill_(widths[0].input)
        for layer in range(self.layers):
            getattr(self, f"weight_bits{layer}").copy_(_column([w.weights[layer] for w in widths]))
        for layer in range(self.layers - 1):
            getattr(self, f"activation_bits{layer}").copy_(_column([w.activations[layer] for w in widths]))
        finite = {math.isfinite(bits) for w in widths for bits in (w.input, *w.weights, *w.activations)}
        if len(finite) != 1:
            raise ValueError("the models of a stack are all quantised or all in floating point")
        self.quantised = finite.pop()
        if any(w.formats for w in widths) and not self.mixed:
            raise ValueError("this stack was built for fixed-point numbers alone")
        for layer in range(self.layers if self.mixed else 0):
            formats = [w.layer(layer) for w in widths]
            getattr(self, f"bias_bits{layer}").copy_(_column([f.bias.bits for f in formats]))
            for name, of in (("weight", "kernel"), ("bias", "bias"), ("activation", "activation")):
                kind = [KINDS.index(getattr(f, of).kind) if getattr(f, of) else 0 for f in formats]
                getattr(self, f"{name}_kind{layer}").copy_(_column(kind))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (jets, features) or, where models see different jets, (models, jets, features); standardised.

        Returns logits (models, jets, classes).
        """
        return self.logits(self.inputs(x))

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        """What the first layers read of jets x: on the grid of the inputs, where there is one."""
        return quantise_inputs(x, float(self.input_bits), self.input_step()) if self.quantised else x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """`forward` for jets that went through `inputs`."""
        h, step = self._stacked(x), 1.0
        self.effective = []
        for layer in range(self.layers):
            h, step = self._layer(layer, h, step, layer == self.layers - 1)
        return h.transpose(1, 2)

    def _stacked(self, x: torch.Tensor) -> torch.Tensor:
        """Jets as activations, (models, features, jets)."""
        return x.transpose(-1, -2).expand(self.models, -1, -1)

    def _constant(self, name: str, value: Callable[..., Any], *buffers: str) -> Any:
        """value(*buffers), worked out anew only where it can have changed."""
        if not self.training:
            return value(*(getattr(self, buffer) for buffer in buffers))
        if name not in self._known:
            self._known[name] = value(*(getattr(self, buffer) for buffer in buffers))
        return self._known[name]

    def train(self, mode: bool = True) -> "BatchedMLP":
        self._known.clear()
        return super().train(mode)

    def _layer(
        self, layer: int, h: torch.Tensor, step: torch.Tensor | float, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """One layer on activations h in units of `step`, and the unit of what it gives."""
        w, b = self._folded(layer, h, step)
        if self.training:
            self.effective.append(w)
        if not self.quantised:
            h = _affine(h, w, b)
            return (h if last else torch.relu(h)), 1.0
        w, b = self._rounded(layer, w, b)
        if last:
            return _affine(h, w * step, b), 1.0
        # all scales are powers of two: moving them into the small weights changes no bit of the large activations
        if self.mixed:
            unit, offset, kind = self._constant(
                f"activation{layer}",
                lambda bits, reach, kind: (
                    kinds.activation_unit(bits, reach, kind),
                    kinds.activation_offset(kind),
                    kind,
                ),
                *(f"activation_{what}{layer}" for what in ("bits", "range", "kind")),
            )
            h = _affine(h, w * (step / unit), b / unit + offset)
            return kinds.mixed_codes(h, getattr(self, f"activation_bits{layer}"), kind), unit
        inverse, half, levels, unit = self._constant(
            f"activation{layer}",
            lambda bits, reach: (1 / reach, torch.exp2(-1 - bits), torch.exp2(bits), reach * torch.exp2(-bits)),
            f"activation_bits{layer}",
            f"activation_range{layer}",
        )
        h = _affine(h, w * (step * inverse), torch.addcmul(half, b, inverse))
        return activation_levels(h, levels), unit

    def _rounded(self, layer: int, w: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and biases of a layer on their grids."""
        if self.mixed:
            formats = [
                [getattr(self, f"{name}_{what}{layer}") for what in ("bits", "range", "kind")] for name in PARAMETERS
            ]
            return tuple(kinds.quantise_parameters(v, *given) for v, given in zip((w, b), formats, strict=True))
        names = (f"{name}{layer}" for name in ("weight_range", "bias_range"))
        grids = (self._constant(name, Grid.of, f"weight_bits{layer}", name) for name in names)
        return tuple(on_grid(v, grid) for v, grid in zip((w, b), grids, strict=True))

    def _folded(self, layer: int, h: torch.Tensor, step: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and biases of a layer, masked, and with its batch normalisation folded in."""
        w, b = self._masked(layer), self.biases[layer]
        if not self.batch_norm:
            return w, b
        mean, variance = getattr(self, f"mean{layer}"), getattr(self, f"variance{layer}")
        if self.training and not self.frozen:
            running = mean, variance
            variance, mean = self._statistics(w, h, step)
            with torch.no_grad():
                for kept, seen in zip(running, (mean, variance), strict=True):
                    kept.lerp_(seen, 1 - STATISTICS_MOMENTUM)
        scale = self.gammas[layer] * torch.rsqrt(variance + EPSILON)
        return w * scale, b - mean * scale

    def _masked(self, layer: int) -> torch.Tensor:
        return self.weights[layer] * getattr(self, f"mask{layer}") if self.pruned else self.weights[layer]

    @staticmethod
    def _statistics(w: torch.Tensor, h: torch.Tensor, step: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor]:
        """Variance and mean over the jets, (models, 1, out), of what a layer gives before its normalisation."""
        moments = torch.var_mean(torch.bmm((w * step).transpose(1, 2), h), 2, correction=0, keepdim=True)
        return tuple(m.transpose(1, 2) for m in moments)

    @property
    def device(self) -> torch.device:
        return self.input_peak.device

    def rows(self) -> int:
        """Jets that are evaluated at a time, so that memory does not grow with the dataset."""
        return max(1, cells(self.device) // (self.models * max(self.sizes)))

    def parts(self, jets: int) -> "list[tuple[slice, BatchedMLP]]":
        """The stack in as few parts as let the activations of a layer for so many jets stay in a processor's cache.

        Each is a stack of its own that shares its memory with this one: what one learns the other has learnt.
        """
        most = models_per_part(jets, max(self.sizes), cells(self.device))
        count = math.ceil(self.models / most)
        bounds = [round(i * self.models / count) for i in range(count + 1)]
        return [(slice(a, b), self._part(slice(a, b))) for a, b in pairwise(bounds)]

    def _part(self, models: slice) -> "BatchedMLP":
        if models == slice(0, self.models):
            return self
        part = copy(self)
        part.effective, part._known = [], {}
        part._buffers = {name: buffer[models] if buffer.ndim else buffer for name, buffer in self._buffers.items()}
        part._modules = {
            name: torch.nn.ParameterList(p.data[models] for p in parameters)
            for name, parameters in self._modules.items()
        }
        return part

    @torch.no_grad()
    def calibrate(self, x: torch.Tensor, statistics: bool = False) -> None:
        """Choose all ranges, those of the activations from jets x (jets, features) or (models, jets, features).

        Layer by layer, each on what it gets from quantised ones. statistics: set the running means and variances to
        those of x as well.
        """
        self.eval()
        h, step = self._stacked(self.inputs(x)), 1.0
        for layer in range(self.layers):
            last = layer == self.layers - 1
            if self.batch_norm and statistics:
                variance, mean = self._statistics(self._masked(layer), h, step)
                getattr(self, f"mean{layer}").copy_(mean)
                getattr(self, f"variance{layer}").copy_(variance)
            if self.quantised:
                w, b = self._folded(layer, h, step)
                for name, value in zip(PARAMETERS, (w, b), strict=True):
                    getattr(self, f"{name}_range{layer}").copy_(self._parameter_range(layer, name, value))
                w, b = self._rounded(layer, w, b)
            if self.quantised and not last:
                seen = _affine(h, w * step, b)
                bits = getattr(self, f"activation_bits{layer}")
                if self.mixed:
                    reach = kinds.activation_reach(seen, bits, getattr(self, f"activation_kind{layer}"))
                else:
                    reach = activation_range(seen.relu_(), bits)
                getattr(self, f"activation_range{layer}").copy_(reach)
            h, step = self._layer(layer, h, step, last)

    def _parameter_range(self, layer: int, name: str, value: torch.Tensor) -> torch.Tensor:
        if not self.mixed:
            return weight_range(value, getattr(self, f"weight_bits{layer}"))
        bits, kind = (getattr(self, f"{name}_{what}{layer}") for what in ("bits", "kind"))
        return kinds.parameter_range(value, bits, kind, per_output=name == "weight")

    @torch.no_grad()
    def folded(self, models: Sequence[int] | None = None) -> "BatchedMLP":
        """Models of the stack, all of them unless named, without masks and batch normalisation: both are applied to
        their weights and biases."""
        chosen = list(range(self.models)) if models is None else list(models)
        floating = [Widths.floating(self.layers)] * len(chosen)
        plain = BatchedMLP(self.sizes, floating, 1.0, [0] * len(chosen), mixed=self.mixed)
        training, self.training = self.training, False
        for layer in range(self.layers):
            w, b = self._folded(layer, torch.empty(0), 1.0)
            plain.weights[layer].copy_(w[chosen])
            plain.biases[layer].copy_(b[chosen])
        self.training = training
        own = dict(self.named_buffers())
        for name, buffer in plain.named_buffers():
            buffer.copy_(own[name][chosen] if buffer.ndim else own[name])
        plain.quantised = self.quantised
        return plain.eval()

    def copy_parameters(self, source: "BatchedMLP", models: Sequence[int]) -> None:
        """Start from the parameters of the models of another stack, one index for each of these."""
        with torch.no_grad():
            for mine, its in zip(self.parameters(), source.parameters(), strict=True):
                mine.copy_(its[list(models)])

    def save(self, path: Path, models: Sequence[int] | None = None, metadata: dict[str, str] | None = None) -> None:
        """Write models of the stack, all of them unless named, as safetensors: folded, and whole or not at all."""
        with replace_when_whole(path) as temporary:
            save_file(self.folded(models).state_dict(), temporary, metadata)

    @classmethod
    def load(cls, path: Path) -> "BatchedMLP":
        """Read what `save` wrote, ready to predict."""
        state = load_file(path)
        layers = sum(name.startswith("weights.") for name in state)
        shapes = [state[f"weights.{layer}"].shape for layer in range(layers)]
        models = shapes[0][0]
        sizes = (*(s[1] for s in shapes), shapes[-1][2])
        mixed = "weight_kind0" in state
        network = cls(sizes, [Widths.floating(layers)] * models, 1.0, [0] * models, mixed=mixed)
        network.load_state_dict(state)
        network.quantised = bool(torch.isfinite(network.input_bits))
        return network.eval()

    @torch.no_grad()
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits in double precision, which holds every fixed-point sum exactly. x: (jets, features) standardised.

        Returns (models, jets, classes) float64.
        """
        double = self.folded().double()
        parts = [double(part.double()) for part in torch.from_numpy(x).split(self.rows())]
        return torch.cat(parts, 1).numpy()

    @torch.no_grad()
    def fixed_point(self, model: int = 0) -> FixedPointNetwork:
        """One model of the stack as exact fixed-point numbers. Its widths must be finite."""
        plain = self.folded([model])
        layers = []
        step = self.input_step()
        limit = 2.0 ** float(self.input_bits - 1)
        quantiser = Quantiser(step, -limit * step, (limit - 1) * step, "ROUND")
        for layer, (w, b) in enumerate(zip(plain.weights, plain.biases, strict=True)):
            w, b = plain._rounded(layer, w.double(), b.double())
            hidden = layer < self.layers - 1
            formats = [plain._format(name, layer) for name in (*PARAMETERS, *(("activation",) if hidden else ()))]
            numbers = {}
            for name, form, value in zip(PARAMETERS, formats, (w[0], b[0, 0]), strict=False):
                grid = kinds.parameter_step(form, getattr(plain, f"{name}_range{layer}")[0])
                numbers[name] = value.numpy()
                numbers[f"{name}_step"] = np.broadcast_to(grid.squeeze(0).double().numpy(), value.shape).copy()
                numbers[f"{name}_bits"] = np.where(value.numpy() != 0, max(form.bits - 1, 1), 0)
                numbers[f"{name}_kind"] = form.kind
            relu = hidden and formats[-1].kind in (FIXED, POWER)
            layers.append(Dense(input=quantiser, relu=relu, **numbers))
            if hidden:
                quantiser = activation_quantiser(formats[-1], float(getattr(plain, f"activation_range{layer}")))
        return FixedPointNetwork(tuple(layers))

    def _format(self, name: str, layer: int) -> Format:
        """Kind and width of the weights, biases or activations of a stack's only model."""
        if not self.mixed:
            return Format(
                FIXED, float(getattr(self, f"{'activation' if name == 'activation' else 'weight'}_bits{layer}"))
            )
        bits, kind = (float(getattr(self, f"{name}_{what}{layer}")) for what in ("bits", "kind"))
        return Format(KINDS[int(kind)], bits)
