"""Models from files: QONNX and QCDQ, with and without a quantised input, with and without labels."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from test_export import network
from test_operators import Network

from nanotrigger.errors import ConfigError, DataError, ExportError
from nanotrigger.flows import rtl
from nanotrigger.flows._verilog import design
from nanotrigger.methods import external
from nanotrigger.methods.base import Job
from nanotrigger.plan import make_plan
from nanotrigger.qonnx.ap_fixed import FixedPoint
from nanotrigger.qonnx.execute import compare, execute
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.port import quantise_input

SHARED = Path(__file__).parents[3] / "shared/models"


def prepared(path, folder, **keys):
    """Run the method as the workflow does; returns the job, its vectors and its exported file."""
    job = Job("m", external.Params(path=str(path), **keys), 0, folder / "m")
    external._make_vectors(None, [job], {}, folder / "vectors.npz")
    external.train(None, [job])
    costs = external.export(job.folder, "qonnx", folder / "model.onnx", {"model": "m"})
    with np.load(folder / "vectors.npz", allow_pickle=False) as file:
        return job, file["x"], folder / "model.onnx", costs


def same_as_given(job, x, path):
    outputs, _ = execute(path, x)
    assert compare(outputs, external.predict(job.folder, x), "m") == 0
    assert len(np.unique(outputs, axis=0)) > 1
    return outputs


def float_input(shape=(1, 6)):
    """A network whose input is not quantised."""
    n = Network(shape)
    n.then("MatMul", n.weights(6, 3))
    n.then("Relu")
    n.quant(bits=4)
    model = n.model()
    del model.graph.node[0]
    model.graph.node[1].input[0] = "x"
    return model


def test_a_file_with_a_quantised_input(tmp_path):
    """Random vectors hold every code of the port and nothing beyond."""
    write_qonnx(network(6), tmp_path / "given.onnx", {})
    job, x, path, costs = prepared(tmp_path / "given.onnx", tmp_path, random_vectors=4000)
    same_as_given(job, x, path)
    assert x.shape == (4000, 16) and set(np.unique(x)) == set(np.arange(-32, 32) / 4)
    assert costs["parameters"] == 16 * 12 + 12 * 5 and costs["ebops"] is None


def test_an_input_format_puts_vectors_on_its_grid(tmp_path):
    onnx.save(float_input(), tmp_path / "given.onnx")
    np.savez(tmp_path / "v.npz", x=np.random.default_rng(0).normal(size=(500, 6)) * 8, y=np.zeros(500, int))
    job, x, path, _ = prepared(tmp_path / "given.onnx", tmp_path, input="fixed<6,3>", vectors=str(tmp_path / "v.npz"))
    outputs = same_as_given(job, x, path)
    (tmp_path / "project").mkdir()
    rtl.create_project(path, "qonnx", tmp_path / "project", rtl.Params())
    np.testing.assert_array_equal(rtl.emulate(tmp_path / "project", x, rtl.Params()), outputs)


def test_without_a_format_the_remedy_is_named(tmp_path):
    onnx.save(float_input(), tmp_path / "given.onnx")
    with pytest.raises(
        ExportError, match=r"given.onnx: input x is read by MatMul, not by one quantiser: .*input: fixed<16,6>"
    ):
        prepared(tmp_path / "given.onnx", tmp_path)


def test_qcdq_is_converted(tmp_path):
    n = Network((1, 4))
    n.nodes.clear()
    n.last = "x"
    for _ in range(2):
        n.then("QuantizeLinear", np.float32(0.25), np.int8(0))
        n.then("DequantizeLinear", np.float32(0.25), np.int8(0))
        n.then("Relu")
    onnx.save(n.model(), tmp_path / "given.onnx")
    np.savez(tmp_path / "v.npz", x=np.random.default_rng(0).normal(size=(500, 4)) * 20)
    job, x, path, _ = prepared(tmp_path / "given.onnx", tmp_path, vectors=str(tmp_path / "v.npz"))
    same_as_given(job, x, path)
    assert {node.op_type for node in onnx.load(path).graph.node} == {"Quant", "Relu"}


def test_classes_are_put_in_order(tmp_path):
    write_qonnx(network(6), tmp_path / "given.onnx", {})
    plain, x, first, _ = prepared(tmp_path / "given.onnx", tmp_path)
    (tmp_path / "b").mkdir()
    other, _, second, _ = prepared(tmp_path / "given.onnx", tmp_path / "b", classes=("g", "q", "t", "w", "z"))
    np.testing.assert_array_equal(same_as_given(plain, x, first)[:, [0, 1, 3, 4, 2]], same_as_given(other, x, second))


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"path": "absent.onnx"}, "'absent.onnx' is not a file"),
        ({"input": "float32"}, "'float32' is no format"),
        ({"input": "fixed<40,6>"}, "is no format of 1 to 24 bits. Write it as"),
        ({"vectors": "absent.npz"}, "'absent.npz' is not a file"),
        ({"classes": ["g", "q"]}, "is no order of g, q, w, z, t"),
    ],
)
def test_a_bad_stanza_is_refused_before_anything_runs(keys, message, tmp_path):
    from nanotrigger.config import load_config

    (tmp_path / "m.onnx").write_bytes(b"")
    stanza = {"method": "external", "path": str(tmp_path / "m.onnx"), **keys}
    run = {"name": "r", "dataset": None, "models": ["m"], "flows": []}
    with pytest.raises(ConfigError, match=message):
        make_plan(load_config({"run": run, "datasets": {}, "models": {"m": stanza}}))


def test_a_run_without_a_dataset_needs_models_with_vectors_of_their_own(tmp_path):
    from nanotrigger.config import load_config

    run = {"name": "r", "dataset": None, "models": ["m"], "flows": []}
    with pytest.raises(ConfigError, match=r"run\.dataset: is null, but m needs one"):
        make_plan(load_config({"run": run, "datasets": {}, "models": {"m": {"method": "float"}}}))


def test_bad_vectors_and_float_models_are_named(tmp_path):
    write_qonnx(network(6), tmp_path / "given.onnx", {})
    np.savez(tmp_path / "v.npz", x=np.zeros((10, 4)))
    with pytest.raises(DataError, match=r"v\.npz: x must be \(vectors, 16\); found \(4,\)"):
        prepared(tmp_path / "given.onnx", tmp_path, vectors=str(tmp_path / "v.npz"))
    np.savez(tmp_path / "v.npz", x=np.full((10, 16), np.nan))
    with pytest.raises(DataError, match="160 NaN or infinite"):
        prepared(tmp_path / "given.onnx", tmp_path, vectors=str(tmp_path / "v.npz"))
    n = Network((1, 4))
    n.nodes.clear()
    n.last = "x"
    n.then("Relu")
    onnx.save(n.model(), tmp_path / "float.onnx")
    with pytest.raises(ExportError, match=r"float\.onnx: has no quantiser, it is a float model"):
        prepared(tmp_path / "float.onnx", tmp_path)


@pytest.mark.parametrize(
    "text, step, low, high", [("fixed<6,3>", 0.125, -4.0, 3.875), ("ufixed<8,0>", 1 / 256, 0.0, 255 / 256)]
)
def test_formats_are_those_of_ap_fixed(text, step, low, high):
    form = FixedPoint.parse(text)
    assert str(form) == text and form.step == step
    np.testing.assert_array_equal(
        form(np.array([-99.0, 99.0, step * 2.5, step * 3.5])), [low, high, step * 2, step * 4]
    )
    x = np.random.default_rng(1).normal(size=(200, 6)).astype(np.float32) * 4
    n = Network((1, 6))
    n.nodes.clear()
    n.last = "x"
    n.then("Identity")
    from nanotrigger.qonnx.execute import run_model
    from nanotrigger.qonnx.graph import named

    np.testing.assert_array_equal(run_model(named(quantise_input(n.model(), form)), x), form(x))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public models of ../shared are not here")
def test_the_public_jet_tagger_in_rtl(tmp_path):
    """Trained by nobody here (QKeras, six bits): hardware equals the stock executor on 10,000 vectors, softmax by the host."""
    job, x, path, _ = prepared(SHARED / "qkeras_jettagging.onnx", tmp_path, input="fixed<12,5>")
    outputs = same_as_given(job, x, path)
    (tmp_path / "project").mkdir()
    rtl.create_project(path, "qonnx", tmp_path / "project", rtl.Params())
    np.testing.assert_array_equal(rtl.emulate(tmp_path / "project", x, rtl.Params()), outputs)
    assert len(x) == 10000 and design(tmp_path / "project")["notes"] == ["left to the host: Softmax"]


@pytest.mark.parametrize("form", ["QONNX", "QCDQ"])
def test_brevitas_networks_with_scales_of_their_own(form, tmp_path):
    """Convolution, batch normalisation, pooling, float scales per channel: the RTL gives the file's integers."""
    torch = pytest.importorskip("torch")
    qnn = pytest.importorskip("brevitas.nn", reason="brevitas is a development package")
    from brevitas.export import export_onnx_qcdq, export_qonnx

    torch.manual_seed(0)
    per_channel = {"weight_bit_width": 4, "weight_scaling_per_output_channel": True, "bias": True}
    model = torch.nn.Sequential(
        qnn.QuantIdentity(bit_width=5),
        qnn.QuantConv2d(1, 2, 3, **per_channel),
        torch.nn.BatchNorm2d(2),
        qnn.QuantReLU(bit_width=3),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        qnn.QuantLinear(8, 3, **per_channel),
    )
    x = torch.randn(3000, 1, 6, 6) * 2
    for _ in range(10):
        model(x[:500])
    model[2].weight.data.uniform_(0.5, 1.5)
    model.eval()
    write = export_qonnx if form == "QONNX" else export_onnx_qcdq
    write(model, args=x[:1], export_path=str(tmp_path / "given.onnx"), opset_version=13, dynamo=False)
    np.savez(tmp_path / "v.npz", x=x.numpy())
    job, vectors, path, _ = prepared(tmp_path / "given.onnx", tmp_path, vectors=str(tmp_path / "v.npz"))
    outputs = same_as_given(job, vectors, path)
    np.testing.assert_allclose(outputs, model(x).detach().numpy(), atol=1e-5)
    project = tmp_path / "project"
    project.mkdir()
    rtl.create_project(path, "qonnx", project, rtl.Params())
    found, expected = rtl.emulate(project, vectors, rtl.Params()), rtl.reference(project, vectors, outputs)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 50 and "left to the host: Add" in design(project)["notes"]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the public models of ../shared are not here")
def test_the_public_binary_network_in_rtl(tmp_path):
    """Trained by nobody here (Brevitas, 784 inputs, batch normalisation before every quantiser): about four minutes."""
    job, x, path, _ = prepared(SHARED / "TFC_2W2A.onnx", tmp_path, input="ufixed<8,0>", random_vectors=1000)
    outputs = same_as_given(job, x, path)
    (tmp_path / "project").mkdir()
    rtl.create_project(path, "qonnx", tmp_path / "project", rtl.Params())
    np.testing.assert_array_equal(rtl.emulate(tmp_path / "project", x, rtl.Params()), outputs)
    assert design(tmp_path / "project")["notes"] == ["left to the host: Sub, Div, Mul, Add"]
