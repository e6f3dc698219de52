"""The hls4ml flow: what it really builds with g++, and its control flow with stand-ins for every vendor's program.

A stand-in is a shell script under the vendor's name that leaves hand-made reports behind: it tests us, not the tool.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from test_reports import CSYNTH
from test_vendor_reports import LOOPS, QUARTUS, SUMMARY, VITIS_COSIM, write_ndjson

from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows import hls4ml
from nanotrigger.flows._hls_common import STIMULUS

HANDMADE = Path(__file__).parents[1] / "fixtures/reports"
SOLUTION = "jets_prj/solution1"
AREA = {"columns": ["ALUTs", "FFs", "RAMs", "DSPs", "MLABs"], "total": [2394, 4728, 0, 7, 5]}
# what the scripts below copy to where the vendor's program leaves it
HLS = f"mkdir -p {SOLUTION}/syn/report {SOLUTION}/sim/report; cp ../csynth.xml {SOLUTION}/syn/report/jets_csynth.xml"
COSIM = f"cp ../cosim.rpt {SOLUTION}/sim/report/jets_cosim.rpt; for f in csim rtl_cosim; do cp tb_data/tb_input_features.dat tb_data/${{f}}_results.log; done"  # fmt: skip  # noqa: E501
VSYNTH = "cp ../utilisation.rpt vivado_synth.rpt"
CATAPULT = "mkdir -p jets_prj/jets.v1; cp ../rtl.rpt jets_prj/jets.v1"
CATAPULT_VSYNTH = "mkdir jets_prj/jets.v1/vivado_concat_v; cp ../utilisation.rpt jets_prj/jets.v1/vivado_concat_v/utilization_synth.rpt; cp ../timing.rpt jets_prj/jets.v1/vivado_concat_v/timing_summary_synth.rpt"  # fmt: skip  # noqa: E501


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install a shell script under the name of a vendor's program; returns the project folder."""
    (tmp_path / "csynth.xml").write_text(CSYNTH)
    (tmp_path / "cosim.rpt").write_text(VITIS_COSIM)
    for name, source in [
        ("utilisation.rpt", "handmade_vivado_utilisation_ultrascale.rpt"),
        ("timing.rpt", "handmade_vivado_timing.rpt"),
        ("rtl.rpt", "handmade_catapult_rtl.rpt"),
    ]:
        (tmp_path / name).write_text((HANDMADE / source).read_text())
    project = tmp_path / "project"
    project.mkdir()
    (project / "design.json").write_text('{"inputs": 16, "classes": 5, "notes": ["of the project"]}')
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def install(script, name="vitis_hls"):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return project

    return install


@pytest.mark.parametrize(
    "name, backend, how",
    [
        ("vitis_hls", "Vitis", "-f build_prj.tcl"),
        ("vitis-run", "Vitis", "--mode hls --tcl build_prj.tcl"),
        ("vivado_hls", "Vivado", "-f build_prj.tcl reset=1 csim=0 synth=1 cosim=0"),
    ],
)
def test_a_report_becomes_a_record(stand_in, name, backend, how):
    project = stand_in(f'echo "arguments: $*"; cat build_opt.tcl 2>/dev/null; {HLS}', name)
    params = hls4ml.Params(backend=backend)
    assert hls4ml.synthesize(project, params) == {}
    record = hls4ml.read_report(project, params)
    assert (record.lut, record.dsp, record.latency_cycles, record.stage) == (90, 12, 9, "hls_estimate")
    assert record.status == "done" and record.notes == ("of the project",)
    log = (project / f"{name}.log").read_text()
    assert f"arguments: {how}" in log
    # Vitis HLS takes its options from a file, Vivado HLS from its arguments
    assert ("synth 1" in log and "cosim 0" in log) == (name != "vivado_hls")


@pytest.mark.parametrize(
    "backend, program",
    [
        ("Vitis", "vitis_hls"),
        ("Vivado", "vivado_hls"),
        ("Catapult", "catapult"),
        ("Quartus", "i[+][+]"),
        ("oneAPI", "icpx"),
    ],
)
def test_without_the_program_the_status_says_so(tmp_path, monkeypatch, backend, program):
    monkeypatch.setattr("nanotrigger.tools.vendor.find", lambda program: None)
    status = hls4ml.synthesize(tmp_path, hls4ml.Params(backend=backend))["status"]
    assert re.fullmatch(f"{program} not on PATH", status)


def test_cosimulation_and_logic_synthesis(stand_in):
    stand_in("exit 0", "vivado")
    project = stand_in(f"{HLS}; {COSIM}; {VSYNTH}", "vitis-run")
    params = hls4ml.Params(steps=["vsynth", "cosim", "csynth"])
    assert hls4ml.synthesize(project, params) == {}
    record = hls4ml.read_report(project, params)
    # resources of logic synthesis, latency of C synthesis; 84 halves of block RAM are 42 tiles
    assert (record.stage, record.lut, record.dsp, record.bram36) == ("logic_synthesis", 7040, 133, 42)
    assert (record.latency_cycles, record.ii, record.carry) == (9, 1, 611)
    assert (record.tool, record.version) == ("Vitis HLS, Vivado", "2024.1, 2023.1")
    assert f"co-simulation: Verilog equals C++ on {STIMULUS} vectors, latency 13, interval 4 cycles" in record.notes
    options = (project / "build_opt.tcl").read_text()
    assert all(re.search(rf"\b{name}\s+1\b", options) for name in ("csim", "cosim", "validation", "vsynth"))
    stimulus = np.loadtxt(project / "tb_data/tb_input_features.dat")
    assert stimulus.shape == (STIMULUS, 16) and len(np.unique(stimulus)) > 200
    # the RTL prints something else for one vector, or stops early
    log = project / "tb_data/rtl_cosim_results.log"
    good = log.read_text()
    for bad, message in [(good.replace("0.", "1.", 1), "others than the C\\+\\+"), ("", "0 of 100 vectors")]:
        log.write_text(bad)
        with pytest.raises(ToolError, match=message):
            hls4ml.read_report(project, params)


def test_without_vivado_the_row_says_that_it_is_an_estimate(stand_in, monkeypatch):
    from nanotrigger.tools import vendor

    find = vendor.find
    monkeypatch.setattr(vendor, "find", lambda program: None if program == "vivado" else find(program))
    project = stand_in(HLS)
    params = hls4ml.Params(steps=["csynth", "vsynth"])
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut) == ("hls_estimate", 90)
    assert "no logic synthesis: vivado not on PATH" in record.notes


def test_a_failure_or_a_missing_report_is_an_error_and_no_stale_one_survives(stand_in):
    stand_in("exit 0", "vivado")
    project = stand_in(f"{HLS}; {COSIM}; {VSYNTH}")
    params = hls4ml.Params(steps=["csynth", "cosim", "vsynth"])
    hls4ml.synthesize(project, params)
    assert hls4ml.read_report(project, params).lut == 7040
    stand_in("echo licence expired; exit 1")
    with pytest.raises(ToolError, match=r"(?s)vitis_hls failed with exit code 1.*licence expired"):
        hls4ml.synthesize(project, params)
    left = ["jets_prj", "vivado_synth.rpt", "steps.json", "tb_data/csim_results.log"]
    assert not [name for name in left if (project / name).exists()]
    stand_in("exit 0")
    hls4ml.synthesize(project, params)
    with pytest.raises(ToolError, match="left 0 reports of C synthesis"):
        hls4ml.read_report(project, params)
    stand_in(f"{HLS}; {COSIM}")
    hls4ml.synthesize(project, params)
    with pytest.raises(ToolError, match=r"vivado_synth\.rpt: the report is not there"):
        hls4ml.read_report(project, params)
    stand_in(HLS)
    hls4ml.synthesize(project, params)
    with pytest.raises(ToolError, match="left 0 reports of co-simulation"):
        hls4ml.read_report(project, params)


def test_a_program_that_hangs_meets_its_limit(stand_in):
    project = stand_in("sleep 60")
    with pytest.raises(ToolError, match="vitis_hls ran longer than its limit of 1 s"):
        hls4ml.synthesize(project, hls4ml.Params(timeout_s=1))


def test_a_container_of_the_stanza_is_used(stand_in):
    stand_in('echo "through the container: $*"; shift; exec "$@"', "container_stand_in")
    project = stand_in(HLS)
    params = hls4ml.Params(container="container_stand_in image.sif")
    hls4ml.synthesize(project, params)
    assert "through the container: image.sif vitis_hls -f build_prj.tcl" in (project / "vitis_hls.log").read_text()
    assert hls4ml.read_report(project, params).lut == 90


def test_catapult(stand_in):
    project = stand_in(f'echo "$*"; {CATAPULT}', "catapult")
    params = hls4ml.Params(backend="Catapult", clock_ns=4)
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.tool, record.stage, record.lut) == ("Catapult", "hls_estimate", 820)
    assert (record.latency_cycles, record.latency_ns, record.ii) == (12, 48, 2)
    assert "-eval set ::argv" in (project / "catapult_run.log").read_text()
    # a library that counts no LUTs: the row has none, and says how to get them
    rtl = project / "jets_prj/jets.v1/rtl.rpt"
    rtl.write_text(rtl.read_text().replace("Area(LUTs)", "Area(Gate)"))
    record = hls4ml.read_report(project, params)
    assert record.lut is None and "run the step vsynth" in record.status
    stand_in("exit 0", "vivado")
    stand_in(f'echo "$*"; {CATAPULT}; {CATAPULT_VSYNTH}', "catapult")
    params = hls4ml.Params(backend="Catapult", steps=["csynth", "vsynth"])
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut, record.bram36, record.latency_cycles) == ("logic_synthesis", 7040, 42, 12)
    assert "vsynth=1" in (project / "catapult_run.log").read_text()
    stand_in("exit 0", "catapult")
    hls4ml.synthesize(project, params)
    with pytest.raises(ToolError, match="left 0 reports of the RTL"):
        hls4ml.read_report(project, params)


def test_quartus(stand_in, tmp_path):
    (tmp_path / "report_data.js").write_text(f"var areaJSON={json.dumps(AREA)};var fileJSON=[];")
    (tmp_path / "quartus_data.js").write_text(f"var quartusJSON={json.dumps(QUARTUS)};")
    (tmp_path / "verification_data.js").write_text('var verifJSON={"functions":[{"data":["100","10,13,11","1,4,2"]}]};')
    lib = "jets-fpga.prj/reports/lib"
    stand_in("exit 0", "i++")
    stand_in("exit 0", "quartus_sh")
    program = f"echo '#!/bin/sh' > jets-fpga; echo 'cp ../verification_data.js {lib}' >> jets-fpga; chmod +x jets-fpga"
    project = stand_in(f'echo "$*"; mkdir -p {lib}; cp ../report_data.js ../quartus_data.js {lib}; {program}', "make")
    params = hls4ml.Params(backend="Quartus")
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut, record.ff, record.dsp, record.bram36) == ("hls_estimate", 2394, 4728, 7, 0)
    assert record.latency_cycles is None and "latency and interval are known after the step cosim" in record.notes
    assert (project / "make.log").read_text() == "jets-fpga\n"
    params = hls4ml.Params(backend="Quartus", steps=["csynth", "cosim", "vsynth"])
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut, record.dsp, record.bram36) == ("place_and_route", 4182, 40, None)
    assert (record.latency_cycles, record.latency_ns, record.ii, record.fmax_mhz) == (13, 65, 4, 412.73)
    assert {"4521 ALMs", "36 RAM blocks of the part's own size"} <= set(record.notes)
    assert (project / "make.log").read_text() == "jets-fpga QUARTUS_COMPILE=--quartus-compile\n"


def test_oneapi(stand_in, tmp_path):
    write_ndjson(tmp_path / "summary.ndjson", SUMMARY)
    write_ndjson(tmp_path / "loop_attr.ndjson", LOOPS)
    write_ndjson(tmp_path / "quartus.ndjson", [QUARTUS])
    stand_in("exit 0", "icpx")
    stand_in("exit 0", "cmake")
    folder = "jets.$1.prj/reports/resources/json"
    project = stand_in(f"mkdir -p {folder}; cp ../../*.ndjson {folder}", "make")
    params = hls4ml.Params(backend="oneAPI")
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut, record.ff, record.dsp, record.ii) == ("hls_estimate", 2462, 7938, 3, 4)
    assert record.latency_cycles is None
    params = hls4ml.Params(backend="oneAPI", steps=["csynth", "vsynth"])
    hls4ml.synthesize(project, params)
    record = hls4ml.read_report(project, params)
    assert (record.stage, record.lut, record.fmax_mhz, record.cells) == ("place_and_route", 4182, 412.73, {"ALM": 4521})


def test_oneapi_is_not_emulated_without_its_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.tools.vendor.find", lambda program: None)
    with pytest.raises(NotRun, match="icpx not on PATH"):
        hls4ml.emulate(tmp_path, np.zeros((1, 16)), hls4ml.Params(backend="oneAPI"))


def test_oneapi_is_emulated_in_a_process_of_its_own(stand_in):
    """A stand-in for icpx' library: it negates the first five inputs."""
    code = 'extern "C" void jets_double(double *x, double *y) { for (int i = 0; i < 5; i++) y[i] = -x[i]; }'
    stand_in("exit 0", "icpx")
    stand_in("exit 0", "cmake")
    project = stand_in(f"echo '{code}' > n.cpp; g++ -shared -fPIC n.cpp -o libjets-1.so", "make")
    x = np.random.default_rng(0).normal(size=(7, 16))
    np.testing.assert_array_equal(hls4ml.emulate(project, x, hls4ml.Params(backend="oneAPI")), -x[:, :5])


@pytest.mark.parametrize(
    "stanza, message",
    [
        ({"backend": "Quartus", "strategy": "Latency"}, "backend Quartus has no strategy Latency: take Resource"),
        ({"backend": "Catapult", "strategy": "Resource_Unrolled"}, "take Latency, Resource"),
        ({"strategy": "Resource_Unrolled"}, "needs a reuse_factor above 1"),
        ({"backend": "oneAPI", "steps": ["csynth", "cosim"]}, "cosim of backend oneAPI leaves no report"),
        ({"steps": ["vsynth"]}, "add csynth"),
        ({"backend": "Quartus", "part": "xcvu9p-flgb2104-2-i"}, "builds for Intel's parts, not for xcvu9p"),
        ({"backend": "Vivado", "part": "Arria10"}, "builds for AMD's parts, not for Arria10"),
        ({"default_precision": "fixed<16>"}, "'fixed<16>' is no type"),
        ({"precision": {"a.result": "fixed<8,3,ROUND>"}}, "'fixed<8,3,ROUND>' is no type"),
        ({"precision": {"a": "int<8>"}}, "'a' names no variable of a layer. Write it as layer.variable"),
        ({"precision": {"a.output": "int<8>"}}, "'a.output' names no variable of a layer"),
    ],
)
def test_a_stanza_that_cannot_be_built_is_refused_early(stanza, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        hls4ml.Params(**stanza)


def test_a_backend_brings_its_own_defaults():
    quartus = hls4ml.Params(backend="Quartus")
    assert (quartus.strategy, quartus.part) == ("Resource", "Arria10")
    assert hls4ml.Params(steps=["vsynth", "csynth"]).steps == ("csynth", "vsynth")
    assert hls4ml.Params(precision={"a.accum": "fixed<16, 6, RND, SAT>"}).precision == {
        "a.accum": "fixed<16,6,RND,SAT>"
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small network as QONNX file, inputs, and the outputs that its file gives."""
    from test_export import network

    from nanotrigger.qonnx.execute import execute
    from nanotrigger.qonnx.export import write_qonnx

    path = tmp_path_factory.mktemp("tiny") / "model.onnx"
    write_qonnx(network(6), path, {})
    x = np.random.default_rng(1).normal(size=(300, 16), scale=3).astype(np.float32)
    return path, x, execute(path, x)[0]


@pytest.mark.parametrize(
    "stanza",
    [
        {"backend": "Vivado"},
        {"backend": "Catapult", "io_type": "io_stream"},
        {"backend": "Quartus", "reuse_factor": 4},
        {
            "backend": "Vitis",
            "strategy": "Resource",
            "reuse_factor": 5,
            "precision": {"MatMul_0.accum": "fixed<40,20>"},
        },
    ],
    ids=lambda stanza: stanza["backend"],
)
def test_what_gxx_compiles_equals_the_qonnx_file(tiny, tmp_path, stanza):
    path, x, expected = tiny
    params = hls4ml.Params(**stanza)
    hls4ml.create_project(path, "qonnx", tmp_path, params)
    np.testing.assert_array_equal(hls4ml.emulate(tmp_path, x, params), expected)
    notes = json.loads((tmp_path / "design.json").read_text())["notes"]
    # 5 does not divide the 16 inputs of the first layer: hls4ml takes another, and the row says so
    assert any("reuse factor" in note for note in notes) == (params.reuse_factor == 5)
    if "precision" in stanza:
        assert "ap_fixed<40,20> dense_matmul_0_accum_t" in (tmp_path / "firmware/defines.h").read_text().lower()


def test_an_override_that_is_too_narrow_is_seen(tiny, tmp_path):
    path, x, expected = tiny
    params = hls4ml.Params(precision={"Relu_0.result": "ufixed<3,2>"})
    hls4ml.create_project(path, "qonnx", tmp_path, params)
    assert (hls4ml.emulate(tmp_path, x, params) != expected).any()


def test_an_override_of_nothing_is_refused(tiny, tmp_path):
    with pytest.raises(ToolError, match=r"'Dense_9\.accum' names no layer of this model\. Known: .*MatMul_0"):
        hls4ml.create_project(tiny[0], "qonnx", tmp_path, hls4ml.Params(precision={"Dense_9.accum": "int<9>"}))


@pytest.mark.parametrize("backend", ["Catapult", "Quartus"])
def test_hgq_is_refused_where_hls4ml_cannot_build_it(tmp_path, backend):
    with pytest.raises(ToolError, match=f"backend {backend} does not build HGQ's quantisers"):
        hls4ml.create_project(tmp_path / "export.keras", "keras", tmp_path, hls4ml.Params(backend=backend))


def test_code_that_does_not_compile_is_an_error_and_no_stale_library_is_used(tmp_path):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware/jets-1.so").write_text("stale")
    # as Catapult's script: it does not stop at an error, and its last command succeeds
    (tmp_path / "build_lib.sh").write_text("g++ -c absent.cpp\nrm -f *.o\n")
    with pytest.raises(ToolError, match=r"(?s)bash failed.*absent\.cpp"):
        hls4ml.emulate(tmp_path, np.zeros((1, 16)), hls4ml.Params())
    assert not (tmp_path / "firmware/jets-1.so").exists()
