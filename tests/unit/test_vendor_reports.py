"""Vendors' reports: real ones where they are at hand, hand-made ones (named so) for older and newer layouts."""

import json
from pathlib import Path

import pytest

from nanotrigger.errors import ToolError
from nanotrigger.reports import catapult, cosim, csynth, intel_hls, oneapi, quartus
from nanotrigger.reports.vivado_power import read_power
from nanotrigger.reports.vivado_timing import read_timing
from nanotrigger.reports.vivado_utilisation import read_utilisation

HANDMADE = Path(__file__).parents[1] / "fixtures/reports"
REAL = Path(__file__).parents[2].parent / "shared/vendor_reports/vivado_2020.1_cnn_vivado_synth.rpt"
SERIES7, ULTRASCALE = (HANDMADE / f"handmade_vivado_utilisation_{name}.rpt" for name in ("series7", "ultrascale"))


@pytest.fixture
def changed(tmp_path):
    """A hand-made report with one piece of it replaced, which must be there."""

    def change(name, old, new):
        text = (HANDMADE / name).read_text()
        assert old in text
        path = tmp_path / name
        path.write_text(text.replace(old, new))
        return path

    return change


@pytest.mark.skipif(not REAL.exists(), reason="the folder of real vendor reports is not beside this checkout")
def test_a_real_utilisation_of_vivado():
    """The figures that one reads in it; its 42 tiles are 84 halves of 18 kbit, not 42."""
    used = read_utilisation(REAL)
    assert (used.version, used.state) == ("2020.1", "Synthesized")
    assert (used.lut, used.lut_memory, used.ff, used.dsp, used.carry) == (123948, 3680, 43435, 5386, 13270)
    assert (used.bram36, used.uram, used.cells["RAMB18E2"], used.cells["FDSE"]) == (42.0, 0, 84, 1069)


def test_utilisation_of_older_and_newer_layouts():
    used = read_utilisation(SERIES7)
    assert (used.version, used.state, used.lut, used.lut_memory, used.ff) == ("2018.3", "Fully Placed", 515, 14, 333)
    assert (used.dsp, used.bram36, used.uram, used.carry) == (6, 4.5, 0, 77)
    used = read_utilisation(ULTRASCALE)
    assert (used.version, used.state, used.lut, used.lut_memory, used.ff) == ("2023.1", "Synthesized", 7040, 40, 2100)
    assert (used.dsp, used.bram36, used.uram, used.carry) == (133, 42.0, 5, 611)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("| Slice LUTs ", "| Other LUTs ", "has no row CLB LUTs or Slice LUTs"),
        ("1. Slice Logic\n-----", "1. Netlist Logic\n-----", "has no section CLB Logic or Slice Logic"),
        ("|  515 |", "|  516 |", "516 LUTs, but their parts sum to 515"),
        ("|  333 |     0", "|  331 |     0", "331 registers, but their parts sum to 333"),
        # one RAMB18 more than the tiles hold: the row of tiles would mean something else
        (
            "|   RAMB18          |    3 |",
            "|   RAMB18          |    9 |",
            "4.5 block RAM tiles, but their parts sum to 7.5",
        ),
        ("|  4.5 |", "|      |", "Block RAM Tile is '', not a number"),
        ("| DSPs           |    6 |", "| DSPs           |   ~6 |", "DSPs is '~6', not a count"),
        ("Site Type", "Something", "no table of used sites"),
        ("Vivado v.", "ISE v.", "not a report of utilisation by Vivado"),
        ("8. Primitives\n---", "8. Others\n---", "has no section Primitives"),
    ],
)
def test_another_layout_of_utilisation_raises(changed, old, new, message):
    with pytest.raises(ToolError, match=message):
        read_utilisation(changed(SERIES7.name, old, new))


def test_an_absent_report_is_named(tmp_path):
    for read in (
        read_utilisation,
        read_timing,
        read_power,
        cosim.read_cosim,
        catapult.read_catapult,
        quartus.read_fmax,
    ):
        with pytest.raises(ToolError, match=r"gone\.rpt: the report is not there"):
            read(tmp_path / "gone.rpt")


def test_timing_gives_the_highest_clock(changed):
    timing = read_timing(HANDMADE / "handmade_vivado_timing.rpt")
    assert (timing.wns_ns, timing.whs_ns, timing.period_ns) == (-0.55, 0.024, 5.0)
    # 5 ns and the 0.55 ns that are missing
    assert timing.fmax_mhz == pytest.approx(180.18, abs=0.005)
    met = read_timing(changed("handmade_vivado_timing.rpt", "-0.550 ", " 1.000 "))
    assert met.fmax_mhz == 250


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("     -0.550       -3.210 ", "         NA           NA ", "no path has a requirement"),
        ("     -0.550       -3.210 ", "     -0.550 ", "has another layout"),
        ("-0.550", "  inf ", "WNS is 'inf', not a number"),
        ("WNS(ns)      TNS", "Slack(ns)    TNS", "has another layout"),
        ("| Clock Summary", "| Clocks", "not a timing summary"),
        ("clk    {", "fast   {0.000 1.000}        2.000           500.000\nclk    {", "2 clocks"),
        ("clk    {", "clk    <", "0 clocks"),
        ("5.000           200.000", "5000.0          200.000", "5000.0 ns is not 200.000 MHz"),
        ("-0.550", " 5.000", "a slack of 5.0 ns within a period"),
    ],
)  # fmt: skip
def test_timing_without_a_figure_raises(changed, old, new, message):
    with pytest.raises(ToolError, match=message):
        read_timing(changed("handmade_vivado_timing.rpt", old, new))


def test_power_is_split_and_checked(changed):
    power = read_power(HANDMADE / "handmade_vivado_power.rpt")
    assert (power.dynamic_mw, power.static_mw, power.confidence) == (217, 2925, "Low")
    for old, new, message in [
        ("0.217", "0.317", "do not sum to 3.141 W"),
        ("0.217", "<0.001", "is '<0.001', not a number"),
        ("| Dynamic (W) ", "| Other (W)   ", "no row Dynamic"),
        ("report_power", "report_drc", "not a report of power"),
    ]:
        with pytest.raises(ToolError, match=message):
            read_power(changed("handmade_vivado_power.rpt", old, new))


CSYNTH = """<profile><ReportVersion><Version>2020.1</Version></ReportVersion>
<UserAssignments><TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><PipelineType>dataflow</PipelineType>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>5.250</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>7</Best-caseLatency><Worst-caseLatency>10</Worst-caseLatency>
<DataflowPipelineThroughput>8</DataflowPipelineThroughput><Interval-min>6</Interval-min><Interval-max>8</Interval-max>
</SummaryOfOverallLatency></PerformanceEstimates><AreaEstimates><Resources>
<BRAM_18K>5</BRAM_18K><DSP48E>73</DSP48E><FF>7969</FF><LUT>2532</LUT><URAM>3</URAM></Resources></AreaEstimates></profile>"""


def test_csynth_of_a_dataflow_with_what_the_reader_must_know(tmp_path):
    (tmp_path / "c.xml").write_text(CSYNTH)
    record = csynth.read_csynth(tmp_path / "c.xml")
    assert (record.tool, record.latency_cycles, record.latency_ns, record.ii) == ("Vivado HLS", 10, 50, 8)
    assert (record.dsp, record.bram36) == (73, 2.5)
    latency, clock, uram = record.notes
    assert "7 to 10 cycles" in latency and "5.25 ns" in clock and uram == "3 blocks of UltraRAM"
    for old, new in ((">10<", ">undef<"), (">8</Interval", ">?</Interval"), (">5.00<", "><")):
        (tmp_path / "c.xml").write_text(CSYNTH.replace(old, new))
        with pytest.raises(ToolError, match="not a number"):
            csynth.read_csynth(tmp_path / "c.xml")


VITIS_COSIM = """Report time       : by hand.
Simulation tool   : xsim.

+----------+----------+-----------------------------+-----------------------------+----------------------+
|          |          |    Latency(Clock Cycles)    |    Interval(Clock Cycles)   | Total Execution Time |
+   RTL    +  Status  +-----------------------------+-----------------------------+    (Clock Cycles)    +
|          |          |   min   |   avg   |   max   |   min   |   avg   |   max   |                      |
+----------+----------+---------+---------+---------+---------+---------+---------+----------------------+
|      VHDL|        NA|       NA|       NA|       NA|       NA|       NA|       NA|                    NA|
|   Verilog|      Pass|       11|       12|       13|        1|        2|        4|                   119|
+----------+----------+---------+---------+---------+---------+---------+---------+----------------------+
"""


def test_cosimulation_of_vitis_and_of_vivado_hls(tmp_path):
    path = tmp_path / "jets_cosim.rpt"
    path.write_text(VITIS_COSIM)
    assert cosim.read_cosim(path) == cosim.Cosimulation("Verilog", 13, 4)
    # Vivado HLS has no column of the total; a single transaction has no interval
    older = VITIS_COSIM.replace("|                   119|", "|").replace(
        "|        1|        2|        4|", "|NA|NA|NA|"
    )
    path.write_text(older)
    assert cosim.read_cosim(path) == cosim.Cosimulation("Verilog", 13, None)
    for old, new, message in [
        ("Pass", "Fail", "ended with 'Fail'"),
        ("|   Verilog|      Pass|", "|   Verilog|        NA|", "no co-simulation of one language"),
        ("|       13|", "|        x|", "the longest latency is 'x'"),
        ("|       11|       12|", "|", "no co-simulation of one language"),
    ]:
        assert old in VITIS_COSIM
        path.write_text(VITIS_COSIM.replace(old, new))
        with pytest.raises(ToolError, match=message):
            cosim.read_cosim(path)


def test_catapult(changed):
    report = catapult.read_catapult(HANDMADE / "handmade_catapult_rtl.rpt")
    assert (report.version, report.latency, report.throughput) == ("10.0a/269363", 12, 2)
    assert (report.lut, report.area_score) == (820, 2204.063)
    other = changed("handmade_catapult_rtl.rpt", "Area(LUTs)", "Area(Gate)")
    assert catapult.read_catapult(other).lut is None
    for old, new, message in [
        ("220      12 ", "220      -1 ", "the design has no latency"),
        ("Design Total:", "Totals:      ", "has no row 'Design Total:'"),
        ("TOTAL AREA (After Assignment):", "TOTAL AREA                    ", "has no row 'TOTAL AREA"),
        ("Bill Of Materials (Datapath)", "Bill", "has no table 'Bill Of Materials"),
        ("Throughput", "Interval  ", "Throughput of the design is ''"),
        ("-- Catapult", "-- Stratus", "not a report by Catapult"),
    ]:
        with pytest.raises(ToolError, match=message):
            catapult.read_catapult(changed("handmade_catapult_rtl.rpt", old, new))


def test_quartus_fit_and_clock(changed, tmp_path):
    fit = quartus.read_fit(HANDMADE / "handmade_quartus.fit.rpt")
    assert fit == quartus.Fit("18.1.0", "5CSEBA6U23I7", 2825, 13821, 4, 87)
    summary = "Fitter Status : Successful - by hand\nQuartus Prime Version : 23.1std.1 Build 993\nDevice : 5CS\n"
    summary += "Logic utilization (in ALMs) : 4 / 41,910 ( < 1 % )\nTotal registers : 0\n"
    summary += "Total RAM Blocks : 2 / 553 ( < 1 % )\nTotal DSP Blocks : 0 / 112\n"
    (tmp_path / "top.fit.summary").write_text(summary)
    assert quartus.read_fit(tmp_path / "top.fit.summary") == quartus.Fit("23.1std.1", "5CS", 4, 0, 0, 2)
    # the slower of the two models, limited by its pulse widths
    assert quartus.read_fmax(HANDMADE / "handmade_quartus.sta.rpt") == 228.68
    assert (
        quartus.read_fmax(changed("handmade_quartus.sta.rpt", "; 228.68 MHz      ;", "; 238.68 MHz      ;")) == 231.58
    )
    for name, read, old, new, message in [
        ("handmade_quartus.fit.rpt", quartus.read_fit, "Successful", "Failed", "the fitter ended with 'Failed"),
        ("handmade_quartus.fit.rpt", quartus.read_fit, "(in ALMs)", "(in LEs) ", "no row 'Logic utilization"),
        ("handmade_quartus.fit.rpt", quartus.read_fit, "2,825", "many", "is 'many', not a count"),
        ("handmade_quartus.sta.rpt", quartus.read_fmax, "Fmax Summary  ", "Setup Summary ", "holds no summary of Fmax"),
        (
            "handmade_quartus.sta.rpt",
            quartus.read_fmax,
            "; 228.68 MHz ;",
            "; 9.0 MHz ; 9.0 MHz ; other ; ;\n; 228.68 MHz ;",
            "2 clocks",
        ),
    ]:
        with pytest.raises(ToolError, match=message):
            read(changed(name, old, new))


CLOCK = {"name": "Quartus Fitter: Clock Frequency (MHz)", "clock": "400.00", "clock fmax": "412.73"}
SYSTEM = {"type": "system", "name": "all", "alm": "4520.5", "alut": "4182", "reg": "16419", "dsp": "40", "ram": "36"}
QUARTUS = {
    "quartusFitClockSummary": {"nodes": [CLOCK]},
    "quartusFitResourceUsageSummary": {"nodes": [SYSTEM, {**SYSTEM, "type": "kernel", "alm": "4000"}]},
}
SUMMARY = [
    {"name": "Estimated Resource Usage", "summary_type": "estimatedResources",
     "columns": ["Kernel Name", "ALUTs ", "FFs  ", "RAMs ", "DSPs ", "MLABs"]},
    {"name": "Jets", "parent": "estimatedResources", "data": [95, 82, 2, 0, 1]},
    {"name": "Total", "parent": "estimatedResources", "data": [2462, 7938, 77, 3, 92]},
    {"name": "Available", "parent": "estimatedResources", "data": ["974400", "1948800", "7110", "4510", "24360"]},
]  # fmt: skip
LOOPS = [{"name": "B0", "type": "bb", "ii": "9"}, {"name": "B1", "type": "loop", "ii": "1"}]
LOOPS += [{"name": "B2", "type": "loop", "ii": "4"}]


def write_ndjson(path, lines):
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_oneapi(tmp_path):
    write_ndjson(tmp_path / "summary.ndjson", SUMMARY)
    write_ndjson(tmp_path / "loop_attr.ndjson", LOOPS)
    write_ndjson(tmp_path / "quartus.ndjson", [QUARTUS])
    assert oneapi.read_estimate(tmp_path) == oneapi.Estimate(2462, 7938, 77, 3, 4)
    assert oneapi.read_fit(tmp_path) == oneapi.Fit(4521, 4182, 16419, 36, 40, 412.73)
    write_ndjson(tmp_path / "loop_attr.ndjson", [{**LOOPS[1], "ii": "n/a"}])
    with pytest.raises(ToolError, match="the interval of B1 is 'n/a'"):
        oneapi.read_estimate(tmp_path)
    write_ndjson(tmp_path / "summary.ndjson", SUMMARY[:2])
    with pytest.raises(ToolError, match="no total of estimated resources"):
        oneapi.read_estimate(tmp_path)
    (tmp_path / "quartus.ndjson").write_text("")
    with pytest.raises(ToolError, match="not lines of JSON"):
        oneapi.read_fit(tmp_path)


def test_intel_hls(tmp_path):
    area = {"columns": ["ALUTs", "FFs", "RAMs", "DSPs", "MLABs"], "total": [2394, 4728, 22, 7, 5], "name": "system"}
    report = tmp_path / "report_data.js"
    report.write_text(f"var loopsJSON={{}};var areaJSON={json.dumps(area)};var fileJSON=[];")
    assert intel_hls.read_estimate(report) == intel_hls.Estimate(2394, 4728, 22, 7)
    fit = tmp_path / "quartus_data.js"
    fit.write_text(f"var quartusJSON={json.dumps(QUARTUS)};")
    assert intel_hls.read_fit(fit).alm == 4521
    verification = tmp_path / "verification_data.js"
    verification.write_text('var verifJSON={"functions":[{"name":"jets","data":["100","10,13,11","1,4,2"]}]};')
    assert intel_hls.read_verification(verification) == intel_hls.Verification(13, 4)
    # before Quartus is run the figures are 'TBD'
    fit.write_text(f"var quartusJSON={json.dumps(QUARTUS)};".replace("4520.5", "TBD"))
    report.write_text(f"var areaJSON={json.dumps({**area, 'columns': area['columns'][::-1]})};")
    verification.write_text('var verifJSON={"functions":[]};')
    for read, path, message in [
        (intel_hls.read_fit, fit, "Quartus did not run"),
        (intel_hls.read_estimate, report, "this layout is not known"),
        (intel_hls.read_verification, verification, "no simulation of one component"),
        (intel_hls.read_estimate, fit, "does not assign JSON to areaJSON"),
    ]:
        with pytest.raises(ToolError, match=message):
            read(path)
