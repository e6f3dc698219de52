"""How often each net of a netlist changes when jets pass through it: counted, not assumed.

The netlist's cells are simulated in every clock cycle with the jets that the flow gets, a new one each cycle, once the
pipeline is full. A net settles once per cycle: hazards within a cycle need the delays of a layout and are not counted.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanotrigger.errors import ToolError
from nanotrigger.flows import _verilog
from nanotrigger.results.records import read_json


@dataclass(frozen=True)
class Activity:
    """transitions: changes per clock cycle; duty: part of the time at 1."""

    transitions: float
    duty: float


def measure(folder: Path, x: np.ndarray, sources: list[str], timeout_s: float) -> dict[str, Activity]:
    """Activity of each port bit and exposed net by name.

    x: (jets, features) standardised; they pass once and start again, so that there are as many transitions as jets.
    sources: Verilog of the netlist with its nets as outputs, and of its cells.
    """
    from nanotrigger.tools.aiger import netlist_graph

    fill = _verilog.pipeline_latency(folder)
    cycles = len(x) + fill + 1
    waves = _verilog.input_waves(folder, x[np.arange(cycles) % len(x)])
    graph = netlist_graph(folder, sources, _verilog.TOP, timeout_s)
    found = {**waves, **graph.simulate(waves, cycles)}
    full = {name: wave[fill:] for name, wave in found.items()}
    return {
        name: Activity(float((wave[1:] != wave[:-1]).mean()), float(wave[1:].mean())) for name, wave in full.items()
    }


def by_pin(netlist: Path, activity: dict[str, Activity]) -> dict[str, Activity]:
    """Activity of every pin, as `cell/pin`, but for pins on the clock.

    netlist: JSON of yosys. Raises ToolError if a net was not measured.
    """
    module = read_json(netlist)["modules"][_verilog.TOP]
    nets: dict[int | str, Activity] = {"0": Activity(0.0, 0.0), "1": Activity(0.0, 1.0)}
    for name, net in module["netnames"].items():
        for position, bit in enumerate(net["bits"]):
            measured = activity.get(f"{name}[{position}]" if len(net["bits"]) > 1 else name)
            if measured is not None and isinstance(bit, int):
                nets[bit] = measured
    (clock,) = module["ports"]["clk"]["bits"]
    pins = {}
    for name, cell in module["cells"].items():
        for pin, (bit,) in cell["connections"].items():
            if bit == clock:
                continue
            if bit not in nets:
                raise ToolError(f"{netlist}: nothing was measured on the net at {name}/{pin}")
            pins[f"{name}/{pin}"] = nets[bit]
    return pins
