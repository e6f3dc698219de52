"""Export of a trained model: its files, its costs, and what its own method predicts for the test split."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nanotrigger.data.dataset import read_vectors
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Model
from nanotrigger.results.records import provenance, read_json, sha256, write_json

PACKAGES = ("torch", "numpy", "keras", "jax", "HGQ2", "onnx", "qonnx", "scipy")


def check_whole(qonnx: Path) -> None:
    """Raise NanotriggerError where a model.onnx is not the file that its manifest names.

    Most of a file that was cut can be told by reading it, but not one that lacks its last properties alone.
    """
    stated = {Path(name).name: digest for name, digest in read_json(qonnx.with_name("manifest.json"))["inputs"].items()}
    if stated.get(qonnx.name) != sha256(qonnx):
        raise NanotriggerError(f"{qonnx}: is not the file that was exported. Delete it and run again.")


def export_model(method: ModuleType, model: Model, seed: int, trained: str, vectors: str, output: Any) -> None:
    """Write model.onnx, the method's other artifacts, costs, predictions on the test split, history and manifest."""
    source = Path(trained) / model.name / f"seed{seed}"
    metadata = {"model": model.name, "seed": str(seed), "method": method.__name__}
    costs = method.export(source, "qonnx", Path(output.qonnx), metadata)
    shutil.copytree(source / "model", output.artifacts)
    for kind in method.exports - {"qonnx"}:
        method.export(source, kind, Path(output.artifacts) / f"export.{kind}", metadata)
    x = read_vectors(Path(vectors)).x
    np.save(output.predictions, method.predict(source, x))
    shutil.copy(source / "history.csv", output.history)
    write_json(output.costs, costs)
    stanza = {"method": method.__name__, **model.params.model_dump(mode="json")}
    manifest = {"model": model.name, "stanza_name": model.stanza, "seed": seed}
    manifest["own_vectors"] = Path(vectors).suffix == ".npz"
    write_json(output.manifest, manifest | provenance(stanza, [Path(vectors), Path(output.qonnx)], PACKAGES))
