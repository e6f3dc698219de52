"""Jet finding and grooming with FastJet."""

import awkward as ak
import fastjet
import numpy as np

RADIUS = 0.8
PT_MIN, PT_MAX = 800.0, 1600.0
ETA_MAX = 2.5
ZCUT = 0.1

ANTI_KT = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
CAMBRIDGE = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)


def leading_jets(particles: ak.Array) -> ak.Array:
    """Constituents of the leading anti-kT R = 0.8 jet of each event, where it lies in the window of pT and eta.

    particles: events x particles, four-momenta in GeV. Returns jets x constituents.
    """
    sequence = fastjet.ClusterSequence(particles, ANTI_KT)
    jets, constituents = sequence.inclusive_jets(min_pt=PT_MIN / 2), sequence.constituents(min_pt=PT_MIN / 2)
    leading = ak.argsort(np.hypot(jets.px, jets.py), axis=1, ascending=False)[:, :1]
    jets, constituents = jets[leading], constituents[leading]
    pt = np.hypot(jets.px, jets.py)
    inside = (pt > PT_MIN) & (pt < PT_MAX) & (np.abs(np.arcsinh(jets.pz / pt)) < ETA_MAX)
    return ak.flatten(constituents[inside], axis=1)


def mmdt(constituents: ak.Array) -> ak.Array:
    """Groom jets with the modified mass-drop tagger: soft drop with beta = 0, zcut = 0.1 (1307.0007, 1402.2657).

    Returns a record per jet with the groomed `constituents` and `msoftdrop` in GeV.
    """
    sequence = fastjet.ClusterSequence(constituents, CAMBRIDGE)
    return sequence.exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=ZCUT, R0=RADIUS)
