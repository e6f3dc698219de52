"""The report: everything of a run is in it, nothing is made up, and no name can break it."""

import base64
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import report_run
from onnx import TensorProto, helper, numpy_helper
from report_run import HOSTILE, Page
from test_export import network

from nanotrigger.errors import NanotriggerError
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.report.architecture import architecture
from nanotrigger.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    POINTS,
    RIGHT,
    TOP,
    WIDTH,
    chart,
    tick_label,
    training_charts,
)
from nanotrigger.report.columns import COLUMNS, INTERVALS, column
from nanotrigger.report.exactness import chains
from nanotrigger.report.source import Source, anchor
from nanotrigger.report.tables import number, table
from nanotrigger.report.unfinished import Current, failures, write_unfinished_report
from nanotrigger.report.write import code, render, write_report
from nanotrigger.results.comparisons import ACCURACY_COLUMNS, COMPARISON_COLUMNS
from nanotrigger.results.sweeps import COLUMNS as SWEEP_COLUMNS
from nanotrigger.results.tables import HARDWARE_COLUMNS, MODEL_COLUMNS, SUMMARY_COLUMNS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    results, plan = tmp_path_factory.mktemp("results") / "made", report_run.plan()
    report_run.write_run(results, plan)
    return results, plan


@pytest.fixture(scope="module")
def text(finished):
    return render(report_run.source_of(*finished))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def rows(page, name):
    """Rows of a table as dictionaries of the texts of its header."""
    header, *content = [[" ".join(cell.split()) for cell in row] for row in page.tables[f"table-{name}"]]
    return [dict(zip(header, row, strict=True)) for row in content]


def test_every_model_and_design_is_there(finished, page):
    _, plan = finished
    assert {(r["model"], r["seed"]) for r in rows(page, "models")} == {(m, s) for m in plan.models for s in "01"}
    found = {(r["model"], r["seed"], r["flow"]) for r in rows(page, "hardware")}
    assert found == {(m, s, f) for m in plan.models for s in "01" for f in plan.flows}
    for model in plan.models:
        words = page.text(anchor("model", model))
        for seed in plan.seeds:
            assert anchor("model", model, f"seed{seed}") in page.ids
        for part in ("Exactness", "Architecture and bits", "Training", "Hardware", "Provenance", "c0ffee", "16 inputs"):
            assert part in words, (model, part)
    assert len(rows(page, "summary")) == 12 and rows(page, "comparisons")[0]["p (Holm)"] == "0.5"


def test_links_lead_somewhere_and_ids_are_unique(page):
    assert len(page.ids) == len(set(page.ids))
    targets = {a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")}
    assert targets <= set(page.ids) and anchor("model", "hgq_1000") in targets


def test_nothing_is_loaded_from_elsewhere(text, page):
    """No address but fragments, data and files beside the report; and a policy that forbids the rest."""
    for tag, attributes in page.tags:
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(key, "#")
            carried = value.startswith("data:") and (tag != "a" or "download" in attributes)
            assert carried or value.startswith("#") or (tag == "a" and not re.match(r"[a-z]+:|/", value)), (tag, value)
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    assert not re.findall(r"url\((?!['\"]?data:)|@import", style)
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy


def test_files_beside_the_report_exist(finished, page):
    results, _ = finished
    beside = {a["href"] for tag, a in page.tags if tag == "a" and not a["href"].startswith(("#", "data:"))}
    assert beside and all((results / path).is_file() for path in beside)


def test_tables_are_carried_whole(finished, page):
    """The link below a table saves the very file."""
    results, _ = finished
    saved = {a["download"]: a["href"] for tag, a in page.tags if "download" in a}
    assert set(saved) == {path.name for path in results.glob("tables/*.csv")}
    for name, link in saved.items():
        assert base64.b64decode(link.partition("base64,")[2]) == (results / "tables" / name).read_bytes()


def test_hostile_text_stays_text(text, page):
    """In a reason, a footnote, a cell, the config: shown as it is, and neither a tag nor an attribute of the page."""
    assert [a.get("type") for tag, a in page.tags if tag == "script"] == ["importmap", "module"]
    assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
    shown = " ".join(HOSTILE.split())
    assert f"not run: {shown}" in {r["status"] for r in rows(page, "hardware")}
    for place in ("overview", "provenance", "figures", anchor("model", "float")):
        assert shown in page.text(place), place
    assert "7 * 7" in text and "alert('x')" not in text.replace("alert(&#39;x&#39;)", "")


def test_pictures_are_carried_whole(finished, page):
    results, _ = finished
    pictures = [a for tag, a in page.tags if tag == "img"]
    carried = {base64.b64decode(a["src"].partition("base64,")[2]) for a in pictures}
    assert carried == {path.read_bytes() for path in results.glob("figures/*.png")} and len(pictures) == 2
    # 80 x 60 pixels at 160 per inch are half an inch wide: 48 CSS pixels, and a fifth more
    assert {(a["width"], a["height"]) for a in pictures} == {("58", "43")}
    (alt,) = [a["alt"] for a in pictures if "ROC" in a["alt"]]
    assert alt == "ROC curves of `every` class. Background <efficiency> against signal."
    assert "Background <efficiency> against signal." in page.text("figure-roc")
    assert "figure-jets" in page.ids and "Jets of each class" in page.text("dataset")


def test_every_picture_and_table_has_a_name(page):
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") and {"main", "nav", "header"} <= set(tags)
    assert all("scope" in a for tag, a in page.tags if tag == "th")


def test_empty_cells_say_why_and_zero_is_a_number(text, page):
    done = next(
        r for r in rows(page, "hardware") if r["model"] == "hgq_1000" and r["flow"] == "rtl" and r["seed"] == "0"
    )
    assert done["DSP"] == "0" and done["LUT"] == "29,096" and done["differ"] == "0 of 4,000"
    absent = next(r for r in rows(page, "hardware") if r["model"] == "hgq_1000" and r["flow"] == "hls4ml")
    assert absent["LUT"] == absent["DSP"] == "–" and absent["differ"] == "0 of 4,000"
    assert 'title="vitis_hls not on PATH">–' in text
    assert "power (mW)" in page.text("table-hardware").partition("no row has a value")[2]


def test_the_same_bytes_for_the_same_files(finished, text, tmp_path):
    results, plan = finished
    files = report_run.all_files(results)
    random.Random(1).shuffle(files)
    assert render(report_run.source_of(results, plan, files)) == text
    script = (
        "import sys, report_run; from pathlib import Path; from nanotrigger.report.write import write_report;"
        "write_report(report_run.source_of(Path(sys.argv[1]), report_run.plan()), sys.argv[2])"
    )
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path}
    arguments = [sys.executable, "-c", script, str(results), str(tmp_path / "again.html")]
    subprocess.run(arguments, check=True, env=environment, cwd=Path(__file__).parent)
    assert (tmp_path / "again.html").read_text() == text


def test_what_is_missing_is_said(finished):
    """Only one model was exported and nothing compared: its page says so, and no number appears from nowhere."""
    results, plan = finished
    folder = results / "models/hgq_1000/seed0"
    files = [folder / "model.onnx", folder / "manifest.json"]
    page = Page(render(report_run.source_of(results, plan, files, failures=())))
    assert "This run did not finish" in page.text("content")
    assert "The summary table was not made: the run stopped before." in page.text("overview")
    words = page.text(anchor("model", "hgq_1000", "seed0"))
    assert "Its metrics are missing" in words and "16 × 9" in words and "manifest is missing" not in words
    assert "QONNX file not compared: the run stopped before" in words
    other = page.text(anchor("model", "hgq_3000", "seed0"))
    assert "Its manifest is missing" in other and "Its QONNX file was not made" in other
    assert "designs" not in page.ids and "figures" not in page.ids
    assert "The dataset file is not there" in page.text("dataset")


def test_a_run_without_a_dataset_or_flows(tmp_path):
    write_qonnx(network(6), tmp_path / "m.onnx", {})
    plan = report_run.plan(dataset="few", flows=[], skip=[], models=["float"], seeds=[0])
    page = Page(render(Source.of(plan, tmp_path, [])))
    assert "The run has no design of it." in page.text(anchor("model", "float"))


def test_tables_of_others_are_shown(finished):
    """A listing of the papers' figures leads to what this report shows; any other table is there with its notes."""
    results, plan = finished
    extra = results / "tables"
    listing = {"arxiv": ["2006.10160"] * 3, "file": ["figures/roc.pdf", "tables/more.csv", "figures/none.pdf"]}
    pd.DataFrame(listing | {"status": ["made", "made", "no data"]}).to_csv(extra / "paper_figures.csv", index=False)
    pd.DataFrame({"row": ["a"], "decay_ns": [2.0]}).to_csv(extra / "more.csv", index=False)
    (extra / "more.md").write_text("| row |\n|---|\n\n- Read with care.\n")
    pd.DataFrame({"class": ["g"], "mean_gev": [91.2]}).to_csv(extra / "jets.csv", index=False)
    try:
        page = Page(render(report_run.source_of(results, plan)))
    finally:
        for name in ("paper_figures.csv", "more.csv", "more.md", "jets.csv"):
            (extra / name).unlink()
    targets = [a["href"] for tag, a in page.tags if tag == "a"]
    assert {r["arXiv"] for r in rows(page, "paper_figures")} == {"2006.10160"}, "a name, not a number"
    assert targets.count("#figure-roc") == 2 and "#table-more" in targets and "#figure-none" not in targets
    assert rows(page, "more") == [{"row": "a", "decay (ns)": "2"}] and "Read with care." in page.text("papers")
    assert rows(page, "jets") == [{"class": "g", "mean (GeV)": "91.2"}] and "table-jets" not in page.text("papers")


@pytest.mark.parametrize(
    "columns",
    [MODEL_COLUMNS, HARDWARE_COLUMNS, SUMMARY_COLUMNS, ACCURACY_COLUMNS, COMPARISON_COLUMNS, SWEEP_COLUMNS],
)
def test_every_column_is_explained(columns):
    bounds = {f"{c}_{end}" for c in INTERVALS for end in ("low", "high")}
    assert not [c for c in columns if c not in bounds and not (c in COLUMNS and COLUMNS[c].meaning)]


def test_unknown_columns_have_their_unit():
    assert column("jitter_ns").label == "jitter (ns)" and column("_ns").label == "ns" and column("a_b").label == "a b"


@pytest.mark.parametrize(
    "value, form, expected",
    [
        (29096, "count", "29,096"), (12.0, "count", "12"), (2.5, "count", "2.5"), (207570.56, "count", "207,571"),
        (0.67975, "share", f"{0.67975:.4f}"), (-0.02, "share", "−0.0200"), (5.6974, "number", "5.697"),
        (12345.6, "number", "12,346"), (0.00012345, "number", "0.0001234"), (40.0, "number", "40"),
        (3.76e-05, "p", "3.8e-05"), (0, "count", "0"), (float("inf"), "number", "inf"),
    ],
)  # fmt: skip
def test_numbers_as_text(value, form, expected):
    assert number(value, form) == expected


def test_intervals_and_counts_share_a_cell():
    frame = pd.DataFrame({"model": ["a", "b"], "accuracy": [0.5, np.nan], "accuracy_low": [0.4, np.nan]})
    frame = frame.assign(
        accuracy_high=[0.6, np.nan], vectors=[10, np.nan], mismatches=[0, np.nan], status="tool failed"
    )
    made = table(frame, "t", "T")
    assert [head.key for head in made.heads] == ["model", "accuracy", "mismatches", "status"]
    assert [cell.text for cell in made.rows[0].cells] == ["a", "0.5000 [0.4000, 0.6000]", "0 of 10", "tool failed"]
    assert [cell.sort for cell in made.rows[0].cells[1:3]] == ["0.5", "0.0"]
    empty = made.rows[1].cells[2]
    assert (empty.text, empty.sort, empty.reason) == ("–", None, "tool failed"), "never zero"


def test_published_values_that_are_not_comparable_say_so():
    frame = pd.DataFrame({"model": ["a", "b"], "lut": [10, 20], "ff": [1, 2], "status": ["done", "published, Vivado"]})
    made = table(frame.assign(differs=[None, "lut: stage, part"]), "t", "T")
    assert [row.published for row in made.rows] == [False, True]
    assert made.rows[1].cells[1].reason == "not comparable: different stage, part"
    assert made.rows[1].cells[2].reason == made.rows[0].cells[1].reason == ""


def test_only_what_was_compared_is_called_equal():
    """Each link by its own counts; a count that is missing is not zero."""
    metrics = {"qonnx_vectors": 10, "qonnx_mismatches": 0}
    row = {"flow": "rtl", "vectors": 10, "mismatches": 2.0, "netlist_vectors": np.nan, "netlist_mismatches": np.nan}
    (chain,) = chains(metrics, [{**row, "status": "done"}], {"rtl"})
    assert [link.verdict for link in chain.links] == ["equal", "differs", "not compared"]
    assert [link.sign for link in chain.links] == ["=", "≠", "?"] and chain.links[2].reason == "not recorded"
    (chain,) = chains(metrics, [{**row, "status": "done"}], ())
    assert chain.links[2].reason == "this flow leaves no netlist that can be simulated"
    absent = {"flow": "rtl", "vectors": None, "mismatches": 0, "status": "not emulated: no g++"}
    (chain,) = chains({"qonnx_vectors": 10}, [absent], {"rtl"})
    assert [(link.verdict, link.vectors) for link in chain.links] == [("not compared", None)] * 2
    (chain,) = chains(metrics, [], ())
    assert len(chain.links) == 1


def test_layers_are_those_of_the_network(tmp_path):
    net = network(8, hidden_units=7)
    write_qonnx(net, tmp_path / "m.onnx", {})
    found = architecture(tmp_path / "m.onnx")
    assert [layer.shape for layer in found.layers] == [layer.weight.shape for layer in net.layers]
    assert (found.input, found.output) == (("16",), ("5",))
    nodes = onnx.load(tmp_path / "m.onnx").graph.node
    assert dict(found.operators) == {kind: sum(n.op_type == kind for n in nodes) for kind in {n.op_type for n in nodes}}


def test_a_convolution_and_a_product_of_activations(tmp_path):
    """A kernel is a layer; a product of two activations has no weights and is none."""
    kernel = numpy_helper.from_array(np.ones((4, 1, 3, 3), np.float32), "kernel")
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["y"], name="c"),
        helper.make_node("MatMul", ["y", "y"], ["z"], name="square"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4, 6, 6])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [z], [kernel])), tmp_path / "c.onnx")
    found = architecture(tmp_path / "c.onnx")
    assert [(layer.kind, layer.shape) for layer in found.layers] == [("Conv", (4, 1, 3, 3))]
    assert found.input == ("1", "8", "8")


def points(line):
    return np.array([[float(v) for v in pair.split(",")] for pair in line.path.split()])


def test_a_chart_draws_its_numbers():
    """A straight line stays one, corners where they belong: five per cent of the height above and below."""
    made = chart("loss", np.arange(1.0, 6.0), {"loss": np.arange(10.0, 15.0)})
    x, y = points(made.lines[0]).T
    np.testing.assert_allclose(x, np.linspace(LEFT, WIDTH - RIGHT, 5), atol=0.06)
    height = HEIGHT - BOTTOM - TOP
    np.testing.assert_allclose(
        y[[0, -1]], [HEIGHT - BOTTOM - height * 0.05 / 1.1, TOP + height * 0.05 / 1.1], atol=0.06
    )
    np.testing.assert_allclose(np.diff(y), np.diff(y)[0], atol=0.11)
    ticks = {float(label): place for place, label in made.y_ticks}
    for value, place in ticks.items():
        assert place == pytest.approx(np.interp(value, [10, 14], y[[0, -1]]), abs=0.15)


def test_a_chart_over_decades_is_logarithmic():
    made = chart("ebops", np.array([1.0, 10.0, 100.0]), {"ebops": np.array([1e5, 1e4, 1e3])})
    x, y = points(made.lines[0]).T
    assert x[1] == pytest.approx((x[0] + x[2]) / 2, abs=0.1) and y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.1)
    assert {label for _, label in made.x_ticks} == {"1", "10", "100"}
    assert (
        tick_label(1e5) == "10⁵"
        and tick_label(1e-6) == "10⁻⁶"
        and tick_label(2e5) == "2e+05"
        and tick_label(0.5) == "0.5"
    )


def test_long_histories_are_thinned_but_for_their_ends():
    epochs = np.arange(1.0, 5001.0)
    made = chart("accuracy", epochs, {"accuracy": np.sqrt(epochs)})
    path = points(made.lines[0])
    assert len(path) <= POINTS and (made.lines[0].first, made.lines[0].last) == (1.0, pytest.approx(np.sqrt(5000)))
    assert path[0, 0] == LEFT and path[-1, 0] == WIDTH - RIGHT


def test_histories_of_any_kind():
    assert training_charts(None) == [] and training_charts(pd.DataFrame({"epoch": []})) == []
    history = pd.DataFrame(
        {"epoch": [1, 2], "val_loss": [np.nan, np.inf], "beta": [1.0, 1.0], "val_accuracy": [0.1, 0.2]}
    )
    assert [c.title for c in training_charts(history)] == ["accuracy"], "constants and what is not finite show nothing"
    (single,) = training_charts(pd.DataFrame({"epoch": [1], "val_accuracy": [0.5]}))
    assert len(single.lines[0].path.split()) == 1 and "from 0.5 to 0.5" in single.text


def test_code_in_captions_is_escaped():
    assert str(code("a `<b>` c")) == "a <code>&lt;b&gt;</code> c" and str(code("it`s <i>")) == "it`s &lt;i&gt;"


def test_damaged_files_are_named(finished):
    results, plan = finished
    for name, message in (("models/float/seed0/model.onnx", "ONNX"), ("figures/roc.png", "picture")):
        path = results / name
        before = path.read_bytes()
        path.write_bytes(b"\xff not this")
        try:
            with pytest.raises(NanotriggerError, match=rf"{re.escape(name)}: not a readable {message}"):
                render(report_run.source_of(results, plan))
        finally:
            path.write_bytes(before)


def test_a_report_appears_whole_or_not_at_all(finished, tmp_path, monkeypatch):
    source, path = report_run.source_of(*finished), tmp_path / "report.html"
    monkeypatch.setattr("nanotrigger.report.write.render", lambda source: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(source, path)
    assert not list(tmp_path.iterdir())


# a run that failed


@pytest.fixture
def failed(tmp_path, monkeypatch):
    """A finished run whose records are there, in a working folder of its own; files of one time."""
    monkeypatch.chdir(tmp_path)
    results, plan = Path("results/made"), report_run.plan()
    report_run.write_run(results, plan)
    for pair in plan.pairs:
        for seed in plan.seeds:
            record = results / f"hardware/{pair.model}/seed{seed}/{pair.flow}/record.json"
            record.parent.mkdir(parents=True)
            record.write_text("{}")
    for i, path in enumerate([*results.rglob("*.onnx"), *results.rglob("*.json"), *results.glob("tables/*")]):
        os.utime(path, (1000 + i, 1000 + i))
    reported = [*results.glob("tables/*"), results / "checks.txt", *results.glob("figures/*")]
    for path in reported:
        os.utime(path, (5000, 5000))
    return results, plan, reported


def names(current, reported):
    return {path.name for path in current.files(reported)}


def test_what_stands_is_shown(failed):
    results, plan, reported = failed
    found = names(Current(plan, results), reported)
    assert {"summary.csv", "hardware.csv", "roc.png", "metrics.json", "few.h5"} <= found
    assert "config.yaml" not in found, "it is of another configuration"


def test_what_is_of_before_is_left_out(failed):
    """A record that is newer than the tables, or gone; a model of another stanza; a model of other jets."""
    results, plan, reported = failed
    record = results / "hardware/hgq_1000/seed0/rtl/record.json"
    os.utime(record, (9000, 9000))
    found = names(Current(plan, results), reported)
    assert "metrics.json" in found and not {"summary.csv", "hardware.csv", "roc.png", "checks.txt"} & found
    record.unlink()
    assert "hardware.csv" not in names(Current(plan, results), reported)

    config = {**report_run.CONFIG, "models": {**report_run.CONFIG["models"], "float": {"method": "float", "epochs": 3}}}
    changed = report_run.make_plan(report_run.load_config(config))
    models = {path.parts[-3] for path in Current(changed, results).files(reported) if path.name == "metrics.json"}
    assert models == {"hgq_1000", "hgq_3000"}

    with open(results / "data/few.h5", "ab") as file:
        file.write(b"more")
    assert not names(Current(plan, results), reported)


def test_the_report_of_a_failed_run_names_what_failed(failed):
    results, plan, reported = failed
    (results / "hardware/hgq_1000/seed0/rtl/record.json").unlink()
    unfinished = report_run.designs(plan)
    lost = (unfinished.model == "hgq_1000") & (unfinished.seed == 0) & (unfinished.flow == "rtl")
    unfinished.loc[lost, ["lut", "vectors", "mismatches", "netlist_vectors", "netlist_mismatches"]] = np.nan
    unfinished.loc[lost, "status"] = f"failed in synthesize: {HOSTILE}"
    unfinished.to_csv(results / "tables/hardware_unfinished.csv", index=False)
    logs = Path("logs/made")
    for name, content in (("synthesize/a", f"noise\nnanotrigger: {HOSTILE}\n"), ("train/b", "all went well\n")):
        (logs / name).parent.mkdir(parents=True)
        (logs / f"{name}.log").write_text(content)
    (logs / "old.log").write_text("nanotrigger: of yesterday\n")
    os.utime(logs / "old.log", (10, 10))
    (logs / "train/gathered.log").write_text("nanotrigger: a try of before\nended well after 3 s\n")
    assert [f.log for f in failures(logs, 100)] == ["synthesize/a"]
    path = write_unfinished_report(plan, results, logs, 100, reported, report_run.FIGURES)
    assert path == results / "report_unfinished.html"
    page = Page(path.read_text())
    shown = " ".join(HOSTILE.split())
    assert "This run did not finish." in page.text("content") and shown in page.text("overview")
    assert f"failed in synthesize: {shown}" in page.text("designs") and "yesterday" not in page.text("overview")
    assert "rtl: hardware description failed in synthesize" in page.text(anchor("model", "hgq_1000", "seed0"))
    assert "1,000" in page.text(anchor("model", "hgq_3000", "seed0")), "the others are as they were"
