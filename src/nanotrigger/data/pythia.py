"""Jets from proton collisions: Pythia 8 -> detector -> anti-kT -> mMDT -> 16 features.

The classes and kinematics follow 1709.08705 and 1804.06913: pp at 13 TeV, partons of 1 TeV within 0.5 %, hadronic
decays. The published sets were made with MadGraph, Pythia and the authors' own detector smearing, none of which is public as
run: these jets are in the style of those sets, and are never called by their name.
"""

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import pythia8mc as pythia8

from nanotrigger.data.classes import CLASSES
from nanotrigger.data.constituents import constituent_features
from nanotrigger.data.dataset import check_jets
from nanotrigger.data.detector import Detector, NoDetector
from nanotrigger.data.features import jet_features
from nanotrigger.data.jets import leading_jets, mmdt
from nanotrigger.errors import DataError
from nanotrigger.progress import Progress

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
"""Events per call into Pythia, and per draw of the detector's noise: another number gives other jets."""

PB_PER_MB = 1e9


@dataclass(frozen=True)
class Jets:
    """Generated jets of one class.

    x: (jets, 16) float32, features in physical units (mass in GeV). event: (jets,) int32, the event that each comes from,
    counted from 0 in order. constituents: (jets, particles, 16) float32 (see `data.constituents`), or None.
    rates: what was generated to obtain them, see `Rates`.
    """

    x: np.ndarray
    event: np.ndarray
    constituents: np.ndarray | None
    rates: dict[str, float]


@dataclass
class Rates:
    """Counts of a generation, and Pythia's estimate of the cross section in pb within the generated phase space.

    events: generated, of which each can give `jets_per_event` jets; in_window: jets in the window of pT and eta; whole: of
    those, jets with more than one particle left by grooming. The cross section holds the branching fractions of the decays that
    are switched on.
    """

    jets_per_event: int
    events: int = 0
    in_window: int = 0
    whole: int = 0
    cross_section_pb: float = 0.0
    cross_section_error_pb: float = 0.0

    def measure(self, generator: "pythia8.Pythia") -> None:
        """Take the cross section from a generator that has ended."""
        info = generator.infoPython()
        self.cross_section_pb, self.cross_section_error_pb = info.sigmaGen() * PB_PER_MB, info.sigmaErr() * PB_PER_MB


class Stopwatch:
    """CPU seconds of this process, by stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start


def _start(settings: tuple[str, ...], seed: int, what: str) -> "pythia8.Pythia":
    generator = pythia8.Pythia("", False)
    for line in (*settings, f"Random:seed = {seed}"):
        if not generator.readString(line):
            raise DataError(f"Pythia 8 refuses the setting '{line}' for {what}.")
    if not generator.init():
        raise DataError(f"Pythia 8 could not start for {what}; see the log above.")
    return generator


def particle_masses() -> dict[str, tuple[float, float]]:
    """Mass and width in GeV that Pythia gives W, Z and top."""
    data = pythia8.Pythia("", False).particleData
    return {name: (data.m0(number), data.mWidth(number)) for name, number in (("W", 24), ("Z", 23), ("top", 6))}


def _write_undecayed(path: str, label: str, seed: int, events: int) -> "pythia8.Pythia":
    """Write hard processes with undecayed bosons as a Les Houches event file; returns their generator."""
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
    return generator


def _generators(label: str, seed: int, events: int) -> tuple["pythia8.Pythia", "pythia8.Pythia"]:
    """Generator of a class's hard processes and generator of its events: two only where bosons decay isotropically."""
    if label not in ISOTROPIC_DECAYS:
        generator = _start((*COLLISIONS, *BEAMS, *HARD_PROCESS[label]), seed, f"{label} jets")
        return generator, generator
    descriptor, path = tempfile.mkstemp(suffix=".lhe")
    os.close(descriptor)
    try:
        hard = _write_undecayed(path, label, seed, events)
        return hard, _start((*COLLISIONS, "Beams:frameType = 4", f"Beams:LHEF = {path}"), seed, f"{label} jets")
    finally:
        Path(path).unlink()  # Pythia holds the file open


def run_alone(label: str, seed: int, events: int) -> float:
    """CPU seconds in which Pythia starts and makes that many events of a class: what any use of them takes at least."""
    start = time.process_time()
    _, generator = _generators(label, seed, events)
    made = 0
    while made < events:
        made += generator.next()
    return time.process_time() - start


def events_of(label: str, seed: int, events: int, rates: Rates) -> Iterator[ak.Array]:
    """Yield showered and hadronised events of one class, in batches; at the end, `rates` holds their cross section."""
    hard, generator = _generators(label, seed, events)
    for start in range(0, events, BATCH):
        yield generator.nextBatch(min(BATCH, events - start))
    rates.measure(hard)


def generate_jets(
    label: str,
    jets: int,
    seed: int,
    chunk: int = 0,
    *,
    jets_per_event: int = 1,
    particles: int = 0,
    detector: bool = True,
    watch: Stopwatch | None = None,
) -> Jets:
    """Generate exactly `jets` jets of one class.

    The result depends on the arguments alone, so chunks made anywhere, in any order, give the same dataset.

    label: one of CLASSES. jets_per_event: 1 for the leading jet, 2 for the two leading ones. particles: constituents kept
    per jet, 0 for none. detector: a CMS-like response, else true particles. watch: takes the CPU time of each stage.
    """
    response = Detector() if detector else NoDetector()
    watch = watch or Stopwatch()
    seeds = np.random.SeedSequence([seed, CLASSES.index(label), chunk])
    features, numbers, constituents, rates = [], [], [], Rates(jets_per_event)
    with Progress(total=jets, desc=f"{label} jets, chunk {chunk}", unit="jet") as progress:
        while rates.whole < jets:
            pythia_seed, detector_seed = seeds.spawn(1)[0].generate_state(2)
            smearing = np.random.default_rng(int(detector_seed))
            # one or two jets in a hundred miss the window
            wanted = int((jets - rates.whole) / jets_per_event * 1.03) + 10
            batches = events_of(label, int(pythia_seed) % 900_000_000 + 1, wanted, rates)
            while True:
                with watch("events"):
                    events = next(batches, None)
                if events is None:
                    break
                with watch("detector"):
                    measured = response.measure(events, smearing)
                with watch("jet finding"):
                    found, event = leading_jets(measured, jets_per_event)
                with watch("grooming"):
                    groomed = mmdt(found)
                with watch("features"):
                    # with a single particle left e2 is 0 and the ratios are undefined
                    whole = (ak.num(groomed.constituents) > 1).to_numpy()
                    features.append(jet_features(found[whole], groomed[whole]))
                    numbers.append(rates.events + event[whole])
                if particles:
                    with watch("constituents"):
                        constituents.append(constituent_features(found[whole], particles))
                rates.events += len(events)
                rates.in_window += len(found)
                rates.whole += int(whole.sum())
                progress.update(int(whole.sum()))
    x, numbers = np.concatenate(features)[:jets], np.concatenate(numbers)[:jets].astype(np.int32)
    check_jets(x, np.full(len(x), CLASSES.index(label)), f"generated {label} jets, seed {seed}, chunk {chunk}")
    return Jets(x, numbers, np.concatenate(constituents)[:jets] if particles else None, vars(rates))
