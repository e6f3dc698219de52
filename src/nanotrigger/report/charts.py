"""Small charts of a training: coordinates for an SVG that takes its colours from the page, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34
POINTS = 240
"""More than a chart is pixels wide show nothing: longer histories are thinned, their last epoch kept."""

DECADES = 1.2
"""From so many powers of ten on, an axis is logarithmic."""


@dataclass(frozen=True)
class Line:
    """A curve. path: the `points` of an SVG polyline; first and last: its values at both ends."""

    label: str
    path: str
    first: float
    last: float


@dataclass(frozen=True)
class Chart:
    """A panel: its lines, and ticks as pairs of position and label."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]

    @property
    def text(self) -> str:
        """What it shows, in words."""
        return f"{self.title} over epochs: " + "; ".join(
            f"{line.label} from {line.first:.4g} to {line.last:.4g}" for line in self.lines
        )


class Axis:
    """Where values lie between two ends of an axis, linear or logarithmic."""

    def __init__(self, values: np.ndarray, start: float, end: float, pad: float = 0.0):
        self.low, self.high = float(values.min()), float(values.max())
        self.log = self.low > 0 and np.log10(self.high / self.low) >= DECADES
        self.start, self.end = start, end
        low, high = self._scale(self.low), self._scale(self.high)
        margin = pad * (high - low) if high > low else 0.5 * abs(low) or 0.5
        self.bounds = low - margin, high + margin

    def _scale(self, values):
        return np.log10(values) if self.log else values

    def __call__(self, values):
        low, high = self.bounds
        return self.start + (self._scale(values) - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        from matplotlib.ticker import LogLocator, MaxNLocator

        low, high = self.bounds
        if self.log:
            values = LogLocator(numticks=6).tick_values(10**low, 10**high)
        else:
            values = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        inside = [v for v in values if low - 1e-9 <= self._scale(v) <= high + 1e-9]
        return tuple((round(float(self(v)), 1), tick_label(v)) for v in inside)


def tick_label(value: float) -> str:
    """A tick's value; powers of ten as such where zeros would have to be counted."""
    exponent = round(np.log10(value)) if value > 0 else 0
    if abs(exponent) > 3 and np.isclose(value, 10.0**exponent, rtol=1e-6):
        return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def chart(title: str, epochs: np.ndarray, curves: dict[str, np.ndarray]) -> Chart | None:
    """A chart of curves over epochs; None where no value is finite."""
    finite = {k: np.isfinite(v) & np.isfinite(epochs) for k, v in curves.items()}
    curves = {k: v for k, v in curves.items() if finite[k].any()}
    if not curves:
        return None
    x_axis = Axis(np.concatenate([epochs[finite[k]] for k in curves]), LEFT, WIDTH - RIGHT)
    y_axis = Axis(np.concatenate([v[finite[k]] for k, v in curves.items()]), HEIGHT - BOTTOM, TOP, pad=0.05)
    lines = []
    for label, values in curves.items():
        x, y = epochs[finite[label]], values[finite[label]]
        kept = _thinned(x_axis(x))
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x_axis(x[kept]), y_axis(y[kept]), strict=True))
        lines.append(Line(label, points, float(y[0]), float(y[-1])))
    return Chart(title, tuple(lines), x_axis.ticks(), y_axis.ticks())


def _thinned(positions: np.ndarray) -> np.ndarray:
    """Indices of at most about POINTS points, evenly along the axis as drawn; the first and last among them."""
    if len(positions) <= POINTS:
        return np.arange(len(positions))
    wanted = np.linspace(positions[0], positions[-1], POINTS)
    return np.unique(np.searchsorted(positions, wanted, side="left").clip(0, len(positions) - 1))


def training_charts(history: pd.DataFrame | None) -> Sequence[Chart]:
    """Charts of a training's history: accuracies, losses, and one of each other column that changes."""
    if history is None or "epoch" not in history or not len(history):
        return []
    numbers = history.select_dtypes("number").astype(float)
    groups: dict[str, list[str]] = {}
    for key in (c for c in numbers if c != "epoch"):
        group = next((ending for ending in ("accuracy", "loss") if key.endswith(ending)), key)
        if group != key or numbers[key].nunique() > 1:
            groups.setdefault(group, []).append(key)
    order = sorted(groups, key=lambda g: {"accuracy": 0, "loss": 1}.get(g, 2))
    epochs = numbers["epoch"].to_numpy()
    charts = (
        chart(g.replace("_", " "), epochs, {k.replace("_", " "): numbers[k].to_numpy() for k in groups[g]})
        for g in order
    )
    return [c for c in charts if c is not None]
