"""HGQ-LUT networks: HGQ2's layers of learned look-up tables (2604.22293), and the exact tables of a checkpoint.

Between every input and every output of such a layer stands a function of one number, a small network of its own while it
trains (1 -> units -> 1, with tanh); its input and its result are quantised, each with a width that is learned. What is built
is the table of its results at every code of its input, computed here in double precision.

Inputs are truncated, not rounded: to read fewer bits of a number costs nothing then, where rounding would be an adder for
each table; and what every table of the first layer reads of a feature is a part of the bits that the finest of them reads, so
that one port serves all. The functions learn what truncation shifts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np

from nanotrigger.qonnx.fixed_point import Quantiser
from nanotrigger.qonnx.tables import TableLayer, TableNetwork, check_width
from nanotrigger.training.hgq_engine import Layers, QuantizerConfig, keras, on_grid

# isort: split
# behind the engine, which names Keras' backend
from hgq.layers import QDenseT

SHARED_AXES = {
    "parameter": {"input": (0,), "table": (0,)},
    "channel": {"input": (0, 2), "table": (0, 1)},
    "layer": {"input": (0, 1, 2), "table": (0, 1, 2)},
}
"""Axes (jets, in, out) along which a width is shared. Per channel, tables that read an input share its width, and those that
lead to a unit that of their values."""


@dataclass(frozen=True)
class Tables:
    """An exact network and the functions that its tables hold, per layer the kernels and biases of their small networks."""

    network: TableNetwork
    functions: tuple[tuple[np.ndarray, ...], ...]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (jets, classes) of standardised jets."""
        return self.network.predict(x)


def layers(units: int, depth: int, fraction: int) -> Layers:
    """What walks train: functions of `depth` hidden layers of `units` each, inputs of `fraction` binary places at first."""
    name = f"tables {units} {depth} {fraction}"
    return Layers(name, partial(build, units=units, depth=depth, fraction=fraction), numbers_of)


def build(
    sizes: Sequence[int],
    granularity: str = "parameter",
    overflow: str = "WRAP",
    *,
    units: int,
    depth: int,
    fraction: int = 6,
    normalised: bool = True,
) -> keras.Sequential:
    """An HGQ2 network of tables with trainable widths.

    granularity: a key of SHARED_AXES. overflow: "WRAP" while training, where the range follows the data; "SAT" once it is
    fixed. normalised: batch normalisation of the functions' results in all layers but the last.
    """
    shared = SHARED_AXES[granularity]
    network = [keras.layers.Input((sizes[0],))]
    for i, outputs in enumerate(sizes[1:]):
        network.append(
            QDenseT(
                outputs,
                n_hl=depth,
                d_hl=units,
                subnn_activation="tanh",
                batch_norm=normalised and i < len(sizes) - 2,
                name=f"table{i}",
                iq_conf=QuantizerConfig(
                    "kif",
                    "datalane",
                    f0=fraction,
                    round_mode="TRN",
                    overflow_mode=overflow,
                    homogeneous_axis=shared["input"],
                ),
                toq_conf=QuantizerConfig("kbi", "table", homogeneous_axis=shared["table"], heterogeneous_axis=None),
            )
        )
    return keras.Sequential(network)


def numbers_of(model: keras.Sequential) -> dict[str, keras.Variable]:
    """The variables that a checkpoint consists of, as '<layer>.kernel0', '.bias0', '.table_bits' ..."""
    found = {}
    for i, layer in enumerate(model.layers):
        found[f"{i}.fraction"] = layer.iq.quantizer._f
        found |= {f"{i}.table_bits": layer.toq.quantizer._b, f"{i}.table_integer": layer.toq.quantizer._i}
        for j, part in enumerate(layer.module.layers):
            found |= {f"{i}.kernel{j}": part.kernel, f"{i}.bias{j}": part.bias}
        if layer.enable_bn:
            found |= {f"{i}.gamma": layer.bn_module.gamma, f"{i}.beta": layer.bn_module.beta}
    return found


def exact(numbers: dict[str, np.ndarray], x: np.ndarray, margin: float) -> Tables:
    """The tables of a checkpoint, their inputs' ranges traced on the jets x with a margin.

    x: (jets, features), standardised. margin: factor on the largest value seen behind each layer, before the range grows to
    the next power of two; the features saturate at the range seen. Batch normalisations use the statistics of x. Raises
    ExportError where a table would be too large.
    """
    values, port, found, functions = np.asarray(x, np.float64), None, [], []
    for number in range(1 + max(int(name.split(".")[0]) for name in numbers)):
        own = {name.split(".")[1]: value for name, value in numbers.items() if name.startswith(f"{number}.")}
        shape = own["kernel0"].shape[:2]
        step = np.exp2(-np.rint(np.broadcast_to(own["fraction"][0].astype(np.float64), shape)))
        quantiser = _ranged(values[:, :, None], step, margin if number else 1.0, traced=number > 0)
        blank = TableLayer(quantiser, np.zeros((1, *shape), np.float32), np.zeros(shape, int))
        check_width(blank.input_bits, f"layer {number}")
        function = _normalised(own, blank, values)
        layer = _tabulated(own, function, quantiser, blank.input_bits)
        if port is None:
            read = np.where(layer.input.low != layer.input.high, layer.input.step, np.inf).min(1)
            port = _ranged(values, np.where(np.isfinite(read), read, 1.0), 1.0, traced=False, read=np.isfinite(read))
            values = port(values)
        values = layer(values)
        found.append(layer)
        functions.append(function)
    return Tables(TableNetwork(port, tuple(found)), tuple(functions))


def _ranged(
    values: np.ndarray, step: np.ndarray, margin: float, traced: bool, read: np.ndarray | bool = True
) -> Quantiser:
    """Truncation to multiples of `step` in the range that holds the values (jets, ...) with a margin, up to a power of two.

    read: where there is anything to read at all.
    """
    high = np.floor(np.maximum(values.max(0) * margin, 0) / step) * step
    low = np.floor(np.minimum(values.min(0) * margin, 0) / step) * step
    alive = ((high > 0) | (low < 0)) & read
    reach = np.exp2(np.ceil(np.log2(np.maximum(high + step, -low))))
    return Quantiser(
        step=np.where(alive, step, 1.0),
        low=np.where(alive & (low < 0), -reach, 0.0),
        high=np.where(alive, reach - step, 0.0),
        rounding="FLOOR",
        traced=traced,
    )


def _grid_values(quantiser: Quantiser, codes: int) -> np.ndarray:
    """The number that each code stands for, (codes, in, out); the upper half stands for negative ones where there are."""
    code = np.arange(codes)[:, None, None]
    return np.where(code <= np.round(quantiser.high / quantiser.step), code, code - codes) * quantiser.step


def _evaluate(function: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
    """The functions of a layer. function: kernel and bias of each of their layers in turn; values: (n, in, out)."""
    current = values[..., None]
    *hidden, kernel, bias = function
    for inner, shift in zip(hidden[::2], hidden[1::2], strict=True):
        current = np.tanh(np.einsum("niod,iodD->nioD", current, inner) + shift)
    return np.einsum("niod,iod->nio", current, kernel) + bias


def _normalised(own: dict[str, np.ndarray], blank: TableLayer, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """A layer's functions in double precision, its batch normalisation made part of their last kernels and biases.

    blank: the layer, of which only the input is used here; values: (jets, in), which arrive at it.
    """
    depth = sum(name.startswith("kernel") for name in own)
    parts = [own[f"{kind}{j}"].astype(np.float64) for j in range(depth) for kind in ("kernel", "bias")]
    if "gamma" not in own:
        return tuple(parts)
    codes = 2 ** int(blank.input_bits.max())
    results = _evaluate(parts, _grid_values(blank.input, codes))
    counts = np.zeros(results.size, np.int64)
    for entries in replace(blank, table=results).entries(values):
        counts += np.bincount(entries.ravel(), minlength=counts.size)
    counts = counts.reshape(results.shape)
    total = counts.sum((0, 1))
    mean = (counts * results).sum((0, 1)) / total
    variance = (counts * (results - mean) ** 2).sum((0, 1)) / total
    # Keras' epsilon; HGQ2 divides by the root of the number of inputs, so that their sum is of order one
    scale = own["gamma"] / np.sqrt(variance + 1e-3) / sqrt(results.shape[1])
    offset = own["beta"] / sqrt(results.shape[1]) - mean * scale
    return (*parts[:-2], parts[-2] * scale[:, None], parts[-1] * scale + offset)


def _tabulated(
    own: dict[str, np.ndarray], function: Sequence[np.ndarray], quantiser: Quantiser, input_bits: np.ndarray
) -> TableLayer:
    """The layer's tables. What a table that is constant reads is of no matter, and zero bits then."""
    codes, shape = 2 ** int(input_bits.max()), input_bits.shape
    bits, integer = (
        np.rint(np.broadcast_to(own[f"table_{part}"][0].astype(np.float64), shape)) for part in ("bits", "integer")
    )
    table = on_grid(_evaluate(function, _grid_values(quantiser, codes)), bits, integer, symmetric=True)
    reachable = TableLayer(quantiser, table, bits).reachable()
    # zero is a code of every input
    constant = ((table == table[0]) | ~reachable).all(0)
    zero = constant & (table[0] == 0)
    grid = Quantiser(
        step=np.where(constant, 1.0, quantiser.step),
        low=np.where(constant, 0.0, quantiser.low),
        high=np.where(constant, 0.0, quantiser.high),
        rounding=quantiser.rounding,
        traced=quantiser.traced,
    )
    kept = np.where(reachable & ~(constant & (np.arange(codes) > 0)[:, None, None]), table, 0.0)
    layer = TableLayer(grid, kept.astype(np.float32), np.where(zero | (bits <= 0), 0, bits + 1).astype(int))
    needed = 2 ** int(layer.input_bits.max())
    if needed < codes:  # the widest were constant: negative codes move to the new end
        index = np.arange(needed)[:, None, None]
        index = np.where(index <= np.round(grid.high / grid.step), index, index - needed)
        layer = TableLayer(grid, np.take_along_axis(layer.table, index % codes, 0), layer.bits)
    return layer


def seal(tables: Tables, numbers: dict[str, np.ndarray]) -> keras.Sequential:
    """The Keras network with fixed, saturating ranges whose functions, at every code, are the tables.

    numbers: the checkpoint's, for the integer bits of the tables' values.
    """
    found = tables.network.layers
    sizes = [found[0].table.shape[1], *(layer.table.shape[2] for layer in found)]
    units, depth = tables.functions[0][-2].shape[-1], len(tables.functions[0]) // 2 - 1
    model = build(sizes, overflow="SAT", units=units, depth=depth, normalised=False)
    for i, (layer, exact_layer) in enumerate(zip(model.layers, found, strict=True)):
        q, source = layer.iq.quantizer, exact_layer.input
        alive = source.low != source.high
        q._k.assign(source.signed[None])
        q._i.assign(np.where(alive, np.log2(np.where(alive, source.high + source.step, 1.0)), 0)[None])
        q._f.assign(np.where(alive, -np.log2(source.step), 0)[None])
        kept = exact_layer.bits > 0
        integer = np.rint(np.broadcast_to(numbers[f"{i}.table_integer"][0], kept.shape))
        p = layer.toq.quantizer
        p._k.assign(kept[None])
        p._b.assign(np.where(kept, exact_layer.bits - 1, 0)[None])
        p._i.assign(np.where(kept, integer, 0)[None])
        for part, kernel, bias in zip(
            layer.module.layers, tables.functions[i][::2], tables.functions[i][1::2], strict=True
        ):
            part.kernel.assign(kernel)
            part.bias.assign(bias)
    return model
