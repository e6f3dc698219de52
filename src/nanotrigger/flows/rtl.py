"""RTL: QONNX -> distributed arithmetic (alkaid) -> pipelined Verilog -> Verilator -> yosys, for Xilinx parts."""

from nanotrigger.flows._verilog import VerilogParams, create_project, emulate, reference  # noqa: F401  the contract
from nanotrigger.flows._xilinx import (  # noqa: F401  part of the contract
    XilinxParams,
    read_report,
    requires,
    simulate_netlist,
    synthesize,
)

accepts = ("qonnx",)


class Params(VerilogParams, XilinxParams):
    """Config stanza of an RTL flow."""
