"""The 16 features of particles against FastJet's kinematics, a rotation matrix of scipy, and jets by hand."""

import fastjet
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanotrigger.data.classes import CONSTITUENT_FEATURES
from nanotrigger.data.constituents import PIVOT_DISTANCE, constituent_features
from nanotrigger.data.detector import momentum_array

INDEX = {name: i for i, name in enumerate(CONSTITUENT_FEATURES)}


@pytest.fixture(scope="module")
def jets():
    """Jets with two prongs around any azimuth, the seam at pi included; rows of (px, py, pz, E)."""
    rng = np.random.default_rng(4)
    momenta = []
    for jet in range(30):
        n = int(rng.integers(3, 25))
        eta = rng.normal(0.4, 0.2, n)
        phi = jet * 0.21 + rng.normal(0, 0.15, n)
        pt = rng.exponential(40, n) + 1
        energy = pt * np.cosh(eta) * rng.uniform(1, 1.02, n)
        momenta.append(np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy], 1))
    return momenta


def features(momenta, particles):
    events = np.repeat(np.arange(len(momenta)), [len(p) for p in momenta])
    return constituent_features(momentum_array(events, np.concatenate(momenta), len(momenta)), particles)


def by_hand(p4):
    """One jet's features, a particle at a time, hardest first."""
    particles = sorted((fastjet.PseudoJet(*row) for row in p4), key=lambda p: -p.pt())
    jet = sum(particles[1:], particles[0])
    hardest = particles[0]
    # from the hardest particle: massless vectors of the same pT at differences of eta and phi
    moved = []
    for p in particles:
        vector = fastjet.PseudoJet()
        vector.reset_PtYPhiM(p.pt(), p.eta() - hardest.eta(), hardest.delta_phi_to(p), 0)
        moved.append(vector)
    far = [v for v in moved if np.hypot(v.eta(), v.phi_std()) > PIVOT_DISTANCE]
    turn = Rotation.identity()
    if far:
        angle = np.arctan2(far[0].pz(), far[0].py())
        turn = Rotation.from_euler("x", np.pi - angle)  # its direction in the (y, z) plane becomes -y
    turned = [fastjet.PseudoJet(*turn.apply([v.px(), v.py(), v.pz()]), v.E()) for v in moved]
    lower = sum(v.pt() for v in moved if v.eta() < 0) > sum(v.pt() for v in moved if v.eta() > 0)
    rows = []
    for p, r in zip(particles, turned, strict=True):
        cosine = (p.px() * jet.px() + p.py() * jet.py() + p.pz() * jet.pz()) / (p.modp() * jet.modp())
        eta_rel, phi_rel = p.eta() - jet.eta(), jet.delta_phi_to(p)
        eta_rot = -r.eta() if lower else r.eta()
        row = [p.px(), p.py(), p.pz(), p.E(), p.E() / jet.E(), p.pt(), p.pt() / jet.pt(), p.eta(), eta_rel, eta_rot]
        rows.append([*row, p.phi_std(), phi_rel, r.phi_std(), np.hypot(eta_rel, phi_rel), p.pz() / p.modp(), cosine])
    return np.array(rows)


def test_every_feature_by_hand(jets):
    x = features(jets, 30)
    for jet, p4 in enumerate(jets):
        expected = by_hand(p4)
        for name, i in INDEX.items():
            np.testing.assert_allclose(
                x[jet, : len(p4), i], expected[:, i], rtol=2e-6, atol=2e-6, err_msg=f"{name} of jet {jet}"
            )
        assert not x[jet, len(p4) :].any(), "nothing stands behind the last particle"


def test_the_second_prong_points_down(jets):
    x = features(jets, 30)
    for jet in x:
        real = jet[:, INDEX["pT"]] > 0
        distance = np.hypot(
            jet[real, INDEX["eta"]] - jet[0, INDEX["eta"]],
            (jet[real, INDEX["phi"]] - jet[0, INDEX["phi"]] + np.pi) % (2 * np.pi) - np.pi,
        )
        pivot = np.flatnonzero(distance > PIVOT_DISTANCE)[0]
        assert jet[pivot, INDEX["etarot"]] == pytest.approx(0, abs=1e-5) and jet[pivot, INDEX["phirot"]] < 0
        assert jet[0, INDEX["etarot"]] == jet[0, INDEX["phirot"]] == 0


def test_fewer_particles_are_the_hardest_and_the_jet_stays_whole(jets):
    few, many = features(jets, 4), features(jets, 60)
    for name in CONSTITUENT_FEATURES:
        np.testing.assert_array_equal(few[..., INDEX[name]], many[:, :4, INDEX[name]])
    assert (np.diff(few[..., INDEX["pT"]], axis=1) <= 0).all()
    np.testing.assert_allclose(many[..., INDEX["Erel"]].sum(1), 1, rtol=1e-5)


def test_one_particle_is_the_jet():
    (jet,) = features([np.array([[3.0, 4.0, 0.0, 5.0]])], 2)
    shown = dict(zip(CONSTITUENT_FEATURES, jet[0].tolist(), strict=True))
    assert shown["pTrel"] == shown["Erel"] == shown["costhetarel"] == 1 and shown["pT"] == 5
    assert [shown[name] for name in ("etarel", "phirel", "dR", "etarot", "phirot", "costheta")] == [0] * 6
