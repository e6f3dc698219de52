"""Published sets through Snakemake: downloaded over the loopback or a copy of one's own, split, counted, checked."""

import json

import pandas as pd
import pytest
from loopback import Answer
from published_sets import archive, arff, hdf5_table
from test_golden import MODEL

HEADER = (
    "name,version,file,format,part,url,mirror,description,size,md5,sha256,events,max_files,max_gb,licence,citation\n"
)


def overlay(name, **keys):
    run = {"name": "r", "dataset": "mine", "models": ["float"], "flows": []}
    return {"run": run, "datasets": {"mine": {"source": "download", "name": name, **keys}}}


def tables(checkout, *rows):
    (checkout.folder / "config/datasets.csv").write_text(HEADER + "".join(f"{row},,\n" for row in rows))
    models = checkout.folder / "config/models.csv"
    table = pd.read_csv(models, dtype=str)
    table.assign(url="http://127.0.0.1:9/model", mirror="").to_csv(models, index=False)


def test_an_interrupted_download_goes_on_in_the_next_run(checkout, server):
    body = hdf5_table(200, repeats=2)
    server.answers["/jets"] = answer = Answer(body, cut=5000, later=404)
    tables(checkout, f"cernbox,1,jets.z,table,all,{server.url}/jets,,,,,,200,,")
    first = checkout.snakemake("--cores", "1", "data", overlay=overlay("cernbox"))
    assert first.returncode != 0 and "404" in first.stdout and "make quickstart" in first.stdout
    assert not (checkout.folder / "downloads/cernbox/jets.z").exists()
    answer.later = None
    target = "results/r/tables/golden.csv"
    second = checkout.snakemake("--cores", "1", "data", target, overlay=overlay("cernbox"))
    assert second.returncode == 0, second.stdout
    assert answer.requests == [None, "bytes=5000-", "bytes=5000-"]
    results = checkout.folder / "results/r/tables"
    assert list(pd.read_csv(results / "dataset.csv").jets) == [120, 40, 40]
    (row,) = pd.read_csv(results / "golden.csv").itertuples()
    assert row.status == "not run: the run's jets are cernbox, the score is of openml_42468" and pd.isna(row.correct)
    assert json.loads((checkout.folder / "config/datasets.lock.json").read_text()).keys() == {"cernbox/jets.z"}
    # a mirror more is no reason to download again
    table = checkout.folder / "config/datasets.csv"
    table.write_text(table.read_text().replace("/jets,,", "/jets,http://127.0.0.1:9/mirror,"))
    third = checkout.snakemake("--cores", "1", "data", overlay=overlay("cernbox"))
    assert third.returncode == 0 and "Nothing to be done" in third.stdout


def test_own_copies_of_a_set_in_two_archives(checkout, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "train.tar.gz").write_bytes(archive({"train/a.h5": 60})[0])
    name, rows = "zenodo_3602260", ["train.tar.gz,archive,train,,,,,,,60,9,1", "val.tar.gz,archive,test,,,,,,,30,9,1"]
    tables(checkout, *(f"{name},1,{row}" for row in rows))
    config = overlay(name, path=str(mine), particles=4)
    missing = checkout.snakemake("-n", "data", overlay=config)
    assert missing.returncode != 0 and "Missing: val.tar.gz" in missing.stdout and "Traceback" not in missing.stdout
    (mine / "val.tar.gz").write_bytes(archive({"val/a.h5": 30})[0])
    done = checkout.snakemake("--cores", "1", "data", overlay=config)
    assert done.returncode == 0, done.stdout
    assert list(pd.read_csv(checkout.folder / "results/r/tables/dataset.csv").jets) == [45, 15, 30]


def test_openml_without_the_golden_model(checkout, tmp_path):
    (tmp_path / "jets.arff").write_bytes(arff(200)[0])
    tables(checkout, "openml_42468,1,jets.arff,arff,all,,,,,,,200,,")
    config = overlay("openml_42468", path=str(tmp_path / "jets.arff"))
    done = checkout.snakemake("--cores", "1", "results/r/tables/golden.csv", overlay=config)
    assert done.returncode == 0, done.stdout
    (row,) = pd.read_csv(checkout.folder / "results/r/tables/golden.csv").itertuples()
    assert row.status.startswith("not run: qkeras_jettagging.onnx could not be downloaded")
    assert "no source gave it" in (checkout.folder / "logs/r/golden.log").read_text()


@pytest.mark.skipif(not MODEL.is_file(), reason="the public model of ../shared is not here")
def test_other_jets_than_the_published_ones_stop_the_run(checkout, tmp_path):
    """The real model and its published score, on 200 jets that are none: the check is reached, and refuses them."""
    (tmp_path / "jets.arff").write_bytes(arff(200)[0])
    tables(checkout, "openml_42468,1,jets.arff,arff,all,,,,,,,200,,")
    config = overlay("openml_42468", path=str(tmp_path), golden_model=str(MODEL))
    done = checkout.snakemake("--cores", "1", "results/r/tables/golden.csv", overlay=config)
    assert done.returncode != 0 and "of 40 test jets of openml_42468; published are 126487 of 166000" in done.stdout
    assert not (checkout.folder / "results/r/tables/golden.csv").exists()
