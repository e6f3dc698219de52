"""The published sets: read by column name, divided as the papers divide them, and every kind of bad jet named."""

import json
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from published_sets import JET_COLUMNS, PARTICLE_COLUMNS, archive, arff, hdf5_jets, hdf5_table, jets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from nanotrigger.config import DownloadedDataset, load_config
from nanotrigger.data.chunks import write_chunk
from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.dataset import read_dataset
from nanotrigger.data.formats import read_archive, read_arff, read_table
from nanotrigger.data.make import make_dataset
from nanotrigger.data.sources import PublishedFile, dataset_files, published_files
from nanotrigger.data.splits import archive_rows, published_rows, repeated_jets, subset_rows
from nanotrigger.data.summary import dataset_table
from nanotrigger.errors import ConfigError, DataError

HEADER = (
    "name,version,file,format,part,url,mirror,description,size,md5,sha256,events,max_files,max_gb,licence,citation\n"
)
LIMITS = {"max_files": 20, "max_bytes": 10**8}


def source(form="arff", **keys):
    return PublishedFile("few", "jets", form, **{**LIMITS, **keys})


@pytest.fixture
def table(tmp_path):
    """The real table, with small numbers of jets."""

    def table(**events):
        rows = [
            f"openml_42468,1,jets.arff,arff,all,,,,,,,{events.get('openml', 100)},,,,",
            f"cernbox,1,jets.z,table,all,,,,,,,{events.get('cernbox', 100)},,,,",
            f"zenodo_3602260,1,train.tar.gz,archive,train,,,,,,,{events.get('train', 60)},20,1,,",
            f"zenodo_3602260,1,val.tar.gz,archive,test,,,,,,,{events.get('test', 30)},20,1,,",
        ]
        path = tmp_path / "datasets.csv"
        path.write_text(HEADER + "\n".join(rows) + "\n")
        return path

    return table


def stanza(name, **keys):
    return DownloadedDataset(source="download", name=name, **keys)


# --- formats


def test_arff_is_read_by_column_name_and_exactly(tmp_path):
    """The numbers are those that scipy's reader gives, to the last bit."""
    from scipy.io.arff import loadarff

    shuffled = tuple(reversed(FEATURES))
    values = np.random.default_rng(0).normal(size=(40, 16)) * 10.0 ** np.arange(-8, 8)
    body, _ = arff(40, columns=shuffled, content=(values, jets(40)[1]))
    (tmp_path / "jets").write_bytes(body)
    x, y = read_arff(source(), tmp_path / "jets")
    np.testing.assert_array_equal(x, values[:, ::-1])
    assert x.dtype == np.float64 and [CLASSES[i] for i in y[:5]] == list("gqtwz")
    records, _ = loadarff(tmp_path / "jets")
    np.testing.assert_array_equal(x, np.stack([records[name] for name in FEATURES], 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("REAL", "NUMERIC"),
        lambda text: text.replace("@ATTRIBUTE zlogz", "@attribute 'zlogz'"),
        lambda text: text.replace("zlogz", "j_zlogz"),
        lambda text: text.replace(",g\n", ", 'g'\n"),
    ],
)
def test_other_spellings_of_arff(tmp_path, change):
    body, x = arff()
    (tmp_path / "jets").write_text(change(body.decode()))
    np.testing.assert_array_equal(read_arff(source(), tmp_path / "jets")[0], x)


@pytest.mark.parametrize(
    "content, message",
    [
        (arff(columns=FEATURES[:14])[0], f"2 columns of few are missing or have other names: {FEATURES[14]}, {FEATURES[15]}"),
        (arff(labels="gqtwx")[0], r"jets: 4 jets have labels other than g/q/w/z/t: \['x'\]"),
        (arff(spoil=lambda line: line.rpartition(",")[0] + ",?")[0], "1 jets have labels other than"),
        (arff(spoil=lambda line: "x" + line)[0], "are not understood"),
        (arff(spoil=lambda line: line + ",1,2")[0], "are not understood .*Expected 17 fields in line 20, saw 19"),
        (arff(1, spoil=lambda line: line + ",1")[0], "a line has 18 values, there are 17 columns"),
        (arff()[0].replace(b"zlogz REAL", b"zlogz STRING"), "column zlogz is of type STRING"),
        (b"<html>an error page</html>", "not an ARFF file"),
        (b"", "not an ARFF file"),
        (arff()[0].partition(b"@DATA")[0], "not an ARFF file"),
    ],
)  # fmt: skip
def test_bad_arff_is_named(tmp_path, content, message):
    (tmp_path / "jets").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_arff(source(), tmp_path / "jets")


def test_a_table_of_particles_is_one_of_jets(tmp_path):
    """Every jet stands three times in it, once for each particle; columns are in another order."""
    (tmp_path / "jets").write_bytes(hdf5_table(50, repeats=3))
    x, y, repeated = read_table(source("table"), tmp_path / "jets")
    expected, letters = jets(50)
    np.testing.assert_array_equal(x, expected)
    assert [CLASSES[i] for i in y] == list(letters) and repeated == 100


def test_blocks_of_a_table_are_one(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.data.formats.BLOCK", 7)
    test_a_table_of_particles_is_one_of_jets(tmp_path)


def altered(name, value):
    def change(block):
        block[name][:3] = value
        return block

    return change


@pytest.mark.parametrize(
    "content, message",
    [
        (hdf5_table(table="t_allpar"), "holds no table t_allpar_new, but t_allpar"),
        (hdf5_table(change=altered("j_g", 1)), "2 of 20 jets are not of exactly one of the classes .* is row 1"),
        (hdf5_table(change=altered("j_t", 0.5)), "3 of 20 jets are not of exactly one"),
        (hdf5_table()[:3000], "not a whole HDF5 file"),
        (b"", "not a whole HDF5 file"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, message):
    (tmp_path / "jets").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(source("table"), tmp_path / "jets")


def test_archives_give_jets_by_column_name_and_constituents(tmp_path):
    body, x = archive({"train/b.h5": 30, "train/a.h5": 20})
    (tmp_path / "jets").write_bytes(body)
    seen = []
    found, y = read_archive(source("archive"), tmp_path / "jets", lambda c, names: seen.append((c.shape, names)))
    np.testing.assert_array_equal(found, x)
    assert [CLASSES[i] for i in y] == list("gqtwz" * 10)
    assert seen == [((30, 12, 16), list(PARTICLE_COLUMNS[:16])), ((20, 12, 16), list(PARTICLE_COLUMNS[:16]))]
    assert [p.name for p in tmp_path.iterdir()] == ["jets"], "nothing stays unpacked"


@pytest.mark.parametrize(
    "keys, message",
    [
        (
            {"columns": tuple(c.replace("mmdt", "sd") for c in JET_COLUMNS)},
            r"file train/a.h5: 14 columns of few are missing",
        ),
        ({"columns": JET_COLUMNS[:54]}, r"4 columns of few are missing or have other names: q, w, z, t"),
        (
            {"change": lambda t: t.__setitem__((2, 53), 0.5)},
            r"jets file train/a.h5: 1 of 20 jets are not of exactly one",
        ),
    ],
)
def test_bad_archives_are_named(tmp_path, keys, message):
    (tmp_path / "jets").write_bytes(archive({"train/a.h5": 20}, **keys)[0])
    with pytest.raises(DataError, match=message):
        read_archive(source("archive"), tmp_path / "jets")
    assert [p.name for p in tmp_path.iterdir()] == ["jets"]


def test_the_columns_of_the_fixture_are_those_of_the_published_code():
    """Every published loader of these archives takes these columns by number, and the labels from the end."""
    numbers = [12, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 48, 52]
    assert [JET_COLUMNS[i].removeprefix("j_") for i in numbers] == list(FEATURES)
    assert [c.removeprefix("j_") for c in JET_COLUMNS[-6:-1]] == list(CLASSES)


# --- splits


def test_the_published_split_of_openml_is_that_of_the_tutorial():
    """664,000 and 166,000, of which Keras' validation_split=0.25 takes the last quarter of the first."""
    rows = published_rows(830_000, 0.25)
    assert {name: len(of) for name, of in rows.items()} == {"train": 498_000, "val": 166_000, "test": 166_000}
    x = np.arange(830_000)
    train_val, test, _, _ = train_test_split(x, x, test_size=0.2, random_state=42)
    np.testing.assert_array_equal(rows["test"], test)
    np.testing.assert_array_equal(np.concatenate([rows["train"], rows["val"]]), train_val)
    assert sorted(np.concatenate(list(rows.values()))) == list(x)


def test_archives_keep_their_own_test_jets():
    rows = archive_rows(1000, 300, 0.25, 42)
    np.testing.assert_array_equal(rows["test"], np.arange(1000, 1300))
    assert len(rows["val"]) == 250 and sorted([*rows["train"], *rows["val"]]) == list(range(1000))
    assert (np.diff(rows["val"]) > 0).all() and (np.diff(rows["train"]) > 0).all()


def test_a_subset_is_a_part_of_each_split():
    rows = published_rows(1000, 0.25)
    part = subset_rows(rows, 333, 0)
    assert sum(map(len, part.values())) == 333
    for name, of in part.items():
        assert set(of) <= set(rows[name]) and abs(len(of) - len(rows[name]) / 3) <= 1
    with pytest.raises(DataError, match="a subset of 1001 jets was asked for, the set has 1000"):
        subset_rows(rows, 1001, 0)


def test_repeated_jets_are_counted_exactly():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(500, 16)).astype(np.float32), rng.normal(size=(200, 16)).astype(np.float32)
    assert repeated_jets(train, test) == 0
    test[[3, 50]] = train[[7, 7]]
    test[9] = train[8]
    test[9, 15] = np.nextafter(test[9, 15], np.float32(9))
    train[1, 4], test[60] = 0.0, train[1]
    test[60, 4] = -0.0
    assert repeated_jets(train, test) == 3
    brute = sum(any(np.array_equal(a, b) for b in train) for a in test)
    assert brute == 3


# --- datasets


def openml(tmp_path, rows=100, **keys):
    body, x = arff(rows, **keys)
    (tmp_path / "jets.arff").write_bytes(body)
    return x, np.array([CLASSES.index(letter) for letter in jets(rows)[1]])


def test_a_dataset_of_openml(tmp_path, table):
    """The papers' jets in their order, standardised by all that are not test jets, as scikit-learn does it."""
    x, y = openml(tmp_path)
    make_dataset(stanza("openml_42468"), [str(tmp_path / "jets.arff")], tmp_path / "d.h5", table())
    data = read_dataset(tmp_path / "d.h5")
    others, test, _, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    scaler = StandardScaler().fit(others)
    np.testing.assert_array_equal(data.test.x, test)
    np.testing.assert_array_equal(data.test.y, y_test)
    np.testing.assert_allclose(data.mean, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(data.std, scaler.scale_, rtol=1e-12)
    np.testing.assert_allclose(data.standardised("test").x, scaler.transform(test), atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([data.train.x, data.val.x]), others)
    with h5py.File(tmp_path / "d.h5") as file:
        assert json.loads(file.attrs["sha256"]).keys() == {"jets.arff"} and file.attrs["as_published"]
        assert file.attrs["standardised_on"] == "train and val"
    shown = dataset_table(tmp_path / "d.h5").set_index("split")
    assert list(shown.jets) == [60, 20, 20] and shown.repeated_jets["test"] == 0 and shown.jets_g.sum() == 20
    assert (shown.source == "openml_42468").all()


def test_a_subset_is_never_called_the_published_set(tmp_path, table):
    openml(tmp_path)
    make_dataset(stanza("openml_42468", jets=60), str(tmp_path / "jets.arff"), tmp_path / "d.h5", table())
    assert read_dataset(tmp_path / "d.h5").source == "60 of the 100 jets of openml_42468"
    assert [len(getattr(read_dataset(tmp_path / "d.h5"), s).y) for s in ("train", "val", "test")] == [36, 12, 12]
    with h5py.File(tmp_path / "d.h5") as file:
        assert not file.attrs["as_published"]
    assert not stanza("openml_42468", splits={"scheme": "stratified"}).as_published
    assert stanza("openml_42468").as_published


def test_datasets_of_the_other_sources(tmp_path, table):
    (tmp_path / "jets.z").write_bytes(hdf5_table(100, repeats=2))
    make_dataset(stanza("cernbox"), str(tmp_path / "jets.z"), tmp_path / "c.h5", table())
    data = read_dataset(tmp_path / "c.h5")
    np.testing.assert_array_equal(data.test.x, train_test_split(jets(100)[0], test_size=0.2, random_state=42)[1])
    with h5py.File(tmp_path / "c.h5") as file:
        assert file.attrs["repeated_rows"] == 100

    (train, x), (test, x_test) = archive({"train/a.h5": 40, "train/b.h5": 20}), archive({"val/c.h5": 30})
    (tmp_path / "train.tar.gz").write_bytes(train)
    (tmp_path / "val.tar.gz").write_bytes(test)
    name, files = "zenodo_3602260", [str(tmp_path / "train.tar.gz"), str(tmp_path / "val.tar.gz")]
    make_dataset(stanza(name, particles=8), files, tmp_path / "z.h5", table())
    data = read_dataset(tmp_path / "z.h5")
    np.testing.assert_array_equal(data.test.x, x_test)
    rows = archive_rows(60, 30, 0.25, 42)
    np.testing.assert_array_equal(data.val.x, x[rows["val"]])
    with h5py.File(tmp_path / "z.h5") as file:
        assert file["test/particles"].shape == (30, 8, 16) and list(file.attrs["particle_columns"])[5] == "j1_pt"
        every = {s: file[s]["particles"][:] for s in ("train", "val")}
    from published_sets import hash_of

    constituents = []
    for seed, (path, count) in enumerate({"train/a.h5": 40, "train/b.h5": 20}.items()):
        (tmp_path / "one.h5").write_bytes(hdf5_jets(count, hash_of(path) + seed)[0])
        with h5py.File(tmp_path / "one.h5") as file:
            constituents.append(file["jetConstituentList"][:, :8])
    for split, found in every.items():
        np.testing.assert_array_equal(found, np.concatenate(constituents)[rows[split]])
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "nothing stays behind"


def test_blocks_of_constituents_are_one(tmp_path, table, monkeypatch):
    monkeypatch.setattr("nanotrigger.data.particles.BLOCK", 7)
    test_datasets_of_the_other_sources(tmp_path, table)


def test_jets_that_the_published_set_repeats_are_counted(tmp_path, table):
    x, letters = jets(100)
    rows = published_rows(100, 0.25)
    x[rows["test"][:3]] = x[rows["val"][0]]
    openml(tmp_path, content=(x, letters))
    make_dataset(stanza("openml_42468"), str(tmp_path / "jets.arff"), tmp_path / "d.h5", table())
    assert dataset_table(tmp_path / "d.h5").set_index("split").repeated_jets["test"] == 3


def test_generated_jets_that_repeat_are_refused(tmp_path):
    """Two chunks with the same random numbers."""
    from nanotrigger.config import PythiaDataset

    x = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    repeated = np.concatenate([np.tile(x[start : start + 50], (2, 1)) for start in range(0, 250, 50)])
    generated = PythiaDataset(source="pythia", jets=500)
    rates = dict.fromkeys(("events", "in_window", "whole", "cross_section_pb", "cross_section_error_pb"), 1.0)
    chunks = {"good": [], "bad": []}
    for name, content in (("good", x), ("bad", repeated)):
        for i in range(5):
            part = SimpleNamespace(x=content[100 * i :][:100], event=np.arange(100), constituents=None)
            part.rates = {**rates, "jets_per_event": 1}
            chunks[name].append(str(tmp_path / f"{name}{i}"))
            write_chunk(Path(chunks[name][-1]), part)
    make_dataset(generated, chunks["good"], tmp_path / "d.h5")
    with pytest.raises(DataError, match=r"e\.h5: \d+ of 100 test jets are also among the train"):
        make_dataset(generated, chunks["bad"], tmp_path / "e.h5")
    assert not (tmp_path / "e.h5").exists()


def nan(line):
    return "nan" + line[line.index(",") :]


@pytest.mark.parametrize(
    "content, events, message",
    [
        (arff(100)[0], 101, r"jets.arff: holds 100 jets, openml_42468/jets.arff has 101"),
        (arff(100, spoil=nan)[0], 100, rf"jets.arff: 1 of 100 jets have NaN or infinite features \({FEATURES[0]}\)"),
        (arff(100, spoil=lambda line: "?" + line[line.index(",") :])[0], 100, "1 of 100 jets have NaN"),
        (arff(100, spoil=lambda line: "1e39" + line[line.index(",") :])[0], 100, "1 of 100 jets have NaN or infinite"),
        (arff(100)[0][:-60], 100, "labels other than|are not understood|NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_jets_are_named_and_nothing_is_written(tmp_path, table, content, events, message):
    (tmp_path / "jets.arff").write_bytes(content)
    with pytest.raises(DataError, match=message):
        make_dataset(stanza("openml_42468"), str(tmp_path / "jets.arff"), tmp_path / "d.h5", table(openml=events))
    assert not [p.name for p in tmp_path.iterdir() if p.suffix == ".h5" or p.name.startswith(".")]


def test_bad_constituents_are_named_and_nothing_is_written(tmp_path, table):
    (tmp_path / "train.tar.gz").write_bytes(archive({"train/a.h5": 60})[0])
    (tmp_path / "val.tar.gz").write_bytes(archive({"val/a.h5": 30})[0])
    files = [str(tmp_path / "train.tar.gz"), str(tmp_path / "val.tar.gz")]
    with pytest.raises(DataError, match=r"20 particles per jet were asked for, the set holds .*\(60, 12, 16\)"):
        make_dataset(stanza("zenodo_3602260", particles=20), files, tmp_path / "d.h5", table())
    with pytest.raises(DataError, match=r"val.tar.gz: holds 30 jets, .*has 31"):
        make_dataset(stanza("zenodo_3602260", particles=2), files, tmp_path / "d.h5", table(test=31))
    assert not [p.name for p in tmp_path.iterdir() if p.suffix == ".h5" or p.name.startswith(".")]


# --- the stanza


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"name": "zenodo_3602261"}, "Did you mean zenodo_360226"),
        ({"path": "absent.arff"}, "path = 'absent.arff': is not there"),
        ({"golden_model": "absent.onnx"}, "golden_model = 'absent.onnx': is not there"),
        ({"particles": 10}, "openml_42468 holds no constituents"),
        ({"name": "zenodo_3602260", "particles": 151}, "less than or equal to 150"),
        (
            {"name": "zenodo_3602260", "splits": {"scheme": "stratified"}},
            r"test jets in a file of their own\. Take published",
        ),
        ({"splits": {"test_fraction": 0.3}}, "test_fraction belongs to scheme: stratified"),
        ({"splits": {"scheme": "own"}}, "'published' or 'stratified'"),
    ],
)
def test_a_bad_stanza_is_refused(keys, message):
    run = {"name": "r", "dataset": "d", "models": ["m"], "flows": []}
    config = {
        "run": run,
        "datasets": {"d": {"source": "download", "name": "openml_42468", **keys}},
        "models": {"m": {}},
    }
    with pytest.raises(ConfigError, match=message):
        load_config(config)


def test_an_own_copy_is_a_file_or_a_folder_of_all_files(tmp_path, table):
    datasets = table()
    files, paths = published_files(stanza("zenodo_3602260"), datasets)
    assert paths == ["downloads/zenodo_3602260/train.tar.gz", "downloads/zenodo_3602260/val.tar.gz"]
    own = stanza("zenodo_3602260", path=str(tmp_path))
    (tmp_path / "train.tar.gz").touch()
    with pytest.raises(DataError, match=r"give the folder that holds them.*Missing: val.tar.gz"):
        published_files(own, datasets)
    (tmp_path / "val.tar.gz").touch()
    assert published_files(own, datasets)[1] == [str(tmp_path / f.file) for f in files]
    with pytest.raises(DataError, match="give the folder that holds them"):
        published_files(stanza("zenodo_3602260", path=str(tmp_path / "val.tar.gz")), datasets)
    (tmp_path / "mine").touch()
    assert published_files(stanza("cernbox", path=str(tmp_path / "mine")), datasets)[1] == [str(tmp_path / "mine")]
    assert published_files(None, datasets) == ([], [])
    assert [f.part for f in dataset_files("zenodo_3602260", datasets)] == ["train", "test"]
