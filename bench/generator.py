"""What generating jets costs beside Pythia: CPU time of a job of the DAG, split by stage.

A job generates 2,000 jets of one class, as in the quickstart, in a new process: Python's start, imports, configuration,
events, detector, jet finding, grooming, features and the files it writes. *Pythia alone* is the time in which Pythia, in
another new process, starts and makes the same number of events with nothing done to them. The overhead is all that the job
takes beyond that. Stages are milliseconds per event; *events* is Pythia with the copy of its event record into arrays.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.base import Measurement, Options, in_new_process, ratios
from nanotrigger.data.classes import CLASSES

JETS = 2000
OVERHEAD = 0.35
REPEATS = 3


def measure(options: Options) -> Iterator[Measurement]:
    for label in CLASSES:
        if not options.chosen(label):
            continue
        in_new_process(job, label, 20)  # numba's cache is made once per installation
        jobs, alone = [], []
        for _ in range(REPEATS):
            jobs.append(in_new_process(job, label, JETS))
            alone.append(in_new_process(pythia_alone, label, jobs[-1][1]))
        events = jobs[0][1]
        for stage in jobs[0][2]:
            yield Measurement(label, stage, "ms/event", tuple(1000 * stages[stage] / events for _, _, stages in jobs))
        totals = tuple(seconds for seconds, _, _ in jobs)
        yield Measurement(label, f"whole job, {JETS:,} jets", "s", totals)
        yield Measurement(label, "Pythia alone", "s", tuple(alone))
        overhead = tuple(ratio - 1 for ratio in ratios(totals, alone))
        yield Measurement(label, "overhead beyond Pythia", "ratio", overhead, at_most=OVERHEAD)


def job(label: str, jets: int) -> tuple[float, int, dict[str, float]]:
    """CPU seconds of this process since its start, events generated, and seconds by stage."""
    from nanotrigger.config import load_config
    from nanotrigger.data.chunks import write_chunk
    from nanotrigger.data.pythia import Stopwatch, generate_jets
    from nanotrigger.plan import make_plan

    watch = Stopwatch()
    stanza = {"source": "pythia", "jets": 5 * jets}
    run = {"name": "bench", "dataset": "bench", "models": ["float"]}
    make_plan(load_config({"run": run, "datasets": {"bench": stanza}, "models": {"float": {"method": "float"}}}))
    start = time.process_time()
    found = generate_jets(label, jets, seed=1, watch=watch)
    with tempfile.TemporaryDirectory() as folder, watch("files"):
        write_chunk(Path(folder) / "chunk", found)
    return time.process_time(), found.rates["events"], {"start and imports": start, **watch.seconds}


def pythia_alone(label: str, events: int) -> float:
    """CPU seconds in which Pythia starts and makes events of that class."""
    from nanotrigger.data.pythia import run_alone

    return run_alone(label, seed=1, events=events)
