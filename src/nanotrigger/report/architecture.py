"""What a QONNX file computes: its layers with weights, in order, and which operators stand between them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

WEIGHTED = ("MatMul", "Gemm", "Conv", "ConvTranspose")

TABLES = ("Gather", "GatherElements")
"""What reads tables where its data are constant and its indices are not."""


@dataclass(frozen=True)
class Layer:
    """A layer with weights. shape: of its weights, as the file holds them."""

    kind: str
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """A network. input and output: shapes, without the batch; operators: how many of each kind, the most frequent first."""

    input: tuple[str, ...]
    output: tuple[str, ...]
    layers: tuple[Layer, ...]
    operators: tuple[tuple[str, int], ...]


def architecture(path: Path) -> Architecture:
    """The network of a QONNX file; its layers are its products with constant weights, and its tables of constants.

    A weight is found behind whatever quantises it: it is the largest constant that its input is computed from.
    """
    import onnx

    graph = onnx.load(path).graph
    constants = {t.name: tuple(t.dims) for t in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    given = {i.name for i in graph.input} - set(constants)

    def sources(tensor: str) -> set[str]:
        """Inputs of the graph and constants from which a tensor is computed."""
        found, open_, seen = set(), [tensor], set()
        while open_:
            name = open_.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in constants or name in given:
                found.add(name)
            elif name in makers:
                open_ += [n for n in makers[name].input if n]
        return found

    layers = []
    for node in graph.node:
        if node.op_type not in WEIGHTED + TABLES:
            continue
        fixed = [s for s in map(sources, node.input[:2]) if s and not s & given]
        if node.op_type in TABLES and (len(fixed) != 1 or sources(node.input[0]) & given):
            continue  # moves elements
        if fixed:
            shape = max((constants[name] for name in fixed[-1]), key=lambda dims: _size(dims))
            layers.append(Layer(node.op_type, node.name or node.output[0], shape))
    counted = Counter(node.op_type for node in graph.node)
    operators = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    (source,) = [i for i in graph.input if i.name in given][:1] or [None]
    return Architecture(
        _shape(source) if source is not None else (), _shape(graph.output[0]), tuple(layers), tuple(operators)
    )


def _size(dims: tuple[int, ...]) -> int:
    size = 1
    for dim in dims:
        size *= dim
    return size


def _shape(value) -> tuple[str, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_param or str(d.dim_value) for d in dims[1:])
