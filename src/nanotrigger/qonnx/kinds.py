"""Kinds of quantisers, their widths, and the names that a config gives them.

Those of QKeras (2006.10159): `quantized_bits`, `binary`, `ternary` and `quantized_po2`. A fixed-point width is written as a
number, the others by name: `binary` (-s, +s), `ternary` (-s, 0, +s), `po2_4` (powers of two whose sign and exponent take
4 bits). Scales s are powers of two, one for each output of a kernel, one for a bias or an activation.
"""

import re
from dataclasses import dataclass

from nanotrigger.errors import ConfigError

FIXED, BINARY, TERNARY, POWER = "fixed", "binary", "ternary", "po2"
KINDS = (FIXED, BINARY, TERNARY, POWER)
"""Their places in this tuple are the numbers that the training engine's arrays hold."""

FIXED_BITS = range(2, 17)
POWER_BITS = range(2, 6)
"""Of parameters. Five bits span 2^15, and a product with 16-bit activations still fits into a double many times over."""

POWER_ACTIVATION_BITS = range(2, 5)
"""A power-of-two activation becomes a comparator for each of its 2^bits - 1 levels."""


@dataclass(frozen=True)
class Format:
    """How a tensor is quantised. bits: width of its codes, the sign of a parameter included; a ReLU's codes have none."""

    kind: str
    bits: float

    def __str__(self) -> str:
        if self.kind == FIXED:
            return f"{self.bits:g}"
        return f"{POWER}_{self.bits:g}" if self.kind == POWER else self.kind

    @property
    def name(self) -> int | str:
        """As a config writes it."""
        return int(self.bits) if self.kind == FIXED else str(self)


@dataclass(frozen=True)
class LayerFormat:
    """Formats of a dense layer: kernel, bias, and the activation behind it, which the last layer does not have."""

    kernel: Format
    bias: Format
    activation: Format | None = None

    def names(self) -> dict[str, int | str | None]:
        return {key: getattr(self, key) and getattr(self, key).name for key in ("kernel", "bias", "activation")}


def parse(name: int | str, activation: bool = False) -> Format:
    """The format of that name. Raises ConfigError saying what is known."""
    powers = POWER_ACTIVATION_BITS if activation else POWER_BITS
    if isinstance(name, int) and name in FIXED_BITS:
        return Format(FIXED, name)
    if name == BINARY:
        return Format(BINARY, 1)
    if name == TERNARY:
        return Format(TERNARY, 2)
    if isinstance(name, str) and (match := re.fullmatch(rf"{POWER}_(\d+)", name)) and int(match[1]) in powers:
        return Format(POWER, int(match[1]))
    raise ConfigError(
        f"'{name}' is no quantiser of {'an activation' if activation else 'a parameter'}: give a width from "
        f"{FIXED_BITS[0]} to {FIXED_BITS[-1]}, {BINARY}, {TERNARY}, or {POWER}_{powers[0]} to {POWER}_{powers[-1]}."
    )


def layers(kernels: tuple, biases: tuple, activations: tuple) -> tuple[LayerFormat, ...]:
    """Formats of a network's layers from their names: one kernel and one bias per layer, one activation per hidden layer."""
    hidden = [parse(name, activation=True) for name in activations]
    return tuple(
        LayerFormat(parse(kernel), parse(bias), activation)
        for kernel, bias, activation in zip(kernels, biases, [*hidden, None], strict=True)
    )
