"""What all backends of hls4ml share here: the emulation by g++, the stimulus of co-simulation, and what was run."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.errors import ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.results.records import read_json, write_json

PROJECT = "jets"
STEPS = ("csynth", "cosim", "vsynth")
STIMULUS = 100
"""Random vectors of a co-simulation, which takes seconds for each."""


@dataclass(frozen=True)
class Backend:
    """One of hls4ml's backends: the part it builds for by default, what a stanza may ask of it, and how it is run.

    kinds: artifacts that it builds rightly; steps: those whose reports are understood; licences: what each of them takes.
    """

    part: str
    strategies: tuple[str, ...]
    steps: tuple[str, ...]
    kinds: tuple[str, ...]
    licences: dict[str, str]
    emulate: Callable[[Path, np.ndarray, Any], np.ndarray]
    synthesize: Callable[[Path, Any], dict[str, Any]]
    read_report: Callable[[Path, Any], ResourceRecord]


def compile_and_call(folder: Path, x: np.ndarray, params: Any) -> np.ndarray:
    """Compile the C++ with g++ and the types that hls4ml brings, and run it on the jets."""
    from nanotrigger.tools.run import run_tool
    from nanotrigger.tools.shared_library import call

    for stale in (folder / "firmware").glob(f"{PROJECT}-*.so"):
        stale.unlink()
    # -e: not every backend's script stops at the first error
    run_tool(["bash", "-e", "build_lib.sh"], folder, "build_lib.log", params.timeout_s)
    libraries = list((folder / "firmware").glob(f"{PROJECT}-*.so"))
    if len(libraries) != 1:
        raise ToolError(f"{folder}: compiling left {len(libraries)} libraries, not one; see build_lib.log there")
    return call(libraries[0], f"{PROJECT}_double", x, design(folder)["classes"])


def design(folder: Path) -> dict[str, Any]:
    """What `create_project` noted: inputs, classes, version of hls4ml, notes."""
    return read_json(folder / "design.json")


def write_stimulus(folder: Path) -> None:
    """Random standardised inputs for the test bench, which without them simulates a few vectors of zeros."""
    shape = design(folder)
    # on a grid, so that the text holds them exactly
    x = np.round(np.random.default_rng(0).normal(size=(STIMULUS, shape["inputs"])) * 2**8) / 2**8
    bench = folder / "tb_data"
    bench.mkdir(exist_ok=True)
    np.savetxt(bench / "tb_input_features.dat", x, fmt="%.8f")
    np.savetxt(bench / "tb_output_predictions.dat", np.zeros((STIMULUS, shape["classes"])), fmt="%.1f")


def begin(folder: Path, stale: Iterable[str]) -> None:
    """Delete what an earlier synthesis left, by patterns below the project's folder: none of it may be read again."""
    for pattern in ("steps.json", *stale):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def finish(folder: Path, done: Iterable[str], notes: Iterable[str] = ()) -> dict[str, Any]:
    """Note which steps were run, for `read_report`."""
    write_json(folder / "steps.json", {"done": list(done), "notes": list(notes)})
    return {}


def ran(folder: Path) -> tuple[list[str], tuple[str, ...]]:
    """Steps that were run, and what the reader of the row must know of the project and of them."""
    steps = read_json(folder / "steps.json")
    return steps["done"], (*design(folder).get("notes", ()), *steps["notes"])


def only(paths: Iterable[Path], what: str, folder: Path) -> Path:
    """The one file of its kind. Raises ToolError where there is none, or more."""
    found = list(paths)
    if len(found) != 1:
        raise ToolError(f"{folder}: synthesis left {len(found)} {what}; one was expected")
    return found[0]
