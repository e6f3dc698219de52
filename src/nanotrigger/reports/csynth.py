"""Vivado HLS' and Vitis HLS' report of C synthesis (`csynth.xml`): an estimate before logic synthesis."""

from pathlib import Path
from xml.etree import ElementTree

from nanotrigger.errors import ToolError
from nanotrigger.flows.base import ResourceRecord


def read_csynth(path: Path) -> ResourceRecord:
    """Resources, latency and initiation interval of the top function.

    Block RAM is reported in 18 kbit halves and given in 36 kbit tiles. Raises ToolError that names what is missing.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(f"{path}: not a report of C synthesis ({error})") from None

    def text(where: str) -> str:
        found = root.findtext(where)
        if found is None:
            raise ToolError(f"{path}: has no {where}; this version of the report is not known")
        return found

    def number(where: str) -> int:
        try:
            return int(text(where))
        except ValueError:
            raise ToolError(
                f"{path}: {where} is '{text(where)}', not a number: is the latency data-dependent?"
            ) from None

    overall = "PerformanceEstimates/SummaryOfOverallLatency"
    resources = root.find("AreaEstimates/Resources")
    if resources is None:
        raise ToolError(f"{path}: has no AreaEstimates/Resources; this version of the report is not known")
    # renamed from DSP48E to DSP with Vitis
    dsp = "DSP" if resources.find("DSP") is not None else "DSP48E"
    cycles = number(f"{overall}/Worst-caseLatency")
    return ResourceRecord(
        tool="Vitis HLS" if dsp == "DSP" else "Vivado HLS",
        version=text("ReportVersion/Version"),
        stage="hls_estimate",
        lut=number("AreaEstimates/Resources/LUT"),
        ff=number("AreaEstimates/Resources/FF"),
        dsp=number(f"AreaEstimates/Resources/{dsp}"),
        bram36=number("AreaEstimates/Resources/BRAM_18K") / 2,
        latency_cycles=cycles,
        latency_ns=cycles * float(text("UserAssignments/TargetClockPeriod")),
        ii=number(f"{overall}/Interval-max"),
    )
