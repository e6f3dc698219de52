"""What a host does around the hardware: puts inputs on the port's grid, and computes what is left behind the last integers.

Both are parts of the QONNX file, run by the stock executor, so that hardware and file are compared at the file's own outputs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanotrigger.errors import ToolError
from nanotrigger.results.records import read_arrays

if TYPE_CHECKING:
    import onnx

    from nanotrigger.qonnx.adder_graph import QONNXTracer
    from nanotrigger.qonnx.graph import Graph

FRONT, HEAD, TAIL, SCALES = "front.onnx", "head.onnx", "tail.onnx", "scales.npz"
DOUBT = 0.25
"""Part of a step by which a float executor's sum may lie beside a grid before it says nothing about the integer."""


def write(tracer: "QONNXTracer", folder: Path) -> None:
    """Write the host's parts of a traced model into a project."""
    import onnx

    from nanotrigger.qonnx.adder_graph import input_port

    graph = tracer.graph
    onnx.save(graph.part(graph.input, tracer.port), folder / FRONT)
    if not tracer.cut.dyadic:
        onnx.save(graph.part(graph.input, tracer.cut.name), folder / HEAD)
    elif tracer.cut.name != graph.output:
        onnx.save(graph.part(tracer.cut.name, graph.output), folder / TAIL)
    step = tracer.cut.bounds()[2]
    np.savez(folder / SCALES, port=input_port(graph)[1].ravel(), cut=tracer.cut.scale.ravel(), step=step.ravel())


def cut_tail(graph: "Graph", folder: Path) -> tuple["onnx.ModelProto", list[str]]:
    """The model without the operators at its output that are a host's, and a note of what these are.

    They are written into the project, for `outputs`.
    """
    import onnx

    from nanotrigger.qonnx.graph import reads_table
    from nanotrigger.qonnx.operators import HOST

    makers = {node.output[0]: node for node in graph.nodes}
    left, tensor = [], graph.output
    while (node := makers.get(tensor)) is not None and node.op_type in (*HOST, "Gather"):
        if reads_table(node, graph.constants):
            break
        left.append(node.op_type)
        tensor = node.input[0]
    if not left:
        return graph.model, []
    onnx.save(graph.part(tensor, graph.output), folder / TAIL)
    return graph.part(graph.input, tensor), [f"left to the host: {', '.join(left[::-1])}"]


def _scales(folder: Path) -> dict[str, np.ndarray]:
    """Scale of the port and of the last exact tensor, and the step of that tensor's numbers without its scale."""
    return read_arrays(folder / SCALES)


def inputs(folder: Path, x: np.ndarray) -> np.ndarray:
    """What the port holds for vectors of the model's input: (vectors, elements) float64."""
    from nanotrigger.qonnx.execute import load_model, run_model

    scale = _scales(folder)["port"]
    values = run_model(load_model(folder / FRONT), x)
    return values if (scale == 1).all() else np.round(values / scale)


def outputs(folder: Path, found: np.ndarray) -> np.ndarray:
    """The model's outputs from what the hardware gives, (vectors, elements); its integers where a reference has those."""
    from nanotrigger.qonnx.execute import load_model, run_model

    return run_model(load_model(folder / TAIL), found) if (folder / TAIL).exists() else found


def reference(folder: Path, x: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """What hardware must give: the file's outputs, (vectors, elements).

    Where scales are no powers of two the file's own sums are rounded floats: there the integers that they stand for are
    compared instead, at the tensor where the hardware ends. Raises ToolError where a float does not tell its integer.
    """
    from nanotrigger.qonnx.execute import load_model, run_model

    if not (folder / HEAD).exists():
        return expected
    scales = _scales(folder)
    codes = run_model(load_model(folder / HEAD), x) / (scales["cut"] * scales["step"])
    if (beside := np.abs(codes - np.round(codes)).max()) > DOUBT:
        raise ToolError(
            f"{folder / HEAD}: a float sum lies {beside:.2f} steps beside an integer: it cannot be compared exactly."
        )
    return np.round(codes) * scales["step"]
