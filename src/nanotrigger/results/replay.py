"""Run a recorded job again, its outputs into another folder: `python -m nanotrigger.results.replay RESULTS JOB FOLDER`."""

import argparse
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from nanotrigger.results.job_records import find_record


def _listed(content: dict[str, Any]) -> Any:
    """A list of Snakemake's own kind, with its names, from a record."""
    from snakemake.iocontainers import Namedlist

    values = Namedlist(content["values"])
    for name, (start, end) in content["names"].items():
        values._set_name(name, start, end=end)
    return values


def replay(record: dict[str, Any], config: dict[str, Any], folder: Path) -> None:
    """Run the script of a record; what it writes lies below `folder`, under the same names."""
    from snakemake.iocontainers import Wildcards

    outputs = {**record["output"], "values": [str(folder / path) for path in record["output"]["values"]]}
    for path in outputs["values"]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    job = SimpleNamespace(
        rule=record["rule"],
        input=_listed(record["input"]),
        output=_listed(outputs),
        params=_listed(record["params"]),
        wildcards=Wildcards(fromdict=record["wildcards"]),
        threads=record["threads"],
        log=[str(folder / "replay.log")],
        config=config,
        replayed=True,
    )
    runpy.run_path(record["script"], init_globals={"snakemake": job})


def in_new_process(results: Path, job: str, folder: Path) -> str | None:
    """Replay a job in a process of its own; the end of its log where it failed, None where it did not."""
    command = [sys.executable, "-m", "nanotrigger.results.replay", str(results), job, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return None
    log = folder / "replay.log"
    said = (log.read_text(errors="replace") if log.exists() else "") + done.stderr
    return said.strip().splitlines()[-1] if said.strip() else f"ended with code {done.returncode}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("job", help="id of its record")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    config = yaml.safe_load((given.results / "config.yaml").read_text())
    held = find_record(given.results, given.job)
    if held is None:
        sys.exit(f"{given.job}: has no record in {given.results}")
    replay(held[1], config, given.folder)
