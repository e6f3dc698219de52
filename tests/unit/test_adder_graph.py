"""The QONNX front end of alkaid: exact, and refusing by name what is not."""

import numpy as np
import onnx
import pytest
from alkaid.converter import trace_model
from alkaid.trace import HWConfig, trace
from onnx import TensorProto, helper, numpy_helper
from test_export import network

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.adder_graph import QONNXTracer, input_quantiser
from nanotrigger.qonnx.execute import execute
from nanotrigger.qonnx.export import QONNX_DOMAIN, write_qonnx


@pytest.fixture
def model(tmp_path):
    write_qonnx(network(6), tmp_path / "m.onnx", {})
    return onnx.load(tmp_path / "m.onnx")


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_adder_graph_equals_the_file(model, tmp_path, overflow):
    x = np.random.default_rng(0).normal(size=(2000, 16), scale=4).astype(np.float32)
    graph = trace(*QONNXTracer(model, HWConfig(1, -1, -1), {"hard_dc": 2}, overflow).trace())
    found = graph.predict(input_quantiser(model)(x), n_threads=1)
    np.testing.assert_array_equal(found, execute(tmp_path / "m.onnx", x)[0])


def test_alkaid_finds_it_by_itself(model):
    inputs, outputs = trace_model(model)
    assert inputs.shape == (16,) and outputs.shape == (5,)


def quant(name, source, scale=0.125, bits=6, signed=1, rounding="ROUND", zero=0.0):
    constants = [
        numpy_helper.from_array(np.float32(v), f"{name}{k}") for k, v in (("s", scale), ("z", zero), ("b", bits))
    ]
    attributes = {"signed": signed, "narrow": 0, "rounding_mode": rounding}
    inputs = [source, *(c.name for c in constants)]
    return helper.make_node("Quant", inputs, [name], name=name, domain=QONNX_DOMAIN, **attributes), constants


def small(*nodes, shape=(1, 4)):
    constants = [c for _, cs in nodes for c in cs]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(shape)) for n in ("x", nodes[-1][0].output[0])]
    return helper.make_model(helper.make_graph([n for n, _ in nodes], "g", info[:1], info[1:], constants))


@pytest.mark.parametrize(
    "nodes, message",
    [
        ([quant("q", "x"), (helper.make_node("Sin", ["q"], ["y"], name="wave"), [])], r"operator Sin \(wave\)"),
        ([quant("q", "x", scale=0.1), quant("r", "q")], "Quant q: its scale is not a power of two"),
        ([quant("q", "x", zero=1.0), quant("r", "q")], "Quant q: zero point"),
        ([quant("q", "x", rounding="CEIL"), quant("r", "q")], "Quant q: rounding mode CEIL"),
        ([(helper.make_node("Relu", ["x"], ["y"]), [])], "input x is read by Relu, not by one Quant"),
    ],
)
def test_refusals_name_the_operator(nodes, message):
    with pytest.raises(ExportError, match=message):
        QONNXTracer(small(*nodes), HWConfig(1, -1, -1)).trace()


def test_dynamic_batch_axis_is_refused():
    with pytest.raises(ExportError, match="dynamic shape"):
        QONNXTracer(small(quant("q", "x"), quant("r", "q"), shape=("batch", 4)), HWConfig(1, -1, -1))
