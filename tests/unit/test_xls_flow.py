"""The XLS flow: exact, as late as it says, and clear about what it cannot schedule."""

import os
import re

import numpy as np
import onnx
import pytest
from test_export import dense, network
from test_operators import Network

from nanotrigger.errors import ExportError, ToolError
from nanotrigger.flows import xls
from nanotrigger.flows._verilog import design
from nanotrigger.qonnx import host
from nanotrigger.qonnx.execute import execute
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.fixed_point import FixedPointNetwork, Quantiser, lsb
from nanotrigger.qonnx.multipliers import multiplier_graph
from nanotrigger.reports.xls import register_ranks

pytest.importorskip("xls", reason="xls-python is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A QONNX file of two layers, small enough to synthesise in seconds."""
    rng = np.random.default_rng(1)
    port = Quantiser(0.5, -4.0, 3.5, "ROUND")
    hidden = Quantiser(0.5, 0.0, 3.5, "HALF_UP")
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    layers = (dense(rng, 4, 3, 5, port, True), dense(rng, 3, 2, 5, hidden, False))
    write_qonnx(FixedPointNetwork(layers), path, {})
    return path


@pytest.fixture
def project(model, tmp_path):
    """Creates a project with those parameters."""

    def create(**keys):
        folder = tmp_path / f"project{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        xls.create_project(model, "qonnx", folder, xls.Params(**keys))
        return folder

    return create


def jets(seed, count):
    """Inputs on the port's grid and far outside it."""
    return np.random.default_rng(seed).normal(size=(count, 4), scale=4).astype(np.float32)


def measured_latency(folder, before, after):
    """Clock edges from a new word at the input port until it has come out, and what came out on the way.

    Steps the simulation by hand: no schedule is involved.
    """
    from alkaid.codegen import RTLModel
    from alkaid.stateful import FSM

    rtl = RTLModel(FSM.load(folder / "model/fsm.json.gz"), folder, "model", ternary_fuse=False)
    rtl._load_lib()

    def edge():
        rtl.eval()
        rtl.tick()
        return tuple(rtl.get_port("model_out"))

    rtl.set_port("model_inp", before)
    for _ in range(100):
        old = edge()
    rtl.set_port("model_inp", after)
    seen = [edge() for _ in range(100)]
    return seen.index(seen[-1]) + 1, old, seen


@pytest.mark.parametrize("keys", [{"arithmetic": "multipliers"}, {"clock_ns": 1.5}], ids=["multipliers", "fast clock"])
def test_pipeline_equals_the_file_and_is_as_late_as_it_says(keys, model, project):
    folder, x = project(**keys), jets(0, 400)
    expected = execute(model, x)[0]
    np.testing.assert_array_equal(xls.emulate(folder, x, xls.Params(**keys)), expected)
    grid = host.inputs(folder, x)
    first, second = 0, int(np.flatnonzero((expected != expected[0]).all(1))[0])
    edges, old, seen = measured_latency(folder, grid[first], grid[second])
    assert old == tuple(expected[first]) and seen[-1] == tuple(expected[second])
    assert set(seen[: edges - 1]) <= {old}, "something else came out in between"
    latency = design(folder)["latency_cycles"]
    # as for the rtl flow: clock cycles from the input register to the output register
    assert edges == latency + 1
    assert latency >= (1 if keys.get("clock_ns") is None else 2)


def test_the_netlist_equals_the_file_and_is_recorded(model, project):
    params = xls.Params(pipeline_stages=2)
    folder, x = project(pipeline_stages=2), jets(3, 200)
    assert xls.synthesize(folder, params) == {}
    np.testing.assert_array_equal(xls.simulate_netlist(folder, x, params), execute(model, x)[0])
    record = xls.read_report(folder, params)
    assert (record.tool, record.stage, record.latency_cycles) == ("alkaid, XLS, yosys", "logic_synthesis", 2)
    assert (record.latency_ns, record.ii, record.dsp) == (10.0, 1, 0)
    assert re.fullmatch(r"xls-python \S+, yosys \S+", record.version)
    # every flip-flop is one that the netlist holds, and the output port's word is registered
    assert record.ff == len(re.findall(r"^\s*FD\w+ ", (folder / "netlist.v").read_text(), re.MULTILINE)) > 8
    assert record.lut > 20 and record.logic_delay_ns > 0 and record.adder_cost > 10
    assert any("sky130" in note for note in record.notes) and record.status == "done"
    # the delays are those of 7-series cells: for another family they say nothing about its clock
    short = {"pipeline_stages": 2, "clock_ns": record.logic_delay_ns / 2}
    other = xls.read_report(folder, xls.Params(**short))
    assert other.status == "done" and any("7-series" in note for note in other.notes)
    assert "not met: cells alone take" in xls.read_report(folder, xls.Params(**short, family="xc7")).status


def test_alkaids_estimate_is_not_given_for_adders_that_are_not_alkaids(project):
    assert design(project(arithmetic="multipliers"))["adder_cost"] is None


def test_the_number_of_stages_can_be_chosen(project):
    for stages in (1, 4):
        folder = project(pipeline_stages=stages, clock_ns=50)
        assert design(folder)["latency_cycles"] == stages
        # one clocked block per rank, counted without the parser
        text = (folder / "src/model.v").read_text()
        assert text.count("posedge") == stages + 1
        # the clock leaves time for all in one cycle; each stage has its share of the sums nevertheless
        assert all(re.search(r" [+-] ", stage) for stage in text.split("// ===== Pipe stage")[2:])


def test_a_shorter_clock_takes_more_cycles(project):
    slow, fast = (design(project(clock_ns=clock))["latency_cycles"] for clock in (20, 1.5))
    assert fast > slow == 1


def test_a_clock_that_cannot_be_met_is_named_with_one_that_can(project):
    with pytest.raises(ToolError, match=r"clock_ns = 0\.01: .* sky130; (\S+) can be met\. Raise clock_ns") as caught:
        project(clock_ns=0.01)
    feasible = float(re.search(r"(\S+) can be met", str(caught.value))[1])
    assert design(project(clock_ns=feasible))["latency_cycles"] > 1


def test_too_few_stages_for_the_clock_are_named_with_what_is_needed(project):
    with pytest.raises(ToolError, match=r"pipeline_stages = 1 at clock_ns = 1\.5: it needs \d+") as caught:
        project(clock_ns=1.5, pipeline_stages=1)
    needed = int(re.search(r"it needs (\d+)", str(caught.value))[1])
    assert design(project(clock_ns=1.5, pipeline_stages=needed))["latency_cycles"] == needed


def test_a_hang_is_stopped(project):
    with pytest.raises(ToolError, match=r"python\S* ran longer than its limit of 0\.05 s; see .*xls\.log"):
        project(timeout_s=0.05)


def test_a_crash_is_an_error_of_this_design_alone(project, tmp_path, monkeypatch):
    stand_in = tmp_path / "path/xls"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text("import os; print('about to crash', flush=True); os.abort()")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(stand_in.parent), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(ToolError, match=r"(?s)python\S* failed with exit code -6.*xls\.log.*about to crash"):
        project()


PIPELINE = """module model(input wire clk);
  // ===== Pipe stage 0:
  // Registers for pipe stage 0:
  always @ (posedge clk) begin
  end
  // Registers for pipe stage 1:
  always @ (posedge clk) begin
  end
endmodule
"""


def test_ranks_of_registers(tmp_path):
    (tmp_path / "p.v").write_text(PIPELINE)
    assert register_ranks(tmp_path / "p.v") == 2


@pytest.mark.parametrize(
    "old, new",
    [
        ("stage 1:", "stage 2:"),
        ("  always @ (posedge clk) begin\n  end\nendmodule", ""),
        (PIPELINE, "module m; endmodule"),
    ],
    ids=["a rank is missing", "a rank is not clocked", "combinational"],
)
def test_another_layout_raises(tmp_path, old, new):
    (tmp_path / "p.v").write_text(PIPELINE.replace(old, new))
    for name in ("p.v", "absent.v"):
        with pytest.raises(ToolError, match=rf"{name}: not a pipeline as XLS writes it"):
            register_ranks(tmp_path / name)


@pytest.mark.parametrize("bits", [3, 6])
def test_multipliers_equal_the_file(bits, tmp_path):
    """And stay multiplications: one per input and odd part of its weights, as shifts and signs cost nothing."""
    net = network(bits, seed=bits)
    write_qonnx(net, tmp_path / "m.onnx", {})
    _, graph = multiplier_graph(tmp_path / "m.onnx", xls.Params())
    x = np.random.default_rng(0).normal(size=(2000, 16), scale=4).astype(np.float32)
    found = graph.predict(net.layers[0].input(x), n_threads=1)
    np.testing.assert_array_equal(found, execute(tmp_path / "m.onnx", x)[0])
    products = sum(op.opcode == 7 for op in graph.ops)
    assert products == sum(len(set(np.abs(w / lsb(w))[w != 0])) for layer in net.layers for w in layer.weight)


def test_multipliers_refuse_what_is_no_product_with_a_constant(tmp_path):
    n = Network((1, 4), bits=4)
    n.add("Transpose", n.last, perm=[1, 0])
    n.add("MatMul", n.nodes[0].output[0], n.last)
    n.quant()
    onnx.save(n.model(), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="products of an activation with a constant matrix alone"):
        multiplier_graph(tmp_path / "m.onnx", xls.Params())
