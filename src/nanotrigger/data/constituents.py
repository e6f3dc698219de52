"""The 16 features of each particle of a jet, as the published particle-level sets hold them (Zenodo 3602254, 3602260).

Definitions: 1908.05318, section 3. Relative quantities are to the sum of all particles: ratios of energy and transverse
momentum, differences of pseudorapidity and azimuth, the distance dR of both, and the cosine of the angle to the jet. The
rotated pair is that of 1704.02124: about the hardest particle, a rotation around the x axis brings the hardest one of
those farther than 0.1 from it to azimuth below and pseudorapidity zero; the jet is mirrored in pseudorapidity where, before
the rotation, the particles at lower pseudorapidity than the hardest carry more transverse momentum than those at higher.
"""

import awkward as ak
import numpy as np

from nanotrigger.data.classes import CONSTITUENT_FEATURES

PIVOT_DISTANCE = 0.1
"""Distance in (eta, phi) from the hardest particle beyond which the second prong is looked for."""


def constituent_features(constituents: ak.Array, particles: int) -> np.ndarray:
    """Features of the hardest `particles` particles of each jet, hardest first.

    constituents: jets x particles, four-momenta in GeV, none empty; all of them define the jet, also those cut off.
    Returns (jets, particles, 16) float32 in the order of CONSTITUENT_FEATURES, zeros behind a jet's last particle.
    """
    count = ak.num(constituents).to_numpy()
    width = int(count.max(initial=0))
    real = np.arange(width) < count[:, None]
    p4 = np.zeros((len(count), width, 4))
    p4[real] = np.stack([ak.flatten(constituents[c]).to_numpy() for c in ("px", "py", "pz", "E")], 1)
    order = np.argsort(-np.hypot(p4[..., 0], p4[..., 1]), axis=1, kind="stable")
    px, py, pz, energy = np.moveaxis(np.take_along_axis(p4, order[..., None], 1), 2, 0)
    jet_px, jet_py, jet_pz, jet_energy = (column.sum(1)[:, None] for column in (px, py, pz, energy))

    pt, jet_pt = np.hypot(px, py), np.hypot(jet_px, jet_py)
    safe_pt = np.where(real, pt, 1.0)
    eta, phi = np.arcsinh(pz / safe_pt), np.arctan2(py, px)
    eta_rel, phi_rel = eta - np.arcsinh(jet_pz / jet_pt), _wrapped(phi - np.arctan2(jet_py, jet_px))
    momentum, jet_momentum = np.where(real, np.hypot(pt, pz), 1.0), np.hypot(jet_pt, jet_pz)
    opening = (px * jet_px + py * jet_py + pz * jet_pz) / (momentum * jet_momentum)
    eta_rot, phi_rot = _rotated(eta - eta[:, :1], _wrapped(phi - phi[:, :1]), pt)

    columns = (px, py, pz, energy, energy / jet_energy, pt, pt / jet_pt, eta, eta_rel, eta_rot, phi, phi_rel, phi_rot)
    columns += (np.hypot(eta_rel, phi_rel), pz / momentum, np.clip(opening, -1, 1))
    assert len(columns) == len(CONSTITUENT_FEATURES)
    features = np.zeros((len(count), particles, len(columns)), np.float32)
    shown = min(width, particles)
    for i, column in enumerate(columns):
        features[:, :shown, i] = np.where(real, column, 0.0)[:, :shown]
    return features


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """Angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _rotated(eta: np.ndarray, phi: np.ndarray, pt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate and mirror jets; eta, phi: (jets, particles) from the hardest particle, pt in GeV, 0 where there is none."""
    far = np.where(np.hypot(eta, phi) > PIVOT_DISTANCE, pt, -1.0)
    pivot = far.argmax(1)[:, None]
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    angle = np.arctan2(np.take_along_axis(y, pivot, 1), np.take_along_axis(z, pivot, 1)) + np.pi / 2
    angle[np.take_along_axis(far, pivot, 1) <= 0] = 0.0  # one narrow prong: there is nothing to turn it by
    y, z = np.cos(angle) * y - np.sin(angle) * z, np.sin(angle) * y + np.cos(angle) * z
    turned_pt = np.maximum(np.hypot(x, y), np.finfo(float).tiny)
    turned_eta, turned_phi = np.arcsinh(z / turned_pt), np.arcsin(np.clip(y / turned_pt, -1, 1))
    low, high = (np.where(side, pt, 0.0).sum(1) for side in (eta < 0, eta > 0))
    return np.where((low > high)[:, None], -turned_eta, turned_eta), turned_phi
