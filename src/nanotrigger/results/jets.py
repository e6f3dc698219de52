"""What the jets of a dataset are like: mass peaks beside the PDG's values, and what was generated to obtain them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import SPLITS, read_dataset, read_rates
from nanotrigger.results.records import replace_when_whole
from nanotrigger.results.statistics import accuracy_interval

PDG = {"w": (80.369, 0.013, 2.085), "z": (91.188, 0.002, 2.4955), "t": (172.57, 0.29, 1.42)}
"""Mass, its error, and width in GeV: Particle Data Group, Phys. Rev. D 110 (2024) 030001; the top's measured directly."""

WINDOWS = {"w": (60.0, 105.0), "z": (68.0, 118.0), "t": (145.0, 205.0)}
"""Groomed masses in GeV among which a peak is looked for."""

COLUMNS = [
    "class", "jets", "events", "cross_section_pb", "cross_section_error_pb", "in_window", "acceptance", "acceptance_low",
    "acceptance_high", "lost_by_grooming", "mass_peak_gev", "mass_peak_error_gev", "mass_sigma_gev", "mass_sigma_error_gev",
    "share_in_peak", "pdg_mass_gev", "pdg_width_gev", "mass_median_gev", "multiplicity_mean", "status",
]  # fmt: skip


@dataclass(frozen=True)
class Peak:
    """The Gaussian core of a peak: position and sigma in GeV with standard errors, jets in it, and the masses fitted."""

    position: float
    position_error: float
    sigma: float
    sigma_error: float
    jets: float
    low: float
    high: float

    def __call__(self, mass: np.ndarray) -> np.ndarray:
        """Jets per GeV."""
        return _gauss(mass, self.jets, self.position, self.sigma)


def _gauss(mass, jets, position, sigma):
    return jets / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * ((mass - position) / sigma) ** 2)


REACH = 1.5
"""Sigmas on either side of a peak that are fitted: beyond, its sides are those of radiation, and not Gaussian."""


def fit_peak(masses: np.ndarray, window: tuple[float, float], width: float = 1.0) -> Peak | None:
    """Fit a Gaussian to the core of a peak, by least squares with the errors that the curve itself gives the bins.

    masses: (jets,) in GeV; width: of the bins, in GeV. None where the window holds no peak that can be fitted.
    """
    low, high = window
    counts, edges = np.histogram(masses, np.arange(low, high + width / 2, width))
    middle = edges[:-1] + width / 2
    if counts.sum() < 100:
        return None
    smooth = np.convolve(counts, np.ones(3) / 3, "same")
    above = smooth > smooth.max() / 2
    sigma = max(above.sum() * width / 2.355, 2 * width)
    parameters, error = np.array([counts.sum(), middle[smooth.argmax()], sigma]), np.sqrt(np.maximum(smooth, 1))
    covariance = np.full((3, 3), np.nan)
    for _ in range(10):
        inside = np.abs(middle - parameters[1]) < max(REACH * parameters[2], 2.5 * width)
        if inside.sum() < 5:
            return None
        try:
            parameters, covariance = scipy.optimize.curve_fit(
                _gauss, middle[inside], counts[inside] / width, parameters, error[inside] / width, absolute_sigma=True
            )
        except RuntimeError:
            return None
        parameters[2] = abs(parameters[2])
        error = np.sqrt(np.maximum(_gauss(middle, *parameters) * width, 1))
    jets, position, sigma = parameters.tolist()
    errors = np.sqrt(np.diag(covariance)).tolist()
    if not low < position < high or not np.isfinite(errors).all() or sigma > (high - low) / 2:
        return None
    fitted = middle[inside]
    return Peak(
        position, errors[1], sigma, errors[2], jets, float(fitted[0] - width / 2), float(fitted[-1] + width / 2)
    )


def all_jets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features (jets, 16) and labels (jets,) of all three splits."""
    data = read_dataset(path)
    parts = [getattr(data, name) for name in SPLITS]
    return np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])


def jets_table(path: Path) -> pd.DataFrame:
    """A row per class; what was generated is empty for jets that were not generated here."""
    x, y = all_jets(path)
    rates = read_rates(path)
    rows = []
    for i, name in enumerate(CLASSES):
        mass, multiplicity = (x[y == i, FEATURES.index(f)].astype(float) for f in ("mass_mmdt", "multiplicity"))
        row = {"class": name, "jets": len(mass), "mass_median_gev": np.median(mass)}
        row |= {"multiplicity_mean": multiplicity.mean(), **_peak_cells(name, mass)}
        row |= _rate_cells(rates[name]) if rates else {"status": "not generated here"}
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _peak_cells(name: str, masses: np.ndarray) -> dict[str, float]:
    if name not in PDG:
        return {}
    low, high = WINDOWS[name]
    mass, _, width = PDG[name]
    cells = {"pdg_mass_gev": mass, "pdg_width_gev": width}
    cells["share_in_peak"] = np.mean((masses > low) & (masses < high))
    if peak := fit_peak(masses, WINDOWS[name]):
        cells |= {"mass_peak_gev": peak.position, "mass_peak_error_gev": peak.position_error}
        cells |= {"mass_sigma_gev": peak.sigma, "mass_sigma_error_gev": peak.sigma_error}
    return cells


def _rate_cells(rates: dict[str, float]) -> dict[str, Any]:
    """Acceptance: jets kept, of those that the generated events could have given, with its 95 % interval."""
    possible = rates["events"] * rates["jets_per_event"]
    interval = accuracy_interval(rates["whole"], possible)
    return {
        "events": rates["events"],
        "cross_section_pb": rates["cross_section_pb"],
        "cross_section_error_pb": rates["cross_section_error_pb"],
        "in_window": rates["in_window"],
        "acceptance": rates["whole"] / possible,
        "acceptance_low": interval.low,
        "acceptance_high": interval.high,
        "lost_by_grooming": rates["in_window"] - rates["whole"],
        "status": "generated",
    }


def write_jets_table(data: str, path: str) -> None:
    with replace_when_whole(Path(path)) as temporary:
        jets_table(Path(data)).to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
