"""Physics of the generated jets, and that they depend on nothing but their arguments."""

import awkward as ak
import numpy as np
import pytest

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.detector import Detector, _cells
from nanotrigger.data.pythia import generate_jets

MASS, MULTIPLICITY = FEATURES.index("mass_mmdt"), FEATURES.index("multiplicity")


@pytest.fixture(scope="module")
def jets():
    return {label: generate_jets(label, 250, seed=3) for label in CLASSES}


def peak(masses, low, high):
    """Median of the masses in a window."""
    return float(np.median(masses[(masses > low) & (masses < high)]))


def test_mass_peaks(jets):
    w, z, top = (jets[c][:, MASS] for c in "wzt")
    assert peak(w, 60, 110) == pytest.approx(80.4, abs=5) and peak(z, 60, 120) == pytest.approx(91.2, abs=5)
    assert peak(z, 60, 120) - peak(w, 60, 110) > 6
    assert peak(top, 130, 220) == pytest.approx(172.5, abs=9)
    for label in "wz":
        in_window = np.mean((jets[label][:, MASS] > 60) & (jets[label][:, MASS] < 115))
        assert in_window > 0.6 > 3 * np.mean((jets["q"][:, MASS] > 60) & (jets["q"][:, MASS] < 115))


def test_gluons_radiate_more_than_quarks(jets):
    gluon, quark = (jets[c][:, MULTIPLICITY] for c in "gq")
    error = np.hypot(gluon.std(), quark.std()) / np.sqrt(len(gluon))
    assert gluon.mean() - quark.mean() > 5 * error


def test_every_feature_is_finite_and_the_count_exact(jets):
    for x in jets.values():
        assert x.shape == (250, 16) and x.dtype == np.float32 and np.isfinite(x).all()


@pytest.mark.parametrize("label", ["q", "z"])
def test_jets_depend_on_their_arguments_alone(label):
    first, again = (generate_jets(label, 40, seed=5, chunk=2) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (generate_jets(label, 40, seed=6, chunk=2), generate_jets(label, 40, seed=5, chunk=3)):
        assert not (first[:10] == other[:10]).all()


def event(*particles):
    """One event of (id, pt, eta, phi), all final."""
    record = []
    for identity, pt, eta, phi in particles:
        p = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "e": pt * np.cosh(eta)}
        record.append({"id": identity, "status": 1, "p": p})
    return ak.Array([{"prt": record}])


def test_detector_drops_what_it_cannot_see():
    seen = Detector().measure(event((12, 500, 0, 0), (130, 50, 3.5, 1), (211, 40, 0.5, 2)), np.random.default_rng(0))
    assert ak.num(seen).tolist() == [1], "a neutrino and a neutral beyond |eta| = 3 leave nothing"


def test_detector_measures_the_right_energy_on_average():
    rng = np.random.default_rng(0)
    for identity, tolerance in ((211, 0.003), (22, 0.003), (2112, 0.03)):
        energies = [float(ak.sum(Detector().measure(event((identity, 100, 0.3, 1.0)), rng).E)) for _ in range(400)]
        assert np.mean(energies) == pytest.approx(100 * np.cosh(0.3), rel=3 * tolerance + 0.01)


def test_neighbours_share_a_cell_and_events_do_not():
    p4 = np.array([[50.0, 0.01, 0.01, 50.0], [30.0, 0.02, 0.02, 30.0], [20.0, 0.01, 0.01, 20.0]])
    events, cells = _cells(np.array([0, 0, 1]), p4, size=0.1)
    assert events.tolist() == [0, 1] and cells[:, 3].tolist() == [80.0, 20.0]
    mass = cells[:, 3] ** 2 - (cells[:, :3] ** 2).sum(1)
    np.testing.assert_allclose(mass, 0, atol=1e-6)
