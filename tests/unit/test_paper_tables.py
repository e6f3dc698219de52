"""The papers' tables: our rows found by name, what is missing named, and no published figure that must not stand there."""

import re
import shutil

import pandas as pd
import pytest
from conftest import ROOT, merged, read_yaml
from test_printing import check_latex, compiles

from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.plan import make_plan
from nanotrigger.results.paper_figures import listing, paper_figures
from nanotrigger.results.paper_tables import _fill
from nanotrigger.results.printing import latex, markdown
from nanotrigger.results.published import published_table

CSV = ROOT / "resources/published_results.csv"
LIST = ROOT / "resources/paper_figures.csv"
TABLES = _fill.tables()
VU13P = "xcvu13p-flga2577-2-e"
AUTOQ = {name: {"method": "uniform", "bits": 6} for name in ("bf", "bp", "bh", "q6", "qe")} | {
    "qb": {"method": "uniform", "sweep": {"bits": [5]}}
}


@pytest.fixture(scope="module")
def published():
    return published_table(CSV)


def with_autoq(*files):
    """Config files laid over each other, with quick stanzas of those names."""
    config = merged(*map(read_yaml, files))
    return config | {"models": config["models"] | AUTOQ}


def plan(selected, **content):
    config = {"run": {"models": selected} | content.pop("run", {}), **content}
    return make_plan(load_config(merged(with_autoq("config/config.yaml"), config)))


def measured(run, flows=(("rtl", "logic_synthesis"),), without=()):
    """Tables of a run in which every model has figures of its own, told apart by their last digits."""
    models, hardware, accuracies = [], [], []
    for i, model in enumerate(run.models):
        accuracy = 0.7 + i / 1000
        accuracies.append(
            {"model": model, "accuracy": accuracy, "accuracy_low": accuracy - 0.01, "accuracy_high": accuracy + 0.01}
        )
        for seed in (0, 1):
            models.append(
                {"model": model, "seed": seed, "bops_hawq": 1000 + i + seed, "bops_qonnx": 1.0, "ebops": 50 + i}
            )
            for flow, stage in flows:
                design = {"model": model, "seed": seed, "flow": flow, "stage": stage, "part": VU13P, "status": "done"}
                cells = {
                    "lut": 11_822 + 2 * seed,
                    "ff": 70 + i,
                    "dsp": 684,
                    "latency_cycles": 4,
                    "latency_ns": 20.0,
                    "ii": 1,
                }
                hardware.append(design | ({} if (model, flow) in without else cells))
    columns = [
        "model",
        "seed",
        "flow",
        "stage",
        "part",
        "lut",
        "ff",
        "dsp",
        "latency_cycles",
        "latency_ns",
        "ii",
        "status",
    ]
    return pd.DataFrame(models), pd.DataFrame(hardware).reindex(columns=columns), pd.DataFrame(accuracies)


def filled(name, run, published, *tables):
    lines = _fill.fill(name, TABLES[name], run, *(tables or measured(run)), published)
    return {line.row: line for line in lines}, _fill.printed(name, TABLES[name], lines, run, published)


@pytest.mark.parametrize("name", TABLES)
def test_every_published_row_exists_and_is_the_papers(name, published):
    ids = [i for row in TABLES[name].ROWS.values() for i in row]
    assert ids and set(ids) <= set(published.id) and len(ids) == len(set(ids))
    rows = published[published.id.isin(ids)]
    assert set(rows.arxiv) == {TABLES[name].PAPER} and set(rows.task) == {"jets_features"}
    for row, ids in TABLES[name].ROWS.items():
        label = re.escape(row.partition(" ")[0].replace("FP32", "FP32"))
        assert all(re.search(label, i) for i in ids), f"{row}: {ids}"


def test_the_tables_are_the_three_papers():
    assert {t.PAPER for t in TABLES.values()} == {"2304.06745", "2006.10159", "2405.00645"}
    assert len(TABLES["hawq_ablation"].ROWS) == 20 and len(TABLES["autoqkeras"].ROWS) == len(TABLES["hgq"].ROWS) == 6


def test_default_rows_are_the_models_of_the_config():
    """Names that config.yaml defines: a stanza that is renamed there is found here."""
    defined = make_plan(
        load_config(
            merged(
                read_yaml("config/config.yaml"), {"run": {"models": list(read_yaml("config/config.yaml")["models"])}}
            )
        )
    ).models
    assert set(TABLES["hawq_ablation"].models(plan(["float"])).values()) <= set(defined)
    run = plan(["hgq"])
    assert TABLES["hgq"].models(run) == {
        f"HGQ-{i}": f"hgq_{n}" for i, n in enumerate((16000, 8000, 4000, 2000, 1000, 500), start=1)
    }
    other = {"models": {"walk": read_yaml("config/config.yaml")["models"]["hgq"]}}
    assert TABLES["hgq"].models(plan(["walk", "hgq"], **other))["HGQ-6"] == "hgq_500"
    assert TABLES["hgq"].models(plan(["walk"], **other))["HGQ-6"] == "walk_500"
    assert TABLES["hgq"].models(plan(["float"])) == {}
    assert TABLES["autoqkeras"].models(plan(["bf", "qb"]))["QB"] == "qb_5"


def test_ours_are_means_over_seeds(published):
    lines, _ = filled("autoqkeras", plan(["q6", "qb"]), published)
    q6 = lines["Q6"]
    assert q6.ours["lut"] == 11_823 and q6.ours["lut_percent"] == pytest.approx(100 * 11_823 / 1_182_240)
    assert q6.ours["dsp_percent"] == pytest.approx(10) and q6.ours["accuracy"] == 0.7 and q6.facts["seeds"] == 2
    assert q6.status == "done" and lines["QB"].model == "qb_5" and lines["QB"].ours["ff"] == 71


def test_what_is_not_in_this_run_says_so(published):
    lines, printed = filled("autoqkeras", plan(["q6"]), published)
    assert lines["BF"].status == "not in this run: bf is not in run.models" and not lines["BF"].ours
    assert any(note == "Not in this run: BF, BP, BH, QE, QB." for note in printed.notes)
    lines, _ = filled("hgq", plan(["q6"], tables={"hgq": {"rows": {"HGQ-6": "q6"}}}), published)
    assert lines["HGQ-6"].ours["ff"] == 70 and lines["HGQ-1"].status.startswith(
        "not in this run: no model fills this row"
    )


def test_networks_of_another_size_are_named(published):
    run = plan(["float", "int_l1"], models={"float": {"hidden": [8, 6]}})
    notes = filled("hawq_ablation", run, published)[1].notes
    assert "Unlike the paper's, of our networks FP32 have 8-6 hidden units." in notes
    assert not any("Unlike" in n for n in filled("hawq_ablation", plan(["float", "int_l1"]), published)[1].notes)


def test_one_flow_fills_a_column(published):
    """The flow that counted most; of equals the one that goes furthest; what it did not count stays empty."""
    run = plan(["q6", "qe"])
    both = (("hls4ml", "hls_estimate"), ("rtl", "logic_synthesis"))
    tables = measured(run, both)
    assert {line.facts["flow"] for line in filled("autoqkeras", run, published, *tables)[0].values() if line.facts} == {
        "rtl"
    }
    tables = measured(run, both, without={("qe", "rtl")})
    lines, _ = filled("autoqkeras", run, published, *tables)
    assert lines["QE"].facts["flow"] == lines["Q6"].facts["flow"] == "hls4ml"
    wish = plan(["q6", "qe"], tables={"autoqkeras": {"flow": "rtl"}})
    lines, _ = filled("autoqkeras", wish, published, *tables)
    assert lines["Q6"].facts["stage"] == "logic_synthesis" and pd.isna(lines["QE"].ours["lut"])
    none = measured(run, without={("q6", "rtl"), ("qe", "rtl")})
    lines, _ = filled("autoqkeras", run, published, *none)
    assert lines["Q6"].status == "no flow of this run counted its LUTs" and "lut" not in lines["Q6"].ours


def text_of(printed):
    return markdown(printed) + latex(printed)


RECALLED = ("20,132", "10,548", "8,108", "1,771", "6,236", "1,253", "76.461", "76.5", "76.8", "62.5")
"""Figures of these tables that are known from memory alone."""


@pytest.mark.parametrize("name", TABLES)
def test_recalled_figures_are_nowhere(name, published):
    despite = ["dataset", "metric", "stage", "part", "bops", "ebops", "clock", "encoder"]
    rule = {"published": "*", "despite": despite, "dataset": "openml", "reason": "all"}
    run = plan(["float", "int", "hgq", "bf"], run={"compare": [rule]})
    lines, printed = filled(name, run, published)
    assert any(line.published for line in lines.values())
    assert not [figure for figure in RECALLED if figure in text_of(printed)]
    assert any("recalled from memory" in note for note in printed.notes)


@pytest.mark.parametrize("name", TABLES)
def test_nothing_published_beside_generated_jets(name, published):
    quick = with_autoq("config/config.yaml", "config/quickstart.yaml")
    run = make_plan(load_config(merged(quick, {"run": {"models": ["float", "int", "hgq", "bf"]}})))
    lines, printed = filled(name, run, published)
    assert not any(line.published for line in lines.values()) and "published" not in dict(printed.groups)
    frame = _fill.as_frame(list(lines.values()), TABLES[name].COLUMNS)
    figures = [c for c in frame if c.startswith("published_") and c not in ("published_standing",)]
    assert figures and frame[figures].isna().all(axis=None)
    assert any("no published figure may stand beside them" in note for note in printed.notes)
    assert any(note.startswith("Published figures are not set beside ours (dataset") for note in printed.notes)


def test_the_autoqkeras_table_of_the_paper_run(published):
    """config.yaml excepts the dataset, for which the footnote says so; stage and part are grey; BF's DSP is flagged."""
    lines, printed = filled("autoqkeras", plan(["q6"]), published)
    bf, q6 = lines["BF"], lines["Q6"]
    assert (bf.published["value"], bf.published["dsp_percent"], bf.published["lut_percent"]) == (0.744, 56.0, 4.09)
    assert bf.published["latency_cycles"] == 9 and bf.published["latency_ns"] == 45 and "ff" not in bf.published
    assert q6.standing.grey["lut_percent"] == ("stage", "part") and "value" not in q6.standing.grey
    assert q6.standing.despite == ("dataset",)
    marks = {row[0].text: [printed.marked[m] for m in row[0].mark.split(",")] for row in printed.rows}
    assert any("26.7 %" in note for note in marks["BF"]) and any("despite dataset" in note for note in marks["Q6"])
    (row,) = (row for row in printed.rows if row[0].text == "QE")
    assert [cell.text for cell in row[-6:]] == ["72.3", "11", "55", "1.0", "0.77", "1,781"]
    assert [cell.grey for cell in row[-6:]] == [False] + [True] * 5


def test_the_hgq_table_of_the_paper_run(published):
    lines, printed = filled("hgq", plan(["hgq"]), published)
    first = lines["HGQ-1"]
    assert first.model == "hgq_16000" and first.published["value"] == 0.764 and first.published["lut_percent"] == 0.53
    assert list(printed.header[-6:]) == ["accuracy [%]", "cycles", "latency [ns]", "DSP [%]", "LUT [%]", "II"]
    assert [cell.text for cell in printed.rows[3][-6:]] == ["73.9", "3", "15", "0", "0.05", "1"]
    assert not printed.rows[0][-6].grey and printed.rows[0][-5].grey


def test_the_hawq_table_is_the_papers_matrix(published):
    run = plan(
        ["float", "int", "int_l1_bn"],
        run={"compare": [{"published": "2304.06745", "despite": ["dataset"], "dataset": "openml", "reason": "r"}]},
    )
    lines, printed = filled("hawq_ablation", run, published)
    assert [row[0].text for row in printed.rows] == ["FP32", "INT12", "INT8", "INT6", "INT4"]
    assert printed.header == ["", *2 * ["plain", "L1", "BN", "L1+BN"], "BOPs"]
    int8 = printed.rows[2]
    assert int8[1].text.startswith(f"{100 * lines['INT8'].ours['accuracy']:.1f} (") and int8[2].text == ""
    assert int8[4].text and int8[-1].text == "362,784" and int8[-1].grey
    assert any("printed in no paper" in printed.marked[m] for m in int8[0].mark.split(","))
    # asserted by the authors' own repository
    fp32 = printed.rows[0]
    assert fp32[-1].text == "4,652,832" and not any(
        "printed in no" in printed.marked[m] for m in fp32[0].mark.split(",")
    )


def test_a_row_of_several_sources(published, monkeypatch):
    """What the first says stands; what only the second says is taken from it, with its own differences."""
    first, second = ("2405.00645/HGQ-1", "2405.00645/HGQ (best)")
    monkeypatch.setattr(TABLES["hgq"], "ROWS", {"HGQ-1": (first, second)})
    (line,) = _fill.fill("hgq", TABLES["hgq"], plan(["hgq"]), *measured(plan(["hgq"])), published)
    assert line.published["value"] == 0.764 and line.published["lut"] == 10182 and line.published["source"] == "Table I"
    assert line.standing.grey["lut_percent"] == ("stage", "part") and line.standing.grey["lut"] == ("stage",)


def test_published_bops_are_the_formula(published):
    """sum m n (b_a b_w + b_a + b_w + log2 n) over the layers, unpruned."""
    from nanotrigger.qonnx.costs import hawq_layer_bops

    layers = ((16, 64), (64, 32), (32, 32), (32, 5))
    for row, bits in {"FP32": 32, "INT12": 12, "INT8": 8, "INT6": 6, "INT4": 4}.items():
        (known,) = published[published.id == TABLES["hawq_ablation"].ROWS[row][0]].bops
        assert known == sum(hawq_layer_bops(n, m, bits, bits) for n, m in layers)


@pytest.mark.parametrize("name", TABLES)
def test_latex_of_the_tables(name, published, tmp_path):
    run = plan(["float", "int", "hgq", "bf", "q6"])
    _, printed = filled(name, run, published)
    check_latex(latex(printed))
    if shutil.which("pdflatex"):
        log = compiles(tmp_path, latex(printed))
        assert "Output written" in log, log[-2000:]


@pytest.mark.parametrize(
    "tables, message",
    [
        ({"hqg": {}}, r"tables.hqg: no such table. Did you mean hgq"),
        ({"hgq": {"rows": {"HGQ1": "hgq_500"}}}, r"tables.hgq.rows: 'HGQ1' is no row. Did you mean HGQ-1"),
        (
            {"hgq": {"rows": {"HGQ-1": "hqg_500"}}},
            r"tables.hgq.rows.HGQ-1: 'hqg_500' is not defined. Did you mean hgq_500",
        ),
        ({"hgq": {"flow": "vivada"}}, r"tables.hgq.flow: 'vivada' is not defined. Did you mean vivado"),
        ({"hgq": {"colour": 1}}, r"tables.hgq.colour: unknown key"),
    ],
)
def test_mistakes_in_the_config_are_named(tables, message):
    with pytest.raises(ConfigError, match=message):
        _fill.check_tables(plan(["hgq"], tables=tables))


def test_a_table_applies_where_the_run_has_one_of_its_models():
    applying = {n for n, t in TABLES.items() if _fill.applies(n, t, plan(["float", "q6"]))}
    assert applying == {"hawq_ablation", "autoqkeras"}


# the list of figures and tables


def test_the_list_holds_and_names_what_is_made():
    items = paper_figures(LIST)
    assert {item.arxiv for item in items} == {"2304.06745", "2006.10159", "2405.00645"}
    assert {f"tables/{name}" for name in TABLES} <= {item.file for item in items}
    for item in items:  # a number is the papers' own where it is known, and nothing else looks like one
        assert re.fullmatch(r"(Table|Fig\.) [IVX\d]+", item.item) or "number not known" in item.item


@pytest.mark.parametrize(
    "change, message",
    [
        ({"file": "figures/rocs"}, "nothing makes it. Known in figures: .*roc"),
        ({"file": ""}, "give either file or why_not"),
        ({"why_not": "no data"}, "give either file or why_not"),
    ],
)
def test_a_list_that_does_not_hold_is_named(tmp_path, change, message):
    table = pd.read_csv(LIST, dtype=str, keep_default_na=False)
    table.loc[3, list(change)] = list(change.values())
    table.to_csv(tmp_path / "list.csv", index=False)
    with pytest.raises(NanotriggerError, match=rf"line 5 .*{message}"):
        paper_figures(tmp_path / "list.csv")


def test_status_of_each_figure(tmp_path, published):
    run = plan(["float", "int"])
    lines, _ = filled("hawq_ablation", run, published)
    (tmp_path / "tables").mkdir()
    frame = _fill.as_frame(list(lines.values()), TABLES["hawq_ablation"].COLUMNS)
    frame.to_csv(tmp_path / "tables/hawq_ablation.csv", index=False)
    summary = [{"lut": 10, "area_um2": None, "status": "done"}, {"area_um2": 5, "status": "published (secondary)"}]
    pd.DataFrame(summary).to_csv(tmp_path / "tables/summary.csv", index=False)
    made = {name: f"{name}.csv" for name in ("tables/hawq_ablation", "tables/summary")} | {
        "figures/roc": "figures/roc.png"
    }
    table = listing(run, paper_figures(LIST), made, tmp_path).set_index(["arxiv", "item"])
    status = table.status
    assert status.loc["2304.06745"].iloc[0] == "made, 5 of 20 rows"
    assert table.file.loc["2006.10159", "areas under the ROC curve per class (number not known)"] == "figures/roc.png"
    assert status.loc["2304.06745", "FPGA resources per model (number not known)"] == "made"
    asic = status.loc["2304.06745", "ASIC figures (number not known)"]
    assert asic == "not in this run: no design of it has area_um2", "published figures are not ours"
    assert status.loc["2405.00645", "Fig. 3"] == "not in this run: the run makes nothing that it shows"
    assert (
        status.loc["2405.00645", "Table I"]
        == "not in this run: none of its models is in run.models (tables.hgq.rows may name them)"
    )
    assert status.loc["2405.00645", "Table II"].startswith("not reproducible: ")
    assert (
        status.str.match(r"made|not in this run: |not reproducible: ").all()
        and (table.file.notna() == status.str.startswith("made")).all()
    )
