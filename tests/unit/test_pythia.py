"""Physics of the generated jets, and that they depend on nothing but their arguments."""

import awkward as ak
import numpy as np
import pytest

from nanotrigger.data.classes import CLASSES, CONSTITUENT_FEATURES, FEATURES
from nanotrigger.data.detector import Detector, _cells
from nanotrigger.data.pythia import Rates, events_of, generate_jets

MASS, MULTIPLICITY = FEATURES.index("mass_mmdt"), FEATURES.index("multiplicity")


@pytest.fixture(scope="module")
def jets():
    return {label: generate_jets(label, 250, seed=3).x for label in CLASSES}


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
    first, again = (generate_jets(label, 40, seed=5, chunk=2).x for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for seed, chunk in ((6, 2), (5, 3)):
        assert not (first[:10] == generate_jets(label, 10, seed=seed, chunk=chunk).x).all()


def test_options_change_what_they_say_and_nothing_else():
    """Particles are kept beside the same jets; the sum of the particles is the jet whose features stand in x."""
    plain = generate_jets("t", 30, seed=8)
    kept = generate_jets("t", 30, seed=8, particles=150)
    np.testing.assert_array_equal(plain.x, kept.x)
    assert plain.constituents is None and kept.constituents.shape == (30, 150, 16) and plain.rates == kept.rates
    particles = (kept.constituents[:, :, CONSTITUENT_FEATURES.index("pT")] > 0).sum(1)
    np.testing.assert_array_equal(particles, np.minimum(kept.x[:, MULTIPLICITY], 150))
    energy = kept.constituents[..., CONSTITUENT_FEATURES.index("E")].astype(float)
    z = energy / energy.sum(1, keepdims=True)
    zlogz = np.where(z > 0, z * np.log(np.where(z > 0, z, 1)), 0).sum(1)
    whole = kept.x[:, MULTIPLICITY] <= 150
    np.testing.assert_allclose(zlogz[whole], kept.x[whole, FEATURES.index("zlogz")], rtol=1e-5)


def test_the_two_leading_jets_balance_each_other():
    both = generate_jets("w", 60, seed=8, jets_per_event=2, particles=40)
    assert both.rates["events"] < 60 and both.x.shape == (60, 16)
    _, first, count = np.unique(both.event, return_index=True, return_counts=True)
    assert (np.diff(both.event) >= 0).all() and (count == 2).mean() > 0.8
    px, py = (both.constituents[..., CONSTITUENT_FEATURES.index(c)].sum(1) for c in ("px", "py"))
    phi = np.arctan2(py, px)[first[count == 2]], np.arctan2(py, px)[first[count == 2] + 1]
    apart = np.abs((phi[0] - phi[1] + np.pi) % (2 * np.pi) - np.pi)
    assert np.median(apart) > 2.9, "the two jets of a pair are back to back"


def test_without_a_detector_the_peak_is_narrower():
    smeared, true = (generate_jets("w", 120, seed=8, detector=on).x[:, MASS] for on in (True, False))

    def spread(masses):
        core = masses[(masses > 65) & (masses < 100)]
        return np.subtract(*np.percentile(core, [75, 25]))

    assert spread(true) < 0.75 * spread(smeared)


def test_rates_are_counted(jets):
    found = generate_jets("q", 60, seed=3)
    assert found.rates["events"] >= found.rates["in_window"] >= found.rates["whole"] >= 60
    # the same partons by hand: a cross section does not depend on what is done with the events
    rates = Rates(1)
    assert sum(len(batch) for batch in events_of("q", 1, 20, rates)) == 20
    error = np.hypot(rates.cross_section_error_pb, found.rates["cross_section_error_pb"])
    assert abs(rates.cross_section_pb - found.rates["cross_section_pb"]) < 5 * error and error > 0


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
