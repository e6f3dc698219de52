"""Runs that fail: the row says why, the rest goes on, and no record is left that is not the design's own."""

import json
import re

import numpy as np
import onnx
import pandas as pd
from report_run import Page
from test_export import network
from test_operators import Network

from nanotrigger import synth
from nanotrigger.qonnx.export import write_qonnx


def overlay(models, flows, names):
    stanzas = {name: {"method": "external", "random_vectors": 200, **keys} for name, keys in models.items()}
    run = {"name": "faults", "dataset": None, "models": list(models), "flows": names}
    return {"run": run, "models": stanzas, "flows": flows}


def test_each_failure_is_in_its_row_and_the_rest_goes_on(checkout, tmp_path):
    """A file that is no model, an operator that cannot be built, a tool that hangs; beside them a design that is done."""
    write_qonnx(network(4, hidden_units=4), tmp_path / "good.onnx", {})
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "good.onnx").read_bytes()[:500])
    n = Network((1, 4))
    n.then("Sin")
    n.quant()
    onnx.save(n.model(), tmp_path / "sine.onnx")
    models = {name: {"path": str(tmp_path / f"{name}.onnx")} for name in ("good", "cut", "sine")}
    flows = {"rtl": {"flow": "rtl"}, "hasty": {"flow": "rtl", "timeout_s": 0.01}}
    config = overlay(models, flows, ["rtl", "hasty"])
    done = checkout.snakemake("--cores", "2", "--keep-going", "tables", overlay=config)
    assert done.returncode != 0 and "hardware_unfinished.csv" in done.stdout
    results = checkout.folder / "results/faults"
    table = pd.read_csv(results / "tables/hardware_unfinished.csv").set_index(["model", "flow"])
    assert table.status["good", "rtl"] == "done" and table.lut["good", "rtl"] > 0
    assert table.mismatches["good", "rtl"] == 0 and table.netlist_mismatches["good", "rtl"] == 0
    for flow in flows:
        assert "cut.onnx: not a readable ONNX file" in table.status["cut", flow]
        assert "failed in create_project: operator Sin" in table.status["sine", flow]
    assert re.search(
        r"failed in (emulate|synthesize): .* longer than its limit of 0\.01 s", table.status["good", "hasty"]
    )
    failed = table[table.status != "done"]
    assert len(failed) == 5 and failed.lut.isna().all() and failed.mismatches.isna().all()
    assert not (results / "tables/hardware.csv").exists()
    page = Page((results / "report_unfinished.html").read_text())
    assert "operator Sin" in page.text("overview") and "not a readable ONNX file" in page.text("overview")
    assert "rtl: netlist 0 of 200 differ" in page.text("model-good-seed0")
    assert "Its manifest is missing" in page.text("model-cut-seed0")
    assert not (results / "report.html").exists()

    # a record of before does not outlive a failing repetition
    record = results / "hardware/good/seed0/rtl/record.json"
    assert json.loads(record.read_text())["status"] == "done"
    config["flows"]["rtl"]["timeout_s"] = 0.02
    config["run"]["models"] = ["good"]
    assert checkout.snakemake("--cores", "2", "--keep-going", "hardware", overlay=config).returncode != 0
    assert not record.exists()

    # and the same command with a remedy ends well
    for flow in config["flows"].values():
        flow["timeout_s"] = 600
    assert checkout.snakemake("--cores", "2", "tables", overlay=config).returncode == 0
    assert not (results / "tables/hardware_unfinished.csv").exists()
    assert not (results / "report_unfinished.html").exists()
    finished = pd.read_csv(results / "tables/hardware.csv")
    assert (finished.status == "done").all() and len(finished) == 2


def test_one_file_without_writing_a_config(checkout, tmp_path, monkeypatch):
    """From a file to its row: a stranger's model in one command; its name may be anything."""
    write_qonnx(network(4, hidden_units=4), tmp_path / "4 layers!.onnx", {})
    np.savez(tmp_path / "v.npz", x=np.random.default_rng(0).normal(size=(60, 16)), y=np.arange(60) % 5)
    monkeypatch.chdir(checkout.folder)
    arguments = [str(tmp_path / "4 layers!.onnx"), "--vectors", str(tmp_path / "v.npz"), "--cores", "2"]
    assert synth.main(arguments) == 0
    results = checkout.folder / "results/synth_m_4_layers_"
    (row,) = pd.read_csv(results / "tables/hardware.csv").itertuples()
    assert (row.flow, row.vectors, row.mismatches, row.netlist_mismatches, row.status) == ("rtl", 60, 0, 0, "done")
    (model,) = pd.read_csv(results / "tables/models.csv").itertuples()
    assert model.dataset == "own vectors" and model.test_jets == 60 and 0 < model.accuracy < 1
    assert (results / "report.html").is_file()
