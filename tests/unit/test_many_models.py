"""Tables, figures and report of more models than one can look at."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanotrigger.plots import training_curves
from nanotrigger.plots._style import evenly
from nanotrigger.report.designs import links
from nanotrigger.report.source import PAGES, Source
from nanotrigger.report.tables import stored
from nanotrigger.results.estimates import fit_power_law, left_out

NAMES = [f"m{i:03d}" for i in range(PAGES + 50)]


@pytest.fixture
def source(tmp_path):
    """A run whose last models are the most accurate, and whose first one alone is on a front."""
    tables = tmp_path / "tables"
    tables.mkdir()
    accuracy = np.linspace(0.5, 0.7, len(NAMES))
    pd.DataFrame({"model": NAMES, "val_accuracy": accuracy}).to_csv(tables / "accuracies.csv", index=False)
    fronts = pd.DataFrame({"model": NAMES, "val_accuracy": accuracy, "on_front": [n == NAMES[0] for n in NAMES]})
    fronts.to_csv(tables / "fronts.csv", index=False)
    rows = [{"model": name, "flow": "rtl", "lut": 7} for name in (*NAMES, "published")]
    pd.DataFrame(rows).to_csv(tables / "summary.csv", index=False)
    plan = SimpleNamespace(models=dict.fromkeys(NAMES))
    return Source.of(plan, tmp_path, tables.iterdir())


def test_a_report_has_pages_of_the_fronts_and_of_the_most_accurate_models(source):
    assert source.paged == (NAMES[0], *NAMES[-(PAGES - 1) :])
    link = links(source)
    assert link("model", NAMES[0]) == f"#model-{NAMES[0]}" and link("model", NAMES[1]) is None


def test_its_tables_have_their_rows_and_say_so(source):
    table = stored(source, "summary", "Summary")
    assert [row.cells[0].text for row in table.rows] == [*source.paged, "published"]
    assert f"{PAGES + 1} of {len(NAMES) + 1} rows" in table.text and "has all" in table.text
    assert table.file[0] == "summary.csv"


def test_few_models_all_have_pages(source):
    few = Source.of(SimpleNamespace(models=dict.fromkeys(NAMES[:PAGES])), source.results, [])
    assert few.paged == tuple(NAMES[:PAGES])


@pytest.mark.parametrize("count", [1, 2, 11, 12, 13, 100, 1000])
def test_what_is_shown_is_spread_over_all(count):
    shown = evenly(range(count), 12)
    assert shown == sorted(set(shown)) and len(shown) == min(count, 12)
    assert shown[0] == 0 and shown[-1] == count - 1
    assert np.ptp(np.diff(shown)) <= 1 if len(shown) > 1 else True


def test_histories_are_those_of_their_files(tmp_path):
    """Of methods that note different things, in the run's order; a model from elsewhere has none."""
    texts = [
        "epoch,val_accuracy\n1,0.25\n2,0.5\n",
        "epoch,val_accuracy,beta\n1,0.125,3e-06\n",
        "epoch,val_accuracy\n",
        texts_of(3),
    ]
    paths, single = [], []
    for i, text in enumerate(texts):
        path = tmp_path / f"m{i}/seed{i}/history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        paths.append(str(path))
        if len(table := pd.read_csv(path)):
            single.append(table.assign(model=f"m{i}", seed=i))
    found, expected = training_curves.histories(paths), pd.concat(single)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected[list(found)].reset_index(drop=True))


def texts_of(epochs):
    return "epoch,val_accuracy\n" + "".join(f"{e},{1 / (e + 1)!r}\n" for e in range(epochs))


def test_a_law_without_a_model_is_one_fitted_to_the_others():
    rng = np.random.default_rng(3)
    designs = pd.DataFrame({"model": rng.choice(list("abcdef"), 40), "ebops": np.exp(rng.uniform(5, 11, 40))})
    designs["lut"] = designs.ebops**0.9 * np.exp(rng.normal(size=40, scale=0.3))
    found = left_out(designs)
    for model, rows in designs.groupby("model"):
        others = designs[designs.model != model]
        law = fit_power_law(others.ebops, others.lut)
        assert found[rows.index].to_numpy() == pytest.approx(law(rows.ebops), rel=1e-9)
