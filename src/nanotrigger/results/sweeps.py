"""The table of a sweep of which only some points are built: every point's figures, and which are on the front.

A job of the DAG for each point's export, its check and its metrics would take seconds of start-up for milliseconds of work.
So the points of a chunk are exported into a temporary folder, run and compared with their method here, one after the
other in one process: the figures are those of QONNX files, like those of models that are built, but the files are not kept.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from nanotrigger.data.dataset import read_dataset, read_vectors
from nanotrigger.plan import Plan
from nanotrigger.results.metrics import classification
from nanotrigger.results.pareto import pareto_front
from nanotrigger.results.records import replace_when_whole

COLUMNS = [
    "model", "stanza", "seed", "built", "on_front", "test_jets", "accuracy", "accuracy_low", "accuracy_high", "val_accuracy",
    "parameters", "nonzero_weights", "mean_weight_bits", "mean_activation_bits", "bops_hawq", "bops_qonnx", "ebops",
    "qonnx_vectors", "qonnx_mismatches", "overflows",
]  # fmt: skip
"""Behind the name of a model stand the keys of its sweep, as `weight_bits`."""


def survey(plan: Plan, stanza: str, chunk: int, trained: Path, vectors: Path, output: Path) -> None:
    """Write a row for each point and seed of a chunk, all of them run as QONNX files on the validation and test split.

    trained: the folder of the chunk; vectors: the dataset, or the stanza's own vectors. Raises ExportError naming the
    point whose file is not exactly its method's predict.
    """
    from nanotrigger.progress import Progress
    from nanotrigger.qonnx.execute import compare, execute

    content = plan.stanzas[stanza]
    test = read_vectors(vectors)
    val = None if vectors.suffix == ".npz" else read_dataset(vectors).standardised("val")
    x = test.x if val is None else np.concatenate([test.x, val.x])
    keys = _swept(plan, stanza)
    rows = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        for job in Progress(plan.jobs(stanza, trained, trained, chunk), desc=f"surveying {stanza}"):
            costs = content.module.export(job.folder, "qonnx", file, {"model": job.model, "seed": str(job.seed)})
            outputs, overflows = execute(file, x)
            mismatches = compare(outputs, content.module.predict(job.folder, x), str(job))
            row = {"model": job.model, "stanza": stanza, "seed": job.seed, "built": job.model in content.built}
            row |= {key: _text(getattr(job.params, key)) for key in keys}
            row |= classification(outputs[: len(test.x)], test.y) | costs
            if val is not None:
                row["val_accuracy"] = float((outputs[len(test.x) :].argmax(1) == val.y).mean())
            rows.append(row | {"qonnx_vectors": len(x), "qonnx_mismatches": mismatches, "overflows": overflows})
    _write(pd.DataFrame(rows), keys, output)


def collect_sweeps(plan: Plan, parts: list[str], output: Path) -> None:
    """Write the points of all chunks as one table, with the front of each stanza.

    The front is that of BOPs (2304.06745) and accuracy on the *validation* split, both the mean over seeds: the best of
    hundreds on the test split is the luckiest there, and its test accuracy no fair figure.
    """
    table = pd.concat([pd.read_csv(part) for part in parts], ignore_index=True)
    keys = [key for stanza in table.stanza.unique() for key in _swept(plan, stanza)]
    table["on_front"] = False
    for _, rows in table.groupby("stanza"):
        means = rows.groupby("model")[["bops_hawq", "val_accuracy"]].mean()
        front = means.index[pareto_front(means.bops_hawq.to_numpy(), means.val_accuracy.to_numpy())]
        table.loc[rows.index, "on_front"] = rows.model.isin(front)
    _write(table, list(dict.fromkeys(keys)), output)


def _swept(plan: Plan, stanza: str) -> list[str]:
    """Keys in which the points of a stanza differ, in the order of its Params."""
    models = plan.stanzas[stanza].models
    values = {
        key: {repr(getattr(model.params, key)) for model in models} for key in type(models[0].params).model_fields
    }
    return [key for key, different in values.items() if len(different) > 1]


def _text(value: Any) -> Any:
    """A cell of a table: lists as 8-5-5-5."""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


def _write(table: pd.DataFrame, keys: list[str], output: Path) -> None:
    with replace_when_whole(output) as temporary:
        columns = [COLUMNS[0], *(key for key in keys if key not in COLUMNS), *COLUMNS[1:]]
        table.reindex(columns=columns).to_csv(temporary, index=False, lineterminator="\n")
