"""Networks of look-up tables in exact numbers, written as QONNX: a table for every pair of an input and an output, summed.

Such a layer has no weights: a unit is the sum over its inputs of a function of each, and the functions are tables
(HGQ-LUT, 2604.22293). In the file an input is put on the pair's own grid by a Quant node; its code, an integer in two's
complement, is the index by which GatherElements reads the pair's table, where negative codes count from the end, as
addresses do in hardware; ReduceSum adds up. The stock executor and onnxruntime run it, exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.fixed_point import ROUNDING, Quantiser, lsb

MOST_BITS = 14
"""Width of an input at most: a table has 2^width entries."""

LUT_INPUTS = (6, 5)
"""Inputs of an FPGA's physical look-up table, and of each of the two halves as which it can be used."""

AT_ONCE = 2**22
"""Tables read at once: a few tens of megabytes."""


@dataclass(frozen=True)
class TableLayer:
    """x -> the sum over inputs of table(x), of every output.

    input: the grid on which each pair reads its input, arrays (in, out); low = high = 0 where a table is constant.
    table (codes, in, out) float32, a power of two of codes: the value at each, which is a number divided by its step;
    negative codes count from the end. bits (in, out): width of a table's values with their sign, zero where it is pruned.
    """

    input: Quantiser
    table: np.ndarray
    bits: np.ndarray

    @property
    def input_bits(self) -> np.ndarray:
        """Width of each table's input with its sign, (in, out): a table has as many entries as two to that power."""
        return np.round(np.log2((self.input.high - self.input.low) / self.input.step + 1)).astype(int)

    def entries(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Flat index into `table` of what each pair reads, (jets, in, out), for parts of the jets in turn. x: (jets, in)."""
        codes, inputs, outputs = self.table.shape
        pair = np.arange(inputs * outputs, dtype=np.int32).reshape(inputs, outputs)
        step, low, high = self.input.step, self.input.low / self.input.step, self.input.high / self.input.step
        rows = max(1, AT_ONCE // pair.size)
        for start in range(0, len(x), rows):
            code = ROUNDING[self.input.rounding](x[start : start + rows, :, None] / step)
            index = np.clip(code, low, high, out=code).astype(np.int32)
            # in two's complement, so that negative codes count from the end
            index &= codes - 1
            index *= pair.size
            index += pair
            yield index

    def reachable(self) -> np.ndarray:
        """Which entries a code can reach, (codes, in, out)."""
        code = np.arange(len(self.table))[:, None, None]
        low, high = (np.round(v / self.input.step) for v in (self.input.low, self.input.high))
        return (code <= high) | (code >= len(self.table) + low)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(jets, out) float64, exact. x: (jets, in)."""
        flat = self.table.ravel()
        parts = [flat[index].sum(1, dtype=np.float64) for index in self.entries(x)]
        return np.concatenate(parts) if parts else np.zeros((0, self.table.shape[2]))

    def sum_bits(self) -> int:
        """Bits that hold the magnitude of every partial sum in the worst case."""
        bound = np.abs(self.table).max(0).astype(np.float64).sum(0)
        grid = lsb(self.table).min((0, 1))
        return int(np.ceil(np.log2(np.max(bound / grid, initial=1, where=np.isfinite(grid)))))


@dataclass(frozen=True)
class TableNetwork:
    """Layers in order behind a port. port: the finest grid on which the first layer's tables read each input, (in,)."""

    port: Quantiser
    layers: tuple[TableLayer, ...]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (jets, classes) float64, exact. x: (jets, features), standardised."""
        x = self.port(x)
        for layer in self.layers:
            x = layer(x)
        return x

    def save(self, path: Path) -> None:
        """Write all numbers as npz, without pickle."""
        arrays = {f"port.{name}": value for name, value in _quantiser_arrays(self.port)}
        for i, layer in enumerate(self.layers):
            arrays |= {f"{i}.input.{name}": value for name, value in _quantiser_arrays(layer.input)}
            arrays |= {f"{i}.table": layer.table, f"{i}.bits": layer.bits}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "TableNetwork":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:

            def grid(prefix: str) -> Quantiser:
                found = {f.name: arrays[f"{prefix}.{f.name}"] for f in fields(Quantiser)}
                return Quantiser(**{k: v.item() if v.dtype.kind in "bU" else v for k, v in found.items()})

            count = sum(name.endswith(".table") for name in arrays.files)
            layers = [TableLayer(grid(f"{i}.input"), arrays[f"{i}.table"], arrays[f"{i}.bits"]) for i in range(count)]
            return cls(grid("port"), tuple(layers))


def _quantiser_arrays(quantiser: Quantiser) -> Iterator[tuple[str, Any]]:
    return ((f.name, getattr(quantiser, f.name)) for f in fields(Quantiser))


def write_tables(network: TableNetwork, path: Path, metadata: dict[str, str]) -> None:
    """Write `network` to `path`, whole or not at all.

    Input `x` (1, features) float32: standardised features; output `logits` (1, classes). Raises ExportError where a number
    is not exact, or a sum needs more than the 53 bits of a double.
    """
    from onnx import TensorProto

    from nanotrigger.qonnx.export import GraphWriter

    graph = GraphWriter()
    current = graph.quantiser("x", "port", network.port, TensorProto.FLOAT)
    kind = TensorProto.FLOAT
    for i, layer in enumerate(network.layers):
        name, outputs = f"table{i}", layer.table.shape[2]
        last = graph.constant(f"{name}_axis", [2], np.int64)
        current = graph.node("Unsqueeze", [current, last], f"{name}_column")
        shape = graph.constant(f"{name}_shape", [1, 1, outputs], np.int64)
        current = graph.node("Expand", [current, shape], f"{name}_pairs")
        current = graph.quantiser(current, f"{name}_input", layer.input, kind)
        scale = graph.constant(f"{name}_per_step", 1 / layer.input.step)
        current = graph.node("Mul", [current, scale], f"{name}_code")
        current = graph.node("Cast", [current], f"{name}_index", to=TensorProto.INT64)
        kind = graph.sum_kind(layer.sum_bits(), i)
        dtype = np.float64 if kind == TensorProto.DOUBLE else np.float32
        table = graph.constant(f"{name}_values", layer.table, dtype)
        current = graph.node("GatherElements", [table, current], f"{name}_value", axis=0)
        summed = graph.constant(f"{name}_inputs", [1], np.int64)
        output = "logits" if i == len(network.layers) - 1 else f"{name}_sum"
        current = graph.node("ReduceSum", [current, summed], output, keepdims=0)
    shape = (network.layers[0].table.shape[1], network.layers[-1].table.shape[2])
    graph.write(path, current, kind, shape, metadata)


def layer_ebops(layer: TableLayer) -> float:
    """EBOPs of a layer of tables as HGQ2 counts them (`QDenseT._compute_ebops`): an estimate of its LUTs.

    A table of n inputs takes 2^(n-5) halves of a LUT for each bit of its values, below five inputs n/5 of one; and each bit
    is added once.
    """
    whole, half = LUT_INPUTS
    inputs = layer.input_bits
    halves = np.where(inputs >= half, 2.0 ** (inputs - half), inputs / half)
    return float((halves * layer.bits * 2.0 ** (half - whole) + layer.bits).sum())


def ebops(network: TableNetwork) -> int:
    """Effective bit operations of all layers; see `layer_ebops`."""
    return round(sum(map(layer_ebops, network.layers)))


def summary(network: TableNetwork) -> dict[str, Any]:
    """The counts of a network of tables, as its costs.json holds them.

    A table stands where another network has a weight: widths are those of its values, and of its input. Parameters are
    entries. There are no products, so that BOPs and the energy of products are not defined, and left empty.
    """
    from nanotrigger.qonnx.costs import histogram

    layers = network.layers
    bits, inputs = [layer.bits for layer in layers], [layer.input_bits for layer in layers]
    reachable = [layer.reachable() for layer in layers]
    return {
        "parameters": int(sum(r.sum() for r in reachable)),
        "nonzero_weights": int(sum(((y.table != 0) & r).sum() for y, r in zip(layers, reachable, strict=True))),
        "mean_weight_bits": float(np.concatenate([b.ravel() for b in bits]).mean()),
        "mean_activation_bits": float(np.concatenate([b.ravel() for b in inputs]).mean()),
        "layer_weight_bits": [float(b.max()) for b in bits],
        "layer_activation_bits": [float(b.max()) for b in inputs],
        "layer_density": [float((b > 0).mean()) for b in bits],
        "weight_bits_histogram": [histogram(b) for b in bits],
        "activation_bits_histogram": [histogram(b) for b in inputs],
        "bops_hawq": None,
        "bops_qonnx": None,
        "ebops": ebops(network),
    }


def check_width(bits: np.ndarray, name: str) -> None:
    """Raise ExportError where an input of a table is too wide to be its address."""
    if bits.max(initial=0) > MOST_BITS:
        raise ExportError(
            f"{name}: a table's input has {int(bits.max())} bits; at most {MOST_BITS} are known. Raise the first beta."
        )
