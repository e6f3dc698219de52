"""Published figures: what the table says is what its source says, and nothing stands beside ours that must not."""

import itertools

import pandas as pd
import pytest
from conftest import ROOT, merged, read_yaml

from nanotrigger.config import DIFFERENCES, Compare, load_config
from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.plan import make_plan
from nanotrigger.results.beside import published_beside
from nanotrigger.results.comparability import (
    BINDING,
    Ours,
    active_rules,
    best_standing,
    check_rules,
    contexts,
    differences,
    our_dataset,
    same_part,
    standing,
    standings,
)
from nanotrigger.results.published import PublishedRow, published_table
from nanotrigger.results.tables import dataset_notes, footnote, printed_summary, published_rows, standings_table

CSV = ROOT / "resources/published_results.csv"
SHARED = ROOT.parent / "shared/references/published_results.csv"

VU13P = "xcvu13p-flga2577-2-e"
PLACED = Ours("openml_42468", "place_and_route", VU13P)


@pytest.fixture(scope="module")
def published():
    return published_table(CSV)


@pytest.fixture(scope="module")
def by_id(published):
    return {row["id"]: row for row in published.to_dict("records")}


def row(**changes):
    """A published row that agrees with PLACED in everything."""
    same = {
        "id": "x/y", "arxiv": "x", "model": "y", "task": "jets_features", "dataset": "openml_42468",
        "metric": "test_accuracy", "value": 0.75, "stage": "place_and_route", "part": VU13P, "bops": 100.0,
        "bops_definition": "hawq", "ebops": 100.0, "ebops_definition": "hgq2", "clock_convention": "target",
        "encoder_included": None, "confidence": "primary", "lut": 10.0, "latency_ns": 5.0,
    }  # fmt: skip
    return dict.fromkeys(PublishedRow.model_fields) | same | changes


APART = {
    "dataset": {"dataset": "cernbox"},
    "metric": {"metric": "val_accuracy"},
    "stage": {"stage": "hls_estimate"},
    "part": {"part": "xcvu9p"},
    "bops": {"bops_definition": "qonnx"},
    "ebops": {"ebops_definition": "target"},
    "clock": {"clock_convention": "achieved"},
    "encoder": {"encoder_included": "no"},
}
"""For each name a change of a row after which that, and only that, differs."""


def plan(**run):
    return make_plan(
        load_config(merged(read_yaml("config/config.yaml"), read_yaml("config/quickstart.yaml"), {"run": run}))
    )


# the table


def test_the_table_holds(published):
    assert len(published) == 280 and published.id.is_unique
    assert published.confidence.value_counts().to_dict() == {
        "secondary": 108, "primary": 104, "memory": 45, "derived": 23,
    }  # fmt: skip


@pytest.mark.parametrize(
    "column, value, message",
    [
        ("stage", "synthesis", "stage: Input should be 'estimate'"),
        ("confidence", "", "confidence: Input should be 'primary'"),
        ("value", "76.4", "a fraction is at most 1"),
        ("value", "", "one without the other says nothing"),
        ("lut", "-3", "lut: Input should be greater than or equal to 0"),
        ("clock_convention", "target", "clock_convention without latency_ns"),
        ("bops_definition", "hawq", "bops_definition without bops"),
        ("id", "2507.04535/epoch=20849", "two rows have it"),
    ],
)
def test_a_row_that_does_not_hold_is_named(tmp_path, column, value, message):
    raw = pd.read_csv(CSV, dtype=str, keep_default_na=False)
    raw.loc[raw.id == "2507.04535/epoch=50945", column] = value
    raw.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(NanotriggerError, match=message):
        published_table(tmp_path / "p.csv")


def test_an_unknown_column_is_refused(tmp_path):
    pd.read_csv(CSV, dtype=str, keep_default_na=False).assign(power="").to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(NanotriggerError, match=r"line 2 .*power: Extra inputs"):
        published_table(tmp_path / "p.csv")


@pytest.mark.skipif(not SHARED.exists(), reason="the references of ../shared are not here")
def test_every_figure_is_the_original_one(published):
    """Row by row and number by number against the notes it was made from; what they leave empty is empty here."""
    original = pd.read_csv(SHARED)
    same = {
        "lut": "lut", "ff": "ff", "dsp": "dsp", "bram": "bram36", "latency_cycles": "latency_cycles", "ebops": "ebops",
        "latency_ns": "latency_ns", "ii": "ii", "bops": "bops", "table": "source", "paper": "paper",
        "dataset": "dataset_as_stated", "accuracy_kind": "metric_as_stated", "part": "part_as_stated", "tool": "tool",
    }  # fmt: skip
    changed = set()
    for theirs, ours in same.items():
        left, right = original[theirs], published[ours]
        differ = ~((left == right) | (left.isna() & right.isna()))
        changed |= {(ours, published.id[i]) for i in published.index[differ]}
    # this one is a sum of LUT and FF: no count of LUTs
    assert changed == {("lut", "2309.02334/JSC MLP #2")}
    accuracy = published.value.where(
        ~published.metric.fillna("accuracy").str.endswith("accuracy"), published.value * 100
    )
    assert ((accuracy - original.accuracy_pct).abs().fillna(0) < 1e-9).all()
    assert (accuracy.isna() == original.accuracy_pct.isna()).all()
    # a target clock is no achieved one
    clock = published.fmax_mhz.fillna(1000 / published.clock_ns.where(published.clock_convention == "target"))
    assert ((clock == original.fmax_mhz) | original.fmax_mhz.isna()).all()
    assert ((published.confidence == "memory") == (original.source_confidence == "from_memory")).all()


def test_shares_agree_with_the_counts_that_are_known(published):
    """Of the xcvu9p, where a source has both; the one exception is the one that its caveat names."""
    both = published[published.lut_percent.notna() & published.lut.notna()]
    assert set(both.model) == {"BF", "Q6", "QE"}
    assert (100 * both.lut / 1_182_240 - both.lut_percent).abs().max() < 0.006
    wrong = both[(100 * both.dsp / 6840 - both.dsp_percent).abs() > 0.06]
    assert list(wrong.model) == ["BF"] and "26.7 %" in wrong.caveat.iloc[0]
    cycles = published[published.clock_convention == "target"]
    assert len(cycles) == 12 and (cycles.latency_ns == cycles.latency_cycles * cycles.clock_ns).all()


# differences


def test_nothing_differs_of_equal_rows():
    assert differences(PLACED, row()) == [] and standing(PLACED, row()).word == "comparable"


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_has_its_name(name):
    assert differences(PLACED, row(**APART[name])) == [name]


@pytest.mark.parametrize("name", [n for n in DIFFERENCES if n != "encoder"])
def test_what_is_not_known_differs(name):
    assert differences(PLACED, row(**dict.fromkeys(APART[name], None))) == [name]


def test_generated_jets_are_no_dataset():
    assert differences(Ours(None, "place_and_route", VU13P), row(dataset=None)) == ["dataset"]


def test_parts_agree_where_all_that_is_published_agrees():
    assert same_part(VU13P, "xcvu13p") and same_part(VU13P, "xcvu13p-2") and same_part(VU13P.upper(), VU13P)
    assert not same_part(VU13P, "xcvu13p-3") and not same_part(VU13P, "xcvu9p") and not same_part("xcvu13p", VU13P)
    assert not same_part(None, "xcvu13p") and not same_part(VU13P, None)


def everything_apart():
    return row(**{k: v for change in APART.values() for k, v in change.items()})


@pytest.mark.parametrize("size", range(1, len(DIFFERENCES) + 1))
def test_only_named_differences_are_excepted(size):
    """All sets of exceptions for a row that differs in everything: what is not named stays apart."""
    published = everything_apart()
    for despite in itertools.combinations(DIFFERENCES, size):
        rule = Compare(published="x", despite=despite, dataset="openml", reason="r")
        found = standing(PLACED, published, [rule])
        if "dataset" not in despite:
            assert found.word == "refused" and found.differs == ("dataset",)
            continue
        for column in ("value", "lut", "latency_ns", "bops", "ebops"):
            assert set(found.grey.get(column, ())) == set(BINDING[column]) - set(despite)
        assert set(found.despite) == set(despite) and found.reasons == ("r",)
        assert found.word == ("excepted" if len(despite) == len(DIFFERENCES) else "grey")


def test_a_difference_binds_only_what_depends_on_it():
    grey = standing(PLACED, row(clock_convention="achieved")).grey
    assert grey == {"latency_ns": ("clock",)}
    assert set(standing(PLACED, row(stage=None)).grey) == {"lut", "latency_ns"}
    assert standing(PLACED, row(bops_definition="qonnx"), columns=("value", "lut")).word == "comparable"


HARDWARE = {
    "lut",
    "lut_percent",
    "ff",
    "dsp",
    "dsp_percent",
    "bram36",
    "latency_cycles",
    "latency_ns",
    "ii",
    "fmax_mhz",
}
"""Columns that say what a design costs."""


@pytest.mark.parametrize(
    "change, columns",
    [
        (APART["metric"], {"value"}),
        (APART["stage"], HARDWARE),
        (APART["part"], HARDWARE),
        (APART["encoder"], HARDWARE),
        ({"encoder_included": "unknown"}, HARDWARE),
        (APART["clock"], {"latency_ns"}),
        (APART["bops"], {"bops"}),
        (APART["ebops"], {"ebops"}),
    ],
)
def test_columns_that_a_difference_greys(change, columns):
    published = row(**dict.fromkeys(HARDWARE, 1.0), **change)
    assert set(standing(PLACED, published).grey) == columns
    assert set(BINDING) == HARDWARE | {"value", "bops", "ebops"}


def test_another_task_or_kind_of_metric_is_never_excepted():
    rule = Compare(published="*", despite=DIFFERENCES, dataset="openml", reason="r")
    assert standing(PLACED, row(task="jets_particles"), [rule]).differs == ("task",)
    assert standing(PLACED, row(metric="auc"), [rule]).word == "refused"
    assert standing(PLACED, row(metric="val_accuracy"), [rule]).word == "excepted"


def test_what_was_recalled_is_never_shown(published):
    rule = Compare(published="*", despite=DIFFERENCES, dataset="openml", reason="r")
    recalled = published[published.confidence == "memory"].to_dict("records")
    for ours in (PLACED, Ours("cernbox"), Ours(None), Ours("zenodo_3602254", "logic_synthesis", "xcvu9p")):
        assert {standing(ours, r, [rule]).word for r in recalled} == {"refused"}


@pytest.mark.parametrize(
    "name, word, grey",
    [
        ("2405.00645/HGQ (best)", "grey", {"latency_ns": ("clock",)}),
        ("2507.04535/epoch=20849", "comparable", {}),
        ("2405.00645/hgq-ae ebops=13285", "grey", {"value": ("metric",), "dsp": ("stage",)}),
        ("2405.00645/HGQ", "refused", {}),  # CERNBox
        ("2512.15251/high", "refused", {}),  # a variant that is not known
        ("2006.10159/Q6", "refused", {}),
        ("2508.15468/JEDI-linear 8p x3f", "refused", {}),  # other inputs
    ],
)
def test_rows_of_the_table(by_id, name, word, grey):
    found = standing(PLACED, by_id[name])
    assert (found.word, found.grey) == (word, grey)


def test_an_encoder_that_is_left_out_is_named(by_id):
    without, whole = by_id["2512.15251/lg-2400 TEN"], by_id["2512.15251/lg-2400 PEN+FT 9-bit"]
    ours = Ours("openml_42468", "place_and_route", "xcvu9p-flgb2104-2-i")
    assert standing(ours, without).grey["lut"] == ("encoder",) and "lut" not in standing(ours, whole).grey


def test_the_nearest_of_our_designs_counts(by_id):
    found = best_standing([Ours("openml_42468", "logic_synthesis", VU13P), PLACED], by_id["2604.22293/HGQ-LUT"], [])
    assert found.grey == {"latency_ns": ("clock",)}


# a run's exceptions


def hardware(stage="logic_synthesis"):
    return pd.DataFrame([{"model": "hgq_1000", "seed": 0, "flow": "rtl", "stage": stage, "part": VU13P, "lut": 9}])


DESPITE = {"published": "HGQ-?", "despite": ["stage", "part"], "reason": "for orientation"}


def test_generated_jets_stand_alone(published):
    run = plan()
    found = standings(run, published, contexts(run, hardware()))
    assert our_dataset(run) is None and {s.word for s in found} == {"refused"}
    assert not len(published_rows(published, found)[0])
    assert "no published figure may stand beside them" in " ".join(dataset_notes(run))
    assert not len(published_beside(run, CSV, Ours(None, "logic_synthesis", VU13P), "lut"))


@pytest.mark.parametrize("change", [{"jets": 5000}, {"splits": {"scheme": "stratified"}}])
def test_a_part_of_a_published_set_is_not_the_set(published, change):
    part = {"datasets": {"part": {"source": "download", "name": "openml_42468", **change}}}
    run = make_plan(load_config(merged(read_yaml("config/config.yaml"), part, {"run": {"dataset": "part"}})))
    assert our_dataset(run) is None
    assert {s.word for s in standings(run, published, contexts(run, hardware()))} == {"refused"}
    assert "A part or another split of openml_42468: no published figure" in " ".join(dataset_notes(run))


def test_exceptions_of_another_dataset_are_not_inherited(published):
    """config.yaml excepts the dataset for openml: the quickstart, laid over it, has the rule and may not use it."""
    assert any("dataset" in rule.despite for rule in plan().config.run.compare) and active_rules(plan()) == []
    assert len(active_rules(plan(dataset="openml"))) == 1


def test_an_exception_is_named_in_the_footnote(published):
    run = plan(compare=[DESPITE | {"despite": ["dataset", "stage", "part"], "dataset": "quickstart"}])
    rows, found = published_rows(published, standings(run, published, contexts(run, hardware())))
    assert list(rows.model) == [f"HGQ-{i}" for i in range(1, 7)]
    assert {footnote(s) for s in found} == {"Compared despite dataset, stage, part (run.compare: for orientation)."}
    assert "published figures are of other jets" in " ".join(dataset_notes(run))
    table = standings_table(published, standings(run, published, contexts(run, hardware())))
    assert set(table[table.standing == "excepted"].despite) == {"dataset, stage, part"}


def test_an_exception_for_the_hardware_does_not_except_the_dataset(published):
    run = plan(compare=[DESPITE])
    assert {s.word for s in standings(run, published, contexts(run, hardware()))} == {"refused"}


@pytest.mark.parametrize(
    "rule, message",
    [
        (DESPITE | {"despite": ["dataset"]}, r"run.compare.0.*name the key of datasets"),
        (DESPITE | {"despite": ["dataset"], "dataset": "opnml"}, r"run.compare\[0\].dataset: 'opnml' .*mean openml"),
        (DESPITE | {"despite": ["colour"]}, r"run.compare.0.despite.0 = 'colour'"),
        (DESPITE | {"despite": []}, r"run.compare.0.despite"),
        (DESPITE | {"published": "HQG*"}, r"run.compare\[0\].published = 'HQG\*': no row"),
        (DESPITE | {"published": "HGQ-c1"}, r"only recalled"),
    ],
)
def test_exceptions_that_cannot_be(published, rule, message):
    with pytest.raises(ConfigError, match=message):
        check_rules(plan(compare=[rule]), published)


def test_the_summary_greys_what_is_not_comparable(published):
    run = plan(dataset="openml")
    ours = pd.DataFrame([{"model": "hgq_1000", "flow": "rtl", "accuracy": 0.7, "lut": 9.0, "stage": "logic_synthesis"}])
    found = standings(run, published, contexts(run, hardware()))
    rows, shown = published_rows(published, found)
    printed = printed_summary(ours, rows, shown, [])
    by_name = {cells[0].text: dict(zip(printed.header, cells, strict=True)) for cells in printed.rows}
    best = by_name["HGQ (best)"]
    assert best["lut"].grey and best["lut"].text == "10182" and not best["accuracy"].grey
    assert best["accuracy"].text == "0.769", "not more digits than were published"
    assert by_name["hgq-ae ebops=530"]["accuracy"].grey
    assert not any(cell.grey for cell in printed.rows[0]) and printed.rules == {1}
    assert printed.marked[best["model"].mark] == "Not comparable (stage, clock: different, or not stated)."
    assert rows.set_index("model").differs["HGQ (best)"].startswith("latency_ns: stage, clock; ii: stage; lut: stage; ")


def test_points_of_a_figure():
    """Beside placed designs on the same part two rows are comparable; the others are grey and say why."""
    found = published_beside(plan(dataset="openml"), CSV, PLACED, "lut").set_index("id")
    assert set(found.index[found.standing == "comparable"]) == {"2405.00645/HGQ (best)", "2604.22293/HGQ-LUT"}
    assert found.differs["2512.15251/sm-10 TEN"] == "part, encoder"
    rule = {"published": "2512.15251", "despite": ["part"], "reason": "r"}
    excepted = published_beside(plan(dataset="openml", compare=[rule]), CSV, PLACED, "lut").set_index("id")
    assert excepted.standing["2512.15251/md-360 PEN+FT 9-bit"] == "excepted"
    assert excepted.standing["2512.15251/sm-10 TEN"] == "grey" and excepted.differs["2512.15251/sm-10 TEN"] == "encoder"


def test_another_definition_is_another_axis(tmp_path):
    raw = pd.read_csv(CSV, dtype=str, keep_default_na=False)
    here = raw.id == "2507.04535/epoch=20849"
    raw.loc[here, ["bops", "bops_definition"]] = ["1000", "qonnx"]
    raw.to_csv(tmp_path / "p.csv", index=False)
    run = plan(dataset="openml")
    counts = {
        d: len(published_beside(run, tmp_path / "p.csv", Ours("openml_42468", bops=d), "bops"))
        for d in ("hawq", "qonnx")
    }
    assert counts == {"hawq": 0, "qonnx": 1}
