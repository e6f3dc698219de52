"""Parsers on real and broken reports, and programs that fail, hang or are absent."""

import json
import time
from pathlib import Path

import pytest

from nanotrigger.errors import ToolError
from nanotrigger.reports.csynth import read_csynth
from nanotrigger.reports.yosys import longest_path_ns, xilinx_cells
from nanotrigger.tools.run import missing, run_tool

SHARED = Path(__file__).parents[2].parent / "shared"
REAL = SHARED / "vendor_reports/vivado_hls_2019.2_jet_mlp_16bit_csynth.xml"


def stat(tmp_path, cells):
    path = tmp_path / "stat.json"
    path.write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
    return path


def test_cells_are_counted_by_kind(tmp_path):
    cells = {"LUT1": 1, "LUT6": 20, "SRL16E": 3, "FDRE": 7, "FDSE": 2, "CARRY4": 5, "MUXF7": 9, "DSP48E2": 4}
    counts = xilinx_cells(stat(tmp_path, {**cells, "RAMB18E2": 3, "RAMB36E2": 1}))
    assert counts == {"lut": 24, "ff": 9, "carry": 5, "dsp": 4, "bram36": 2.5}


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"design": {"num_cells_by_type": {"LUT2": 3, "$mul": 1}}}', r"stat\.json: 1 cells of type \$mul"),
        ('{"design": {"num_cells_by_type": {"FDRE": 3}}}', "without a LUT"),
        ('{"modules": {}}', "not yosys' statistics"),
        ("ERROR: out of memory", "not yosys' statistics"),
    ],
)
def test_a_report_that_is_not_understood_raises(tmp_path, content, message):
    (tmp_path / "stat.json").write_text(content)
    with pytest.raises(ToolError, match=message):
        xilinx_cells(tmp_path / "stat.json")


def test_longest_path(tmp_path):
    (tmp_path / "sta.log").write_text("20. Executing STA pass.\nLatest arrival time in 'model' is 6298:\n    6298 x\n")
    assert longest_path_ns(tmp_path / "sta.log") == 6.298
    (tmp_path / "sta.log").write_text("No timing paths found.\n")
    for name in ("sta.log", "absent.log"):
        with pytest.raises(ToolError, match=rf"{name}: holds no longest path"):
            longest_path_ns(tmp_path / name)


@pytest.mark.skipif(not REAL.exists(), reason="the folder of real vendor reports is not beside this checkout")
def test_a_real_vivado_hls_report():
    record = read_csynth(REAL)
    assert (record.lut, record.ff, record.dsp, record.bram36) == (84942, 10961, 1450, 2.0)
    assert (record.latency_cycles, record.latency_ns, record.ii) == (13, 65.0, 1)
    assert (record.tool, record.version, record.stage) == ("Vivado HLS", "2019.2", "hls_estimate")


CSYNTH = """<profile><ReportVersion><Version>2024.1</Version></ReportVersion>
<UserAssignments><TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>4.3</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>9</Best-caseLatency><Worst-caseLatency>9</Worst-caseLatency>
<Interval-max>1</Interval-max></SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>3</BRAM_18K><DSP>12</DSP><FF>7</FF><LUT>90</LUT></Resources></AreaEstimates></profile>"""


def test_vitis_renamed_its_dsps(tmp_path):
    (tmp_path / "c.xml").write_text(CSYNTH)
    record = read_csynth(tmp_path / "c.xml")
    assert (record.tool, record.dsp, record.bram36, record.latency_ns) == ("Vitis HLS", 12, 1.5, 45.0)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("<LUT>90</LUT>", "", "has no AreaEstimates/Resources/LUT"),
        ("<DSP>12</DSP>", "", "has no AreaEstimates/Resources/DSP48E"),
        (">9<", ">undef<", "Worst-caseLatency is 'undef', not a number"),
        ("</profile>", "", "not a report of C synthesis"),
    ],
)
def test_another_layout_raises_instead_of_giving_zeros(tmp_path, old, new, message):
    (tmp_path / "c.xml").write_text(CSYNTH.replace(old, new))
    with pytest.raises(ToolError, match=message):
        read_csynth(tmp_path / "c.xml")


def test_a_program_that_fails_is_shown_with_its_last_lines(tmp_path):
    with pytest.raises(ToolError, match=r"(?s)bash failed with exit code 3.*out\.log.*the reason"):
        run_tool(["bash", "-c", "echo the reason; exit 3"], tmp_path, "out.log", 600)


def test_a_program_that_is_absent_is_named(tmp_path):
    with pytest.raises(ToolError, match="no_such_tool not on PATH"):
        run_tool(["no_such_tool"], tmp_path, "out.log", 600)
    assert missing(["bash", "no_such_tool"]) == ["no_such_tool"]


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    script = "sleep 3600 & echo $! > child; wait"
    with pytest.raises(ToolError, match="ran longer than its limit of 2 s"):
        run_tool(["bash", "-c", script], tmp_path, "out.log", 2)
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    for _ in range(6000):
        if not child.exists() or "Z" in (child / "stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    pytest.fail("the program's child is still running")
