"""What a network costs before any hardware is made: bits, BOPs in the two definitions in use, EBOPs.

The definitions count different things and are never compared with each other.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanotrigger.qonnx.energy import energy, model_bits
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork

if TYPE_CHECKING:
    from nanotrigger.qonnx.graph import Graph


def hawq_layer_bops(inputs: int, outputs: int, activation_bits: Any, weight_bits: Any, density: float = 1.0) -> Any:
    """BOPs of one dense layer: m n (p b_a b_w + b_a + b_w + log2 n), with n inputs, m outputs (2304.06745).

    Widths, numbers or arrays, include the sign; density p is the share of weights and biases that are not zero.
    """
    return (
        inputs * outputs * (density * activation_bits * weight_bits + activation_bits + weight_bits + math.log2(inputs))
    )


def _with_sign(layer: Dense) -> tuple[np.ndarray, np.ndarray]:
    """Widths with sign of inputs (in,) and weights (in, out), zero where pruned."""
    return np.broadcast_to(layer.input.width, len(layer.weight)), layer.widths("weight")


def _density(layer: Dense) -> float:
    """Share of a layer's weights and biases that are not zero."""
    return float((np.concatenate([layer.weight_bits.ravel(), layer.bias_bits.ravel()]) > 0).mean())


def hawq_bops(network: FixedPointNetwork) -> float:
    """BOPs as the HAWQ papers count them, summed over layers.

    Where widths differ within a layer, each product counts its own: the published formula for equal ones. The density
    is that of the exported weights and biases.
    """
    total = 0.0
    for layer in network.layers:
        b_a, b_w = _with_sign(layer)
        inputs, outputs = layer.weight.shape
        alive = layer.weight_bits > 0
        # within the living weights every product has its own widths; the density scales their mean product
        mean_product = float((b_a[:, None] * b_w)[alive].mean()) if alive.any() else 0.0
        mean_weight = float(b_w[alive].mean()) if alive.any() else 0.0
        total += (
            inputs * outputs * (_density(layer) * mean_product + float(b_a.mean()) + mean_weight + math.log2(inputs))
        )
    return total


def qonnx_bops(network: FixedPointNetwork) -> float:
    """BOPs as `qonnx.util.inference_cost` counts them: the product of both widths, over all multiplications.

    Signs, three values and powers of two count the bits of their codes; that package, which reads a file, sees the wider
    fixed-point numbers that these stand for.
    """
    return float(sum((b_a[:, None] * b_w).sum() for b_a, b_w in map(_with_sign, network.layers)))


def ebops(network: FixedPointNetwork) -> int:
    """Effective bit operations (2405.00645, as HGQ2 counts them): widths without sign, products plus biases.

    A sign alone counts one bit; three values, whose width without sign is one, as two-bit fixed-point numbers do.
    """
    total = 0.0
    for layer in network.layers:
        b_a = np.broadcast_to(layer.input.bits, len(layer.weight))
        total += float((b_a[:, None] * layer.weight_bits).sum() + layer.bias_bits.sum())
    return round(total)


def weight_bits_histogram(layers: Sequence[Dense]) -> list[dict[str, int]]:
    """Per layer, how many weights have each width (sign included, zero where pruned)."""
    return [histogram(_with_sign(layer)[1]) for layer in layers]


def activation_bits_histogram(layers: Sequence[Dense]) -> list[dict[str, int]]:
    """Per layer, how many of its inputs have each width (sign included, zero where pruned)."""
    return [histogram(_with_sign(layer)[0]) for layer in layers]


def histogram(bits: np.ndarray) -> dict[str, int]:
    widths, counts = np.unique(bits, return_counts=True)
    return {str(int(w)): int(c) for w, c in zip(widths, counts, strict=True)}


def layer_formats(network: FixedPointNetwork) -> list[dict[str, int | str | None]]:
    """Per layer the name of its quantisers as a config writes it; none where widths differ within a tensor."""
    rows = []
    for layer, behind in zip(network.layers, [*network.layers[1:], None], strict=True):
        widths = {"kernel": layer.widths("weight"), "bias": layer.widths("bias")}
        formats = {"kernel": layer.format("weight"), "bias": layer.format("bias")}
        if behind:
            widths["activation"], formats["activation"] = behind.input.width, behind.input.format
        # a zero is a number like any other here, unless there is nothing else
        alike = {name: len(np.unique(bits[bits > 0])) == 1 for name, bits in widths.items()}
        rows.append({name: formats[name].name if alike[name] else None for name in widths})
    return rows


def graph_summary(graph: "Graph") -> dict[str, Any]:
    """Counts of a network known by its file alone; what cannot be counted is left out, and the log says why.

    Weights and BOPs as `qonnx.util.inference_cost` counts them, weights that are zero included in the BOPs.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.inference_cost import inference_cost

    wrapper = ModelWrapper(graph.model, make_deepcopy=True)
    counted = {"bops_hawq": None, "ebops": None}
    try:
        dense, sparse = (inference_cost(wrapper, discount_sparsity=s)["total_cost"] for s in (False, True))
    except Exception as error:  # the package raises whatever an operator it does not know leads to
        print(f"qonnx cannot count this network's operations ({error!r}): its cells stay empty")
        return counted
    weights = int(dense["total_mem_w_elems"])
    return counted | {
        "parameters": weights,
        "nonzero_weights": int(sparse["total_mem_w_elems"]),
        "mean_weight_bits": dense["total_mem_w_bits"] / weights if weights else None,
        "bops_qonnx": dense["total_bops"],
    }


def summary(network: FixedPointNetwork) -> dict[str, Any]:
    """The counts of one network, as its costs.json holds them."""
    widths = [_with_sign(layer) for layer in network.layers]
    layer_energy = energy(network)
    return {
        "parameters": sum(layer.weight.size + layer.bias.size for layer in network.layers),
        "nonzero_weights": int(sum((layer.weight != 0).sum() for layer in network.layers)),
        "mean_weight_bits": float(np.concatenate([b.ravel() for _, b in widths]).mean()),
        "mean_activation_bits": float(np.concatenate([b for b, _ in widths]).mean()),
        "layer_weight_bits": [float(b.max()) for _, b in widths],
        "layer_activation_bits": [float(b.max()) for b, _ in widths],
        "layer_density": [_density(layer) for layer in network.layers],
        "weight_bits_histogram": weight_bits_histogram(network.layers),
        "activation_bits_histogram": activation_bits_histogram(network.layers),
        "bops_hawq": hawq_bops(network),
        "bops_qonnx": qonnx_bops(network),
        "ebops": ebops(network),
        "model_bits": model_bits(network),
        "energy_pj": sum(sum(parts.values()) for parts in layer_energy),
        "layer_energy_pj": layer_energy,
        "layer_formats": layer_formats(network),
    }
