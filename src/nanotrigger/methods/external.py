"""External: a QONNX file that somebody else trained, through every flow and into the tables.

QCDQ files are converted. A model that does not quantise its input is given a format for it, and its vectors are put on
that grid first. Without a dataset it is compared on vectors of its own, and has no accuracy.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt, field_validator

from nanotrigger.data.classes import CLASSES
from nanotrigger.errors import ConfigError, DataError, ExportError
from nanotrigger.methods.base import Job, Step
from nanotrigger.modules import StrictModel
from nanotrigger.qonnx.ap_fixed import FixedPoint

exports = frozenset({"qonnx"})
sweepable = frozenset()

MODEL = "model/source.onnx"
STANZA = "model/stanza.json"


class Params(StrictModel):
    """Config stanza of a model from a file."""

    path: str = Field(description="the .onnx file: QONNX, or QCDQ")
    input: str | None = Field(
        None, description="format of the input where the file does not quantise it, as fixed<16,6> or ufixed<8,0>"
    )
    vectors: str = Field(
        "random",
        description="what it is run on: dataset (the run's test split, standardised), random (every code of the input's "
        "format as likely), or an .npz file with x (vectors, ...) and, where known, labels y (vectors,)",
    )
    random_vectors: PositiveInt = Field(10000, description="number of random vectors")
    classes: tuple[str, ...] | None = Field(
        None, description="the file's order of the classes g, q, w, z, t, where it is another one"
    )

    @field_validator("path", "vectors")
    @classmethod
    def _exists(cls, value: str) -> str:
        if value not in ("dataset", "random") and not os.path.isfile(value):
            raise ValueError(f"'{value}' is not a file. Give a path as seen from {Path.cwd()}")
        return value

    @field_validator("input")
    @classmethod
    def _format(cls, value: str | None) -> str | None:
        try:
            return value if value is None else str(FixedPoint.parse(value))
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("classes")
    @classmethod
    def _order(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and sorted(value) != sorted(CLASSES):
            raise ValueError(f"{list(value)} is no order of {', '.join(CLASSES)}. Name each of them once")
        return value


def own_vectors(params: Params) -> bool:
    """Whether a stanza's model is run on vectors of its own, not on the run's dataset."""
    return params.vectors != "dataset"


def _source(path: str) -> Any:
    """The file's model. Raises ExportError if it holds no quantiser."""
    from nanotrigger.qonnx.execute import load_model
    from nanotrigger.qonnx.graph import QUANTISERS

    model = load_model(Path(path))
    if not any(node.op_type in (*QUANTISERS, "QuantizeLinear", "FloatQuant") for node in model.graph.node):
        raise ExportError(
            f"{path}: has no quantiser, it is a float model. Quantise it before (Brevitas, QKeras, HGQ2)."
        )
    return model


def _make_vectors(data, jobs: Sequence[Job], inputs, output: Path) -> None:
    """Write the model's own vectors, on the grid of its input."""
    from nanotrigger.qonnx.graph import normalise

    params = jobs[0].params
    given = normalise(_source(params.path)).graph.input[0]
    shape = tuple(d.dim_value for d in given.type.tensor_type.shape.dim[1:])
    if params.vectors == "random":
        form = FixedPoint.parse(params.input or _input_format(params.path))
        arrays = {"x": form.random(np.random.default_rng(0), (params.random_vectors, *shape))}
    else:
        try:
            with np.load(params.vectors, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("x", "y") if name in file.files}
        except (OSError, ValueError) as error:
            raise DataError(f"{params.vectors}: not an .npz file ({error}).") from None
        if "x" not in arrays or arrays["x"].shape[1:] != shape:
            found = arrays["x"].shape[1:] if "x" in arrays else "no array of that name"
            raise DataError(f"{params.vectors}: x must be (vectors, {', '.join(map(str, shape))}); found {found}.")
        if "y" in arrays and len(arrays["y"]) != len(arrays["x"]):
            raise DataError(f"{params.vectors}: {len(arrays['x'])} vectors but {len(arrays['y'])} labels y.")
        if not np.isfinite(arrays["x"]).all():
            raise DataError(f"{params.vectors}: x has {int((~np.isfinite(arrays['x'])).sum())} NaN or infinite values.")
        arrays["x"] = arrays["x"].astype(np.float32)
    np.savez(output, **arrays)


def _input_format(path: str) -> str:
    """Format of the file's own input quantiser, for random vectors. Raises ExportError with the remedy if it has none."""
    from nanotrigger.qonnx.adder_graph import input_port
    from nanotrigger.qonnx.graph import Graph

    graph = Graph(_source(path))
    try:
        (sign, integer, fraction), scale, _ = input_port(graph)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from None
    if not (scale == 1).all():
        raise ExportError(f"{path}: the scale of its input is no power of two: give vectors as an .npz file.")
    signed, bits, point = bool(sign.max()), int(fraction.max()), int(integer.max())
    return f"{'' if signed else 'u'}fixed<{max(bits + point + signed, 1)},{point + signed}>"


steps = (
    Step(
        "vectors.npz",
        _make_vectors,
        keys=("path", "input", "vectors", "random_vectors"),
        data=False,
        needed=own_vectors,
    ),
)


def train(data, jobs: Sequence[Job]) -> None:
    """Nothing is trained: keep the file and its stanza."""
    from nanotrigger.results.records import write_json
    from nanotrigger.training.history import write_history

    for job in jobs:
        _source(job.params.path)
        (job.folder / "model").mkdir(parents=True, exist_ok=True)
        shutil.copy(job.params.path, job.folder / MODEL)
        write_json(job.folder / STANZA, job.params.model_dump(mode="json"))
        write_history(job.folder / "history.csv", [])


def _stanza(folder: Path) -> Params:
    from nanotrigger.results.records import read_json

    return Params.model_construct(**read_json(folder / STANZA))


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Outputs (vectors, outputs) of the file as it was given, its input put on the grid of the stanza."""
    from nanotrigger.qonnx.execute import run_model
    from nanotrigger.qonnx.graph import named

    params = _stanza(folder)
    if params.input:
        x = FixedPoint.parse(params.input)(x)
    outputs = run_model(named(_source(folder / MODEL)), x)
    return outputs[:, _order(params)] if params.classes else outputs


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx: the file with QONNX's quantisers, its input quantised, its classes in this project's order."""
    import onnx
    from onnx import helper

    from nanotrigger.qonnx.costs import graph_summary
    from nanotrigger.qonnx.graph import Graph, named, with_quantisers
    from nanotrigger.qonnx.port import quantise_input, reorder_outputs
    from nanotrigger.results.records import replace_when_whole

    params = _stanza(folder)
    model = with_quantisers(named(_source(folder / MODEL)))
    if params.input:
        model = quantise_input(model, FixedPoint.parse(params.input))
    if params.classes:
        model = reorder_outputs(model, _order(params))
    helper.set_model_props(model, metadata)
    costs = graph_summary(Graph(model))
    with replace_when_whole(path) as temporary:
        onnx.save(model, temporary)
    return costs


def _order(params: Params) -> list[int]:
    return [params.classes.index(name) for name in CLASSES]
