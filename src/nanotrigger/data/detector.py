"""A CMS-like detector response: tracks, and calorimeter cells for photons and neutral hadrons.

Cell sizes (ECAL 0.0175, HCAL 0.022) and the track limit of 220 GeV are those in the file name of the published set
(`r1_h022_e0175_t220_nonu`), neutrinos left out; the resolutions are those of Delphes' CMS card.
"""

from dataclasses import dataclass

import awkward as ak
import numpy as np

NEUTRINOS = (12, 14, 16)
TRACKS = (211, 321, 2212, 3112, 3222, 3312, 3334)
LEPTONS = (11, 13)
PHOTON = 22
ETA_MAX = 3.0


def momentum_array(event: np.ndarray, p4: np.ndarray, events: int) -> ak.Array:
    """Ragged array of four-momenta, one list per event. event: (n,) sorted; p4: (n, 4) px, py, pz, E in GeV."""
    fields = dict(zip(("px", "py", "pz", "E"), p4.T, strict=True))
    return ak.unflatten(ak.zip(fields, with_name="Momentum4D"), np.bincount(event, minlength=events))


@dataclass(frozen=True)
class Detector:
    """Cell sizes in (eta, phi); track limit in GeV; factor on the energy variance of the 120 % hadronic stochastic term."""

    ecal_cell: float = 0.0175
    hcal_cell: float = 0.022
    track_pt_max: float = 220.0
    hcal_resolution_factor: float = 7.0

    def measure(self, events: ak.Array, rng: np.random.Generator) -> ak.Array:
        """Smeared four-momenta of what the detector sees: tracks, then ECAL cells, then HCAL cells, per event."""
        event, identity, p4 = _visible(events)
        pt = np.hypot(p4[:, 0], p4[:, 1])
        track = (np.isin(identity, TRACKS) & (pt < self.track_pt_max)) | np.isin(identity, LEPTONS)
        photon = identity == PHOTON
        ecal_event, ecal = _cells(event[photon], p4[photon], self.ecal_cell)
        hadron = ~track & ~photon
        hcal_event, hcal = _cells(event[hadron], p4[hadron], self.hcal_cell)
        resolution = (
            np.hypot(0.00025 * pt[track], 0.015),
            np.sqrt(0.027**2 * 1.6 / ecal[:, 3] + (0.15 * 1.6 / ecal[:, 3]) ** 2 + 0.005**2),
            np.sqrt(1.2**2 * self.hcal_resolution_factor / hcal[:, 3] + 0.05**2),
        )
        event = np.concatenate([event[track], ecal_event, hcal_event])
        factor = rng.normal(1.0, np.concatenate(resolution))
        p4 = np.concatenate([p4[track], ecal, hcal]) * factor[:, None]
        kept = np.flatnonzero(factor > 0)
        kept = kept[np.argsort(event[kept], kind="stable")]
        return momentum_array(event[kept], p4[kept], len(events))


@dataclass(frozen=True)
class NoDetector:
    """Every stable particle but neutrinos, as generated."""

    def measure(self, events: ak.Array, rng: np.random.Generator) -> ak.Array:
        """True four-momenta of the visible particles, per event."""
        event, _, p4 = _visible(events)
        return momentum_array(event, p4, len(events))


def _visible(events: ak.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Event (n,), absolute PDG number (n,) and four-momentum (n, 4) in GeV of all stable particles but neutrinos."""
    particles = events.prt[events.prt.status > 0]
    event = np.repeat(np.arange(len(particles)), ak.num(particles).to_numpy())
    flat = ak.flatten(particles)
    identity = np.abs(flat.id.to_numpy())
    p4 = np.stack([flat.p[c].to_numpy() for c in ("px", "py", "pz", "e")], 1)
    seen = ~np.isin(identity, NEUTRINOS)
    return event[seen], identity[seen], p4[seen]


def _cells(event: np.ndarray, p4: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Sum energy in (eta, phi) cells of each event; massless deposits at the cells' centres."""
    n_phi, n_eta = int(2 * np.pi / size), int(2 * ETA_MAX / size)
    pt = np.hypot(p4[:, 0], p4[:, 1])
    eta = np.arcsinh(p4[:, 2] / np.maximum(pt, 1e-12))
    inside = np.abs(eta) < ETA_MAX
    event, p4, eta = event[inside], p4[inside], eta[inside]
    phi = np.arctan2(p4[:, 1], p4[:, 0]) % (2 * np.pi)
    i_eta = np.minimum(((eta + ETA_MAX) / (2 * ETA_MAX) * n_eta).astype(np.int64), n_eta - 1)
    i_phi = np.minimum((phi / (2 * np.pi) * n_phi).astype(np.int64), n_phi - 1)
    key, cell = np.unique((event * n_eta + i_eta) * n_phi + i_phi, return_inverse=True)
    energy = np.bincount(cell, weights=p4[:, 3], minlength=len(key))
    phi = (key % n_phi + 0.5) * 2 * np.pi / n_phi
    eta = (key // n_phi % n_eta + 0.5) * 2 * ETA_MAX / n_eta - ETA_MAX
    pt = energy / np.cosh(eta)
    return key // n_phi // n_eta, np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy], 1)
