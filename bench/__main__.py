"""Measure topics, all of them or those named, and write docs/benchmarks.md."""

import argparse
import importlib
import sys
import tempfile
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import bench
from bench import _machine, _table
from bench._topic import measure
from bench.base import Options, in_new_process
from nanotrigger.modules import discover, suggestion

DATA = Path("docs/benchmarks.json")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__.splitlines()[0])
    known = discover("bench")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(known)}; all where none is named")
    parser.add_argument("--results", type=Path, default=Path("results/quickstart"), help="folder of a finished run")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SUBJECT", help="these subjects, as hgq_1000 or 'hgq_*'"
    )
    parser.add_argument("--note", default="", help="what a reader must know of this run, as what else the machine did")
    parser.add_argument("--data", type=Path, default=DATA, help="measurements; the table is written beside them")
    given = parser.parse_args(arguments)
    for topic in given.topics:
        if topic not in known:
            parser.error(f"topic '{topic}' does not exist. {suggestion(topic, known)}")
    options = Options(given.results, tuple(given.only))
    with tempfile.TemporaryDirectory() as folder:
        run = _machine.describe(Path(folder), given.note)
    failed = 0
    for topic in given.topics or known:
        print(topic, flush=True)
        try:
            measured, problem = in_new_process(measure, topic, options)
        except BrokenProcessPool:
            measured, problem = [], "its process was killed, as by a lack of memory"
        if measured or problem is None:
            rows, runs = _table.read(given.data)
            whole = problem is None and not options.only
            rows, runs = _table.merge(rows, runs, run, topic, measured, whole)
            titles = {name: importlib.import_module(f"bench.{name}").__doc__ for name in known}
            _table.write(given.data, rows, runs, titles)
        if problem:
            failed += 1
            print(f"{topic}: {problem}", file=sys.stderr, flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
