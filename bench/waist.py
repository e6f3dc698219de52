"""What QONNX costs: LUTs of an HGQ model through its file, against the same model straight from Keras to alkaid.

Both with the same input port, options, passes and pipeline, synthesised alike, and both give the file's outputs on all test
jets. *Wrapping* drops the high bits behind quantisers whose range was traced, as the flow does by default; *saturating* builds
what the Keras file says.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench._designs import Model, check, designs
from bench.base import Measurement, Options, ratios

MOST = 1.02


def measure(options: Options) -> Iterator[Measurement]:
    from nanotrigger.flows import rtl

    for model in designs(options, "rtl"):
        if model.method != "hgq":
            continue
        for overflow, word in (("wrap", "wrapping"), ("saturate", "saturating")):
            params = rtl.Params(overflow=overflow)
            with tempfile.TemporaryDirectory() as scratch:
                ours, direct = Path(scratch) / "qonnx", Path(scratch) / "keras"
                values = _from_qonnx(model, ours, params)
                _from_keras(model, direct, params, values)
                counts = [(float(_luts(folder, params)),) for folder in (ours, direct)]
            yield Measurement(model.name, f"LUTs through QONNX, {word}", "LUT", counts[0])
            yield Measurement(model.name, f"LUTs from Keras, {word}", "LUT", counts[1])
            yield Measurement(model.name, f"QONNX against Keras, {word}", "ratio", ratios(*counts), at_most=MOST)


def _luts(folder: Path, params: Any) -> int:
    from nanotrigger.flows import rtl
    from nanotrigger.reports.yosys import xilinx_cells

    rtl.synthesize(folder, params)
    return xilinx_cells(folder / "stat.json")["lut"]


def _from_qonnx(model: Model, folder: Path, params: Any) -> Any:
    """Write the flow's own project; returns what its port holds for the test jets."""
    from nanotrigger.flows import _verilog
    from nanotrigger.qonnx import host

    folder.mkdir()
    tracer, graph = _verilog.adder_graph(model.qonnx, params)
    _verilog.write_project(folder, tracer, graph, params, None, latency_cutoff=params.latency_cutoff)
    values = host.inputs(folder, model.jets)
    check(graph.predict(values, n_threads=1), model.expected, f"{model.name}: the graph from QONNX")
    return values


def _from_keras(model: Model, folder: Path, params: Any, values: Any) -> None:
    """Write the project of alkaid's own Keras front end, with the port of the QONNX file."""
    os.environ["KERAS_BACKEND"] = "jax"
    import hgq  # noqa: F401  its layers and their plug-in for alkaid
    from alkaid.codegen import RTLModel
    from alkaid.converter import trace_model
    from alkaid.trace import FVArray, HWConfig, trace

    from nanotrigger.flows._verilog import TOP
    from nanotrigger.methods import hgq as method
    from nanotrigger.qonnx.adder_graph import input_port
    from nanotrigger.qonnx.execute import load_model
    from nanotrigger.qonnx.graph import Graph
    from nanotrigger.training.keras_file import load_network

    folder.mkdir()
    method.export(model.folder, "keras", folder / "export.keras", {})
    network = load_network(folder / "export.keras")
    if params.overflow == "wrap":
        for layer in network.layers[1:]:
            # the export saturates, as the file's executors do; HGQ2 fixes the mode when a quantiser is made
            layer.iq.quantizer._overflow_mode = "WRAP"
    hardware, options = HWConfig(1, -1, -1), {"hard_dc": params.delay_constraint}
    port = FVArray.from_kif(
        *(bits.ravel() for bits in input_port(Graph(load_model(model.qonnx)))[0]), hardware, 0, options
    )
    graph = trace(*trace_model(network, hardware, options, inputs=(port,)))
    check(graph.predict(values, n_threads=1), model.expected, f"{model.name}: the graph from Keras")
    RTLModel(
        graph,
        folder,
        TOP,
        clock_period=params.clock_ns,
        part_name=params.part,
        print_latency=False,
        latency_cutoff=params.latency_cutoff,
    ).write()
