"""Tables: what was not measured stays empty, and replicas are averaged."""

import numpy as np
import pandas as pd
import pytest

from nanotrigger.results.checks import problems
from nanotrigger.results.metrics import classification
from nanotrigger.results.tables import HARDWARE_COLUMNS, formatted, integers, summary_table


def models(**changes):
    rows = [
        {"model": "a", "seed": s, "accuracy": a, "accuracy_low": a - 0.01, "accuracy_high": a + 0.01, "ebops": e}
        for s, a, e in ((0, 0.70, 100), (1, 0.72, 300))
    ]
    return pd.DataFrame(rows).assign(bops_hawq=5000.5, qonnx_vectors=10, qonnx_mismatches=0).assign(**changes)


def hardware(**changes):
    common = {"flow": "rtl", "stage": "logic_synthesis", "status": "done", "vectors": 10, "mismatches": 0}
    rows = [{"model": "a", "seed": s, "lut": n, **common} for s, n in ((0, 40), (1, 60))]
    return pd.DataFrame(rows).reindex(columns=HARDWARE_COLUMNS).assign(**changes)


def accuracies():
    """The table over seeds, whose interval is not the mean, nor the outermost, of the seeds' own."""
    return pd.DataFrame([{"model": "a", "seeds": 2, "accuracy": 0.71, "accuracy_low": 0.6, "accuracy_high": 0.8}])


def test_replicas_are_averaged():
    (row,) = summary_table(models(), hardware(), accuracies()).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.71) and row["lut"] == 50 and row["ebops"] == 200
    assert row["seeds"] == 2 and row["accuracy_low"] == 0.6 and row["accuracy_high"] == 0.8
    assert row["mismatches"] == 0 and row["vectors"] == 20


def test_every_seeds_status_is_shown():
    (row,) = summary_table(models(), hardware(status=["done", "tool failed"]), accuracies()).to_dict("records")
    assert row["status"] == "done; tool failed"


def test_a_run_without_flows_has_a_summary():
    (row,) = summary_table(models(), pd.DataFrame(columns=HARDWARE_COLUMNS), accuracies()).to_dict("records")
    assert row["model"] == "a" and row["ebops"] == 200 and pd.isna(row["lut"])


def test_what_was_not_run_is_empty():
    designs = hardware(lut=np.nan, mismatches=np.nan, vectors=np.nan, status="not run: large")
    table = summary_table(models(), designs, accuracies())
    (row,) = table.to_dict("records")
    assert pd.isna(row["mismatches"]) and pd.isna(row["lut"])
    assert formatted(table).loc[0, "mismatches"] == "" and formatted(table).loc[0, "status"] == "not run: large"


def test_models_without_labels_have_no_accuracy():
    table = summary_table(models(), hardware(), accuracies().iloc[:0])
    assert table[["seeds", "accuracy", "accuracy_low", "accuracy_high"]].isna().all(axis=None) and len(table) == 1


def test_counts_are_whole_beside_empty_cells():
    text = integers(pd.DataFrame({"lut": [12.0, np.nan], "bops_hawq": [1.5, 2.0]})).to_csv(index=False)
    assert text == "lut,bops_hawq\n12,1.5\n,2.0\n"


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"models": models(qonnx_mismatches=3)}, "a, seed 0: 3 of 10 jets differ in the QONNX file"),
        ({"models": models().assign(accuracy=0.5)}, "outside its own interval"),
        ({"models": models().assign(accuracy=0.1, accuracy_low=0.09, accuracy_high=0.11)}, "no better than a guess"),
        ({"hardware": hardware(mismatches=2)}, "a, seed 0, rtl: 2 of 10 jets differ"),
        ({"hardware": hardware(vectors=np.nan)}, "was not emulated"),
        (
            {"hardware": hardware(netlist_mismatches=3, netlist_vectors=7)},
            "a, seed 0, rtl: the netlist differs in 3 of 7",
        ),
        ({"hardware": hardware(lut=0)}, "without logic"),
    ],
)
def test_a_run_that_does_not_hold_is_found(changed, message):
    tables = {"models": models(), "hardware": hardware()}
    assert problems(**tables) == []
    assert any(message in line for line in problems(**{**tables, **changed}))


def test_metrics_of_a_classifier():
    """Accuracy and its interval by resampling the jets; the areas by counting pairs."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 500)
    logits = rng.normal(size=(500, 5)) + 1.5 * np.eye(5)[y]
    found = classification(logits, y)
    right = logits.argmax(1) == y
    assert found["accuracy"] == right.mean()
    drawn = np.quantile(right[rng.integers(0, 500, (20000, 500))].mean(1), [0.025, 0.975])
    assert [found["accuracy_low"], found["accuracy_high"]] == pytest.approx(drawn, abs=1.01 / 500)
    # area under the curve: the share of pairs in which the signal jet scores higher
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    pairs = scores[y == 0, 0][:, None] - scores[y != 0, 0][None]
    assert found["auc_g"] == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    assert found["auc_g_low"] < found["auc_g"] < found["auc_g_high"]
