"""Configurations with a mistake: how long it takes until they are refused.

`snakemake -n` in a new process, Python's start and imports included, with the paper run's configuration and, laid over it, a
file with one mistake. *Snakemake alone* is `snakemake --version`, measured in turn. CPU time is that of the process and of
all that it starts; wall times hold what else the machine does.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from bench._workflow import Cost, checkout, snakemake
from bench.base import Measurement, Options, ratios
from nanotrigger.errors import ToolError

REPEATS = 5
REFUSED_S = 2.0
"""Asked of each."""

WIDTHS = {"method": "mixed", "sweep": {"weight_bits": {"product": [[4, 5, 6, 7, 8]] * 3 + [[4, 5, 6, 7, 99]]}}}
MISTAKES = {
    "an unknown key": ({"run": {"modles": []}}, "run.modles: unknown key"),
    "a value of another type": ({"run": {"seeds": "x"}}, "run.seeds"),
    "a model that is not defined": ({"run": {"models": ["hqq"]}}, "'hqq' is not defined"),
    "a budget that no allocation meets": (
        {"models": {"low": {"method": "hawq", "bops_budget": 1}}, "run": {"models": ["low"]}},
        "Raise bops_budget",
    ),
    "a width that does not exist, in 625 points": (
        {"models": {"widths": WIDTHS}, "run": {"models": ["widths"]}},
        "models.widths",
    ),
}
"""What is laid over the paper run, and a part of the message."""


def measure(options: Options) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory(prefix="nanotrigger_refusal_") as name:
        folder = Path(name)
        checkout(folder)
        for subject, (content, message) in MISTAKES.items():
            if options.chosen(subject):
                yield from _refusals(folder, subject, content, message)


def _refusals(folder: Path, subject: str, content: dict, message: str) -> Iterator[Measurement]:
    (folder / "mistake.yaml").write_text(yaml.safe_dump(content))
    refused: list[Cost] = []
    alone: list[Cost] = []
    for _ in range(REPEATS):
        refused.append(snakemake(folder, "-n", "--configfile", "mistake.yaml", refuses=True))
        alone.append(snakemake(folder, "--version"))
        if message not in refused[-1].output or "Traceback" in refused[-1].output:
            raise ToolError(f"{subject}: is refused for something else:\n{refused[-1].output[-2000:]}")
    cpu, version = ([cost.cpu for cost in costs] for costs in (refused, alone))
    yield Measurement(subject, "refused after", "s", tuple(cost.wall for cost in refused), at_most=REFUSED_S)
    yield Measurement(subject, "refused after, CPU time", "s", tuple(cpu), at_most=REFUSED_S)
    yield Measurement(subject, "CPU time / that of Snakemake alone", "ratio", ratios(cpu, version))
