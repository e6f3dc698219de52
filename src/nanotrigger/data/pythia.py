"""Jets from proton collisions: Pythia 8 -> detector -> anti-kT -> mMDT -> 16 features.

The classes and kinematics follow 1709.08705 and 1804.06913: pp at 13 TeV, partons of 1 TeV within 0.5 %, hadronic
decays. The published sets were made with MadGraph, Pythia and the authors' own detector smearing, none of which is public as
run: these jets are in the style of those sets, and are never called by their name.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pythia8mc as pythia8
from tqdm import tqdm

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import check_jets
from nanotrigger.data.detector import Detector
from nanotrigger.data.features import jet_features
from nanotrigger.data.jets import leading_jets, mmdt
from nanotrigger.errors import DataError

COLLISIONS = (
    "Print:quiet = on",
    "Random:setSeed = on",
    "Tune:pp = 14",  # Monash 2013, which uses NNPDF2.3 LO QED with alpha_s(MZ) = 0.130: MadGraph's nn23lo1
    "24:onMode = off",
    "24:onIfAny = 1 2 3 4 5",
    "24:mMin = 50.",
    "24:mMax = 110.",
    "23:onMode = off",
    "23:onIfAny = 1 2 3 4 5",
    "23:mMin = 55.",
    "23:mMax = 130.",
)
BEAMS = (
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = 13000.",
    "PhaseSpace:pTHatMin = 995.",
    "PhaseSpace:pTHatMax = 1005.",
)
HARD_PROCESS = {
    "g": ("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"),
    "q": ("HardQCD:qq2qq = on", "HardQCD:qqbar2qqbarNew = on", "HardQCD:gg2qqbar = on"),
    "w": ("WeakDoubleBoson:ffbar2WW = on",),
    "z": ("WeakDoubleBoson:ffbar2gmZgmZ = on", "WeakZ0:gmZmode = 2"),
    "t": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
}
ISOTROPIC_DECAYS = frozenset("wz")
"""Bosons handed on undecayed, so that they decay isotropically as in events that a matrix-element generator wrote."""

BATCH = 250
"""Events per call into Pythia: large enough to hide Python's overhead, small enough to stay in cache."""


def _start(settings: tuple[str, ...], seed: int, what: str) -> "pythia8.Pythia":
    generator = pythia8.Pythia("", False)
    for line in (*settings, f"Random:seed = {seed}"):
        if not generator.readString(line):
            raise DataError(f"Pythia 8 refuses the setting '{line}' for {what}.")
    if not generator.init():
        raise DataError(f"Pythia 8 could not start for {what}; see the log above.")
    return generator


def _write_undecayed(path: str, label: str, seed: int, events: int) -> None:
    """Write hard processes with undecayed bosons as a Les Houches event file."""
    generator = _start(
        (*COLLISIONS, *BEAMS, *HARD_PROCESS[label], "ProcessLevel:resonanceDecays = off", "PartonLevel:all = off"),
        seed,
        f"{label} jets",
    )
    with open(path, "w") as file:
        file.write('<LesHouchesEvents version="1.0">\n<init>\n2212 2212 6500. 6500. 0 0 0 0 3 1\n1. 0. 1. 1\n</init>\n')
        written = 0
        while written < events:
            if not generator.next():
                continue
            written += 1
            process = generator.process
            file.write(f"<event>\n{process.size() - 3} 1 1. {process.scale():.6e} -1. -1.\n")
            for i in range(3, process.size()):
                p = process[i]
                status, mothers = (-1, "0 0") if i < 5 else (1, "1 2")
                file.write(
                    f"{p.id()} {status} {mothers} {p.col()} {p.acol()} {p.px():.10e} {p.py():.10e} "
                    f"{p.pz():.10e} {p.e():.10e} {p.m():.10e} 0. 9.\n"
                )
            file.write("</event>\n")
        file.write("</LesHouchesEvents>\n")


def _events(label: str, seed: int, events: int) -> Iterator[ak.Array]:
    """Yield showered and hadronised events of one class, in batches."""
    if label not in ISOTROPIC_DECAYS:
        generator = _start((*COLLISIONS, *BEAMS, *HARD_PROCESS[label]), seed, f"{label} jets")
    else:
        descriptor, path = tempfile.mkstemp(suffix=".lhe")
        os.close(descriptor)
        try:
            _write_undecayed(path, label, seed, events)
            generator = _start((*COLLISIONS, "Beams:frameType = 4", f"Beams:LHEF = {path}"), seed, f"{label} jets")
        finally:
            Path(path).unlink()  # Pythia holds the file open
    for start in range(0, events, BATCH):
        yield generator.nextBatch(min(BATCH, events - start))


def generate_jets(label: str, jets: int, seed: int, chunk: int = 0, detector: Detector | None = None) -> np.ndarray:
    """Generate exactly `jets` jets of one class.

    The result depends on the arguments alone, so chunks made anywhere, in any order, give the same dataset.

    label: one of CLASSES. detector: its response, the default CMS-like one if None.
    Returns (jets, 16) float32, features in physical units (mass in GeV).
    """
    detector = detector or Detector()
    seeds = np.random.SeedSequence([seed, CLASSES.index(label), chunk])
    found: list[np.ndarray] = []
    total = 0
    with tqdm(total=jets, desc=f"{label} jets, chunk {chunk}", unit="jet", mininterval=5) as progress:
        while total < jets:
            pythia_seed, detector_seed = seeds.spawn(1)[0].generate_state(2)
            smearing = np.random.default_rng(int(detector_seed))
            wanted = int((jets - total) * 1.03) + 10  # one or two jets in a hundred miss the window
            for events in _events(label, int(pythia_seed) % 900_000_000 + 1, wanted):
                constituents = leading_jets(detector.measure(events, smearing))
                groomed = mmdt(constituents)
                # with a single particle left e2 is 0 and the ratios are undefined
                whole = ak.num(groomed.constituents) > 1
                x = jet_features(constituents[whole], groomed[whole])
                found.append(x)
                total += len(x)
                progress.update(len(x))
    x = np.concatenate(found)[:jets]
    check_jets(x, np.full(len(x), CLASSES.index(label)), f"generated {label} jets, seed {seed}, chunk {chunk}")
    return x
