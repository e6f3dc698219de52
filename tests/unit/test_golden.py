"""The golden check: label order, standardisation and jets are the papers', or it says so."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from published_sets import arff
from test_published_sets import HEADER

from nanotrigger.config import DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.golden import MODELS_TABLE, correct_jets, golden, tutorial_test_jets
from nanotrigger.data.make import make_dataset
from nanotrigger.data.sources import golden_rows
from nanotrigger.errors import DataError
from nanotrigger.results.records import sha256

PLACES = [folder / "shared/models/qkeras_jettagging.onnx" for folder in Path(__file__).parents]
MODEL = next((place for place in PLACES if place.is_file()), PLACES[3])
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="the public model of ../shared is not here")
ORDER = ("g", "q", "t", "w", "z")
JETS = 4000
SCALE, SHIFT = 10.0 ** np.arange(-8, 8), np.arange(16)


def predicted(x):
    """The model by hand, in numpy: letters for standardised jets (jets, 16), from the file's numbers alone."""
    graph = onnx.load(MODEL).graph
    values = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in graph.initializer}
    values[graph.input[0].name] = x.astype(np.float64)
    for node in graph.node:
        a = [values[name] for name in node.input]
        if node.op_type == "Quant":
            keys = {k.name: k for k in node.attribute}
            signed, narrow = keys["signed"].i, keys["narrow"].i
            low = -(2 ** (a[3] - 1)) + narrow if signed else 0
            high = 2 ** (a[3] - 1) - 1 if signed else 2 ** a[3] - 1
            assert keys["rounding_mode"].s == b"ROUND"
            values[node.output[0]] = a[1] * (np.clip(np.round(a[0] / a[1] + a[2]), low, high) - a[2])
            continue
        assert node.op_type in ("MatMul", "Add", "Relu", "Softmax")
        if node.op_type == "MatMul":
            result = a[0] @ a[1]
        elif node.op_type == "Add":
            result = a[0] + a[1]
        elif node.op_type == "Relu":
            result = np.maximum(a[0], 0)
        else:
            result = np.exp(a[0] - a[0].max(1, keepdims=True))
        values[node.output[0]] = result
    return np.array(ORDER)[values[graph.output[0].name].argmax(1)]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """An OpenML file whose test jets have the class that the model gives them, but for 37 of the 800.

    Features are of very different sizes, as real ones are. Gives the folder, and how many are right.
    """
    folder = tmp_path_factory.mktemp("golden")
    rng = np.random.default_rng(3)
    x = ((rng.normal(size=(JETS, 16)) * 2 + SHIFT) * SCALE).astype(np.float32).astype(np.float64)
    letters = np.array(CLASSES)[np.arange(JETS) % 5]
    number = np.arange(JETS)
    _, standardised, test = tutorial_test_jets(x, number)
    # the standardisation by hand: all other jets, double precision, population variance
    others = np.delete(x, test, axis=0)
    by_hand = ((x[test] - others.mean(0)) / np.sqrt(((others - others.mean(0)) ** 2).mean(0))).astype(np.float32)
    np.testing.assert_allclose(standardised, by_hand, rtol=1e-5, atol=1e-6)
    letters[test] = predicted(by_hand)
    wrong = test[:37]
    letters[wrong] = np.array(CLASSES)[[(CLASSES.index(letter) + 1) % 5 for letter in letters[wrong]]]
    (folder / "jets.arff").write_bytes(arff(content=(x, letters))[0])
    row = f"openml_42468,1,jets.arff,arff,all,,,,,,,{JETS},,,,\n"
    (folder / "datasets.csv").write_text(HEADER + row)
    make_dataset(stanza(), str(folder / "jets.arff"), folder / "d.h5", folder / "datasets.csv")
    return folder, 800 - 37


def stanza(**keys):
    return DownloadedDataset(source="download", name="openml_42468", **keys)


def models(folder, correct, jets=800, digest=None, classes=ORDER):
    """A table of models with other numbers than the published ones."""
    path = folder / "models.csv"
    table = pd.read_csv(MODELS_TABLE, dtype=str)
    urls = {"url": "http://127.0.0.1:9/model", "mirror": ""}
    facts = {"correct": correct, "test_jets": jets, "sha256": digest or table.sha256, "classes": " ".join(classes)}
    table.assign(**facts, **urls).to_csv(path, index=False)
    return path


def run(folder, table, of=None, **keys):
    inputs = SimpleNamespace(jets=[str(folder / "jets.arff")], data=str(folder / keys.pop("data", "d.h5")))
    golden(of or stanza(golden_model=str(MODEL)), inputs, folder / "golden.csv", table, folder / "datasets.csv", **keys)
    return pd.read_csv(folder / "golden.csv").iloc[0]


@needs_model
def test_the_published_score_is_reproduced(published):
    folder, correct = published
    row = run(folder, models(folder, correct))
    assert (row.correct, row.expected_correct, row.test_jets, row.status) == (
        correct,
        correct,
        800,
        "reproduced exactly",
    )


@needs_model
@pytest.mark.parametrize("difference", [-1, 1])
def test_any_other_number_is_refused(published, difference):
    folder, correct = published
    (folder / "golden.csv").unlink(missing_ok=True)
    with pytest.raises(
        DataError, match=f"is right in {correct} of 800 test jets .* published are {correct + difference}"
    ):
        run(folder, models(folder, correct + difference))
    assert not (folder / "golden.csv").exists()


@needs_model
def test_what_is_not_as_published_gives_another_number(published):
    """The order of the classes, of the features, and the standardisation: with any of them wrong the score is another."""
    folder, correct = published
    with pytest.raises(DataError, match="is right in"):
        run(folder, models(folder, correct, classes=CLASSES))
    from nanotrigger.data.formats import read_arff
    from nanotrigger.data.sources import dataset_files

    x, y = read_arff(dataset_files("openml_42468", folder / "datasets.csv")[0], folder / "jets.arff")
    raw, standardised, test = tutorial_test_jets(x, y)
    assert correct_jets(MODEL, standardised, test, ORDER) == correct
    assert correct_jets(MODEL, standardised[:, ::-1], test, ORDER) < correct
    assert correct_jets(MODEL, raw.astype(np.float32), test, ORDER) < correct
    own = ((raw - raw[:100].mean(0)) / raw[:100].std(0)).astype(np.float32)
    assert correct_jets(MODEL, own, test, ORDER) < correct
    with pytest.raises(DataError, match="are no order of"):
        correct_jets(MODEL, standardised, test, ("g", "q"))


@needs_model
def test_a_dataset_with_other_test_jets_is_refused(published):
    folder, correct = published
    splits = {"scheme": "stratified"}
    make_dataset(stanza(splits=splits), str(folder / "jets.arff"), folder / "other.h5", folder / "datasets.csv")
    with pytest.raises(DataError, match=r"other\.h5: its test jets are not the 800 of openml_42468"):
        run(folder, models(folder, correct), data="other.h5")


@pytest.mark.parametrize(
    "of, reason",
    [
        (None, "the run has no dataset"),
        (PythiaDataset(source="pythia", jets=500), "the run's jets are generated"),
        (stanza(jets=1000), "a subset or another split of openml_42468"),
        (stanza(splits={"scheme": "stratified"}), "a subset or another split of openml_42468"),
        (
            DownloadedDataset(source="download", name="cernbox"),
            "the run's jets are cernbox, the score is of openml_42468",
        ),
    ],
)
def test_without_the_data_it_says_why_it_did_not_run(tmp_path, of, reason):
    golden(of, SimpleNamespace(), tmp_path / "golden.csv")
    row = pd.read_csv(tmp_path / "golden.csv").iloc[0]
    assert row.status.startswith(f"not run: {reason}" if "subset" not in reason else "not run: the run uses a subset")
    assert (row.expected_correct, row.test_jets) == (126487, 166000) and pd.isna(row.correct) and pd.isna(row.accuracy)


def test_without_the_model_it_says_why_it_did_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nanotrigger.data.download.time.sleep", lambda _: None)
    inputs = SimpleNamespace(jets=["absent"], data="absent")
    tables = models(tmp_path, 3), tmp_path / "datasets.csv"
    golden(stanza(), inputs, tmp_path / "golden.csv", *tables, downloads=tmp_path / "models")
    row = pd.read_csv(tmp_path / "golden.csv").iloc[0]
    assert (
        row.status.startswith("not run: qkeras_jettagging.onnx could not be downloaded")
        and "golden_model" in row.status
    )
    assert "no source gave it" in capsys.readouterr().out
    assert pd.isna(row.correct) and not (tmp_path / "datasets.lock.json").exists()


@needs_model
def test_another_model_than_the_published_one_is_not_run(published, tmp_path):
    folder, correct = published
    (tmp_path / "mine.onnx").write_bytes(MODEL.read_bytes()[:-1] + b"x")
    row = run(folder, models(folder, correct), of=stanza(golden_model=str(tmp_path / "mine.onnx")))
    assert row.status.startswith("not run: ") and "its sha256 is" in row.status and pd.isna(row.correct)


@needs_model
def test_the_table_names_the_public_file():
    (row,) = golden_rows("openml_42468", MODELS_TABLE)
    assert row["sha256"] == sha256(MODEL) and row["source"].size == MODEL.stat().st_size
    assert row["correct"] / row["test_jets"] == pytest.approx(0.7619698795180723, abs=1e-16)
    assert row["classes"] == ORDER and len(FEATURES) == 16
