"""Netlists as and-inverter graphs: against a cycle-by-cycle simulation, and against a circuit with feedback."""

import numpy as np
import pytest

from nanotrigger.errors import ToolError
from nanotrigger.tools.aiger import AndInverterGraph, netlist_graph

COUNTER = """
module top(input clk, input [1:0] step, input hold, output reg [3:0] count, output parity);
  always @(posedge clk) if (!hold) count <= count + step;
  assign parity = ^count;
endmodule
"""


def test_a_circuit_with_feedback_equals_its_definition(tmp_path):
    (tmp_path / "top.v").write_text(COUNTER)
    graph = netlist_graph(tmp_path, ["top.v"], "top", 300)
    rng = np.random.default_rng(0)
    step, hold = rng.integers(0, 4, 150), rng.integers(0, 2, 150).astype(bool)
    found = graph.simulate({"step[0]": step & 1, "step[1]": step >> 1, "hold": hold}, 150)
    count, expected = 0, []
    for s, h in zip(step, hold, strict=True):
        expected.append(count)
        count = count if h else (count + s) % 16
    np.testing.assert_array_equal(sum(found[f"count[{i}]"].astype(int) << i for i in range(4)), expected)
    np.testing.assert_array_equal(found["parity"], [bin(c).count("1") % 2 for c in expected])
    with pytest.raises(ToolError, match="an input hold that nothing drives"):
        graph.simulate({"step[0]": step & 1, "step[1]": step >> 1}, 150)


def test_a_cell_without_a_model_is_an_error(tmp_path):
    (tmp_path / "top.v").write_text("module top(input a, output y); SECRET cell_1(.a(a), .y(y)); endmodule\n")
    with pytest.raises(ToolError, match="SECRET"):
        netlist_graph(tmp_path, ["top.v"], "top", 300)


@pytest.mark.parametrize("content", [b"aag 1 1 0 0 0\n", b"aig 9 1 0 0 0\n", b"aig 1 1 0 0 0 1\n"])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "x.aig").write_bytes(content)
    with pytest.raises(ToolError, match=r"x\.aig"):
        AndInverterGraph.read(tmp_path / "x.aig")
