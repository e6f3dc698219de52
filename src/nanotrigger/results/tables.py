"""The tables of a run: models, designs, and the summary that papers print."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nanotrigger.data.classes import CLASSES
from nanotrigger.plan import Plan
from nanotrigger.results.comparability import Standing, check_rules, contexts, our_dataset, sentence, standings
from nanotrigger.results.printing import Cell, Footnotes, Printed, latex, markdown
from nanotrigger.results.published import published_table
from nanotrigger.results.records import read_json, replace_when_whole

MODEL_COLUMNS = [
    "model", "stanza", "method", "seed", "dataset", "test_jets", "accuracy", "accuracy_low", "accuracy_high",
    "val_accuracy", *(f"auc_{c}{bound}" for c in CLASSES for bound in ("", "_low", "_high")), "parameters",
    "nonzero_weights", "mean_weight_bits", "mean_activation_bits", "bops_hawq", "bops_qonnx", "ebops", "model_bits",
    "energy_pj", "qonnx_vectors", "qonnx_mismatches", "overflows",
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
    "model", "flow", "seeds", "accuracy", "accuracy_low", "accuracy_high", "ebops", "bops_hawq", "stage", "part", "lut", "ff",
    "dsp", "carry", "latency_cycles", "latency_ns", "ii", "logic_delay_ns", "fmax_mhz", "area_um2", "nand2", "min_period_ns",
    "power_mw", "vectors", "mismatches", "netlist_vectors", "netlist_mismatches", "differs", "notes", "status",
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
    how |= {
        c: lambda column: "; ".join(dict.fromkeys(column.dropna())) or None
        for c in ("stage", "part", "notes", "status")
    }
    counted = ("vectors", "mismatches", "netlist_vectors", "netlist_mismatches")
    how |= {c: lambda column: column.sum(min_count=1) for c in counted}
    table = both.groupby(["model", "flow"], sort=False, dropna=False).agg(how).reset_index()
    keys = ["seeds", "accuracy", "accuracy_low", "accuracy_high"]
    # an empty table has no type of its own
    table = table.astype({"model": object}).merge(
        accuracies[["model", *keys]].astype({"model": object}), on="model", how="left"
    )
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


PUBLISHED_AS = {"value": "accuracy"} | {
    c: c for c in ("lut", "ff", "dsp", "latency_cycles", "latency_ns", "fmax_mhz", "ii", "ebops")
}
"""Published columns that the summary has, under our names."""


def published_rows(published: pd.DataFrame, found: Sequence[Standing]) -> tuple[pd.DataFrame, list[Standing]]:
    """Published rows that may stand beside ours, as rows of the summary, with their standings."""
    shown = [i for i, s in enumerate(found) if s.word != "refused" and pd.notna(published.value.iloc[i])]
    rows, standing = published.iloc[shown], [found[i] for i in shown]
    table = pd.DataFrame({ours: rows[theirs] for theirs, ours in PUBLISHED_AS.items()})
    table["model"], table["flow"] = rows.model, "published: " + rows.paper
    table["stage"], table["part"], table["notes"] = rows.stage, rows.part, rows.caveat
    # another definition of BOPs is another quantity: not in our column at all
    table["bops_hawq"] = rows.bops.where(rows.bops_definition == "hawq")
    table["differs"] = [
        "; ".join(f"{PUBLISHED_AS.get(c, c)}: {', '.join(d)}" for c, d in s.grey.items()) for s in standing
    ]
    table["differs"] = table["differs"].where(table["differs"] != "", None)
    table["status"] = "published (" + rows.confidence + "), " + rows.tool.fillna("tool not stated")
    return table.reindex(columns=SUMMARY_COLUMNS).reset_index(drop=True), standing


def standings_table(published: pd.DataFrame, found: Sequence[Standing]) -> pd.DataFrame:
    """Every published row with how it stands in this run, and why."""
    table = published[["id", "arxiv", "paper", "model", "dataset", "metric", "stage", "part", "confidence"]].copy()
    table["standing"] = [s.word for s in found]
    table["differs"] = [", ".join(s.differs) for s in found]
    table["despite"] = [", ".join(s.despite) for s in found]
    table["reason"] = ["; ".join(s.reasons) for s in found]
    return table


def published_accuracy(value: float) -> str:
    """An accuracy with the digits that papers print, three or, where they print more, four."""
    return f"{value:.3f}" if abs(1000 * value - round(1000 * value)) < 1e-6 else f"{value:.4f}"


def footnote(standing: Standing) -> str:
    """What a published row's footnote says of it; empty if it is comparable as it is."""
    parts = [f"not comparable ({', '.join(standing.differs)}: different, or not stated)"] if standing.differs else []
    if standing.despite:
        parts.append(f"compared despite {', '.join(standing.despite)} (run.compare: {'; '.join(standing.reasons)})")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "." if text else ""


def printed_summary(summary: pd.DataFrame, rows: pd.DataFrame, found: Sequence[Standing], notes: list[str]) -> Printed:
    """Ours, and below a line the published rows, of which grey figures are not comparable."""
    both = pd.concat([summary, rows], ignore_index=True) if len(rows) else summary
    both = integers(both.drop(columns="differs").dropna(axis="columns", how="all"))
    text, footnotes = formatted(both), Footnotes()
    own = len(summary)
    if len(rows):
        text.loc[own:, "accuracy"] = [published_accuracy(v) for v in rows.accuracy]
    standing = [*[Standing("comparable")] * own, *found]
    back = {ours: theirs for theirs, ours in PUBLISHED_AS.items()} | {"bops_hawq": "bops"}
    cells = []
    for i, values in enumerate(text.to_numpy().tolist()):
        mark = footnotes.mark(note) if (note := footnote(standing[i])) else ""
        cells.append(
            [
                Cell(value, grey=back.get(c) in standing[i].grey, mark=mark if c == "model" else "")
                for c, value in zip(text, values, strict=True)
            ]
        )
    rules = frozenset({own} if len(rows) else ())
    header = [c.replace("_", " ") for c in text]
    return Printed(header, cells, rules=rules, marked=footnotes.marked, notes=notes, label="summary", wide=True)


def dataset_notes(plan: Plan) -> list[str]:
    """What the reader must know of the jets, and whether published figures can be of the same ones."""
    dataset = plan.config.run.dataset
    if dataset is None:
        return ["Every model was run on vectors of its own: no published figure may stand beside them."]
    if our_dataset(plan) is None:
        stanza = plan.config.datasets[dataset]
        text = (
            "Jets generated with Pythia 8 in the style of the published sets, which they are not"
            if stanza.source == "pythia"
            else f"A part or another split of {stanza.name}"
        )
        excepted = any("dataset" in rule.despite and rule.dataset == dataset for rule in plan.config.run.compare)
        text += ": published figures are of other jets." if excepted else ": no published figure may stand beside them."
        return [f"Dataset: {dataset}.", text]
    return [f"Dataset: {dataset}."]


def collect(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write all tables of a run."""
    models = models_table(list(inputs.metrics), list(inputs.manifests), plan.config.run.dataset)
    hardware = hardware_table(list(inputs.get("records", [])), plan)
    summary = summary_table(models, hardware, pd.read_csv(inputs.accuracies))
    published = published_table(Path(inputs.published))
    check_rules(plan, published)
    found = standings(plan, published, contexts(plan, hardware), (*PUBLISHED_AS, "bops"))
    rows, standing = published_rows(published, found)
    complete = integers(pd.concat([summary, rows], ignore_index=True) if len(rows) else summary)
    beside = standings_table(published, found)
    for table, path in (
        (models, outputs.models),
        (hardware, outputs.hardware),
        (complete, outputs.summary),
        (beside, outputs.published),
    ):
        with replace_when_whole(path) as temporary:
            integers(table).to_csv(temporary, index=False, lineterminator="\n")
    notes = dataset_notes(plan)
    if len(rows):
        notes.append(
            "Rows marked 'published' are the papers' own, on the same dataset unless a footnote says otherwise, if not "
            "necessarily on the same test jets (resources/published_results.csv)."
        )
        notes.append("Ours count the whole network; our latency in ns is cycles times the target clock.")
    if our_dataset(plan) is not None and (refused := sentence(found)):
        notes.append(refused + " tables/published.csv lists each.")
    printed = printed_summary(summary, rows, standing, notes)
    for path, text in ((outputs.markdown, markdown(printed)), (outputs.latex, latex(printed))):
        with replace_when_whole(path) as temporary:
            temporary.write_text(text)
