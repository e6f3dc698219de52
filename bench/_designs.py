"""The trained models and hardware designs that a finished run left."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.base import Options
from nanotrigger.errors import ToolError
from nanotrigger.results.records import read_json


@dataclass(frozen=True)
class Model:
    """A trained model: its folder in the results, with the test jets and what its QONNX file gives for them."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.parent.name if self.folder.name == "seed0" else "/".join(self.folder.parts[-2:])

    @property
    def qonnx(self) -> Path:
        return self.folder / "model.onnx"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return read_json(self.folder / "manifest.json")

    @property
    def method(self) -> str:
        return self.manifest["stanza"]["method"].rpartition(".")[2]

    @property
    def ebops(self) -> float:
        return read_json(self.folder / "costs.json")["ebops"]

    @cached_property
    def expected(self) -> np.ndarray:
        return np.load(self.folder / "outputs.npy", allow_pickle=False)

    @cached_property
    def jets(self) -> np.ndarray:
        from nanotrigger.data.dataset import read_dataset

        (path,) = (self.folder.parents[2] / "data").glob("*.h5")
        return read_dataset(path).standardised("test").x


def designs(options: Options, flow: str) -> list[Model]:
    """The chosen models of which a run has a design by that flow, cheapest first. Raises ToolError where there is none."""
    found = []
    for record in sorted(options.results.glob(f"hardware/*/seed*/{flow}/record.json")):
        content = read_json(record)
        if content["status"].startswith("done"):
            found.append((content["lut"], Model(options.results.joinpath("models", *record.parts[-4:-2]))))
    if not found:
        raise ToolError(
            f"{options.results} has no design by the flow {flow}: run 'make quickstart' first, or give --results."
        )
    models = [model for _, model in sorted(found, key=lambda pair: pair[0])]
    if not (chosen := [model for model in models if options.chosen(model.name)]):
        raise ToolError(
            f"--only {' '.join(options.only)}: no design is called so: {', '.join(m.name for m in models)}."
        )
    return chosen


def check(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Raise ToolError unless both are equal: what is wrong is not worth a time."""
    if found.shape != expected.shape or (found != expected).any():
        raise ToolError(f"{what}: does not give the outputs of the model's QONNX file.")
