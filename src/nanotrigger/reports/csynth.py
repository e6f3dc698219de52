"""Vivado HLS' and Vitis HLS' report of C synthesis (`csynth.xml`): an estimate before logic synthesis.

Written for the layouts of Vivado HLS 2019.2 and 2020.1 (DSPs named 'DSP48E') and of Vitis HLS since 2020.2 ('DSP').
"""

from pathlib import Path
from xml.etree import ElementTree

from nanotrigger.errors import ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.reports._text import decimal


def read_csynth(path: Path) -> ResourceRecord:
    """Resources, latency and initiation interval of the top function.

    Block RAM is reported in 18 kbit halves and given in 36 kbit tiles. The latency is the longest, the interval that of
    the whole function: of its pipeline, of its slowest task where it is a dataflow, or latency and one where it is neither.
    Raises ToolError that names what is missing, or which figure depends on the data.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(f"{path}: not a report of C synthesis ({error})") from None

    def text(where: str) -> str:
        found = root.findtext(where)
        if found is None:
            raise ToolError(f"{path}: has no {where}; this version of the report is not known")
        return found.strip()

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
    cycles, best = number(f"{overall}/Worst-caseLatency"), number(f"{overall}/Best-caseLatency")
    target, estimate = (
        decimal(path, where, text(where))
        for where in (
            "UserAssignments/TargetClockPeriod",
            "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod",
        )
    )
    notes = []
    if best != cycles:
        notes.append(f"latency of {best} to {cycles} cycles, as the data are")
    if estimate > target:
        notes.append(f"estimated clock period {estimate:g} ns, longer than the target of {target:g} ns")
    if resources.find("URAM") is not None and (uram := number("AreaEstimates/Resources/URAM")):
        notes.append(f"{uram} blocks of UltraRAM")
    return ResourceRecord(
        tool="Vitis HLS" if dsp == "DSP" else "Vivado HLS",
        version=text("ReportVersion/Version"),
        stage="hls_estimate",
        lut=number("AreaEstimates/Resources/LUT"),
        ff=number("AreaEstimates/Resources/FF"),
        dsp=number(f"AreaEstimates/Resources/{dsp}"),
        bram36=number("AreaEstimates/Resources/BRAM_18K") / 2,
        latency_cycles=cycles,
        latency_ns=cycles * target,
        ii=number(f"{overall}/Interval-max"),
        notes=tuple(notes),
    )
