"""hls4ml's backends Vitis and Vivado: Vitis HLS or Vivado HLS, and Vivado for logic synthesis."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.flows import _hls_common as common
from nanotrigger.flows._hls_common import PROJECT
from nanotrigger.flows.base import ResourceRecord

PROGRAMS = {"Vitis": ("vitis-run", "vitis_hls"), "Vivado": ("vivado_hls",)}
REPORTS = f"{PROJECT}_prj/solution*"


def synthesize(folder: Path, params: Any) -> dict[str, Any]:
    """Run the steps of the stanza with the script that hls4ml wrote."""
    from nanotrigger.tools.vendor import absent, locate, run_vendor

    programs = PROGRAMS[params.backend]
    program = locate(programs, params, folder)
    if program is None:
        return {"status": absent(programs[-1], params)}
    common.begin(folder, (f"{PROJECT}_prj", "vivado_synth.rpt", "tb_data/*.log"))
    steps, notes = list(params.steps), []
    if "vsynth" in steps and not locate(["vivado"], params, folder):
        steps.remove("vsynth")
        notes.append(f"no logic synthesis: {absent('vivado', params)}")
    cosim = "cosim" in steps
    if cosim:
        common.write_stimulus(folder)
    # what the C++ and the RTL print is compared by `validation`
    switches = {"reset": True, "csim": cosim, "synth": True, "cosim": cosim, "validation": cosim}
    switches |= {"export": False, "vsynth": "vsynth" in steps, "fifo_opt": False}
    options = {name: int(on) for name, on in switches.items()}
    if program == "vivado_hls":
        command = [program, "-f", "build_prj.tcl", " ".join(f"{name}={on}" for name, on in options.items())]
    else:
        lines = "".join(f"    {name} {on}\n" for name, on in options.items())
        (folder / "build_opt.tcl").write_text(f"array set opt {{\n{lines}}}\n")
        how = ["--mode", "hls", "--tcl"] if program == "vitis-run" else ["-f"]
        command = [program, *how, "build_prj.tcl"]
    run_vendor(command, folder, f"{program}.log", params.timeout_s, params)
    return common.finish(folder, steps, notes)


def read_report(folder: Path, params: Any) -> ResourceRecord:
    """The estimate of C synthesis; its resources replaced by those of logic synthesis where that was run."""
    from nanotrigger.reports.csynth import read_csynth
    from nanotrigger.reports.vivado_utilisation import read_utilisation

    done, notes = common.ran(folder)
    reports = folder.glob(f"{REPORTS}/syn/report/{PROJECT}_csynth.xml")
    record = read_csynth(common.only(reports, "reports of C synthesis", folder))
    notes = (*record.notes, *notes)
    if "cosim" in done:
        notes = (*notes, cosimulated(folder))
    if "vsynth" in done:
        used = read_utilisation(folder / "vivado_synth.rpt")
        record = replace(
            record,
            tool=f"{record.tool}, Vivado",
            version=f"{record.version}, {used.version}",
            stage="logic_synthesis",
            **used.counts(),
        )
        notes = (*notes, f"{used.uram} blocks of UltraRAM") if used.uram else notes
    return replace(record, notes=notes)


def cosimulated(folder: Path) -> str:
    """What co-simulation found. Raises ToolError unless it printed the same as the C++ for every vector."""
    from nanotrigger.reports._text import read_report as read_text
    from nanotrigger.reports.cosim import read_cosim

    found = read_cosim(
        common.only(folder.glob(f"{REPORTS}/sim/report/{PROJECT}_cosim.rpt"), "reports of co-simulation", folder)
    )
    cpp, rtl = (read_text(folder / "tb_data" / f"{name}_results.log").split("\n") for name in ("csim", "rtl_cosim"))
    vectors = sum(bool(line.strip()) for line in rtl)
    if cpp != rtl or vectors != common.STIMULUS:
        raise ToolError(
            f"{folder}: co-simulation printed {vectors} of {common.STIMULUS} vectors, "
            f"{'the same as' if cpp == rtl else 'others than'} the C++; see tb_data there"
        )
    interval = "" if found.interval_max is None else f", interval {found.interval_max}"
    return f"co-simulation: {found.rtl} equals C++ on {vectors} vectors, latency {found.latency_max}{interval} cycles"


BACKENDS = {
    name: common.Backend(
        part="xcvu13p-flga2577-2-e",
        strategies=("Latency", "Resource", "Resource_Unrolled"),
        steps=common.STEPS,
        kinds=("keras", "qonnx"),
        licences={"csynth": licence, "cosim": licence, "vsynth": "vivado"},
        emulate=common.compile_and_call,
        synthesize=synthesize,
        read_report=read_report,
    )
    for name, licence in (("Vitis", "vitis_hls"), ("Vivado", "vivado"))
}
