"""Vitis HLS' part of the hls4ml flow, with a stand-in for the program: it tests our control flow, not the tool."""

import os

import pytest
from test_reports import CSYNTH

from nanotrigger.errors import ToolError
from nanotrigger.flows import hls4ml

REPORT = "jets_prj/solution1/syn/report/jets_csynth.xml"
LEAVES_A_REPORT = f"mkdir -p $(dirname {REPORT}); cp ../csynth.xml {REPORT}; cat build_opt.tcl"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install a shell script under the name of a vendor's program; returns the project folder."""
    (tmp_path / "csynth.xml").write_text(CSYNTH)
    (tmp_path / "project").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def install(script, name="vitis_hls"):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return tmp_path / "project"

    return install


@pytest.mark.parametrize("name", ["vitis_hls", "vitis-run"])
def test_a_report_becomes_a_record(stand_in, name):
    project = stand_in(LEAVES_A_REPORT, name)
    assert hls4ml.synthesize(project, hls4ml.Params()) == {}
    record = hls4ml.read_report(project, hls4ml.Params())
    assert (record.lut, record.dsp, record.latency_cycles, record.stage) == (90, 12, 9, "hls_estimate")
    log = (project / "vitis_hls.log").read_text()
    assert "synth 1" in log and "cosim 0" in log


def test_without_the_program_the_status_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("nanotrigger.tools.run.find", lambda program: None)
    assert hls4ml.synthesize(tmp_path, hls4ml.Params()) == {"status": "vitis_hls not on PATH"}


def test_a_failure_or_a_missing_report_is_an_error_and_no_stale_one_survives(stand_in):
    project = stand_in(LEAVES_A_REPORT)
    hls4ml.synthesize(project, hls4ml.Params())
    stand_in("echo licence expired; exit 1")
    with pytest.raises(ToolError, match=r"(?s)vitis_hls failed with exit code 1.*licence expired"):
        hls4ml.synthesize(project, hls4ml.Params())
    assert not (project / REPORT).exists()
    stand_in("exit 0")
    hls4ml.synthesize(project, hls4ml.Params())
    with pytest.raises(ToolError, match="left 0 reports of C synthesis"):
        hls4ml.read_report(project, hls4ml.Params())
