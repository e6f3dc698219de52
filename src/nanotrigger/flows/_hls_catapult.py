"""hls4ml's backend Catapult, for AMD parts; Vivado for logic synthesis, which Catapult starts itself.

Co-simulation is not offered: no report of it was found whose layout could be verified.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.flows import _hls_common as common
from nanotrigger.flows._hls_common import PROJECT
from nanotrigger.flows.base import ResourceRecord

SOLUTION = f"{PROJECT}_prj/{PROJECT}.v1"


def synthesize(folder: Path, params: Any) -> dict[str, Any]:
    """Run the script that hls4ml wrote."""
    from nanotrigger.tools.vendor import absent, locate, run_vendor

    if not locate(["catapult"], params, folder):
        return {"status": absent("catapult", params)}
    # Catapult numbers a project whose name is taken
    common.begin(folder, (f"{PROJECT}_prj*",))
    steps, notes = list(params.steps), []
    if "vsynth" in steps and not locate(["vivado"], params, folder):
        steps.remove("vsynth")
        notes.append(f"no logic synthesis: {absent('vivado', params)}")
    switches = {"reset": 0, "csim": 0, "synth": 1, "cosim": 0, "validation": 0, "export": 0}
    switches |= {"vsynth": int("vsynth" in steps), "vhdl": 0, "verilog": 1}
    options = " ".join(f"{name}={on}" for name, on in switches.items())
    command = ["catapult", "-product", "ultra", "-shell", "-f", "build_prj.tcl", "-eval", f'set ::argv "{options}"']
    run_vendor(command, folder, "catapult_run.log", params.timeout_s, params)
    return common.finish(folder, steps, notes)


def read_report(folder: Path, params: Any) -> ResourceRecord:
    """Catapult's schedule, with its own estimate of LUTs or what Vivado made of the RTL."""
    from nanotrigger.reports.catapult import read_catapult
    from nanotrigger.reports.vivado_timing import read_timing
    from nanotrigger.reports.vivado_utilisation import read_utilisation

    done, notes = common.ran(folder)
    report = read_catapult(common.only(folder.glob(f"{SOLUTION}/rtl.rpt"), "reports of the RTL", folder))
    record = ResourceRecord(
        tool="Catapult",
        version=report.version,
        stage="hls_estimate",
        lut=report.lut,
        latency_cycles=report.latency,
        latency_ns=report.latency * params.clock_ns,
        ii=report.throughput,
        notes=(*notes, f"Catapult's area score {report.area_score:g}"),
    )
    if "vsynth" not in done:
        missing = "done: no LUTs, for Catapult's library of this part counts none; run the step vsynth"
        return record if report.lut is not None else replace(record, status=missing)
    used = read_utilisation(folder / SOLUTION / "vivado_concat_v/utilization_synth.rpt")
    timing = read_timing(folder / SOLUTION / "vivado_concat_v/timing_summary_synth.rpt")
    if used.state != "Synthesized":
        raise ToolError(f"{folder}: the utilisation after synthesis is of a design '{used.state}'")
    return replace(
        record,
        tool="Catapult, Vivado",
        version=f"{report.version}, {used.version}",
        stage="logic_synthesis",
        **used.counts(),
        notes=(*record.notes, f"slack after synthesis, before placement: {timing.wns_ns:g} ns"),
    )


BACKENDS = {
    "Catapult": common.Backend(
        part="xcvu13p-flga2577-2-e",
        strategies=("Latency", "Resource"),
        steps=("csynth", "vsynth"),
        # hls4ml 1.3.0 asserts that HGQ's quantisers were never tried with it
        kinds=("qonnx",),
        licences={"csynth": "catapult", "vsynth": "vivado"},
        emulate=common.compile_and_call,
        synthesize=synthesize,
        read_report=read_report,
    )
}
