"""Names of the jet classes and features, apart from the code that needs arrays."""

CLASSES = ("g", "q", "w", "z", "t")
"""Gluon, light quark, W, Z and top jets; a label is an index into this tuple."""

FEATURES = (
    "zlogz",
    "c1_b0_mmdt",
    "c1_b1_mmdt",
    "c1_b2_mmdt",
    "c2_b1_mmdt",
    "c2_b2_mmdt",
    "d2_b1_mmdt",
    "d2_b2_mmdt",
    "d2_a1_b1_mmdt",
    "d2_a1_b2_mmdt",
    "m2_b1_mmdt",
    "m2_b2_mmdt",
    "n2_b1_mmdt",
    "n2_b2_mmdt",
    "mass_mmdt",
    "multiplicity",
)
"""The 16 features of 1804.06913 (table 1), in the order of the published sets; mass in GeV."""

CONSTITUENT_FEATURES = (
    "px",
    "py",
    "pz",
    "E",
    "Erel",
    "pT",
    "pTrel",
    "eta",
    "etarel",
    "etarot",
    "phi",
    "phirel",
    "phirot",
    "dR",
    "costheta",
    "costhetarel",
)
"""The 16 features of a particle in the published sets (Zenodo 3602260), in their order; momenta and energies in GeV."""
