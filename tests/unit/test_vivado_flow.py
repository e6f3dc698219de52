"""Vivado's flow with a stand-in for the program: it leaves hand-made reports, and yosys' cells as the netlist."""

import os
from pathlib import Path

import numpy as np
import pytest

from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows import rtl, vivado

HANDMADE = Path(__file__).parents[1] / "fixtures/reports"
# what Vivado writes for simulation ends in this module, whose delays need not be simulated
GLBL = """`ifndef GLBL
`define GLBL
module glbl ();
reg GSR;
initial begin GSR = 1; #(100000) GSR = 0; end
endmodule
`endif
"""
LEAVES = "cp ../utilisation.rpt ../timing.rpt ../power.rpt vivado/"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install a shell script as `vivado`; returns the project folder."""
    for name, source in [
        ("utilisation", "utilisation_series7"),
        ("timing", "timing"),
        ("power", "power"),
    ]:
        (tmp_path / f"{name}.rpt").write_text((HANDMADE / f"handmade_vivado_{source}.rpt").read_text())
    (tmp_path / "project").mkdir()
    (tmp_path / "project/design.json").write_text('{"latency_cycles": 4, "ii": 1, "adder_cost": 700.5, "notes": []}')
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def install(script, name="vivado"):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return tmp_path / "project"

    return install


def test_routed_reports_become_a_record(stand_in):
    project = stand_in(f'echo "arguments: $*"; {LEAVES}')
    params = vivado.Params(part="xc7a35ticsg324-1L", clock_ns=5)
    assert vivado.synthesize(project, params) == {}
    assert "-mode batch" in (project / "vivado/vivado.log").read_text()
    record = vivado.read_report(project, params)
    assert (record.stage, record.version, record.lut, record.ff) == ("place_and_route", "2018.3", 515, 333)
    assert (record.dsp, record.bram36, record.carry, record.power_mw) == (6, 4.5, 77, 217)
    assert (record.latency_cycles, record.latency_ns, record.ii, record.adder_cost) == (4, 20, 1, 700.5)
    assert record.fmax_mhz == pytest.approx(1000 / 5.55)
    power, clock = record.notes
    assert (
        "static power is 2925 mW" in power and "confidence Low" in power and "misses its clock of 5 ns by 0.55" in clock
    )


def test_the_script_says_what_is_done(stand_in):
    project = stand_in(LEAVES)
    vivado.synthesize(project, vivado.Params(part="xcku5p-ffvb676-2-e", clock_ns=2.5))
    script = (project / "vivado/implementation.tcl").read_text()
    steps = [
        "read_verilog",
        "read_xdc",
        "synth_design",
        "opt_design",
        "place_design",
        "phys_opt_design",
        "route_design",
    ]
    steps += ["report_timing_summary", "report_power", "write_checkpoint", "write_verilog"]
    assert sorted(steps, key=script.index) == steps
    assert "-part xcku5p-ffvb676-2-e -mode out_of_context" in script
    assert (project / "vivado/clock.xdc").read_text() == "create_clock -period 2.5 -name clk [get_ports clk]\n"


def test_without_vivado_the_status_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.tools.vendor.find", lambda program: None)
    assert vivado.synthesize(tmp_path, vivado.Params()) == {"status": "vivado not on PATH"}


def test_failures(stand_in):
    project, params = stand_in(LEAVES), vivado.Params()
    vivado.synthesize(project, params)
    stand_in("echo no licence for xcvu13p; exit 1")
    with pytest.raises(ToolError, match=r"(?s)vivado failed with exit code 1.*no licence"):
        vivado.synthesize(project, params)
    # no stale report survives
    assert not list(project.glob("**/*.rpt"))
    stand_in("sleep 60")
    with pytest.raises(ToolError, match="vivado ran longer than its limit of 1 s"):
        vivado.synthesize(project, vivado.Params(timeout_s=1))
    stand_in("exit 0")
    vivado.synthesize(project, params)
    with pytest.raises(ToolError, match=r"utilisation\.rpt: the report is not there"):
        vivado.read_report(project, params)
    stand_in(LEAVES)
    vivado.synthesize(project, params)
    with pytest.raises(ToolError, match="timing is for a clock of 5 ns, not of 4 ns"):
        vivado.read_report(project, vivado.Params(clock_ns=4))
    (project / "vivado/utilisation.rpt").write_text(
        (HANDMADE / "handmade_vivado_utilisation_ultrascale.rpt").read_text()
    )
    with pytest.raises(ToolError, match="a design that was not placed"):
        vivado.read_report(project, params)


def test_a_module_of_the_stanza_is_loaded(stand_in, tmp_path, monkeypatch):
    (tmp_path / "modules/init").mkdir(parents=True)
    (tmp_path / "modules/init/bash").write_text('module() { echo "module $*"; }\n')
    monkeypatch.setenv("MODULESHOME", str(tmp_path / "modules"))
    project = stand_in(LEAVES)
    vivado.synthesize(project, vivado.Params(modules=["vivado/2023.2", "licence"]))
    assert "module load vivado/2023.2 licence" in (project / "vivado/vivado.log").read_text()


def test_the_netlist_is_simulated_with_models_of_its_cells(tmp_path):
    """yosys' netlist stands in for Vivado's: the cells are of the same family, with the module that Vivado adds."""
    from test_export import dense

    from nanotrigger.qonnx.execute import execute
    from nanotrigger.qonnx.export import write_qonnx
    from nanotrigger.qonnx.fixed_point import FixedPointNetwork, Quantiser

    layer = dense(np.random.default_rng(0), 8, 3, 4, Quantiser(0.5, -4.0, 3.5, "ROUND"), False)
    write_qonnx(FixedPointNetwork((layer,)), tmp_path / "model.onnx", {})
    x = np.random.default_rng(1).normal(size=(50, 8), scale=3).astype(np.float32)
    params = vivado.Params()
    project = tmp_path / "project"
    project.mkdir()
    vivado.create_project(tmp_path / "model.onnx", "qonnx", project, params)
    rtl.synthesize(project, rtl.Params())
    (project / "vivado").mkdir()
    netlist = (project / "netlist.v").read_text()
    (project / "vivado/netlist.v").write_text(netlist + GLBL)
    expected = execute(tmp_path / "model.onnx", x)[0]
    np.testing.assert_array_equal(vivado.simulate_netlist(project, x, params), expected)
    (project / "vivado/netlist.v").write_text(netlist.replace("CARRY4 ", "CARRY99 "))
    with pytest.raises(NotRun, match="yosys' models of cells do not build it"):
        vivado.simulate_netlist(project, x[:2], params)
