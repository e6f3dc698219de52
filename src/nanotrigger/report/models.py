"""All models, and a page of each: architecture, bits, training, exactness, hardware, provenance."""

from dataclasses import dataclass
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.report.architecture import Architecture, architecture
from nanotrigger.report.charts import Chart, training_charts
from nanotrigger.report.designs import links
from nanotrigger.report.exactness import Chain, chains
from nanotrigger.report.provenance import flat
from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import Table, stored, table

TITLE = "Models"


@dataclass(frozen=True)
class Replica:
    """A model with one seed. layers: a row per layer; widths: counts of weights per width, by layer; missing: in words."""

    seed: int
    anchor: str
    facts: list[tuple[str, str]]
    architecture: Architecture | None
    layers: list[dict[str, Any]]
    widths: list[int]
    charts: list[Chart]
    epochs: int
    chains: list[Chain]
    hardware: Table | None
    manifest: dict[str, list[tuple[str, str]]]
    files: dict[str, str]
    missing: list[str]


@dataclass(frozen=True)
class ModelPage:
    """A model's page. before, after: its neighbours' names and anchors."""

    name: str
    anchor: str
    stanza: str
    method: str
    idea: str
    accuracies: Table | None
    replicas: list[Replica]
    before: tuple[str, str] | None
    after: tuple[str, str] | None


def layer_rows(found: Architecture | None, metrics: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """A row per layer, its shape from the file and its widths from the metrics; and all widths that occur.

    Where both know of a different number of layers, they are not joined: the metrics' rows then have no shape.
    """
    counts = [{int(bits): n for bits, n in row.items()} for row in metrics.get("weight_bits_histogram") or []]
    weight, activation = metrics.get("layer_weight_bits") or [], metrics.get("layer_activation_bits") or []
    known = len(counts)
    shapes = list(found.layers) if found and (not known or len(found.layers) == known) else [None] * known
    rows = []
    for i, layer in enumerate(shapes):
        row = counts[i] if known else {}
        rows.append(
            {
                "kind": layer.kind if layer else None,
                "shape": " \N{MULTIPLICATION SIGN} ".join(map(str, layer.shape)) if layer else None,
                "weights": sum(row.values()) if row else None,
                "weight_bits": weight[i] if i < len(weight) else None,
                "activation_bits": activation[i] if i < len(activation) else None,
                "counts": row,
            }
        )
    return rows, sorted({bits for row in counts for bits in row})


def replica(source: Source, model: str, seed: int) -> Replica:
    folder, missing = f"models/{model}/seed{seed}", []
    metrics, manifest = source.json(f"{folder}/metrics.json"), source.json(f"{folder}/manifest.json")
    if metrics is None:
        missing.append("Its metrics are missing: the run stopped before its QONNX file was compared with its method.")
    if manifest is None:
        missing.append("Its manifest is missing: the run stopped before it was exported.")
    found = None
    if (path := source.path(f"{folder}/model.onnx")) is not None:
        try:
            found = architecture(path)
        except Exception as error:  # whatever a damaged file leads to
            raise NanotriggerError(f"{path}: not a readable ONNX file ({error}). Delete it and run again.") from None
    history = source.table(f"{folder}/history.csv")
    rows, widths = layer_rows(found, metrics or {})
    designs = source.designs
    own = None
    if designs is not None and len(designs):
        own = designs[(designs.model == model) & (designs.seed == seed)]
    simulated = {name for name, flow in source.plan.flows.items() if hasattr(flow.module, "simulate_netlist")}
    models = source.table("tables/models.csv")
    facts = []
    if models is not None:
        here = models[(models.model == model) & (models.seed == seed)]
        facts = facts_of(table(here.drop(columns=["model", "stanza", "method", "seed"]), "", ""))
    return Replica(
        seed,
        anchor("model", model, f"seed{seed}"),
        facts,
        found,
        rows,
        widths,
        training_charts(history),
        0 if history is None else len(history),
        chains(metrics, [] if own is None else own.to_dict("records"), simulated),
        None
        if own is None or not len(own)
        else table(
            own.drop(columns=["model", "seed"]),
            f"hardware-{model}-seed{seed}",
            f"Designs of {model}, seed {seed}",
            keep=("flow", "status"),
        ),
        manifest_parts(manifest),
        {name: f"{folder}/{name}" for name in ("model.onnx", "metrics.json", "manifest.json", "history.csv")
         if f"{folder}/{name}" in source.files},
        missing,
    )  # fmt: skip


def facts_of(one: Table) -> list[tuple[str, str]]:
    """Titles and values of a table's first row; what is empty is left out."""
    if not one.rows:
        return []
    pairs = zip(one.heads, one.rows[0].cells, strict=True)
    return [(head.column.label, cell.text) for head, cell in pairs if cell.sort is not None]


def manifest_parts(manifest: dict[str, Any] | None) -> dict[str, list[tuple[str, str]]]:
    """A manifest by its parts: single values first, then a list for each dictionary in it."""
    if manifest is None:
        return {}
    single = {k: v for k, v in manifest.items() if not isinstance(v, dict)}
    parts = {"": flat(single)} if single else {}
    return parts | {key: flat(value) for key, value in manifest.items() if isinstance(value, dict) and value}


def page(source: Source, model: str, before: str | None, after: str | None) -> ModelPage:
    stanza = source.plan.stanzas[source.plan.models[model].stanza]
    accuracies = source.table("tables/accuracies.csv")
    own = None if accuracies is None else accuracies[accuracies.model == model]
    return ModelPage(
        model,
        anchor("model", model),
        stanza.name,
        stanza.module.__name__.rpartition(".")[2],
        ((stanza.module.__doc__ or "").strip().splitlines() or [""])[0],
        None
        if own is None or not len(own)
        else table(own.drop(columns=["model"]), f"accuracy-{model}", f"Accuracy of {model} over its seeds"),
        [replica(source, model, seed) for seed in source.plan.seeds],
        (before, anchor("model", before)) if before else None,
        (after, anchor("model", after)) if after else None,
    )


def content(source: Source) -> dict[str, Any]:
    names = list(source.paged)
    shown = stored(source, "models", "Models", links(source), keep=("model", "seed"))
    neighbours = zip([None, *names], names, [*names[1:], None], strict=False)
    sweeps = stored(source, "sweeps", "Sweeps", links(source), keep=("on_front",))
    return {
        "table": shown,
        "sweeps": sweeps,
        "without": len(source.plan.models) - len(names),
        "pages": [page(source, name, before, after) for before, name, after in neighbours],
    }
