"""Files that were cut or damaged after they were made: the job that reads one says which, and what to do; then all is well."""

import re
import shutil

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from study import RESULTS, assert_same, copy_of
from test_export import network

from nanotrigger.data.dataset import read_dataset, read_vectors
from nanotrigger.errors import NanotriggerError
from nanotrigger.flows._verilog import _pipeline
from nanotrigger.qonnx.execute import load_model
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.fixed_point import FixedPointNetwork
from nanotrigger.results.export import check_whole
from nanotrigger.results.job_records import read_records
from nanotrigger.results.packing import pack, unpack
from nanotrigger.results.records import provenance, read_array, read_arrays, read_json, write_json
from nanotrigger.tools.aiger import AndInverterGraph
from nanotrigger.training import checkpoint, snapshot
from nanotrigger.training.network import BatchedMLP

MODEL = f"{RESULTS}/models/small_{{}}/seed0"
DESIGN = f"{RESULTS}/hardware/small_3/seed0/rtl"


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def failed(study, *targets, jobs):
    """What the run says, which fails in those jobs alone and without a traceback."""
    done = study.run("--keep-going", targets=targets)
    assert done.returncode != 0
    assert set(re.findall(r"^Error in rule (\w+):", done.stdout, re.M)) == jobs, done.stdout[-4000:]
    assert done.stdout.count("failed; the end of its log:\n    nanotrigger: ") == len(jobs), done.stdout[-4000:]
    assert "Traceback" not in done.stdout, done.stdout[-4000:]
    return done.stdout


def remedied(study, said):
    """Delete what the messages name."""
    named = set(re.findall(r"delete (\S+) and run the same command again", said))
    for name in named:
        path = study.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return named


def test_jets_and_dataset(finished_study, tmp_path):
    """A chunk of the generator, which has no record here as it was given; and the dataset."""
    study = copy_of(finished_study, tmp_path / "copy")
    dataset = f"{RESULTS}/data/toy.h5"
    chunk = study.folder / RESULTS / "data/chunks/w_0/jets.npz"
    whole = chunk.read_bytes()
    cut(chunk)
    (study.folder / dataset).unlink()
    said = failed(study, dataset, jobs={"make_dataset"})
    assert "w_0/jets.npz: cannot be read (File is not a zip file). Delete it and run again." in said
    chunk.write_bytes(whole)
    assert study.run(targets=[dataset]).returncode == 0
    cut(study.folder / dataset)
    said = failed(
        study, f"{RESULTS}/tables/jets.csv", f"{RESULTS}/tables/dataset.csv", jobs={"describe_jets", "describe_dataset"}
    )
    assert re.search(
        r"toy.h5: not a readable dataset \(.*\)\.\n.*toy.h5: has \d+ of the \d+ bytes with which it was made", said
    )
    assert remedied(study, said) == {dataset}
    assert study.run(targets=[dataset]).returncode == 0
    assert_same(study.folder, finished_study, ["data/*.h5"])


def test_trained_network_and_exported_file(finished_study, tmp_path):
    study = copy_of(finished_study, tmp_path / "copy")
    trained = f"{RESULTS}/training/small/trained/0"
    exported, metrics = f"{MODEL.format(2)}/model.onnx", f"{MODEL.format(3)}/metrics.json"
    cut(study.folder / trained / "small_2/seed0/model/network.safetensors", 0.9)
    (study.folder / exported).unlink()
    cut(study.folder / MODEL.format(3) / "model.onnx")
    jobs = {"export", "check_export", "create_project"}
    said = failed(study, exported, metrics, f"{DESIGN}/project.tar.gz", jobs=jobs)
    assert "network.safetensors: cannot be read" in said and "model.onnx: is not the file that was exported" in said
    assert remedied(study, said) == {trained, f"{MODEL.format(3)}/model.onnx"}
    done = study.run(targets=[exported, metrics])
    assert done.returncode == 0, done.stdout[-3000:]
    assert_same(study.folder, finished_study, ["models/*/*/model.onnx", "models/*/*/metrics.json"])


def test_record_of_a_design(finished_study, tmp_path):
    study = copy_of(finished_study, tmp_path / "copy")
    cut(study.folder / DESIGN / "record.json", 0.8)
    said = failed(study, f"{RESULTS}/tables/hardware.csv", jobs={"collect"})
    assert re.search(r"record.json: cannot be read \(.*\)\.\n.*record.json: has \d+ of the \d+ bytes", said)
    unfinished = pd.read_csv(study.folder / RESULTS / "tables/hardware_unfinished.csv").set_index("model")
    assert "record.json: cannot be read" in unfinished.status["small_3"] and unfinished.lut.isna().all()
    assert remedied(study, said) == {f"{DESIGN}/record.json"}
    done = study.run(targets=["tables"])
    assert done.returncode == 0 and "rule emulate:" not in done.stdout
    assert_same(study.folder, finished_study)


def test_archives_of_a_design(finished_study, tmp_path):
    """Their makers' records are gathered in that of the design's last job."""
    study = copy_of(finished_study, tmp_path / "copy")
    (study.folder / DESIGN / "record.json").unlink()
    whole = (study.folder / DESIGN / "synthesis.tar.gz").read_bytes()
    cut(study.folder / DESIGN / "synthesis.tar.gz")
    said = failed(study, f"{DESIGN}/record.json", jobs={"simulate_netlist"})
    assert re.search(
        r"synthesis.tar.gz: cannot be unpacked \(.*\)\.\n.*synthesis.tar.gz: has \d+ of the \d+ bytes", said
    )
    assert "(synthesize/small_3/0/rtl, " in said
    assert remedied(study, said) == {f"{DESIGN}/synthesis.tar.gz"}
    (study.folder / DESIGN / "synthesis.tar.gz").write_bytes(whole)
    assert study.run(targets=[f"{DESIGN}/record.json"]).returncode == 0
    assert_same(study.folder, finished_study)


def lengths(size):
    """Where a file is cut: everywhere where that is little, else at its ends and a hundred places between."""
    return range(size) if size < 3000 else sorted({*range(64), *range(64, size, size // 100), *range(size - 64, size)})


def assert_every_cut_is_named(path, read, same=lambda found, whole: False):
    """Reading a file that was cut anywhere raises an error that names it; or gives all there was, where `same` says so."""
    content, whole = path.read_bytes(), read(path)
    for length in lengths(len(content)):
        path.write_bytes(content[:length])
        try:
            found = read(path)
        except NanotriggerError as error:
            assert path.name in str(error)
        else:
            assert same(found, whole), f"cut to {length} of {len(content)} bytes"
    path.write_bytes(content)


def same_arrays(found, whole):
    return all(np.array_equal(found[name], whole[name]) for name in whole)


def test_every_place_to_cut_a_dataset(finished_study, tmp_path):
    path = shutil.copy(finished_study / RESULTS / "data/toy.h5", tmp_path / "toy.h5")
    assert_every_cut_is_named(path, read_dataset)
    with h5py.File(path, "r+") as file:
        offset = file["val/x"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[offset + 100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(NanotriggerError, match=r"toy\.h5: not a readable dataset"):
        read_dataset(path)  # the checksum, not the length


def test_every_place_to_cut_arrays_and_records(finished_study, tmp_path):
    np.savez(tmp_path / "vectors.npz", x=np.ones((9, 3)), y=np.arange(9))
    assert_every_cut_is_named(tmp_path / "vectors.npz", read_arrays)
    assert_every_cut_is_named(tmp_path / "vectors.npz", read_vectors)
    np.save(tmp_path / "outputs.npy", np.ones((9, 3)))
    assert_every_cut_is_named(tmp_path / "outputs.npy", read_array)
    path = shutil.copy(finished_study / DESIGN / "record.json", tmp_path / "record.json")
    # without the line's end it is whole
    assert_every_cut_is_named(path, read_json, same=lambda found, whole: found == whole)


def test_every_place_to_cut_a_qonnx_file(tmp_path):
    """Protobuf reads what ends between two fields as a whole file: its manifest knows better."""
    path = tmp_path / "model.onnx"
    write_qonnx(network(4, hidden_units=4), path, {"model": "m"})
    write_json(tmp_path / "manifest.json", provenance({}, [path], ()))

    def read(file):
        check_whole(file)
        return load_model(file)

    assert_every_cut_is_named(path, read)
    content, readable = path.read_bytes(), 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            onnx.load(path)
            readable += 1
        except Exception:
            continue
    assert readable > 1, "there are such cuts"


def test_every_place_to_cut_a_network(tmp_path, finished_study):
    found = finished_study / RESULTS / "training/small/trained/0/small_3/seed0/model/network.safetensors"
    path = shutil.copy(found, tmp_path / "network.safetensors")
    assert_every_cut_is_named(path, BatchedMLP.load)
    network(4).save(tmp_path / "network.npz")
    assert_every_cut_is_named(tmp_path / "network.npz", FixedPointNetwork.load)


def test_every_place_to_cut_a_project(tmp_path, finished_study):
    unpack(finished_study / DESIGN / "project.tar.gz", tmp_path)
    assert_every_cut_is_named(tmp_path / "model/fsm.json.gz", lambda file: _pipeline(tmp_path))


def test_every_place_to_cut_an_archive(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.v").write_bytes(np.random.default_rng(0).bytes(700))
    pack(source, tmp_path / "project.tar.gz")

    def read(file):
        unpack(file, tmp_path / "out")
        return (tmp_path / "out/a.v").read_bytes()

    assert_every_cut_is_named(tmp_path / "project.tar.gz", read)


def test_every_place_to_cut_a_netlists_graph(tmp_path):
    """Its gates are decoded by compiled code, which must not read beyond the end."""
    path = tmp_path / "n.aig"
    gates = b"".join(bytes([2, 1]) for _ in range(500))
    names = b"".join(b"i%d a%d\n" % (i, i) for i in range(2)) + b"o0 s\nc\n"
    path.write_bytes(b"aig 502 2 0 1 500\n%d\n" % (2 * 502) + gates + names)

    def read(file):
        graph = AndInverterGraph.read(file)
        return {"ands": graph.ands, "outputs": np.array(list(graph.outputs.values()))}

    assert_every_cut_is_named(path, read, same=same_arrays)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_checkpoint_is_not_gone_on_from(tmp_path, capsys, monkeypatch, share):
    """The training starts anew, which gives the same result, and says so."""
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0)
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0)
    kept = checkpoint.Checkpoint(tmp_path / "c.safetensors", written=-1)
    kept.write("same", 7, {"w": torch.arange(6.0)})
    walked = snapshot.Snapshot(tmp_path / "s.safetensors")
    walked.write("same", 7, {"w": np.arange(6.0)})
    live = torch.zeros(6)
    assert kept.restore("same", {"w": live}) == 7 and live[5] == 5 and walked.read("same")["w"][5] == 5
    for path in (kept.path, walked.path):
        cut(path, share)
    live.zero_()
    assert kept.restore("same", {"w": live}) == 0 and not live.any() and walked.read("same") == {}
    said = capsys.readouterr().out
    assert "c.safetensors: not a readable checkpoint" in said and "s.safetensors: not a readable checkpoint" in said


def test_a_truncated_record_of_a_job_is_named(finished_study, tmp_path):
    """It is no file of the DAG, so that deleting it would repeat nothing."""
    shutil.copytree(finished_study / RESULTS / "provenance", tmp_path / "provenance")
    jobs = tmp_path / "provenance/jobs"
    cut(jobs / "read_report/small_3,0,rtl.json")
    with pytest.raises(
        NanotriggerError, match=r"0,rtl.json: .* job read_report/small_3/0/rtl, .* --forcerun create_project$"
    ):
        read_records(tmp_path)  # it held those of the steps before as well
    cut(jobs / "train/small,0.json")
    (jobs / "read_report/small_3,0,rtl.json").unlink()
    with pytest.raises(
        NanotriggerError, match=r"train/small,0.json: .* of the job train/small/0, .* --forcerun train$"
    ):
        read_records(tmp_path)
