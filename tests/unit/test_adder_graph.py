"""The QONNX front end of alkaid on this project's own files; its operators are tested in test_operators."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from alkaid.converter import trace_model
from alkaid.trace import HWConfig, trace
from test_export import network

from nanotrigger import convert
from nanotrigger.qonnx.adder_graph import QONNXTracer
from nanotrigger.qonnx.execute import execute, run_model
from nanotrigger.qonnx.export import write_qonnx


@pytest.fixture
def model(tmp_path):
    write_qonnx(network(6), tmp_path / "m.onnx", {})
    return onnx.load(tmp_path / "m.onnx")


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_adder_graph_equals_the_file(model, tmp_path, overflow):
    x = np.random.default_rng(0).normal(size=(2000, 16), scale=4).astype(np.float32)
    graph = trace(*QONNXTracer(model, HWConfig(1, -1, -1), {"hard_dc": 2}, overflow).trace())
    tracer = QONNXTracer(model, HWConfig(1, -1, -1))
    tracer.trace()
    found = graph.predict(run_model(tracer.graph.part("x", tracer.port), x), n_threads=1)
    np.testing.assert_array_equal(found, execute(tmp_path / "m.onnx", x)[0])


def test_alkaid_finds_it_by_itself(model):
    inputs, outputs = trace_model(model)
    assert inputs.shape == (16,) and outputs.shape == (5,)


def test_alkaids_own_convert_takes_the_file(model, tmp_path, capfd):
    """All its options hold; `-n` vectors through the simulated Verilog are compared by alkaid itself."""
    options = ["-n", "200", "--validate-rtl", "-lc", "5"]
    assert convert.main(["convert", str(tmp_path / "m.onnx"), str(tmp_path / "out"), *options]) == 0
    assert "RTL validation passed: [0/" in capfd.readouterr().out
    (tmp_path / "bad.onnx").write_bytes(b"no protobuf")
    assert convert.main(["convert", str(tmp_path / "bad.onnx"), str(tmp_path / "out2")]) == 1
    assert "bad.onnx: not a readable ONNX file" in capfd.readouterr().err


def test_the_command_of_the_environment_is_this_one(tmp_path, model):
    """What a user types: `alkaid convert`, and alkaid's other commands as they were."""
    command = Path(sys.executable).with_name("alkaid")
    done = subprocess.run(
        [command, "convert", tmp_path / "m.onnx", tmp_path / "out", "-n", "0"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "module model" in (tmp_path / "out/src/model.v").read_text()
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert metadata.version("alkaid") in version
