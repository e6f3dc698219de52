"""A fully connected network in exact fixed-point numbers: what a method hands over to be written as QONNX.

Every number is a float64 that holds a multiple of a power of two exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from nanotrigger.qonnx.kinds import BINARY, FIXED, POWER, TERNARY, Format
from nanotrigger.results.records import read_arrays


def _nearest_power(v: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(v)
    return np.where(v < 0.5, 0.0, np.ldexp(1.0, np.maximum(exponent - (mantissa < 0.75), 0)))


ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.round,
    "FLOOR": np.floor,
    "HALF_UP": lambda v: np.floor(v + 0.5),
    "SIGN": lambda v: np.where(v >= 0, 1.0, -1.0),
    "POWER": _nearest_power,
}
"""Half to even; towards minus infinity; half up (towards plus infinity, as HLS' AP_RND); the sign, plus for zero; and the
nearest of 0, 1, 2, 4, 8, ..., ties upwards, zero for what is negative."""


def lsb(values: np.ndarray) -> np.ndarray:
    """Weight of the lowest set bit of each value; infinite for zero."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    digits = np.abs(np.ldexp(mantissa, 53).astype(np.int64))
    return np.where(digits == 0, np.inf, np.ldexp((digits & -digits).astype(np.float64), exponent - 53))


@dataclass(frozen=True)
class Quantiser:
    """Rounds to multiples of `step` and saturates at `low` and `high`.

    step, low, high: scalars, or (n,) where every element has its own grid; low = high = 0 prunes an element.
    rounding: a key of ROUNDING. traced: the range was measured on data with a margin, so that saturation is not expected.
    """

    step: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float
    rounding: str
    traced: bool = False

    def __post_init__(self):
        for name in ("step", "low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))

    @property
    def signed(self) -> np.ndarray:
        return self.low < 0

    @property
    def bits(self) -> np.ndarray:
        """Width without the sign, as EBOPs count it; zero for a pruned element.

        A sign alone counts one bit, powers of two that of their codes.
        """
        if self.rounding == "SIGN":
            return np.ones_like(self.step)
        if self.rounding == "POWER":
            return np.log2(np.log2(self.high / self.step) + 2)
        span = np.maximum(self.high + self.step, -self.low) / self.step
        return np.where(self.low == self.high, 0, np.ceil(np.log2(np.maximum(span, 1))))

    @property
    def width(self) -> np.ndarray:
        """Width with the sign; zero for a pruned element."""
        return np.where(self.bits > 0, self.bits + (self.signed & (self.rounding != "SIGN")), 0)

    @property
    def format(self) -> Format:
        """Kind, and the largest width."""
        ternary = np.all((self.high == self.step) & (self.low == -self.step))
        kind = {"SIGN": BINARY, "POWER": POWER}.get(self.rounding, TERNARY if ternary else FIXED)
        return Format(kind, float(self.width.max()))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.clip(ROUNDING[self.rounding](np.asarray(x, np.float64) / self.step) * self.step, self.low, self.high)


def activation_quantiser(form: Format, reach: float) -> Quantiser:
    """Quantiser of an activation. reach: range of a fixed-point ReLU, a binary or ternary one's scale, or the largest power."""
    if form.kind == BINARY:
        return Quantiser(reach, -reach, reach, "SIGN")
    if form.kind == TERNARY:
        return Quantiser(reach, -reach, reach, "HALF_UP")
    if form.kind == POWER:
        return Quantiser(reach * 2.0 ** (2 - 2**form.bits), 0.0, reach, "POWER")
    step = reach * 2.0**-form.bits
    return Quantiser(step, 0.0, (2.0**form.bits - 1) * step, "HALF_UP")


@dataclass(frozen=True)
class Dense:
    """x -> relu(input(x) @ weight + bias).

    weight (in, out) and bias (out,): values on their grids. *_step: grid of each parameter; *_bits: its width without the
    sign, zero where pruned, one where there is nothing but a sign; *_kind: see `qonnx.kinds`.
    """

    input: Quantiser
    weight: np.ndarray
    weight_step: np.ndarray
    weight_bits: np.ndarray
    bias: np.ndarray
    bias_step: np.ndarray
    bias_bits: np.ndarray
    relu: bool
    weight_kind: str = FIXED
    bias_kind: str = FIXED

    def widths(self, name: str) -> np.ndarray:
        """Widths with sign of the elements of `weight` or `bias`; zero where pruned."""
        bits = getattr(self, f"{name}_bits")
        return np.where(bits > 0, bits + (getattr(self, f"{name}_kind") != BINARY), 0)

    def format(self, name: str) -> Format:
        """Kind of `weight` or `bias`, and the largest width."""
        return Format(getattr(self, f"{name}_kind"), float(self.widths(name).max(initial=0)))

    def sum_bits(self) -> int:
        """Bits that hold the magnitude of every partial sum of this layer in the worst case; a float32 has 24."""
        peak = np.broadcast_to(np.maximum(np.abs(self.input.low), np.abs(self.input.high)), len(self.weight))
        step = np.broadcast_to(self.input.step, len(self.weight))
        bound = peak @ np.abs(self.weight) + np.abs(self.bias)
        grid = np.minimum((step[:, None] * lsb(self.weight)).min(0), lsb(self.bias))
        return int(np.ceil(np.log2(np.max(bound / grid, initial=1, where=np.isfinite(grid)))))


@dataclass(frozen=True)
class FixedPointNetwork:
    """Layers in order; the output of the last is not quantised."""

    layers: tuple[Dense, ...]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (jets, classes) float64, exact while every sum fits into 53 bits. x: (jets, features), standardised."""
        for layer in self.layers:
            x = layer.input(x) @ layer.weight + layer.bias
            if layer.relu:
                x = np.maximum(x, 0)
        return x

    def save(self, path: Path) -> None:
        """Write all numbers as npz, without pickle."""
        arrays = {}
        for i, layer in enumerate(self.layers):
            for f in fields(Quantiser):
                arrays[f"{i}.input.{f.name}"] = getattr(layer.input, f.name)
            for f in fields(Dense):
                if f.name != "input":
                    arrays[f"{i}.{f.name}"] = getattr(layer, f.name)
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "FixedPointNetwork":
        """Read what `save` wrote."""
        arrays = read_arrays(path)
        count = 1 + max(int(name.split(".")[0]) for name in arrays)

        def value(name: str) -> object:
            array = arrays[name]
            return array.item() if array.dtype.kind in "bU" else array

        return cls(
            tuple(
                Dense(
                    Quantiser(**{f.name: value(f"{i}.input.{f.name}") for f in fields(Quantiser)}),
                    **{f.name: value(f"{i}.{f.name}") for f in fields(Dense) if f.name != "input"},
                )
                for i in range(count)
            )
        )
