"""The ASIC flow on a small library whose delays, capacitances and areas are round numbers: every figure is found by hand."""

import json
import os
import re
import subprocess
from collections import defaultdict

import numpy as np
import pytest
from test_export import network

from nanotrigger.errors import ConfigError, ToolError
from nanotrigger.flows import asic
from nanotrigger.tools import debian, opensta

OPENSTA = pytest.mark.skipif(
    debian.find_program("sta") is None, reason="OpenSTA is not installed: run 'make asic-tools'"
)

# name: area, inputs, function, delay in ns
GATES = {
    "zap": (2.0, "a", "a'", 0.25),
    "ivy": (3.0, "a", "a", 0.25),
    "fig": (5.0, "ab", "(a b)'", 0.5),
    # a second NAND, larger: not the unit of area
    "pip": (8.0, "ab", "!(a * b)", 0.5),
    "oat": (7.0, "ab", "!(a + b)", 0.75),
    "yew": (11.0, "ab", "a ^ b", 1.0),
}
CAPACITANCE = 0.01
FLIP_FLOP_AREA, CLOCK_TO_Q, SETUP = 23.0, 0.5, 0.125
VOLTAGE, LEAKAGE_NW = 2.0, 4.0


def table(kind, value):
    return f'{kind}(t) {{ values ("{value}, {value}", "{value}, {value}"); }}\n'


def input_pin(name, extra=""):
    return f"pin({name}) {{ direction : input; capacitance : {CAPACITANCE}; {extra} }}\n"


def output_pin(function, arcs):
    """arcs: related pin, delay and further attributes of each timing group."""
    text = f'pin(y) {{ direction : output; capacitance : 0; function : "{function}";\n'
    for pin, delay, extra in arcs:
        text += f'timing() {{ related_pin : "{pin}"; {extra}\n' + "".join(
            table(kind, value)
            for kind, value in (
                ("cell_rise", delay), ("cell_fall", delay), ("rise_transition", 0.1), ("fall_transition", 0.1),
            )
        )  # fmt: skip
        text += "}\n"
    return text + "}\n"


def liberty(leave_out=(), reset=False):
    """A Liberty library. reset: its flip-flop has an asynchronous reset, so that mapping ties a pin to a constant."""
    text = """library(toy) {
    delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA";
    pulling_resistance_unit : "1kohm"; leakage_power_unit : "1nW"; capacitive_load_unit (1,pf);
    slew_upper_threshold_pct_rise : 80; slew_lower_threshold_pct_rise : 20;
    slew_upper_threshold_pct_fall : 80; slew_lower_threshold_pct_fall : 20;
    input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
    output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
    nom_process : 1; nom_voltage : VOLTAGE; nom_temperature : 25;
    operating_conditions(typical) { process : 1; voltage : VOLTAGE; temperature : 25; }
    default_operating_conditions : typical;
    lu_table_template(t) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
      index_1 ("0.0, 10.0"); index_2 ("0.0, 10.0"); }
    lu_table_template(c) { variable_1 : related_pin_transition; variable_2 : constrained_pin_transition;
      index_1 ("0.0, 10.0"); index_2 ("0.0, 10.0"); }
    """.replace("VOLTAGE", str(VOLTAGE))
    leakage = f"cell_leakage_power : {LEAKAGE_NW};"
    for name, (area, inputs, function, delay) in GATES.items():
        if name not in leave_out:
            sense = {"a": "positive_unate", "a ^ b": "non_unate"}.get(function, "negative_unate")
            sense = f"timing_sense : {sense};"
            text += f"cell({name}) {{ area : {area}; {leakage}\n" + "".join(map(input_pin, inputs))
            text += output_pin(function, [(pin, delay, sense) for pin in inputs]) + "}\n"
    if "keep" not in leave_out:
        constraint = "".join(table(f"{edge}_constraint", SETUP).replace("(t)", "(c)") for edge in ("rise", "fall"))
        setup = f'timing() {{ related_pin : "c"; timing_type : setup_rising; {constraint} }}'
        state = 'ff(IQ, IQN) { next_state : "d"; clocked_on : "c"; ' + ('clear : "!r";' if reset else "") + "}\n"
        text += f"cell(keep) {{ area : {FLIP_FLOP_AREA}; {leakage}\n{state}" + input_pin("d", setup)
        text += input_pin("c", "clock : true;") + (input_pin("r") if reset else "")
        text += output_pin("IQ", [("c", CLOCK_TO_Q, "timing_type : rising_edge;")]) + "}\n"
    return text + "}\n"


def project(folder, **keys):
    """A tiny network's project with that library, and its parameters."""
    from nanotrigger.qonnx.export import write_qonnx

    folder.mkdir(parents=True, exist_ok=True)
    write_qonnx(network(3, hidden_units=2), folder / "model.onnx", {})
    (folder / "project").mkdir()
    params = asic.Params(**{"liberty": folder / "toy.lib", "netlist_jets": 1000, "activity_jets": 50, **keys})
    asic.create_project(folder / "model.onnx", "qonnx", folder / "project", params)
    return folder / "project", params


def jets(n):
    return np.random.default_rng(2).normal(size=(n, 16), scale=3).astype(np.float32)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with_reset"])
def finished(request, tmp_path_factory):
    """A synthesised and simulated project, its record and the outputs of its netlist."""
    folder = tmp_path_factory.mktemp("asic")
    (folder / "toy.lib").write_text(liberty(reset=request.param))
    built, params = project(folder)
    assert asic.synthesize(built, params) == {}
    outputs = asic.simulate_netlist(built, jets(1000), params)
    return built, params, outputs, asic.read_report(built, params)


def cells_in(netlist):
    """Cells of a Verilog netlist as (type, name, {pin: net}), by their text."""
    found = re.findall(r"^  (\w+) (\w+) \(\n((?:    \.\w+\(.*\),?\n)+)  \);", netlist.read_text(), re.M)
    return [(kind, name, dict(re.findall(r"\.(\w+)\((.*?)\)", pins))) for kind, name, pins in found]


def test_the_netlist_equals_the_qonnx_file(finished):
    from nanotrigger.qonnx.execute import execute

    built, _, outputs, _ = finished
    np.testing.assert_array_equal(outputs, execute(built.parent / "model.onnx", jets(1000))[0])


def test_area_is_the_sum_over_the_cells(finished):
    built, _, _, record = finished
    areas = {name: gate[0] for name, gate in GATES.items()} | {"keep": FLIP_FLOP_AREA}
    cells = cells_in(built / "netlist.v")
    assert len(cells) == sum(record.cells.values()) > 100
    assert record.area_um2 == pytest.approx(sum(areas[kind] for kind, _, _ in cells))
    assert record.nand2 == record.area_um2 / 5.0
    assert record.stage == "logic_synthesis" and record.lut is None


@OPENSTA
def test_period_is_the_longest_path(finished):
    built, params, _, record = finished
    arrival = {}
    drivers = {pins["y"]: (kind, pins) for kind, _, pins in cells_in(built / "netlist.v")}

    def time(net):
        if net not in arrival:
            kind, pins = drivers[net]
            before = [] if kind == "keep" else [time(pins[pin]) for pin in GATES[kind][1]]
            arrival[net] = max(before) + GATES[kind][3] if before else CLOCK_TO_Q
        return arrival[net]

    ends = [pins["d"] for kind, pins in drivers.values() if kind == "keep"]
    longest = max(time(net) for net in ends if net in drivers) + SETUP
    assert record.min_period_ns == pytest.approx(longest, abs=1e-5)
    needed = re.fullmatch(r"clock of 10 ns not met: needs (\S+) ns", record.status)
    assert longest > params.clock_ns and float(needed.group(1)) == pytest.approx(longest, rel=1e-3)


BENCH = """module bench(input clk);
  /* verilator tracing_off */
  reg [{top}:0] vectors [0:{last}];
  reg [{top}:0] x;
  integer i = 0;
  initial $readmemb("vectors.txt", vectors);
  always @(posedge clk) begin x <= vectors[i]; i <= i + 1; end
  /* verilator tracing_on */
  model_wrapper dut(.clk(clk), .model_inp(x), .model_out());
endmodule
"""
MAIN = """#include "Vbench.h"
#include "verilated.h"
#include "verilated_vcd_c.h"
int main() {{
    VerilatedContext context;
    context.traceEverOn(true);
    Vbench top{{&context}};
    VerilatedVcdC trace;
    top.trace(&trace, 99);
    trace.open("trace.vcd");
    for (int cycle = 0; cycle < {cycles}; ++cycle) {{
        top.clk = 1; top.eval(); trace.dump(cycle);
        top.clk = 0; top.eval();
    }}
    trace.close();
}}
"""


def traced_transitions(built, x, folder):
    """Transitions per cycle of every net of the netlist: Verilator's waveform of the cells, counted change by change."""
    from alkaid.stateful import FSM

    from nanotrigger.qonnx import host
    from nanotrigger.tools.verilator import provide

    fill, count = 20, len(x)
    values = host.inputs(built, x)
    # the port of the wrapper is made of equal elements
    signed, integer, fractional = np.max(FSM.load(built / "model/fsm.json.gz").inp_signals[0].precisions, axis=0)
    width = int(signed + integer + fractional)
    whole = np.floor(values * 2.0**fractional).astype(int) & (2**width - 1)
    words = ["".join(f"{value:0{width}b}" for value in row[::-1]) for row in whole]
    cycles = fill + count + 1
    (folder / "vectors.txt").write_text("\n".join(words[i % count] for i in range(cycles)) + "\n")
    (folder / "bench.v").write_text(BENCH.format(top=16 * width - 1, last=cycles - 1))
    (folder / "main.cpp").write_text(MAIN.format(cycles=cycles))
    (folder / "cells.v").write_text("/* verilator tracing_off */\n" + (built / "cells.v").read_text())
    variables = {**os.environ, **provide(folder / "bin", "-O0")}
    sources = ["bench.v", str(built / "src/model_wrapper.v"), str(built / "netlist.v"), "cells.v", "main.cpp"]
    command = [str(folder / "bin/verilator"), "--cc", "--exe", "-build", "--trace-vcd", "-Wno-fatal", "-Wno-lint"]
    command += ["-Wno-style", "--top-module", "bench", *sources, "-MAKEFLAGS", "OPT_GLOBAL=-O0", "-CFLAGS", "-O0"]
    subprocess.run([*command, "-o", "bench"], cwd=folder, env=variables, check=True, capture_output=True)
    subprocess.run([str(folder / "obj_dir/bench")], cwd=folder, check=True)
    names, value, changes, cycle = defaultdict(set), {}, defaultdict(int), 0
    for line in (folder / "trace.vcd").read_text().splitlines():
        if match := re.match(r"\s*\$var wire +1 (\S+) (\w+) \$end", line):
            names[match.group(1)].add(match.group(2))
        elif line.startswith("#"):
            cycle = int(line[1:])
        elif line[:1] in ("0", "1"):
            if cycle > fill and value.get(line[1:], line[0]) != line[0]:
                changes[line[1:]] += 1
            value[line[1:]] = line[0]
    return {name: changes[code] / count for code, group in names.items() for name in group}


@OPENSTA
def test_power_is_that_of_the_transitions_that_verilator_shows(finished, tmp_path):
    """Switching power is C V^2 / 2 for each transition; this library's cells take no other energy, but they leak."""
    built, params, _, record = finished
    transitions = traced_transitions(built, jets(1000)[:50], tmp_path)
    cells = cells_in(built / "netlist.v")
    loads = defaultdict(float)
    for _, _, pins in cells:
        for pin, net in pins.items():
            loads[net] += CAPACITANCE if pin != "y" else 0
    energy_pj = sum(0.5 * loads[p["y"]] * VOLTAGE**2 * transitions[p["y"]] for *_, p in cells if p["y"] in transitions)
    unknown = [pins["y"] for *_, pins in cells if pins["y"] not in transitions]
    assert all(loads[net] == 0 for net in unknown), "only bits of the output port have no name of their own"
    assert 0.1 < np.mean(list(transitions.values())) < 0.9
    expected = energy_pj / params.clock_ns + len(cells) * LEAKAGE_NW * 1e-6
    assert record.power_mw == pytest.approx(expected, rel=2e-4)
    assert "counted on 50 jets" in record.notes[1]


@OPENSTA
def test_a_clock_that_cannot_be_met_is_a_result(finished):
    built, params, _, record = finished
    fast = params.model_copy(update={"clock_ns": record.min_period_ns / 2})
    asic.synthesize(built, fast)
    again = asic.read_report(built, fast)
    assert again.min_period_ns == pytest.approx(record.min_period_ns, abs=1e-4)
    assert again.status == f"clock of {fast.clock_ns:g} ns not met: needs {again.min_period_ns:.4g} ns"
    assert again.power_mw is None and "not simulated" in again.notes[1], "an old power must not survive a synthesis"
    asic.simulate_netlist(built, jets(60), fast)
    assert "at a clock that is not met" in asic.read_report(built, fast).notes[1]


def test_without_opensta_the_area_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.tools.opensta.find_program", lambda name: None)
    (tmp_path / "toy.lib").write_text(liberty())
    built, params = project(tmp_path)
    asic.synthesize(built, params)
    asic.simulate_netlist(built, jets(20), params)
    record = asic.read_report(built, params)
    assert record.area_um2 > 0 and record.min_period_ns is None and record.power_mw is None
    assert record.status == "area only: OpenSTA not found, run 'make asic-tools'"


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"liberty: .*toy\.lib does not exist"),
        ("hello world", r"toy\.lib: not a Liberty library that yosys can read \(Syntax error"),
        (liberty()[:2500], r"toy\.lib: not a Liberty library that yosys can read \(Syntax error"),
        ("library(empty) { }", r"toy\.lib: among its 0 cells is no inverter, no buffer, no two-input NAND, no D flip"),
        (liberty(["keep"]), r"toy\.lib: among its 6 cells is no D flip-flop; .*key liberty"),
        (liberty(["zap"]), r"is no inverter;"),
        (liberty(["ivy"]), r"is no buffer;"),
        (liberty(["fig", "pip"]), r"is no two-input NAND;"),
    ],
    ids=["absent", "text", "cut_off", "empty", "no_flip_flop", "no_inverter", "no_buffer", "no_nand"],
)
def test_a_library_that_will_not_do_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "toy.lib").write_text(content)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/stat.json").write_text("old")
    with pytest.raises(ToolError, match=message):
        asic.synthesize(tmp_path / "project", asic.Params(liberty=tmp_path / "toy.lib"))
    assert not (tmp_path / "project/stat.json").exists()


def test_without_any_library_the_row_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.tools.debian.find_file", lambda path: None)
    assert "make asic-tools" in asic.synthesize(tmp_path, asic.Params())["status"]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install a shell script as OpenSTA: it tests our control flow, not the tool."""

    def install(script):
        program = tmp_path / "sta"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("nanotrigger.tools.opensta.find_program", lambda name: (str(program), {}))

    return install


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo licence expired; exit 1", r"sta failed with exit code 1(?s:.*)licence expired"),
        ("echo 'Error: cannot read file cells.lib.'", r"timing\.rpt: Error: cannot read file"),
        ("echo 'Warning: module q not found. Creating black box for c1.'", r"timing\.rpt: Warning: .*black box"),
        ("exit 0", r"timing\.rpt: holds 0 worst slacks"),
    ],
    ids=["fails", "script_error", "unknown_cell", "no_report"],
)
def test_opensta_that_does_not_do_its_work(tmp_path, stand_in, script, message):
    (tmp_path / "toy.lib").write_text(liberty())
    built, params = project(tmp_path)
    stand_in(f'case "$1" in -version) echo 2.0.17; exit;; esac\n{script}')
    (built / "timing.rpt").write_text("worst slack 1.0\n")

    def run():
        asic.synthesize(built, params)
        asic.read_report(built, params)

    with pytest.raises(ToolError, match=message):
        run()


def test_opensta_that_hangs(tmp_path, stand_in):
    stand_in("sleep 60")
    with pytest.raises(ToolError, match="sta ran longer than its limit of 1 s"):
        opensta.run_script(tmp_path, "", "timing", 1)


def test_another_program_of_that_name_is_not_opensta(stand_in):
    stand_in("echo Sound Transfer Agent 7")
    with pytest.raises(ToolError, match="is not OpenSTA: its version reads 'Sound Transfer Agent 7'"):
        opensta.opensta_version()


def test_unpacked_packages_are_found(tmp_path, monkeypatch):
    """As `make asic-tools` lays them down; a program on PATH comes first."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / ".tools/debian/usr"
    for folder in ("bin", "lib/x86_64-linux-gnu", "share/tcltk/tcl8.6", "share/cells"):
        (root / folder).mkdir(parents=True)
    for name in ("bin/no_such_tool", "bin/sh", "share/cells/a.lib"):
        (root / name).touch(0o755)
    program, variables = debian.find_program("no_such_tool")
    assert program == str(root / "bin/no_such_tool")
    assert variables["LD_LIBRARY_PATH"] == str(root / "lib/x86_64-linux-gnu")
    assert variables["TCL_LIBRARY"] == str(root / "share/tcltk/tcl8.6")
    assert debian.find_program("sh")[0] != str(root / "bin/sh")
    assert debian.find_file("usr/share/cells/a.lib") == root / "share/cells/a.lib"
    assert debian.find_file("usr/share/cells/b.lib") is None and debian.find_program("neither_tool") is None


def test_params():
    from nanotrigger.validation import validate

    assert asic.Params(liberty="x/sky130_tt.lib").part == "sky130_tt" and asic.Params().part == "osu018_stdcells"
    assert asic.Params(liberty="a.lib", part="mine").part == "mine"
    with pytest.raises(ConfigError, match="activity_jets = 300: are more than the 100 netlist_jets"):
        validate(asic.Params, {"activity_jets": 300, "netlist_jets": 100}, "flows.asic")


def test_a_cell_that_was_not_mapped_has_no_area(tmp_path):
    from nanotrigger.reports.yosys import standard_cell_area

    def stat(**design):
        (tmp_path / "stat.json").write_text(json.dumps({"design": design}))
        return tmp_path / "stat.json"

    assert standard_cell_area(stat(area=12.5, num_cells_by_type={"fig": 2})) == 12.5
    for design, message in (
        ({"area": 9.0, "num_cells_by_type": {"fig": 1, "$_DFF_P_": 3}}, r"\$_DFF_P_ were not mapped"),
        ({"num_cells_by_type": {"fig": 1}}, "holds no area"),
        ({"area": 0.0, "num_cells_by_type": {}}, "without area"),
    ):
        with pytest.raises(ToolError, match=message):
            standard_cell_area(stat(**design))
