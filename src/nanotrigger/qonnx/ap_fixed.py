"""Fixed-point formats as Vitis HLS writes them, and numbers on their grids."""

import re
from dataclasses import dataclass

import numpy as np

from nanotrigger.errors import ConfigError

FORMAT = re.compile(r"^(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*>$")


@dataclass(frozen=True)
class FixedPoint:
    """ap_fixed<width, integer> of Vitis HLS: integer bits count the sign; numbers are rounded half to even and saturate."""

    width: int
    integer: int
    signed: bool

    @classmethod
    def parse(cls, text: str) -> "FixedPoint":
        """From `fixed<16,6>` or `ufixed<8,0>`. Raises ConfigError for anything else."""
        match = FORMAT.match(text.strip().removeprefix("ap_"))
        if not match or not 1 <= int(match[2]) <= 24:
            raise ConfigError(f"'{text}' is no format of 1 to 24 bits. Write it as fixed<16,6> or ufixed<8,0>.")
        return cls(int(match[2]), int(match[3]), not match[1])

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"

    @property
    def step(self) -> float:
        return 2.0 ** (self.integer - self.width)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x on the grid, float32."""
        low = -(2 ** (self.width - 1)) if self.signed else 0
        return np.float32(np.clip(np.round(x.astype(np.float64) / self.step), low, low + 2**self.width - 1) * self.step)

    def random(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers of the format, every code as likely, float32."""
        low = -(2 ** (self.width - 1)) if self.signed else 0
        return (rng.integers(low, low + 2**self.width, shape) * self.step).astype(np.float32)
