"""A finished run made by hand, for tests of its report: two HGQ models and a float one, two seeds, two flows, a figure."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from test_export import network

from nanotrigger.config import load_config
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import Split, write_dataset
from nanotrigger.plan import make_plan
from nanotrigger.qonnx.costs import summary
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.report.source import Source
from nanotrigger.results.comparisons import ACCURACY_COLUMNS, COMPARISON_COLUMNS
from nanotrigger.results.records import sha256, write_json
from nanotrigger.results.tables import HARDWARE_COLUMNS, MODEL_COLUMNS, SUMMARY_COLUMNS

HOSTILE = "<script>alert('x')</script>\" onmouseover=\"alert(1) {{ 7 * 7 }} & more"

CONFIG = {
    "run": {
        "name": "made", "dataset": "few", "models": ["float", "hgq"], "flows": ["rtl", "hls4ml"], "seeds": [0, 1],
        "skip": [{"model": "float", "flow": "rtl", "reason": HOSTILE}],
    },
    "datasets": {"few": {"source": "pythia", "jets": 100}},
    "models": {"float": {"method": "float"}, "hgq": {"method": "hgq", "sweep": {"ebops": [1000, 3000]}}},
    "flows": {"rtl": {"flow": "rtl"}, "hls4ml": {"flow": "hls4ml"}},
}  # fmt: skip

FIGURES = {
    "roc": {"text": "ROC curves of `every` class.\n\nBackground <efficiency> against\nsignal.\n", "needs": ["outputs"]},
    "jets": {"text": "Jets of each class.\n\nTheir mass.\n", "needs": ["data"]},
}


def plan(**run):
    return make_plan(load_config({**CONFIG, "run": {**CONFIG["run"], **run}}))


def write_run(results: Path, made, models: int = 1) -> None:
    """Every file of a finished run whose report reads it. models: how often the rows of the designs stand in the table."""
    rng = np.random.default_rng(3)
    data = results / "data/few.h5"
    splits = {
        name: Split(rng.normal(size=(n, len(FEATURES))).astype(np.float32), np.arange(n, dtype=np.int8) % len(CLASSES))
        for name, n in (("train", 60), ("val", 15), ("test", 25))
    }
    write_dataset(data, splits, {"source": "pythia", "version": "pythia8mc 8", "seed": 1, "stanza": {"jets": 100}})
    rows = []
    for i, model in enumerate(made.models.values()):
        for seed in made.seeds:
            folder = results / f"models/{model.name}/seed{seed}"
            folder.mkdir(parents=True)
            net = network(6, seed=10 * i + seed, hidden_units=8 + i)
            write_qonnx(net, folder / "model.onnx", {})
            epochs = np.arange(1, 501)
            history = {"epoch": epochs, "train_loss": 1 + 1 / epochs, "val_accuracy": 0.7 - 0.5 / epochs}
            pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
            costs = summary(net)
            exact = {"qonnx_vectors": 4000, "qonnx_mismatches": 0, "overflows": 0}
            write_json(folder / "metrics.json", costs | exact)
            module = made.stanzas[model.stanza].module.__name__
            stanza = {"method": module, **model.params.model_dump(mode="json")}
            inputs = {str(path): sha256(path) for path in (data, folder / "model.onnx")}
            identity = {"model": model.name, "stanza_name": model.stanza, "seed": seed, "own_vectors": False}
            versions = {"packages": {"numpy": "2.0"}, "python": "3.11", "git": {"commit": "c0ffee", "dirty": True}}
            write_json(folder / "manifest.json", identity | versions | {"stanza": stanza, "inputs": inputs})
            accuracy = 0.65 + 0.01 * i + 0.001 * seed
            row = {"model": model.name, "stanza": model.stanza, "method": module, "seed": seed, "dataset": "few"}
            row |= {"accuracy": accuracy, "accuracy_low": accuracy - 0.01, "accuracy_high": accuracy + 0.01}
            rows.append(row | exact | {k: v for k, v in costs.items() if np.isscalar(v)})
    tables = results / "tables"
    tables.mkdir()
    frame = pd.DataFrame(rows)
    frame.reindex(columns=MODEL_COLUMNS).to_csv(tables / "models.csv", index=False)
    hardware = pd.concat([designs(made)] * models).reindex(columns=HARDWARE_COLUMNS)
    hardware.to_csv(tables / "hardware.csv", index=False)
    joined = hardware.merge(frame.drop(columns="overflows"), on=["model", "seed"]).assign(seeds=2)
    joined.reindex(columns=SUMMARY_COLUMNS).to_csv(tables / "summary.csv", index=False)
    (tables / "summary.md").write_text(f"| model |\n|---|\n\n- {HOSTILE}\n")
    frame.assign(seeds=2, test_jets=25).reindex(columns=ACCURACY_COLUMNS).to_csv(tables / "accuracies.csv", index=False)
    compared = {"model": "hgq_1000", "other": "float", "difference": -0.01, "difference_low": -0.03}
    compared |= {"difference_high": 0.01, "p_value": 0.25, "p_holm": 0.5, "test": "McNemar", "other_is_reference": True}
    pd.DataFrame([compared]).reindex(columns=COMPARISON_COLUMNS).to_csv(tables / "comparisons.csv", index=False)
    figures = results / "figures"
    figures.mkdir()
    for name in FIGURES:
        colours = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(colours).save(figures / f"{name}.png", dpi=(160, 160))
        pd.DataFrame({"x": [1.5, 2.5], "class": ["g", HOSTILE]}).to_csv(figures / f"{name}.csv", index=False)
    (results / "checks.txt").write_text("Everything holds.\n")
    (results / "config.yaml").write_text(f"note: {HOSTILE}\n")


def designs(made) -> pd.DataFrame:
    """One design done, its netlist simulated; one whose tool is absent; the skipped ones."""
    rows = []
    for pair in made.pairs:
        for seed in made.seeds:
            row = {"model": pair.model, "seed": seed, "flow": pair.flow, "part": "xcvu13p", "clock_ns": 5.0}
            row |= {"vectors": 4000, "mismatches": 0}
            if pair.flow == "rtl":
                lut = (29096, 976)[pair.model == "hgq_3000"] + seed
                row |= {"lut": lut, "dsp": 0, "stage": "logic_synthesis", "tool": "yosys", "version": "0.70"}
                row |= {"netlist_vectors": 1000, "netlist_mismatches": 0, "status": "done"}
            else:
                row["status"] = "vitis_hls not on PATH"
            rows.append(row)
    for skipped in made.skipped:
        status = f"not run: {skipped.reason}"
        rows += [{"model": skipped.model, "seed": s, "flow": skipped.flow, "status": status} for s in made.seeds]
    return pd.DataFrame(rows)


def all_files(results: Path) -> list[Path]:
    return sorted(path for path in results.rglob("*") if path.is_file() and not path.name.startswith("report"))


def source_of(results: Path, made, files=None, **others) -> Source:
    return Source.of(made, results, all_files(results) if files is None else files, figures=FIGURES, **others)


class Page(HTMLParser):
    """A parsed report: `tables` by id of their figure, a list of rows of texts each; `text` by id of the section; `tags`.

    Raises AssertionError where tags are not balanced.
    """

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []
        self.tables, self.words, self.cells = {}, {}, None
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag in self.VOID:
            return
        self.open.append((tag, attributes.get("id")))
        if tag == "table":
            self.cells = self.tables.setdefault(next((i for t, i in self.open[::-1] if t == "figure" and i), None), [])
        elif tag == "tr" and self.cells is not None:
            self.cells.append([])
        elif tag in ("td", "th") and self.cells is not None:
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, (tag, self.open[-3:])
        self.open.pop()
        if tag == "table":
            self.cells = None

    def handle_data(self, data):
        for place in {i for _, i in self.open if i}:
            self.words[place] = self.words.get(place, "") + data
        if self.cells is not None and any(tag in ("td", "th") for tag, _ in self.open):
            self.cells[-1][-1] += data

    def text(self, place: str) -> str:
        """Text of the element of that id, its white space joined."""
        return " ".join(self.words.get(place, "").split())
