"""The 16 high-level features of a jet: energy correlators of the groomed jet, mass, multiplicity, sum of z log z.

Definitions: e2, e3 and C, D of 1305.0007, 1409.6298; M2, N2 from the generalised correlators of 1609.07483. Momentum
fractions are of transverse momentum and angles of rapidity and azimuth; z log z is of energy and, like multiplicity,
ungroomed.
"""

import awkward as ak
import numba
import numpy as np
from numba.core import entrypoints

from nanotrigger.data.classes import FEATURES

# numba's extensions by other packages are not used here, and to import them takes as long as a hundred events
entrypoints._already_initialized = True


@numba.njit(cache=True, fastmath=True)
def _correlators(offsets, pt, rapidity, phi, out):
    """Fill out (jets, 13) with the ratios FEATURES[1:14]."""
    for j in range(len(offsets) - 1):
        a, n = offsets[j], offsets[j + 1] - offsets[j]
        out[j, :] = 0.0
        if n < 2:
            continue
        z = pt[a : a + n] / pt[a : a + n].sum()
        angle = np.empty((n, n))
        e2_0 = e2_1 = e2_2 = 0.0
        for i in range(n):
            for k in range(i):
                dphi = abs(phi[a + i] - phi[a + k])
                if dphi > np.pi:
                    dphi = 2 * np.pi - dphi
                square = (rapidity[a + i] - rapidity[a + k]) ** 2 + dphi * dphi
                angle[i, k] = np.sqrt(square)
                w = z[i] * z[k]
                e2_0 += w
                e2_1 += w * angle[i, k]
                e2_2 += w * square
        e3_1 = e3_2 = v1_1 = v1_2 = v2_1 = v2_2 = 0.0
        for i in range(n):
            for k in range(i):
                w2 = z[i] * z[k]
                r_ik = angle[i, k]
                for m in range(k):
                    w = w2 * z[m]
                    r_im, r_km = angle[i, m], angle[k, m]
                    product = r_ik * r_im * r_km
                    largest = max(r_ik, max(r_im, r_km))
                    smallest = min(r_ik, min(r_im, r_km))
                    two_smallest = product / largest if largest > 0 else 0.0
                    e3_1 += w * product
                    e3_2 += w * product * product
                    v1_1 += w * smallest
                    v1_2 += w * smallest * smallest
                    v2_1 += w * two_smallest
                    v2_2 += w * two_smallest * two_smallest
        out[j, 0] = e2_0
        out[j, 1] = e2_1
        out[j, 2] = e2_2
        if e2_2 <= 0:
            continue
        out[j, 3] = e3_1 / e2_1**2
        out[j, 4] = e3_2 / e2_2**2
        out[j, 5] = e3_1 / e2_1**3
        out[j, 6] = e3_2 / e2_2**3
        out[j, 7] = e3_1 / e2_1**3  # D2 with alpha = beta = 1 is the same ratio as above; the published sets hold both
        out[j, 8] = e3_1 / e2_2**1.5
        out[j, 9] = v1_1 / e2_1
        out[j, 10] = v1_2 / e2_2
        out[j, 11] = v2_1 / e2_1**2
        out[j, 12] = v2_2 / e2_2**2


def jet_features(constituents: ak.Array, groomed: ak.Array) -> np.ndarray:
    """Features in the order of FEATURES.

    constituents: jets x particles, four-momenta in GeV; groomed: what `jets.mmdt` returns for them.
    Returns (jets, 16) float32.
    """
    jets = len(constituents)
    count = ak.num(constituents).to_numpy()
    energy = ak.flatten(constituents.E).to_numpy()
    jet = np.repeat(np.arange(jets), count)
    z = energy / np.bincount(jet, weights=energy, minlength=jets)[jet]

    px, py, pz, e = (ak.flatten(groomed.constituents[c]).to_numpy() for c in ("px", "py", "pz", "E"))
    rapidity = 0.5 * np.log(np.maximum(e + pz, 1e-12) / np.maximum(e - pz, 1e-12))
    offsets = np.concatenate([[0], np.cumsum(ak.num(groomed.constituents).to_numpy())])

    out = np.empty((jets, len(FEATURES)))
    out[:, 0] = np.bincount(jet, weights=z * np.log(z), minlength=jets)
    _correlators(offsets, np.hypot(px, py), rapidity, np.arctan2(py, px), out[:, 1:14])
    out[:, 14] = groomed.msoftdrop.to_numpy()
    out[:, 15] = count
    return out.astype(np.float32)
