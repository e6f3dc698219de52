"""Dataset files: whole or absent, split without leaks, and every kind of bad jet named."""

import h5py
import numpy as np
import pytest

from nanotrigger.data.classes import FEATURES
from nanotrigger.data.dataset import Split, read_dataset, write_dataset
from nanotrigger.data.splits import split_jets
from nanotrigger.errors import DataError
from nanotrigger.results.records import read_json, replace_when_whole, write_json


@pytest.fixture
def jets():
    rng = np.random.default_rng(0)
    return rng.normal(5, 3, (500, 16)).astype(np.float32), np.tile(np.arange(5, dtype=np.int8), 100)


def test_round_trip(jets, tmp_path):
    splits = split_jets(*jets, 0.2, 0.25, 3)
    write_dataset(tmp_path / "d.h5", splits, {"source": "test", "stanza": {"a": 1}})
    data = read_dataset(tmp_path / "d.h5")
    for name, part in splits.items():
        np.testing.assert_array_equal(getattr(data, name).x, part.x)
        np.testing.assert_array_equal(getattr(data, name).y, part.y)
    assert data.source == "test"


def test_splits_are_stratified_and_disjoint(jets):
    x, y = jets
    marked = x.copy()
    marked[:, 0] = np.arange(len(x))
    splits = split_jets(marked, y, 0.2, 0.25, 3)
    assert [len(splits[s].x) for s in ("train", "val", "test")] == [300, 100, 100]
    for part in splits.values():
        assert len(set(np.bincount(part.y))) == 1, "each class has the same share of every split"
    assert sorted(np.concatenate([p.x[:, 0] for p in splits.values()])) == list(range(500))


def test_standardisation_uses_the_train_split_alone(jets, tmp_path):
    splits = split_jets(*jets, 0.2, 0.25, 3)
    splits["test"] = Split(splits["test"].x + 100, splits["test"].y)
    write_dataset(tmp_path / "d.h5", splits, {"source": "test"})
    data = read_dataset(tmp_path / "d.h5")
    train = data.standardised("train").x
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-5)
    assert data.standardised("test").x.mean() > 20


def broken(jets, kind):
    splits = split_jets(*jets, 0.2, 0.25, 3)
    x, y = splits["train"].x.copy(), splits["train"].y.copy()
    if kind == "nan":
        x[3, 1] = x[7, 2] = np.nan
    elif kind == "constant":
        x[:, 4] = 1.0
    elif kind == "label":
        y[5] = 9
    elif kind == "class":
        x, y = x[y != 2], y[y != 2]
    elif kind == "empty":
        x, y = x[:0], y[:0]
    elif kind == "columns":
        x = x[:, :15]
    return {**splits, "train": Split(x, y)}


@pytest.mark.parametrize(
    "kind, message",
    [
        ("nan", rf"d\.h5 split train: 2 of 300 jets have NaN .*{FEATURES[1]}, {FEATURES[2]}"),
        ("constant", f"constant in the train split: {FEATURES[4]}"),
        ("label", r"split train: 1 labels are outside 0\.\.4"),
        ("class", "no w jets in the train split"),
        ("empty", "the train split is empty"),
        ("columns", "expected 16 features per jet"),
    ],
)
def test_bad_jets_are_named_and_nothing_is_written(jets, tmp_path, kind, message):
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path / "d.h5", broken(jets, kind), {"source": "test"})
    assert not list(tmp_path.iterdir())


def test_too_few_jets_to_split(jets):
    x, y = jets
    with pytest.raises(DataError, match="cannot be split"):
        split_jets(x[:7], y[:7], 0.2, 0.25, 3)


def test_damaged_files_are_named(jets, tmp_path):
    path = tmp_path / "d.h5"
    write_dataset(path, split_jets(*jets, 0.2, 0.25, 3), {"source": "test"})
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"not HDF5", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"d\.h5: not a readable dataset"):
            read_dataset(path)
    start = whole.index(split_jets(*jets, 0.2, 0.25, 3)["test"].x.tobytes()[:64])
    path.write_bytes(whole[:start] + bytes(8) + whole[start + 8 :])
    with pytest.raises(DataError, match=r"d\.h5"):
        read_dataset(path)
    with h5py.File(path, "w") as file:
        file.attrs["features"] = ["a"]
    with pytest.raises(DataError, match=r"d\.h5"):
        read_dataset(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    with pytest.raises(RuntimeError), replace_when_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1} and [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "r.json").write_text('{"a": ')
    with pytest.raises(Exception, match=r"r\.json: cannot be read"):
        read_json(tmp_path / "r.json")
