"""hls4ml: a project of C++ for high-level synthesis by any of its backends that the papers use.

QONNX files go through hls4ml's QONNX front end, HGQ2 networks through its Keras one. The C++ is run exactly as compiled by
g++ (for oneAPI only icpx can), then synthesised by the vendor's program where it is installed.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, field_validator, model_validator

from nanotrigger.errors import ToolError
from nanotrigger.flows import _hls_amd, _hls_catapult, _hls_intel
from nanotrigger.flows._hls_common import PROJECT, STEPS
from nanotrigger.flows.base import HardwareParams, ResourceRecord
from nanotrigger.tools.vendor import Installation

accepts = ("keras", "qonnx")
requires = ("g++",)
lacks = {"tables": "has no operator that reads a table of constants at a computed index (hls4ml 1.3.0)"}

BACKENDS = _hls_amd.BACKENDS | _hls_catapult.BACKENDS | _hls_intel.BACKENDS
AMD_PARTS = ("xc", "xa", "xq")
ROUNDING = "TRN|TRN_ZERO|RND|RND_ZERO|RND_INF|RND_MIN_INF|RND_CONV"
OVERFLOW = "WRAP|SAT|SAT_ZERO|SAT_SYM"
TYPE = re.compile(rf"(?:ap_)?(?:u?int<[1-9]\d*>|u?fixed<[1-9]\d*,-?\d+(?:,(?:{ROUNDING})(?:,(?:{OVERFLOW}))?)?>)")
VARIABLES = ("result", "accum", "weight", "bias", "table")


def checked_type(text: str) -> str:
    """A fixed-point type as hls4ml writes it, without blanks. Raises ValueError with an example."""
    text = text.replace(" ", "")
    if not TYPE.fullmatch(text):
        raise ValueError(
            f"'{text}' is no type; write as fixed<16,6>, ufixed<8,0,RND_CONV,SAT> or int<8> (width and integer bits; "
            f"rounding {ROUNDING.replace('|', ', ')}; overflow {OVERFLOW.replace('|', ', ')})"
        )
    return text


class Params(HardwareParams, Installation):
    """Config stanza of an hls4ml flow."""

    backend: Literal["Vitis", "Vivado", "Catapult", "Quartus", "oneAPI"] = Field("Vitis", description="hls4ml backend")
    strategy: Literal["Latency", "Resource", "Resource_Unrolled"] = Field(
        "Latency", description="hls4ml strategy; Resource is the only one of Quartus and oneAPI, and their default"
    )
    reuse_factor: PositiveInt = Field(1, description="multiplications that share one multiplier")
    io_type: Literal["io_parallel", "io_stream"] = Field("io_parallel", description="all inputs at once, or one by one")
    default_precision: str = Field("fixed<48,16>", description="type of what hls4ml cannot infer")
    precision: dict[str, str] = Field(
        default_factory=dict,
        description="types instead of the inferred ones, by `layer.variable` or `LayerType.variable`, "
        f"where variable is one of {', '.join(VARIABLES)}: `{{MatMul_0.accum: fixed<24,12>}}`",
    )
    steps: tuple[Literal["csynth", "cosim", "vsynth"], ...] = Field(
        ("csynth",),
        min_length=1,
        description="what the vendor's program does: C synthesis, co-simulation, logic synthesis",
    )

    @model_validator(mode="before")
    @classmethod
    def of_the_backend(cls, given: Any) -> Any:
        """The backend's own defaults of what the stanza leaves out."""
        name = given.get("backend", "Vitis") if isinstance(given, dict) else None
        # what is no name at all is refused by its field
        backend = BACKENDS.get(name) if isinstance(name, str) else None
        return {"part": backend.part, "strategy": backend.strategies[0], **given} if backend else given

    @field_validator("default_precision")
    @classmethod
    def is_a_type(cls, text: str) -> str:
        return checked_type(text)

    @field_validator("precision")
    @classmethod
    def are_types(cls, types: dict[str, str]) -> dict[str, str]:
        for key in types:
            layer, _, variable = key.rpartition(".")
            if not layer or variable not in VARIABLES:
                raise ValueError(
                    f"'{key}' names no variable of a layer. Write it as layer.variable or LayerType.variable, with one of "
                    f"{', '.join(VARIABLES)}"
                )
        return {key: checked_type(text) for key, text in types.items()}

    @field_validator("steps")
    @classmethod
    def in_order(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if "csynth" not in steps:
            raise ValueError("co-simulation and logic synthesis start from C synthesis: add csynth")
        return tuple(step for step in STEPS if step in steps)

    @model_validator(mode="after")
    def fits_the_backend(self) -> Self:
        backend = BACKENDS[self.backend]
        if self.strategy not in backend.strategies:
            raise ValueError(
                f"backend {self.backend} has no strategy {self.strategy}: take {', '.join(backend.strategies)}"
            )
        if self.strategy == "Resource_Unrolled" and self.reuse_factor == 1:
            raise ValueError("strategy Resource_Unrolled needs a reuse_factor above 1: with 1, hls4ml takes Resource")
        if unknown := [step for step in self.steps if step not in backend.steps]:
            raise ValueError(
                f"steps: {', '.join(unknown)} of backend {self.backend} leaves no report that is understood here: "
                f"take {', '.join(backend.steps)}"
            )
        amd = self.part.lower().startswith(AMD_PARTS)
        if amd != BACKENDS[self.backend].part.startswith(AMD_PARTS):
            maker = "AMD's" if not amd else "Intel's"
            raise ValueError(
                f"backend {self.backend} builds for {maker} parts, not for {self.part}. "
                f"Give another backend, or a part such as {backend.part}"
            )
        return self


def create_project(artifact: Path, kind: str, folder: Path, params: Params) -> None:
    """Write the HLS project. Raises ToolError for what hls4ml would build inexactly, and for overrides without effect."""
    if kind not in BACKENDS[params.backend].kinds:
        raise ToolError(
            f"{artifact}: hls4ml's backend {params.backend} does not build HGQ's quantisers. Take the backend Vitis or "
            "Vivado or the flow rtl, or leave the pair out with run.skip."
        )
    os.environ["KERAS_BACKEND"] = "jax"
    import hls4ml

    from nanotrigger.results.records import write_json

    common = {
        "backend": params.backend,
        "default_precision": params.default_precision,
        # written at every layer, where it wins over the model's
        "default_reuse_factor": params.reuse_factor,
        "granularity": "name",
    }
    if kind == "keras":
        from nanotrigger.training.keras_file import load_network

        model, notes = load_network(artifact), []
        types = {layer.name: type(layer).__name__ for layer in model.layers}
        config = hls4ml.utils.config_from_keras_model(model, **common)
        convert = hls4ml.converters.convert_from_keras_model
    else:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.cleanup import cleanup_model

        from nanotrigger.qonnx import host
        from nanotrigger.qonnx.execute import load_model
        from nanotrigger.qonnx.graph import Graph, reads_table

        model, notes = host.cut_tail(Graph(load_model(artifact)), folder)
        constants = {t.name for t in model.graph.initializer}
        if tables := [node for node in model.graph.node if reads_table(node, constants)]:
            raise ToolError(
                f"{artifact}: {tables[0].op_type} {tables[0].name} reads a table of constants at a computed index, for "
                "which hls4ml has no operator. Take the rtl flow."
            )
        if inexact := sorted({node.op_type for node in model.graph.node} & {"Max", "Min"}):
            raise ToolError(
                f"{artifact}: hls4ml builds {', '.join(inexact)} of a per-element quantiser inexactly. Take the method's "
                "native artifact, or the rtl flow."
            )
        model = cleanup_model(ModelWrapper(without_casts(model)))
        types = {node.name: node.op_type for node in model.graph.node}
        config = hls4ml.utils.config_from_onnx_model(model, **common)
        convert = hls4ml.converters.convert_from_onnx_model
    config["Model"] |= {"Strategy": params.strategy, "ReuseFactor": params.reuse_factor}
    overrides = override(config["LayerName"], types, params.precision)
    try:
        project = convert(
            model,
            hls_config=config,
            output_dir=str(folder),
            project_name=PROJECT,
            backend=params.backend,
            io_type=params.io_type,
            part=params.part,
            clock_period=params.clock_ns,
        )
    except (NotImplementedError, AssertionError, ValueError) as error:
        raise ToolError(
            f"{artifact}: hls4ml does not build it with {params.backend}, {params.io_type}: {error}"
        ) from None
    check_overrides(project, overrides)
    project.write()
    (source,) = project.get_input_variables()
    (output,) = project.get_output_variables()
    shape = {"inputs": int(np.prod(source.shape)), "classes": int(np.prod(output.shape))}
    notes += reuse_notes(project, params)
    write_json(folder / "design.json", {**shape, "version": hls4ml.__version__, "notes": notes})


def override(layers: dict[str, Any], types: dict[str, str], precision: dict[str, str]) -> dict[tuple[str, str], str]:
    """Put the stanza's types into hls4ml's configuration; returns them by layer and variable.

    A layer's own entry wins over one of its type. Raises ToolError for a name that is neither a layer nor a type of one.
    """
    chosen: dict[tuple[str, str], str] = {}
    # types first, so that names come after and win
    for key, text in sorted(precision.items(), key=lambda item: item[0].rpartition(".")[0] in layers):
        name, _, variable = key.rpartition(".")
        named = (
            [name] if name in layers else [layer for layer, kind in types.items() if kind == name and layer in layers]
        )
        if not named:
            known = sorted(set(types) & set(layers)) + sorted(
                {kind for layer, kind in types.items() if layer in layers}
            )
            raise ToolError(f"precision: '{key}' names no layer of this model. Known: {', '.join(known)}.")
        chosen |= {(layer, variable): text for layer in named}
    for (layer, variable), text in chosen.items():
        entry = layers[layer].setdefault("Precision", {})
        entry[variable] = text
    return chosen


def check_overrides(project: Any, overrides: dict[tuple[str, str], str]) -> None:
    """Raise ToolError for a type that hls4ml did not take over: it would be asked for and not built.

    hls4ml may rename a layer when it merges it with its neighbour: a layer's name then ends in the old one.
    """
    convert = project.config.backend.convert_precision_string
    for (name, variable), text in overrides.items():
        layers = [layer for layer in project.get_layers() if layer.name == name or layer.name.endswith(f"_{name}")]
        built = [layer.get_attr(f"{variable}_t") for layer in layers]
        found = [str(kind.precision) for kind in built if kind is not None]
        if not found or any(kind != str(convert(text)) for kind in found):
            raise ToolError(
                f"precision: hls4ml did not build '{name}.{variable}' as {text}, but as {', '.join(found) or 'nothing'}. "
                "Leave it out, or name the layer that has it."
            )


def reuse_notes(project: Any, params: Params) -> list[str]:
    """Layers to which hls4ml gave another reuse factor than was asked for: not every number divides a layer."""
    changed = {
        layer.name: layer.get_attr("reuse_factor")
        for layer in project.get_layers()
        if "Dense" in layer.class_name and layer.get_attr("reuse_factor") != params.reuse_factor
    }
    return [f"reuse factor {factor} of {name}, not {params.reuse_factor}" for name, factor in changed.items()]


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
    """Compile the C++ and run it on the jets, in double precision at its ports. Raises NotRun where g++ is not enough."""
    from nanotrigger.qonnx import host

    return host.outputs(folder, BACKENDS[params.backend].emulate(folder, x, params))


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Run the stanza's steps by the vendor's program where it is installed."""
    return BACKENDS[params.backend].synthesize(folder, params)


def licences(params: Params) -> tuple[str, ...]:
    """What the stanza's steps take."""
    of_step = BACKENDS[params.backend].licences
    return tuple(sorted({of_step[step] for step in params.steps if step in of_step}))


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Resources and latency as far as the steps came; `stage` says how far."""
    return BACKENDS[params.backend].read_report(folder, params)
