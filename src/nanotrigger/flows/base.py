"""The contract of a hardware flow.

A flow is a module with

- `Params`: a StrictModel, the keys of its config stanza;
- `accepts`: the artifact kinds it takes, the preferred one first;
- `requires`: programs without which it cannot even emulate; the workflow refuses to start without them;
- `create_project(artifact, kind, folder, params)`: write the project;
- `emulate(folder, x, params)`: outputs (jets, classes) float64 of the hardware description for standardised jets; raises
  NotRun with the reason where that needs a program that is not there;
- `synthesize(folder, params)`: run the tools; returns `{}`, or `{"status": reason}` where they are not there;
- `read_report(folder, params)`: a ResourceRecord from what synthesis left. Raises ToolError if it does not understand it.

Optional: `simulate_netlist(folder, x, params)`, as `emulate` but on the cells that synthesis made; run where synthesis was.
What `read_report` needs of real jets, as switching activity, is measured there.
`reference(folder, x, expected)`: what both must give, where that is not the file's outputs `expected` themselves.
`lacks`: constructs of methods (see `methods.base`) that it cannot build, each with the reason; such pairs are left out.
`licences(params)`: those of LICENCES that a synthesis takes, so that a site can limit how many run at once.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, StringConstraints

from nanotrigger.modules import StrictModel, load_module

CONTRACT = ("Params", "accepts", "requires", "create_project", "emulate", "synthesize", "read_report")

STAGES = ("estimate", "hls_estimate", "logic_synthesis", "place_and_route")
"""How far towards silicon a figure is; figures of different stages are never compared without saying so."""


Part = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:+-]*$", max_length=120)]
"""Names of parts: they stand in scripts of the vendors' programs."""


class HardwareParams(StrictModel):
    """Keys that every flow has."""

    part: Part = Field("xcvu13p-flga2577-2-e", description="the device, as its vendor names it")
    clock_ns: PositiveFloat = Field(5.0, description="target clock period in ns")
    emulated_jets: int | None = Field(None, ge=1, description="test jets to emulate; all if absent")
    netlist_jets: PositiveInt = Field(1000, description="test jets on which the synthesised netlist is simulated")
    timeout_s: PositiveFloat = Field(7200, description="seconds after which a tool is stopped")


LICENCES = ("vivado", "vitis_hls", "catapult", "quartus")
"""Vendors' licences, which are resources of a synthesis by these names: `snakemake --resources vivado=1`."""


@dataclass(frozen=True)
class ResourceRecord:
    """What one design costs. None means not measured, and `status` says why.

    lut, ff, dsp, bram36 (36 kbit tiles) and carry count cells of the part's family, cells every type of them; latency in
    cycles and ns at the target clock; ii: cycles between inputs; logic_delay_ns: longest path between registers without
    routing; fmax_mhz: highest clock after place and route, with its standard deviation over seeds of the placement;
    area_um2 and nand2 (in areas of the smallest two-input NAND): cells of a standard-cell library, without routing;
    min_period_ns: shortest clock period of that; power_mw: at the target clock; adder_cost: alkaid's estimate of LUTs.
    notes: what the reader of a row must know, as what is left to the host.
    """

    tool: str | None = None
    version: str | None = None
    stage: str | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram36: float | None = None
    carry: int | None = None
    latency_cycles: int | None = None
    latency_ns: float | None = None
    ii: int | None = None
    logic_delay_ns: float | None = None
    fmax_mhz: float | None = None
    fmax_spread_mhz: float | None = None
    min_period_ns: float | None = None
    area_um2: float | None = None
    nand2: float | None = None
    power_mw: float | None = None
    adder_cost: float | None = None
    cells: dict[str, int] | None = None
    notes: tuple[str, ...] = ()
    status: str = "done"


def refusal(name: str, flow: ModuleType, method: ModuleType) -> str | None:
    """Why a flow of that name takes none of the files that a method writes; None if it takes them."""
    if not set(flow.accepts) & method.exports:
        return f"{name} takes {', '.join(flow.accepts)}, the method writes {', '.join(sorted(method.exports))}"
    lacks = getattr(flow, "lacks", {})
    missing = sorted(set(lacks) & getattr(method, "constructs", frozenset()))
    return f"{name} {lacks[missing[0]]}" if missing else None


def load_flow(name: str) -> ModuleType:
    """Module of a flow: a name in nanotrigger.flows, or a dotted path. Raises ConfigError if it breaks the contract."""
    return load_module(name, "nanotrigger.flows", "flow", CONTRACT)
