"""Networks of tables: exact numbers, the QONNX file, the hardware front end and costs, against brute force."""

import itertools

import numpy as np
import pytest
from alkaid.trace import HWConfig, trace

from nanotrigger.errors import ExportError, ToolError
from nanotrigger.qonnx.adder_graph import QONNXTracer
from nanotrigger.qonnx.execute import execute, load_model
from nanotrigger.qonnx.fixed_point import Quantiser
from nanotrigger.qonnx.graph import Graph
from nanotrigger.qonnx.tables import TableLayer, TableNetwork, check_width, ebops, summary, write_tables
from nanotrigger.report.architecture import architecture


def tables(seed, sizes=(6, 4, 3), finest=-4):
    """Random tables: grids and ranges of their own, signs alone, constants, inputs that nothing reads."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, shape in enumerate(itertools.pairwise(sizes)):
        step, bits, signed = 2.0 ** rng.integers(-3, 2, shape), rng.integers(0, 5, shape), rng.random(shape) < 0.5
        dead = (rng.random(shape) < 0.15) | ((bits == 0) & ~signed)
        dead[0] = number == 0
        step = np.where(dead, 1.0, step)
        low, high = np.where(signed & ~dead, -(2.0**bits) * step, 0), np.where(dead, 0, (2.0**bits - 1) * step)
        grid = Quantiser(step, low, high, "FLOOR", traced=number > 0)
        size = 2 ** int((bits + signed)[~dead].max())
        values = rng.integers(-9, 9, (size, *shape)) * 2.0 ** rng.integers(finest, 1, shape)
        layer = TableLayer(grid, np.float32(values), np.full(shape, 5))
        layers.append(TableLayer(grid, np.float32(np.where(layer.reachable(), values, 0)), np.full(shape, 5)))
    first = layers[0].input
    port = Quantiser(
        np.where(first.low != first.high, first.step, 1.0).min(1), first.low.min(1), first.high.max(1), "FLOOR"
    )
    room = np.exp2(np.ceil(np.log2(np.maximum(port.high + port.step, -port.low))))
    port = Quantiser(port.step, np.where(port.low < 0, -room, 0), np.where(port.high > 0, room - port.step, 0), "FLOOR")
    return TableNetwork(port, tuple(layers))


def jets(seed, count=300, features=6):
    return np.random.default_rng(seed).normal(size=(count, features), scale=6).astype(np.float32)


def by_hand(network, x):
    """Every table looked up on its own, in Python's numbers."""
    rows = []
    for jet in x.astype(float):
        port = network.port
        current = [min(max(np.floor(v / s) * s, a), b) for v, s, a, b in zip(jet, port.step, port.low, port.high)]
        for layer in network.layers:
            _, inputs, outputs = layer.table.shape
            sums = [0.0] * outputs
            for i in range(inputs):
                for o in range(outputs):
                    step, low, high = (float(getattr(layer.input, n)[i, o]) for n in ("step", "low", "high"))
                    value = min(max(np.floor(current[i] / step) * step, low), high)
                    sums[o] += float(layer.table[int(value / step), i, o])
            current = sums
        rows.append(current)
    return np.array(rows)


@pytest.mark.parametrize("seed", range(6))
def test_predict_file_and_hardware_are_what_the_tables_say(seed, tmp_path):
    network, x = tables(seed), jets(seed)
    expected = by_hand(network, x)
    np.testing.assert_array_equal(network.predict(x), expected)
    write_tables(network, tmp_path / "m.onnx", {})
    found, overflows = execute(tmp_path / "m.onnx", x)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected, axis=0)) > 30
    tracer = QONNXTracer(load_model(tmp_path / "m.onnx"), HWConfig(1, -1, -1), {"hard_dc": 2}, "saturate")
    graph = trace(*tracer.trace())
    np.testing.assert_array_equal(graph.predict(network.port(x), n_threads=1), expected)
    # nothing but tables and sums: an input's bits are taken as they are
    operations = {op.opcode for op in graph.ops}
    assert 8 in operations, "no table was built"
    # where a traced range is left, hardware may drop the high bits
    wrapping = QONNXTracer(load_model(tmp_path / "m.onnx"), HWConfig(1, -1, -1), {"hard_dc": 2}, "wrap")
    wrong = (trace(*wrapping.trace()).predict(network.port(x), n_threads=1) != expected).any()
    assert overflows > 0 or not wrong


def test_wide_sums_are_exact_in_the_file(tmp_path):
    network = tables(1, finest=-30)
    assert max(layer.sum_bits() for layer in network.layers) > 24
    write_tables(network, tmp_path / "m.onnx", {})
    graph = Graph(load_model(tmp_path / "m.onnx"))
    assert graph.doubles, "nothing is computed in double precision"
    np.testing.assert_array_equal(execute(tmp_path / "m.onnx", jets(1))[0], by_hand(network, jets(1)))


def test_sums_that_no_double_holds_are_refused(tmp_path):
    with pytest.raises(ExportError, match=r"layer 0: its sums need \d+ bits; at most 53"):
        write_tables(tables(1, finest=-70), tmp_path / "m.onnx", {})
    assert not (tmp_path / "m.onnx").exists()


def test_saved_and_read(tmp_path):
    network = tables(3)
    network.save(tmp_path / "m.npz")
    read = TableNetwork.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(read.predict(jets(3)), network.predict(jets(3)))
    assert summary(read) == summary(network) and read.layers[1].input.traced and not read.layers[0].input.traced


def test_no_jets_have_no_logits():
    assert tables(0).predict(np.zeros((0, 6), np.float32)).shape == (0, 3)


def test_costs_by_hand():
    """Two tables: 7 bits in, 3 bits out: 3 (2^(7-5) / 2 + 1) EBOPs; 2 bits in, 4 out: 4 (2/5 / 2 + 1); and a pruned one."""
    step = np.array([[1.0], [0.5], [1.0]])
    grid = Quantiser(step, np.array([[-64.0], [0], [0]]), np.array([[63.0], [1.5], [0]]), "FLOOR")
    table = np.zeros((128, 3, 1), np.float32)
    table[:, 0], table[:4, 1] = 1, [[0], [1], [2], [0]]
    network = TableNetwork(Quantiser(1.0, -64.0, 63.0, "FLOOR"), (TableLayer(grid, table, np.array([[3], [4], [0]])),))
    assert ebops(network) == round(3 * (4 / 2 + 1) + 4 * (0.4 / 2 + 1))
    costs = summary(network)
    assert costs["parameters"] == 128 + 4 + 1 and costs["nonzero_weights"] == 128 + 2
    assert costs["weight_bits_histogram"] == [{"0": 1, "3": 1, "4": 1}]
    assert costs["activation_bits_histogram"] == [{"0": 1, "2": 1, "7": 1}]
    assert costs["bops_hawq"] is None and costs["layer_density"] == [2 / 3]


def test_an_input_too_wide_for_an_address_is_refused():
    check_width(np.array([[14]]), "layer 0")
    with pytest.raises(ExportError, match="layer 3: a table's input has 15 bits; at most 14"):
        check_width(np.array([[2, 15]]), "layer 3")


def test_the_report_knows_its_layers(tmp_path):
    write_tables(tables(2), tmp_path / "m.onnx", {})
    found = architecture(tmp_path / "m.onnx")
    assert [layer.kind for layer in found.layers] == ["GatherElements"] * 2
    assert [layer.shape[1:] for layer in found.layers] == [(6, 4), (4, 3)]


def test_hls4ml_refuses_tables_by_name(tmp_path):
    from nanotrigger.flows import hls4ml

    write_tables(tables(2), tmp_path / "m.onnx", {})
    with pytest.raises(ToolError, match=r"GatherElements table0_value.* reads a table .* hls4ml has no operator"):
        hls4ml.create_project(tmp_path / "m.onnx", "qonnx", tmp_path / "project", hls4ml.Params())


def test_simulations_of_tables_equal_the_file(tmp_path):
    """Verilog, and the netlist where the program that makes one is there."""
    from nanotrigger.flows import rtl

    network, x = tables(5, (6, 3, 2)), jets(5, 200)
    write_tables(network, tmp_path / "m.onnx", {})
    expected, _ = execute(tmp_path / "m.onnx", x)
    project, params = tmp_path / "project", rtl.Params(overflow="saturate")
    project.mkdir()
    rtl.create_project(tmp_path / "m.onnx", "qonnx", project, params)
    np.testing.assert_array_equal(rtl.emulate(project, x, params), expected)
    if status := rtl.synthesize(project, params).get("status"):
        pytest.skip(status)
    np.testing.assert_array_equal(rtl.simulate_netlist(project, x, params), expected)


def test_a_plan_leaves_out_flows_that_cannot_build_tables():
    from conftest import read_yaml

    from nanotrigger.config import load_config
    from nanotrigger.plan import make_plan

    config = read_yaml("config/config.yaml")
    config["run"] |= {"models": ["hgq_lut", "hgq"], "flows": ["rtl", "hls4ml"], "skip": []}
    plan = make_plan(load_config(config))
    assert {(p.model, p.flow) for p in plan.pairs if p.model.startswith("hgq_lut")} == {
        (name, "rtl") for name in plan.models if name.startswith("hgq_lut")
    }
    reasons = {s.reason for s in plan.skipped if s.model.startswith("hgq_lut")}
    assert len(reasons) == 1 and "hls4ml" in (reason := reasons.pop()) and "table of constants" in reason
    assert not [s for s in plan.skipped if not s.model.startswith("hgq_lut")]
