"""hls4ml: a project of C++ for high-level synthesis, run exactly as compiled by g++, synthesised by Vitis HLS if present.

QONNX files go through hls4ml's QONNX front end, HGQ2 networks through its Keras one.
"""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from nanotrigger.errors import ToolError
from nanotrigger.flows.base import HardwareParams, ResourceRecord

accepts = ("keras", "qonnx")
requires = ("g++",)

PROJECT = "jets"


class Params(HardwareParams):
    """Config stanza of an hls4ml flow."""

    backend: Literal["Vitis"] = Field("Vitis", description="hls4ml backend")
    strategy: Literal["Latency", "Resource"] = Field("Latency", description="hls4ml strategy")
    reuse_factor: PositiveInt = Field(1, description="multiplications that share one multiplier")
    default_precision: str = Field("fixed<48,16>", description="type of what hls4ml cannot infer")


def create_project(artifact: Path, kind: str, folder: Path, params: Params) -> None:
    """Write the HLS project."""
    os.environ["KERAS_BACKEND"] = "jax"
    import hls4ml

    from nanotrigger.results.records import write_json

    common = {"backend": params.backend, "default_precision": params.default_precision, "granularity": "name"}
    if kind == "keras":
        import hgq  # noqa: F401  registers the layers that keras needs to read the file
        import keras

        model = keras.models.load_model(artifact, compile=False)
        config = hls4ml.utils.config_from_keras_model(model, **common)
        convert = hls4ml.converters.convert_from_keras_model
    else:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.cleanup import cleanup_model

        from nanotrigger.qonnx.execute import load_model

        model = load_model(artifact)
        if inexact := sorted({node.op_type for node in model.graph.node} & {"Max", "Min"}):
            raise ToolError(
                f"{artifact}: hls4ml builds {', '.join(inexact)} of a per-element quantiser inexactly. Take the method's "
                "native artifact, or the rtl flow."
            )
        model = cleanup_model(ModelWrapper(without_casts(model)))
        config = hls4ml.utils.config_from_onnx_model(model, **common)
        convert = hls4ml.converters.convert_from_onnx_model
    config["Model"] |= {"Strategy": params.strategy, "ReuseFactor": params.reuse_factor}
    project = convert(
        model,
        hls_config=config,
        output_dir=str(folder),
        project_name=PROJECT,
        backend=params.backend,
        io_type="io_parallel",
        part=params.part,
        clock_period=params.clock_ns,
    )
    project.write()
    write_json(folder / "design.json", {"version": hls4ml.__version__, "classes": int(np.prod(model_outputs(project)))})


def model_outputs(project: Any) -> tuple[int, ...]:
    """Shape of an hls4ml model's one output."""
    (output,) = project.get_output_variables()
    return tuple(output.shape)


def without_casts(model: Any) -> Any:
    """The model without Casts to double: hls4ml has no such operator, and its fixed-point sums are exact anyway."""
    import onnx

    source: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = source.get(name, name)
        if node.op_type == "Cast":
            source[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    stripped = onnx.ModelProto()
    stripped.CopyFrom(model)
    del stripped.graph.node[:], stripped.graph.value_info[:]
    stripped.graph.node.extend(nodes)
    stripped.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return stripped


def emulate(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Compile the C++ with g++ and run it on the jets, in double precision at its ports."""
    import ctypes

    from nanotrigger.results.records import read_json
    from nanotrigger.tools.run import run_tool

    run_tool(["bash", "build_lib.sh"], folder, "build_lib.log", params.timeout_s)
    (library,) = (folder / "firmware").glob(f"{PROJECT}-*.so")
    top = getattr(ctypes.CDLL(str(library.resolve())), f"{PROJECT}_double")
    inputs = np.ascontiguousarray(x, np.float64)
    outputs = np.empty((len(x), read_json(folder / "design.json")["classes"]))
    pointer = ctypes.POINTER(ctypes.c_double)
    for row, result in zip(inputs, outputs, strict=True):
        top(row.ctypes.data_as(pointer), result.ctypes.data_as(pointer))
    return outputs


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """C synthesis by Vitis HLS where it is installed."""
    from nanotrigger.tools.run import find, run_tool

    if find("vitis-run"):
        command = ["vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl"]
    elif find("vitis_hls"):
        command = ["vitis_hls", "-f", "build_prj.tcl"]
    else:
        return {"status": "vitis_hls not on PATH"}
    for stale in _reports(folder):
        stale.unlink()
    steps = {"reset": 1, "csim": 0, "synth": 1, "cosim": 0, "validation": 0, "export": 0, "vsynth": 0, "fifo_opt": 0}
    options = "".join(f"    {name} {value}\n" for name, value in steps.items())
    (folder / "build_opt.tcl").write_text(f"array set opt {{\n{options}}}\n")
    run_tool(command, folder, "vitis_hls.log", params.timeout_s)
    return {}


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Resources and latency as Vitis HLS estimates them."""
    from nanotrigger.reports.csynth import read_csynth

    reports = _reports(folder)
    if len(reports) != 1:
        raise ToolError(f"{folder}: Vitis HLS left {len(reports)} reports of C synthesis; one was expected")
    return read_csynth(reports[0])


def _reports(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PROJECT}_prj/solution*/syn/report/{PROJECT}_csynth.xml"))
