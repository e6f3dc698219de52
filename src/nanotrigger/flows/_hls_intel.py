"""hls4ml's backends Quartus (Intel HLS compiler, `i++`) and oneAPI (`icpx`), for Intel's parts.

Both compilers count ALUTs before the fitter; after it Quartus counts ALMs. RAM blocks are of the part's own size.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.errors import NotRun
from nanotrigger.flows import _hls_common as common
from nanotrigger.flows._hls_common import PROJECT
from nanotrigger.flows.base import ResourceRecord

REPORTS = f"{PROJECT}-fpga.prj/reports/lib"


def synthesize_quartus(folder: Path, params: Any) -> dict[str, Any]:
    """Run the Makefile that hls4ml wrote; its simulated executable counts latency and interval."""
    from nanotrigger.tools.vendor import absent, locate, run_vendor

    if not locate(["i++"], params, folder):
        return {"status": absent("i++", params)}
    common.begin(folder, (f"{PROJECT}-fpga*", "tb_data/*.log"))
    steps, notes = list(params.steps), []
    if "vsynth" in steps and not locate(["quartus_sh"], params, folder):
        steps.remove("vsynth")
        notes.append(f"no logic synthesis: {absent('quartus_sh', params)}")
    if "cosim" in steps:
        common.write_stimulus(folder)
    fit = ["QUARTUS_COMPILE=--quartus-compile"] if "vsynth" in steps else []
    run_vendor(["make", f"{PROJECT}-fpga", *fit], folder, "make.log", params.timeout_s, params)
    if "cosim" in steps:
        run_vendor([str((folder / f"{PROJECT}-fpga").resolve())], folder, "cosim.log", params.timeout_s, params)
    return common.finish(folder, steps, notes)


def read_quartus(folder: Path, params: Any) -> ResourceRecord:
    """The compiler's estimate, or the fit where Quartus was run; latency and interval from the simulation."""
    from nanotrigger.reports import intel_hls

    done, notes = common.ran(folder)
    estimate = intel_hls.read_estimate(folder / REPORTS / "report_data.js")
    record = _estimated("Intel HLS", estimate, notes)
    if "cosim" in done:
        seen = intel_hls.read_verification(folder / REPORTS / "verification_data.js")
        record = replace(
            record,
            latency_cycles=seen.latency_max,
            latency_ns=seen.latency_max * params.clock_ns,
            ii=seen.interval_max,
            notes=(*record.notes, "latency and interval as simulated; the outputs of the simulation are not compared"),
        )
    else:
        record = replace(record, notes=(*record.notes, "latency and interval are known after the step cosim"))
    return _fitted(record, intel_hls.read_fit(folder / REPORTS / "quartus_data.js")) if "vsynth" in done else record


def synthesize_oneapi(folder: Path, params: Any) -> dict[str, Any]:
    """Build the report, and the bit stream for its fit, with the CMake project that hls4ml wrote."""
    from nanotrigger.tools.vendor import absent, locate, run_vendor

    if not locate(["icpx"], params, folder):
        return {"status": absent("icpx", params)}
    common.begin(folder, ("build",))
    build = folder / "build"
    build.mkdir()
    run_vendor(["cmake", ".."], build, "cmake.log", params.timeout_s, params)
    run_vendor(["make", "report"], build, "report.log", params.timeout_s, params)
    if "vsynth" in params.steps:
        run_vendor(["make", "fpga"], build, "fpga.log", params.timeout_s, params)
    return common.finish(folder, params.steps)


def read_oneapi(folder: Path, params: Any) -> ResourceRecord:
    """The compiler's estimate, or the fit where Quartus was run."""
    from nanotrigger.reports import oneapi

    done, notes = common.ran(folder)
    estimate = oneapi.read_estimate(folder / f"build/{PROJECT}.report.prj/reports/resources/json")
    record = _estimated("oneAPI", estimate, (*notes, "the report gives latencies of loops, not of the design"))
    record = replace(record, ii=estimate.interval_max)
    if "vsynth" not in done:
        return record
    return _fitted(record, oneapi.read_fit(folder / f"build/{PROJECT}.fpga.prj/reports/resources/json"))


def emulate_oneapi(folder: Path, x: np.ndarray, params: Any) -> np.ndarray:
    """Build the emulation with icpx and run it on the jets. Raises NotRun where there is no icpx: g++ has no SYCL."""
    from nanotrigger.tools.vendor import absent, locate, run_vendor

    if not locate(["icpx"], params, folder):
        raise NotRun(f"hls4ml's oneAPI code is SYCL, which g++ does not compile: {absent('icpx', params)}")
    if params.container:
        raise NotRun("the emulation that icpx builds in a container cannot be loaded outside it; use modules")
    # apart from the folder of synthesis, which may run at the same time
    build = folder / "emulation"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    run_vendor(["cmake", ".."], build, "cmake.log", params.timeout_s, params)
    run_vendor(["make", "lib"], build, "lib.log", params.timeout_s, params)
    library = common.only(build.glob(f"lib{PROJECT}-*.so"), "emulation libraries", folder)
    np.save(build / "x.npy", np.asarray(x, np.float64))
    # in a process of its own: the library needs the compiler's environment
    files = [str(path.resolve()) for path in (build / "x.npy", build / "y.npy")]
    arguments = [str(library.resolve()), f"{PROJECT}_double", *files, str(common.design(folder)["classes"])]
    command = [sys.executable, "-m", "nanotrigger.tools.shared_library", *arguments]
    run_vendor(command, build, "emulation.log", params.timeout_s, params)
    return np.load(build / "y.npy", allow_pickle=False)


def _estimated(tool: str, estimate: Any, notes: tuple[str, ...]) -> ResourceRecord:
    return ResourceRecord(
        tool=tool,
        stage="hls_estimate",
        lut=estimate.alut,
        ff=estimate.ff,
        dsp=estimate.dsp,
        bram36=None if estimate.ram else 0.0,
        notes=(*notes, "LUTs are Intel's ALUTs", *_blocks(estimate.ram)),
    )


def _fitted(record: ResourceRecord, fit: Any) -> ResourceRecord:
    notes = [note for note in record.notes if "RAM blocks" not in note and "ALUTs" not in note]
    return replace(
        record,
        tool=f"{record.tool}, Quartus",
        stage="place_and_route",
        lut=fit.alut,
        ff=fit.ff,
        dsp=fit.dsp,
        bram36=None if fit.ram else 0.0,
        fmax_mhz=fit.fmax_mhz,
        cells={"ALM": fit.alm},
        notes=(*notes, f"{fit.alm} ALMs", *(["LUTs are Intel's ALUTs"] if fit.alut else []), *_blocks(fit.ram)),
        status="done" if fit.alut else "done: no LUTs, for this report counts ALMs; see the notes",
    )


def _blocks(ram: int) -> list[str]:
    return [f"{ram} RAM blocks of the part's own size"] if ram else []


BACKENDS = {
    "Quartus": common.Backend(
        part="Arria10",
        strategies=("Resource",),
        steps=common.STEPS,
        # hls4ml 1.3.0 calls, but does not write, the code of HGQ's quantisers for it
        kinds=("qonnx",),
        licences=dict.fromkeys(common.STEPS, "quartus"),
        emulate=common.compile_and_call,
        synthesize=synthesize_quartus,
        read_report=read_quartus,
    ),
    "oneAPI": common.Backend(
        part="Agilex7",
        strategies=("Resource",),
        # no report of its simulation was found whose layout could be verified
        steps=("csynth", "vsynth"),
        kinds=("keras", "qonnx"),
        licences={"vsynth": "quartus"},
        emulate=emulate_oneapi,
        synthesize=synthesize_oneapi,
        read_report=read_oneapi,
    ),
}
