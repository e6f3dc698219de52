"""Every operator of the QONNX front end, against the stock executor on random vectors."""

import numpy as np
import onnx
import pytest
from alkaid.trace import HWConfig, trace
from onnx import TensorProto, helper, numpy_helper

from nanotrigger.errors import ExportError
from nanotrigger.qonnx import host
from nanotrigger.qonnx.adder_graph import QONNXTracer
from nanotrigger.qonnx.execute import run_model
from nanotrigger.qonnx.export import QONNX_DOMAIN
from nanotrigger.qonnx.operators import OPERATORS
from nanotrigger.qonnx.quantisers import ROUNDING

RNG = np.random.default_rng(4)


class Network:
    """A model built node by node; every constant is a numpy array among the inputs."""

    def __init__(self, shape, bits=5, scale=0.25, opset=13, signed=1):
        self.nodes, self.constants, self.shape, self.opset = [], [], shape, opset
        self.last = "x"
        self.quant(scale=scale, bits=bits, signed=signed)

    def add(self, kind, *inputs, outputs=1, domain="", **attributes):
        names = []
        for value in inputs:
            if isinstance(value, str):
                names.append(value)
            else:
                self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
                names.append(self.constants[-1].name)
        made = [f"{kind.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, domain=domain, **attributes))
        self.last = made[0]
        return made[0] if outputs == 1 else made

    def then(self, kind, *inputs, **attributes):
        return self.add(kind, self.last, *inputs, **attributes)

    def quant(self, source=None, scale=0.25, bits=5, zero=0.0, signed=1, narrow=0, rounding="ROUND"):
        parameters = [np.float32(scale), np.float32(zero), np.float32(bits)]
        settings = {"signed": signed, "narrow": narrow, "rounding_mode": rounding}
        return self.add("Quant", self.last if source is None else source, *parameters, domain=QONNX_DOMAIN, **settings)

    def weights(self, *shape, scale=0.125, bits=4):
        keep, self_last = self.last, None
        self_last = self.quant(np.float32([0]), scale, bits)
        self.nodes[-1].input[0] = self._constant(RNG.normal(size=shape).astype(np.float32))
        self.last = keep
        return self_last

    def _constant(self, value):
        self.constants.append(numpy_helper.from_array(value, f"w{len(self.constants)}"))
        return self.constants[-1].name

    def model(self, qonnx_opset=1):
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        result = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [given], [result], self.constants)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX_DOMAIN, qonnx_opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def check(network, tmp_path, vectors=1500, spread=3.0, qonnx_opset=1):
    """Hardware's numbers equal the file's, the host's part included. Returns the tracer and the adder graph."""
    tracer = QONNXTracer(network.model(qonnx_opset), HWConfig(1, -1, -1), {"hard_dc": 2})
    graph = trace(*tracer.trace())
    x = RNG.normal(size=(vectors, *network.shape[1:]), scale=spread).astype(np.float32)
    expected = run_model(tracer.graph.model, x)
    host.write(tracer, tmp_path)
    found = host.outputs(tmp_path, graph.predict(host.inputs(tmp_path, x), n_threads=1))
    np.testing.assert_array_equal(found, host.reference(tmp_path, x, expected))
    assert len(np.unique(expected)) > 1
    return tracer, graph


def network(kind):
    """A small network around each operator."""
    n = Network((1, 6))
    match kind:
        case "Add" | "Sub" | "Max" | "Min":
            n.then(kind, np.float32(RNG.integers(-8, 8, 6) / 4))
        case "Mul":
            n.then(kind, np.float32(RNG.integers(-8, 8, 6) / 4))
        case "Div":
            n.then(kind, np.float32([2.0, 0.5, -4.0, 1.0, 8.0, 0.25]))
        case "LeakyRelu":
            n.then(kind, alpha=0.125)
        case "Clip":
            n.then(kind, np.float32(-0.5), np.float32(1.25))
        case "PRelu":
            n.then(kind, np.float32([0.3]))
            n.quant(bits=4)
        case "MatMul":
            n.then(kind, n.weights(6, 3))
        case "Conv" | "MaxPool" | "AveragePool" | "GlobalAveragePool":
            n = Network((1, 2, 6, 6), bits=3)
            if kind == "Conv":
                n.then(kind, n.weights(3, 2, 3, 3), kernel_shape=[3, 3], pads=[1, 0, 1, 0], strides=[2, 1])
            elif kind == "GlobalAveragePool":
                n.then(kind)
                n.quant(scale=0.125)
            else:
                n.then(kind, kernel_shape=[2, 2], strides=[2, 2])
        case "Cast":
            n.then(kind, to=TensorProto.FLOAT)
        case "Identity" | "Dropout" | "Flatten" | "Relu":
            n.then(kind)
        case "Reshape":
            n.then(kind, np.int64([0, 2, -1]))
        case "Transpose":
            n = Network((1, 3, 4))
            n.then(kind, perm=[0, 2, 1])
        case "Squeeze":
            n = Network((1, 3, 1, 4))
            n.then(kind, np.int64([2]))
        case "Unsqueeze":
            n.then(kind, np.int64([1]))
        case "Gather":
            n.then(kind, np.int64([4, 0, 0]), axis=1)
        case "GatherElements":
            index = codes(n, 5, 0.25)
            n.add(kind, RNG.integers(-50, 50, (40, 6)).astype(np.float32), index, axis=0)
        case "Expand":
            n.then("Unsqueeze", np.int64([2]))
            n.then(kind, np.int64([1, 1, 3]))
        case "ReduceSum":
            n.then(kind, np.int64([1]), keepdims=1)
        case "Slice":
            n.then(kind, np.int64([5]), np.int64([0]), np.int64([1]), np.int64([-2]))
        case "Pad":
            n.then(kind, np.int64([0, 1, 0, 2]))
        case "Concat":
            n.add(kind, n.last, n.add("Relu", n.last), axis=1)
        case "BatchNormalization":
            parameters = [RNG.uniform(0.5, 2, 6), RNG.normal(size=6), RNG.normal(size=6), RNG.uniform(0.1, 4, 6)]
            n.then(kind, *(p.astype(np.float32) for p in parameters))
            n.quant(bits=4)
        case "Pow":
            n.then(kind, np.float32(3.0))
            n.quant(bits=6, scale=0.5)
        case "Log" | "Sqrt":
            n = Network((1, 6), signed=0)
            n.then("Add", np.float32(0.5))
            n.then(kind)
            n.quant(bits=5, scale=0.125)
        case _:
            n.then(kind)
            n.quant(bits=5, scale=0.125)
    n.quant(bits=7, scale=0.125)
    return n


def codes(n, bits, scale, signed=1):
    """The last tensor's integers on another grid, as an index."""
    n.quant(bits=bits, scale=scale, signed=signed, rounding="FLOOR")
    n.then("Div", np.float32(scale))
    return n.then("Cast", to=TensorProto.INT64)


@pytest.mark.parametrize("kind", sorted(OPERATORS))
def test_each_operator(kind, tmp_path):
    check(network(kind), tmp_path)


def test_split_and_shapes_of_older_opsets(tmp_path):
    n = Network((1, 6), opset=11)
    first, second = n.then("Split", outputs=2, axis=1, split=[2, 4])
    n.add("Concat", second, first, axis=1)
    n.then("Unsqueeze", axes=[1])
    n.then("Squeeze", axes=[1])
    n.quant(bits=4, scale=0.5)
    check(n, tmp_path)


@pytest.mark.parametrize("rounding", ROUNDING)
@pytest.mark.parametrize("zero, signed, narrow", [(0, 1, 0), (0, 1, 1), (3, 0, 0), (0, 0, 1), (-1, 1, 0)])
def test_every_rounding_and_range(rounding, zero, signed, narrow, tmp_path):
    """Ties included: the input has three bits below the step."""
    n = Network((1, 6), bits=8, scale=0.125)
    n.quant(scale=1.0, bits=4, zero=zero, signed=signed, narrow=narrow, rounding=rounding)
    check(n, tmp_path)


@pytest.mark.parametrize("rounding", ROUNDING)
def test_every_rounding_on_scales_that_are_no_powers_of_two(rounding, tmp_path):
    n = Network((1, 6), bits=7, scale=0.1)
    n.quant(scale=0.3, bits=4, rounding=rounding)
    check(n, tmp_path)


@pytest.mark.parametrize("scale", [0.5, 0.3])
@pytest.mark.parametrize("kind", ["BipolarQuant", "one bit", "Trunc"])
def test_other_quantisers(kind, scale, tmp_path):
    n = Network((1, 6), bits=6, scale=scale)
    if kind == "BipolarQuant":
        n.then(kind, np.float32(scale), domain=QONNX_DOMAIN)
    elif kind == "one bit":
        n.quant(scale=scale, bits=1)
    else:
        bits = [np.float32(v) for v in (scale, 0, 6, 4)]
        n.then(kind, *bits, domain=QONNX_DOMAIN, rounding_mode="FLOOR")
    n.then("MatMul", n.weights(6, 3))
    check(n, tmp_path)


@pytest.mark.parametrize("scale", [0.125, 0.1])
@pytest.mark.parametrize(
    "shape, kernel, settings",
    [
        ((1, 3, 8), (4, 3, 3), {"pads": [1, 1]}),
        ((1, 4, 5, 5), (4, 1, 2, 2), {"group": 4, "strides": [2, 2]}),
        ((1, 4, 5, 6), (2, 2, 3, 3), {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((1, 2, 7, 7), (3, 2, 2, 2), {"dilations": [2, 2]}),
    ],
)
def test_convolutions(shape, kernel, settings, scale, tmp_path):
    """With a bias of floats behind, and scales that are no powers of two in one half of the cases."""
    n = Network(shape, bits=3, scale=0.5)
    weight = n.weights(*kernel, scale=scale, bits=3)
    n.then("Conv", weight, RNG.normal(size=kernel[0]).astype(np.float32), kernel_shape=kernel[2:], **settings)
    n.then("Relu")
    n.quant(bits=4, scale=0.3, signed=0)
    n.then("Flatten")
    check(n, tmp_path, vectors=300)


def test_per_channel_scales_and_residual(tmp_path):
    """Channels of a product have scales of their own; the sum of two branches needs one."""
    n = Network((1, 6), bits=5, scale=0.3)
    first = n.last
    n.then("MatMul", n.weights(6, 4, scale=RNG.uniform(0.05, 0.3, (1, 4)), bits=4))
    n.then("Relu")
    n.quant(bits=4, scale=0.37, signed=0)
    n.then("MatMul", n.weights(4, 6, scale=0.11, bits=4))
    n.quant(bits=6, scale=0.3)
    n.add("Add", n.last, first)
    n.quant(bits=5, scale=0.4137)
    tracer, _ = check(n, tmp_path)
    assert tracer.notes == []


def test_integers_on_which_executors_may_differ_are_counted(tmp_path):
    """0.3 n / 0.4 ties at every second integer n: a float executor decides by its own rounding."""
    n = Network((1, 6), bits=5, scale=0.3)
    n.quant(bits=5, scale=0.4)
    tracer = QONNXTracer(n.model(), HWConfig(1, -1, -1))
    tracer.trace()
    ties = sum((0.75 * k) % 1 == 0.5 and abs(0.75 * k) < 15.5 for k in range(-16, 16))
    assert any(f"{6 * ties} of 192 reachable integers" in note for note in tracer.notes)


def test_an_output_of_scaled_integers_is_compared_as_integers(tmp_path):
    n = Network((1, 6), bits=6, scale=0.3)
    n.then("MatMul", n.weights(6, 3, scale=0.07, bits=5))
    n.quant(bits=8, scale=0.2371)
    n.then("MatMul", n.weights(3, 3, scale=0.07, bits=5))
    n.then("Softmax", axis=1)
    tracer, _ = check(n, tmp_path)
    assert not tracer.cut.dyadic and "left to the host: Softmax" in tracer.notes


def test_branches_on_one_grid_and_products_of_tensors(tmp_path):
    n = Network((1, 4), bits=4)
    a = n.last
    b = n.quant(source=a, bits=3, scale=0.5)
    n.add("Mul", a, b)
    n.then("Add", a)
    n.then("Max", b)
    n.quant(bits=6)
    check(n, tmp_path)


def test_gemm_and_qcdq_become_what_is_known(tmp_path):
    n = Network((1, 6))
    n.then("Gemm", n.weights(3, 6), np.float32([0.5, -1.0, 0.25]), transB=1)
    n.then("QuantizeLinear", np.float32(0.5), np.int8(0))
    n.then("DequantizeLinear", np.float32(0.5), np.int8(0))
    check(n, tmp_path)


def test_softmax_and_the_floats_behind_are_left_to_the_host(tmp_path):
    n = Network((1, 6))
    n.then("MatMul", n.weights(6, 3))
    n.then("Mul", np.float32(0.1))
    n.then("Softmax", axis=1)
    tracer, _ = check(n, tmp_path)
    assert tracer.notes == ["left to the host: Mul, Softmax"]


@pytest.mark.parametrize("bits, scale, signed", [(5, 0.25, 1), (3, 0.5, 0), (4, 2.0, 1), (1, 0.25, 0), (2, 1.0, 1)])
@pytest.mark.parametrize("kind", ["Gather", "GatherElements"])
def test_tables_read_at_a_computed_index(kind, bits, scale, signed, tmp_path):
    """Negative codes count from the end, as in two's complement; tables may be larger than their index."""
    n = Network((1, 2, 3), bits=7, scale=0.125)
    index = codes(n, bits, scale, signed)
    shape = (2**bits + 3,) if kind == "Gather" else (2**bits + 3, 2, 3)
    n.add(kind, RNG.integers(-99, 99, shape).astype(np.float32) / 8, index, axis=0)
    n.then("ReduceSum", np.int64([-1, 1]), keepdims=0)
    check(n, tmp_path)


@pytest.mark.parametrize("axis, shape", [(0, (8, 4)), (1, (3, 8)), (-1, (2, 3, 8))])
def test_rows_of_a_table_read_at_a_computed_index(axis, shape, tmp_path):
    """Along any axis; what stands before it becomes the first axis, so the batch comes from the table there."""
    data = RNG.integers(-20, 20, shape).astype(np.float32)
    n = Network((1, 5), bits=3, signed=0, scale=1.0)
    index = n.then("Cast", to=TensorProto.INT64)
    n.add("Gather", data, index, axis=axis)
    if axis == 0:
        check(n, tmp_path)
    else:
        with pytest.raises(ExportError, match="first axis is no longer the batch"):
            QONNXTracer(n.model(), HWConfig(1, -1, -1)).trace()


def test_elements_along_an_axis_of_their_own(tmp_path):
    """GatherElements behind the batch: each index reads its own row of a table with a batch of one."""
    n = Network((1, 3, 4), bits=3, signed=0, scale=1.0)
    index = n.then("Cast", to=TensorProto.INT32)
    n.add("GatherElements", RNG.integers(-20, 20, (1, 5, 8)).astype(np.float32), index, axis=2)
    tracer = QONNXTracer(n.model(), HWConfig(1, -1, -1))
    graph = trace(*tracer.trace())
    for x in RNG.integers(0, 8, (50, 1, 3, 4)).astype(np.float32):  # such a table has no batch for the executor either
        expected = run_model(tracer.graph.model, x)
        np.testing.assert_array_equal(graph.predict(x.reshape(1, -1), n_threads=1), expected)


def test_a_table_of_scaled_integers(tmp_path):
    """Entries on a grid that is no power of two are read as integers; the scale goes on behind them."""
    n = Network((1, 6), bits=4, scale=1.0)
    index = n.then("Cast", to=TensorProto.INT64)
    table = n.quant(RNG.normal(size=(16, 6)).astype(np.float32), scale=0.3, bits=5)
    n.add("GatherElements", table, index, axis=0)
    n.quant(scale=0.7, bits=4)
    check(n, tmp_path)


def test_a_table_behind_a_float_function(tmp_path):
    """Where the index is a function of floats, the table is a step of that function."""
    n = Network((1, 6), bits=5)
    for kind, *inputs in (("Sigmoid",), ("Mul", np.float32(9.9)), ("Floor",)):
        n.then(kind, *inputs)
    index = n.then("Cast", to=TensorProto.INT64)
    n.add("Gather", RNG.normal(size=10).astype(np.float32), index, axis=0)
    n.quant(bits=6, scale=0.125)
    check(n, tmp_path)


def refused(build, message, **settings):
    n = Network((1, 4), **settings)
    build(n)
    with pytest.raises(ExportError, match=message):
        QONNXTracer(n.model(), HWConfig(1, -1, -1)).trace()


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda n: (n.then("Sin"), n.quant()), "operator Sin .* cannot be built exactly"),
        (lambda n: (n.then("Tanh"), n.then("MatMul", n.weights(4, 2))), "MatMul .* reads a floating-point tensor"),
        (lambda n: n.then("MatMul", RNG.normal(size=(4, 2)).astype(np.float32)), "weights are floating-point numbers"),
        (lambda n: (n.then("Softmax"), n.quant()), "operator Softmax .* cannot be built exactly"),
        (lambda n: n.add("Add", n.last, n.quant(source=n.last, scale=0.3)), "scales that differ by no power of two"),
        (lambda n: n.quant(zero=0.5), r"zero point 0\.5 is not an integer"),
        (lambda n: n.quant(rounding="SIDEWAYS"), "rounding mode SIDEWAYS is not known"),
        (lambda n: n.quant(scale=-1.0), "scale -1 is not positive"),
        (lambda n: n.quant(bits=2.5), "bit width"),
        (lambda n: n.then("Relu"), "no quantiser behind its input"),
        (
            lambda n: n.add("Gather", np.ones(15, np.float32), codes(n, 6, 0.25)),
            "-16 to 15 leave a table of 15 entries",
        ),
        (lambda n: n.then("Cast", to=TensorProto.INT64), "cuts off the fraction of its input; round it"),
        (
            lambda n: (n.then("Mul", np.float32(64)), n.then("Cast", to=TensorProto.INT8)),
            "-256 to 240 do not fit into int8",
        ),
        (lambda n: (n.quant(), n.then("ReduceSum", np.int64([0]))), "sums over the batch"),
        (lambda n: (n.then("Exp"), n.then("ReduceSum", np.int64([1]))), "ReduceSum .* reads a floating-point tensor"),
        (lambda n: n.add("Gather", np.ones(9, np.int64), codes(n, 3, 0.25)), "its table holds int64; floats are known"),
        (
            lambda n: n.add("Gather", 1e-9 + np.arange(40, dtype=np.float32), codes(n, 5, 0.25)),
            "entries need .* bits; at most",
        ),
        (
            lambda n: n.add("Gather", np.tile(np.float32([1, 2]), 2**15), n.then("Cast", to=TensorProto.INT64)),
            "65536 values of an index; a table of at most 16384",
        ),
    ],
)
def test_refusals_name_the_node_and_the_remedy(build, message):
    refused(build, message, **({"bits": 16, "scale": 1.0} if "65536" in message else {}))


def test_too_many_reachable_values_are_refused():
    def build(n):
        n.then("Tanh")
        n.quant()

    refused(build, "16777216 reachable values of 4 elements", bits=24, scale=2.0**-20)


def test_normalisation_refuses_what_it_cannot_fix():
    n = Network(("batch", 4))
    n.quant()
    with pytest.raises(ExportError, match="dynamic or unknown shape"):
        QONNXTracer(n.model(), HWConfig(1, -1, -1))
    n = Network((8, 4))
    n.quant()
    with pytest.raises(ExportError, match="batch of 1"):
        QONNXTracer(n.model(), HWConfig(1, -1, -1))


def test_an_input_without_a_quantiser_is_refused_with_the_remedy():
    n = Network((1, 4))
    n.quant()
    model = n.model()
    del model.graph.node[0]
    model.graph.node[0].input[0] = "x"
    model.graph.node.insert(0, onnx.helper.make_node("Relu", ["x"], ["y"]))
    model.graph.node[1].input[0] = "y"
    with pytest.raises(ExportError, match=r"read by Relu, not by one quantiser: .* input: fixed<16,6>"):
        QONNXTracer(model, HWConfig(1, -1, -1)).trace()


def test_bipolar_input(tmp_path):
    """The sign of a float is a port too."""
    n = Network((1, 6))
    n.nodes, n.constants, n.last = [], [], "x"
    n.then("BipolarQuant", np.float32(1), domain=QONNX_DOMAIN)
    n.then("MatMul", n.weights(6, 3))
    check(n, tmp_path)


@pytest.mark.parametrize("rounding", ["FLOOR", "ROUND"])
def test_second_version_of_trunc(rounding, tmp_path):
    """It has a scale of its own for what it makes; the stock executor decides what that means."""
    n = Network((1, 6), bits=6, scale=0.5)
    inputs = [np.float32(v) for v in (0.5, 0, 6, 2.0, 4)]
    n.then("Trunc", *inputs, domain=QONNX_DOMAIN, rounding_mode=rounding, signed=1, narrow=0)
    n.then("MatMul", n.weights(6, 3))
    check(n, tmp_path, qonnx_opset=2)
