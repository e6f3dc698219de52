"""The contract of a training method, and what most methods share.

A method is a module with

- `Params`: a StrictModel, the keys of its config stanza;
- `exports`: the artifact kinds it can write, `{"qonnx"}` or more;
- `train(data, jobs)`: train every job and leave in `job.folder` whatever `predict` and `export` need, and
  `history.csv` with a row per epoch;
- `predict(folder, x)`: logits (jets, classes) float64 of standardised jets (jets, features);
- `export(folder, kind, path, metadata)`: write the artifact of that kind; returns its costs (see `qonnx.costs.summary`).

Optional: `sweepable`, the keys in which models of one stanza may differ (any if absent); `steps`, a tuple of Step:
what is made once per stanza before training, each an output of the DAG of its own; `own_vectors(params)`, true where a
model is run on what its step `vectors.npz` holds (x, and labels y where known) instead of the run's dataset; `roles`,
the comparisons of the papers in which its models take part:

- `ablation`, the ablation of 2304.06745: the method then has `precision(params)`, a Precision, and `batch_norm` and `l1`
  among its keys;
- `ptq` and `qat`, quantisation after training and while training, at the width of a key `bits`;
- `sparsity`, accuracy against that key;
- `granularity`, accuracy against EBOPs by that key: what has a width of its own, `parameter`, `channel` or `layer`;
- `front`: its models are points of a front that it searches for, which is compared with every other method's at equal cost.

`constructs`, what its QONNX files hold besides matrices, activations and quantisers, and not every flow can build:

- `tables`: look-up tables of constants, read at a computed index.

Importing a method must be cheap: heavy libraries are imported in the functions that use them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.modules import StrictModel, load_module

CONTRACT = ("Params", "exports", "train", "predict", "export")


class PerceptronParams(StrictModel):
    """Keys of every multi-layer perceptron."""

    hidden: tuple[Annotated[PositiveInt, Field(le=4096)], ...] = Field(
        (64, 32, 32), description="units of the hidden layers"
    )
    epochs: PositiveInt = Field(100, description="epochs at most")
    batch_size: PositiveInt = Field(1024, description="jets per step")
    learning_rate: PositiveFloat = Field(1e-3, description="Adam's initial rate; it falls on a cosine to a hundredth")


class TrainingParams(PerceptronParams):
    """Keys of every perceptron that the batched engine trains."""

    patience: PositiveInt = Field(20, description="epochs without a smaller validation loss after which training stops")
    l1: float = Field(0.0, ge=0, description="factor on the L1 norm of the weights in the loss")


@dataclass(frozen=True)
class Step:
    """Something a stanza makes once, before training.

    output: file name; needs: outputs of earlier steps; keys: the stanza's keys it depends on, and no other;
    run(data, jobs, inputs, output): does it. data: a Dataset, or None where `data` is False. needed(params): whether a
    stanza has this step. per_seed: whether it makes something for every seed of the run, and not for the first alone.
    """

    output: str
    run: Callable[..., None]
    needs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    data: bool = True
    needed: Callable[[Any], bool] = lambda params: True
    per_seed: bool = False


@dataclass(frozen=True)
class Job:
    """One model to train: its name, parameters, seed, the folder for its artifacts and the outputs of the steps.

    scratch: a folder that outlives a job that failed, for checkpoints; nothing is left in it when a training ends well.
    """

    model: str
    params: Any
    seed: int
    folder: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    scratch: Path | None = None

    def __str__(self) -> str:
        return f"{self.model} (seed {self.seed})"


@dataclass(frozen=True)
class Precision:
    """The numbers that a model computes with. name: as papers name them, FP32 or INT8; bops: BOPs of 2304.06745 where the
    model that is exported does not compute with them itself (floating point is exported in fixed point), else None."""

    name: str
    bops: float | None = None


def load_method(name: str) -> ModuleType:
    """Module of a method: a name in nanotrigger.methods, or a dotted path. Raises ConfigError if it breaks the contract."""
    return load_module(name, "nanotrigger.methods", "method", CONTRACT)


def layer_sizes(params: PerceptronParams) -> tuple[int, ...]:
    """Units from input to output of the network a stanza describes."""
    return (len(FEATURES), *params.hidden, len(CLASSES))


def same(jobs: Sequence[Job], key: str) -> Any:
    """The one value that all jobs have for `key`."""
    values = {getattr(job.params, key) for job in jobs}
    if len(values) != 1:
        raise ValueError(f"jobs that train together differ in {key}: {sorted(map(str, values))}")
    return values.pop()
