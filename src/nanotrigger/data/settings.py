"""Settings of the generator with their sources, taken from the code that uses them: `python -m nanotrigger.data.settings`."""

from dataclasses import dataclass
from pathlib import Path

from nanotrigger.data import detector, jets, pythia
from nanotrigger.data.classes import CLASSES

PATH = Path(__file__).parents[3] / "docs" / "generator.md"

SET = "1709.08705, 1804.06913"
NAME = "name of the published file"
OURS = "ours"


@dataclass(frozen=True)
class Setting:
    """One setting: what it is, its value as the code has it, and where the value comes from."""

    what: str
    value: str
    source: str


PYTHIA_SOURCES = {
    "Tune:pp": "the tune of Pythia's authors, Monash 2013 (1404.5630); its NNPDF2.3 LO set (1207.1303) is MadGraph's `nn23lo1`",
    "24:onMode": f"hadronic decays: {SET}",
    "24:onIfAny": "quarks that a W of its mass reaches",
    "24:mMin": f"{OURS}: keeps the tails of the Breit-Wigner shape out",
    "24:mMax": f"{OURS}: as above",
    "23:onMode": f"hadronic decays: {SET}",
    "23:onIfAny": "quarks that a Z of its mass reaches",
    "23:mMin": f"{OURS}: keeps the tails of the Breit-Wigner shape out",
    "23:mMax": f"{OURS}: as above",
    "Beams:idA": SET,
    "Beams:idB": SET,
    "Beams:eCM": SET,
    "PhaseSpace:pTHatMin": f"partons of 1 TeV within 0.5 %: {SET}",
    "PhaseSpace:pTHatMax": "as above",
}
"""Source of each line for Pythia, by its key; a line without one stops the rendering."""

TECHNICAL = ("Print:quiet", "Random:setSeed")

PROCESSES = {
    "g": "gg pairs",
    "q": "pairs of quarks",
    "w": "WW pairs",
    "z": "ZZ pairs, without the photon",
    "t": "top pairs; tops decay to bW",
}

DIFFERENCES = (
    "The published set has its hard processes from MadGraph5_aMC@NLO at leading order, ours from Pythia's own leading-order "
    "matrix elements, with the factorisation and renormalisation scales that Pythia takes.",
    "W and Z of our pairs decay isotropically, as undecayed bosons of a Les Houches event file do; Pythia would give the "
    "decays their spin correlations.",
    "The published set was showered by Pythia 8.2 (its file name says 82), ours by the version in requirements.lock.",
    "The authors' detector smearing is not public as run: ours has its cell sizes and track limit, with resolutions of "
    "Delphes' CMS card; there is no magnetic field, no tracking inefficiency, no noise and no pile-up.",
    "The rotated features of particles follow a conversion script of the set's authors, of which several versions are public; "
    "which of them made the archives is not known.",
    "A floating-point network that scores 76.5 % on the published set scores about 70 % on these jets: figures from one are "
    "never set against figures from the other.",
)

INTRODUCTION = """# The generator

Made by `python -m nanotrigger.data.settings` from the code that generates: do not edit.

Jets come from Pythia 8 through a detector response, anti-kT and mMDT to the 16 features of 1804.06913, one step after the
other in `src/nanotrigger/data/`: `pythia.py`, `detector.py`, `jets.py`, `features.py`, `constituents.py`. They are in the style
of the published sets, and are never called by their name.

Every run draws its jets: `figures/jet_features` (all 16 features per class), `figures/mass_peaks` (positions and widths of W, Z
and top beside the PDG's), `figures/jet_correlations` and, of jets that it generated, `figures/jet_rates`; `tables/jets.csv`
holds cross sections, events, acceptance and peaks per class. `make bench BENCH=generator` splits the time by stage.

Options of a dataset stanza (`jets`, `jets_per_job`, `jets_per_event`, `particles`, `detector`, `seed`) are in
[config/README.md](../config/README.md). Each job generates `jets_per_job` jets of one class from seeds of its own, so that the
jets do not depend on where, or in which order, jobs ran.
"""

NOTES = f"""{SET} define the published set; the name of its file is
`processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth`. *{OURS.capitalize()}* is a choice made here.
"""


def settings() -> list[Setting]:
    """All settings, in the order in which a jet meets them."""
    found = []
    for line in (*pythia.BEAMS, *pythia.COLLISIONS):
        key, _, value = (part.strip() for part in line.partition("="))
        if key not in TECHNICAL:
            found.append(Setting(f"Pythia, `{key}`", value, PYTHIA_SOURCES[key]))
    for label in CLASSES:
        lines = ", ".join(line.replace(" = ", "=") for line in pythia.HARD_PROCESS[label])
        isotropic = "; decay isotropically" if label in pythia.ISOTROPIC_DECAYS else ""
        found.append(Setting(f"hard process of {label} jets", f"{lines}{isotropic}", f"{PROCESSES[label]}: {SET}"))
    masses = pythia.particle_masses()
    shown = ", ".join(f"{name} {mass:.5g} ({width:.3g}) GeV" for name, (mass, width) in masses.items())
    found.append(Setting("masses (and widths)", shown, "Pythia's own"))
    response = detector.Detector()
    card = "Delphes' CMS card (1307.6346)"
    found += [
        Setting("particles seen", "all stable ones but neutrinos", NAME + " (`nonu`)"),
        Setting("ECAL cells, photons", f"{response.ecal_cell} in (eta, phi)", NAME + " (`e0175`)"),
        Setting("HCAL cells, other neutral particles", f"{response.hcal_cell} in (eta, phi)", NAME + " (`h022`)"),
        Setting("charged particles as tracks, else in HCAL", f"pT < {response.track_pt_max:g} GeV", NAME + " (`t220`)"),
        Setting("calorimeters reach", f"abs(eta) < {detector.ETA_MAX:g}", card),
        Setting("track resolution", "0.015 + 0.00025 pT / GeV, in quadrature", card),
        Setting(
            "ECAL resolution",
            "terms of 2.7 %, 15 % and 0.5 % (stochastic, noise, constant)",
            card + "; scaled by 1.6 in energy, without public source",
        ),
        Setting(
            "HCAL resolution",
            f"stochastic 120 %, its variance times {response.hcal_resolution_factor:g}, constant 5 %",
            f"{card}; the factor has no public source",
        ),
        Setting("jets", f"anti-kT, R = {jets.RADIUS:g}", SET),
        Setting("jet window", f"{jets.PT_MIN:g} < pT < {jets.PT_MAX:g} GeV, abs(eta) < {jets.ETA_MAX:g}", OURS),
        Setting("jets of an event", "the leading one, or two (key `jets_per_event`)", SET),
        Setting("grooming", f"mMDT: soft drop, beta = 0, zcut = {jets.ZCUT:g}", "1307.0007, 1402.2657; " + SET),
        Setting("features", "16; sum of z log z and multiplicity of the jet before grooming", "1804.06913, table 1"),
        Setting(
            "features of particles", "16, hardest first, zeros behind the last", "1908.05318; names of Zenodo 3602260"
        ),
    ]
    return found


def render() -> str:
    """The text of docs/generator.md."""
    rows = [f"| {s.what} | {s.value} | {s.source} |" for s in settings()]
    table = "\n".join(["| setting | value | source |", "|---|---|---|", *rows])
    differences = "\n".join(f"- {difference}" for difference in DIFFERENCES)
    return f"{INTRODUCTION}\n## Settings\n\n{NOTES}\n{table}\n\n## Known differences from the published sets\n\n{differences}\n"


if __name__ == "__main__":
    PATH.write_text(render())
