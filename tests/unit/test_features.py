"""The 16 features against fastjet-contrib's correlators, brute force and sums by hand."""

import itertools

import awkward as ak
import fastjet
import numpy as np
import pytest

from nanotrigger.data.classes import FEATURES
from nanotrigger.data.detector import momentum_array
from nanotrigger.data.features import jet_features
from nanotrigger.data.jets import CAMBRIDGE, RADIUS, ZCUT, mmdt


@pytest.fixture(scope="module")
def jets():
    """Jets with two or three hard prongs and soft particles around them, about 1 TeV."""
    rng = np.random.default_rng(11)
    events, momenta = [], []
    for jet in range(40):
        n = rng.integers(8, 30)
        axes = rng.normal(scale=0.25, size=(rng.integers(2, 4), 2))
        prong = rng.integers(0, len(axes), n)
        offset = np.array([[0.3], [jet * 0.15 - 3]])
        eta, phi = (axes[prong] + rng.normal(scale=0.05, size=(n, 2))).T + offset
        pt = rng.exponential(1000 / n, n) + 1
        momenta.append(np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], 1))
        events += [jet] * n
    constituents = momentum_array(np.array(events), np.concatenate(momenta), 40)
    groomed = mmdt(constituents)
    return constituents, groomed, jet_features(constituents, groomed)


def column(x, name):
    return x[:, FEATURES.index(name)].astype(float)


def correlator(groomed, npoint, beta, angles=-1):
    """fastjet-contrib's generalised correlator of the groomed jets, normalised."""
    sequence = fastjet.ClusterSequence(groomed.constituents, CAMBRIDGE)
    values = sequence.exclusive_jets_energy_correlator(
        njets=1, npoint=npoint, beta=beta, angles=angles, func="generalized", normalized=True
    )
    return ak.to_numpy(ak.flatten(values, axis=None)).astype(float)


@pytest.mark.parametrize("beta", [1, 2])
def test_two_point_correlators(jets, beta):
    _, groomed, x = jets
    np.testing.assert_allclose(column(x, f"c1_b{beta}_mmdt"), correlator(groomed, 2, beta, 1), rtol=2e-5)


@pytest.mark.parametrize("beta", [1, 2])
def test_ratios_of_three_point_correlators(jets, beta):
    _, groomed, x = jets
    e2 = correlator(groomed, 2, beta, 1)
    e3, v1, v2 = (correlator(groomed, 3, beta, angles) for angles in (3, 1, 2))
    for name, expected in (
        (f"c2_b{beta}_mmdt", e3 / e2**2),
        (f"d2_b{beta}_mmdt", e3 / e2**3),
        (f"m2_b{beta}_mmdt", v1 / e2),
        (f"n2_b{beta}_mmdt", v2 / e2**2),
    ):
        np.testing.assert_allclose(column(x, name), expected, rtol=5e-5, atol=1e-9, err_msg=name)


def test_correlators_by_brute_force(jets):
    """e2 with beta 0, and D2 with alpha 1 and beta 2: sums over all pairs and triples."""
    _, groomed, x = jets
    for j, jet in enumerate(groomed.constituents[:10]):
        px, py, pz, e = (ak.to_numpy(jet[c]) for c in ("px", "py", "pz", "E"))
        pt, y, phi = np.hypot(px, py), np.arctanh(pz / e), np.arctan2(py, px)
        z = pt / pt.sum()

        def distance(a, b, y=y, phi=phi):
            return np.hypot(y[a] - y[b], np.angle(np.exp(1j * (phi[a] - phi[b]))))

        e2 = {
            b: sum(z[i] * z[k] * distance(i, k) ** b for i, k in itertools.combinations(range(len(z)), 2))
            for b in (0, 2)
        }
        e3 = sum(
            z[i] * z[k] * z[m] * distance(i, k) * distance(i, m) * distance(k, m)
            for i, k, m in itertools.combinations(range(len(z)), 3)
        )
        assert column(x, "c1_b0_mmdt")[j] == pytest.approx(e2[0], rel=2e-5)
        # e3 with exponent alpha = 1 over (e2 with beta = 2)^(3 alpha / beta)
        assert column(x, "d2_a1_b2_mmdt")[j] == pytest.approx(e3 / e2[2] ** 1.5, rel=2e-5)
        assert column(x, "d2_a1_b1_mmdt")[j] == column(x, "d2_b1_mmdt")[j]


def test_mass_multiplicity_and_zlogz_by_hand(jets):
    constituents, groomed, x = jets
    for j, (jet, clean) in enumerate(zip(constituents, groomed.constituents, strict=True)):
        total = [float(ak.sum(clean[c])) for c in ("E", "px", "py", "pz")]
        mass = np.sqrt(total[0] ** 2 - sum(p**2 for p in total[1:]))
        assert column(x, "mass_mmdt")[j] == pytest.approx(mass, rel=1e-4)
        z = ak.to_numpy(jet.E) / float(ak.sum(jet.E))
        assert column(x, "zlogz")[j] == pytest.approx(float((z * np.log(z)).sum()), rel=1e-5)
        assert column(x, "multiplicity")[j] == len(jet)


def test_grooming_is_fastjets_soft_drop_bit_for_bit(jets):
    constituents, groomed, _ = jets
    sequence = fastjet.ClusterSequence(constituents, CAMBRIDGE)
    expected = sequence.exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=ZCUT, R0=RADIUS)
    assert groomed.msoftdrop.tolist() == expected.msoftdrop.tolist()
    for component in ("px", "py", "pz", "E"):
        assert groomed.constituents[component].tolist() == expected.constituents[component].tolist()


def test_grooming_keeps_a_symmetric_pair_and_drops_soft_wide_radiation():
    def particle(pt, eta, phi):
        return [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]

    two_prongs = [particle(500, 0.0, 0.0), particle(450, 0.2, 0.0), particle(20, 0.0, 0.7)]
    groomed = mmdt(momentum_array(np.zeros(3, int), np.array(two_prongs), 1))
    assert len(groomed.constituents[0]) == 2, "the soft particle carries less than a tenth"
    assert float(groomed.msoftdrop[0]) == pytest.approx(2 * np.sqrt(500 * 450) * np.sinh(0.1), rel=1e-3)
