"""The tables of a run: models, designs, and the summary that papers print."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nanotrigger.data.classes import CLASSES
from nanotrigger.plan import Plan
from nanotrigger.results.published import comparable_rows
from nanotrigger.results.records import read_json, replace_when_whole

MODEL_COLUMNS = [
    "model", "stanza", "method", "seed", "dataset", "test_jets", "accuracy", "accuracy_low", "accuracy_high",
    "val_accuracy", *(f"auc_{c}{bound}" for c in CLASSES for bound in ("", "_low", "_high")), "parameters",
    "nonzero_weights", "mean_weight_bits", "mean_activation_bits", "bops_hawq", "bops_qonnx", "ebops", "qonnx_vectors",
    "qonnx_mismatches", "overflows",
]  # fmt: skip
HARDWARE_COLUMNS = [
    "model", "seed", "flow", "tool", "version", "stage", "part", "clock_ns", "lut", "ff", "dsp", "bram36", "carry",
    "latency_cycles", "latency_ns", "ii", "logic_delay_ns", "fmax_mhz", "fmax_spread_mhz", "area_um2", "nand2",
    "min_period_ns", "power_mw", "adder_cost", "vectors", "mismatches", "netlist_vectors", "netlist_mismatches",
    "overflows", "notes", "status",
]  # fmt: skip
COUNTS = [
    "seeds",
    "lut",
    "ff",
    "dsp",
    "carry",
    "latency_cycles",
    "ii",
    "vectors",
    "mismatches",
    "netlist_vectors",
    "netlist_mismatches",
    "overflows",
    "bops_hawq",
    "bops_qonnx",
    "ebops",
]
SUMMARY_COLUMNS = [
    "model", "flow", "seeds", "accuracy", "accuracy_low", "accuracy_high", "ebops", "bops_hawq", "stage", "lut", "ff",
    "dsp", "carry", "latency_cycles", "latency_ns", "ii", "logic_delay_ns", "fmax_mhz", "area_um2", "nand2", "min_period_ns",
    "power_mw", "vectors", "mismatches", "netlist_vectors", "netlist_mismatches", "notes", "status",
]  # fmt: skip


def models_table(metrics: list[str], manifests: list[str], dataset: str | None) -> pd.DataFrame:
    """A row per model and seed."""
    rows = []
    for metric, manifest in zip(map(read_json, metrics), map(read_json, manifests), strict=True):
        method = manifest["stanza"]["method"].rpartition(".")[2]
        row = {"model": manifest["model"], "stanza": manifest["stanza_name"], "method": method}
        row["dataset"] = "own vectors" if manifest["own_vectors"] else dataset
        rows.append({**metric, **row, "seed": manifest["seed"]})
    return pd.DataFrame(rows).reindex(columns=MODEL_COLUMNS)


def hardware_table(records: list[str], plan: Plan, unfinished: Sequence[dict[str, Any]] = ()) -> pd.DataFrame:
    """A row per design, the ones that are left out or unfinished included, with the reason as their status."""
    rows = [read_json(record) for record in records]
    rows = [{**row, "notes": "; ".join(row["notes"]) or None} for row in rows]
    rows += unfinished
    for skipped in plan.skipped:
        status = f"not run: {skipped.reason}"
        rows += [{"model": skipped.model, "flow": skipped.flow, "seed": seed, "status": status} for seed in plan.seeds]
    table = pd.DataFrame(rows).reindex(columns=HARDWARE_COLUMNS)
    order = {name: i for i, name in enumerate(plan.models)}
    return table.sort_values(
        ["model", "seed", "flow"], key=lambda c: c.map(order) if c.name == "model" else c, kind="stable"
    )


def summary_table(models: pd.DataFrame, hardware: pd.DataFrame, accuracies: pd.DataFrame) -> pd.DataFrame:
    """Models beside their designs; the mean over seeds where there are several.

    accuracies: the table of accuracies over seeds, whose intervals hold what jets and seeds add. Models that were tested
    without labels are not in it, and have none.
    """
    both = models[["model", "seed", "ebops", "bops_hawq"]].merge(hardware, on=["model", "seed"], how="left")
    numbers = [c for c in SUMMARY_COLUMNS[2:] if c in both and pd.api.types.is_numeric_dtype(both[c])]
    how: dict[str, Any] = dict.fromkeys(numbers, "mean")
    # every seed's status is shown; a sum over nothing measured stays empty: zero mismatches must have been counted
    how |= {c: lambda column: "; ".join(dict.fromkeys(column.dropna())) or None for c in ("stage", "notes", "status")}
    counted = ("vectors", "mismatches", "netlist_vectors", "netlist_mismatches")
    how |= {c: lambda column: column.sum(min_count=1) for c in counted}
    table = both.groupby(["model", "flow"], sort=False, dropna=False).agg(how).reset_index()
    keys = ["seeds", "accuracy", "accuracy_low", "accuracy_high"]
    table = table.merge(accuracies[["model", *keys]], on="model", how="left")
    return table.reindex(columns=SUMMARY_COLUMNS)


def formatted(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: whole counts, four digits of accuracies, nothing where nothing was measured."""

    def text(column: str, value: Any) -> str:
        if pd.isna(value):
            return ""
        if column.startswith(("accuracy", "auc")):
            return f"{value:.4f}"
        if column in COUNTS and float(value).is_integer():
            return f"{int(value)}"
        return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

    return pd.DataFrame({c: [text(c, v) for v in table[c]] for c in table}, columns=table.columns)


def integers(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as nullable integers, so that CSV shows 12 and not 12.0 beside empty cells."""
    whole = [c for c in COUNTS if c in table and (table[c].dropna() % 1 == 0).all()]
    return table.astype(dict.fromkeys(whole, "Int64"))


def collect(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write all tables of a run."""
    dataset = plan.config.run.dataset
    models = models_table(list(inputs.metrics), list(inputs.manifests), dataset)
    hardware = hardware_table(list(inputs.get("records", [])), plan)
    summary = summary_table(models, hardware, pd.read_csv(inputs.accuracies))
    published, footnotes = comparable_rows(Path(inputs.published), plan.config.datasets.get(dataset))
    complete = integers(pd.concat([summary, published], ignore_index=True) if len(published) else summary)
    for table, path in ((models, outputs.models), (hardware, outputs.hardware), (complete, outputs.summary)):
        with replace_when_whole(path) as temporary:
            integers(table).to_csv(temporary, index=False, lineterminator="\n")
    shown = formatted(complete.dropna(axis="columns", how="all")).rename(columns=lambda c: c.replace("_", " "))
    notes = [f"Dataset: {dataset}." if dataset else "Every model was run on vectors of its own.", *footnotes]
    texts = {
        outputs.markdown: markdown(shown) + "\n" + "\n".join(f"- {note}" for note in notes) + "\n",
        outputs.latex: latex(shown) + "".join(f"% {note}\n" for note in notes),
    }
    for path, text in texts.items():
        with replace_when_whole(path) as temporary:
            temporary.write_text(text)


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table of aligned columns."""
    widths = [max(len(c), *(len(v) for v in table[c])) for c in table]
    rows = [list(table.columns), ["-" * w for w in widths], *table.to_numpy().tolist()]
    return "".join(
        "| " + " | ".join(value.ljust(w) for value, w in zip(row, widths, strict=True)) + " |\n" for row in rows
    )


def latex(table: pd.DataFrame) -> str:
    """A booktabs table."""
    return table.style.hide(axis="index").to_latex(hrules=True, convert_css=False).replace("_", r"\_")
