"""The configuration: pydantic models of config/*.yaml, from which its schema and reference are made."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints, ValidationError, model_validator

from nanotrigger.data.classes import CLASSES
from nanotrigger.errors import ConfigError
from nanotrigger.flows.base import load_flow
from nanotrigger.methods.base import load_method
from nanotrigger.modules import StrictModel, suggestion

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
"""Names become folders and wildcards: letters, digits and underscores."""

DATASETS_TABLE = Path(__file__).parents[2] / "config" / "datasets.csv"


class Splits(StrictModel):
    """How a dataset is divided; every split has the same share of each class."""

    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of all jets that is only for the final figures")
    val_fraction: float = Field(0.2, gt=0, lt=1, description="share of the other jets on which models are chosen")
    seed: int = Field(42, ge=0, description="seed of the random split")


class PythiaDataset(StrictModel):
    """Jets generated with Pythia 8."""

    source: Literal["pythia"] = Field(description="the generator")
    jets: PositiveInt = Field(description="number of jets, a fifth of each class")
    jets_per_job: PositiveInt = Field(2000, description="jets of one class that one job of the DAG generates")
    seed: int = Field(1, ge=0, description="seed of the generator")
    splits: Splits = Field(Splits(), description="train, validation and test")

    @model_validator(mode="after")
    def _whole(self):
        if self.jets % len(CLASSES):
            raise ValueError(f"jets = {self.jets} is not a multiple of the {len(CLASSES)} classes")
        test, val = self.splits.test_fraction, self.splits.val_fraction
        for split, share in (("train", (1 - test) * (1 - val)), ("val", (1 - test) * val), ("test", test)):
            if self.jets // len(CLASSES) * share < 1:
                raise ValueError(
                    f"jets = {self.jets}: leaves the {split} split without a jet of every class. Ask for more jets, or a "
                    "larger fraction"
                )
        return self

    def chunks(self) -> list[int]:
        """Jets of each job that generates one class."""
        per_class = self.jets // len(CLASSES)
        return [min(self.jets_per_job, per_class - start) for start in range(0, per_class, self.jets_per_job)]


class DownloadedDataset(StrictModel):
    """A published dataset of config/datasets.csv."""

    source: Literal["download"] = Field(description="a published file")
    name: str = Field(description="row of config/datasets.csv")
    splits: Splits = Field(Splits(), description="train, validation and test")

    @model_validator(mode="after")
    def _known(self):
        known = list(pd.read_csv(DATASETS_TABLE)["name"])
        if self.name not in known:
            raise ValueError(f"name = '{self.name}' is not in config/datasets.csv. {suggestion(self.name, known)}")
        return self


DatasetStanza = Annotated[PythiaDataset | DownloadedDataset, Field(discriminator="source")]


class Skip(StrictModel):
    """Pairs of models and flows that a run leaves out."""

    model: str = Field(description="model name, * and ? match anything")
    flow: str = Field(description="flow name, * and ? match anything")
    reason: str = Field(min_length=1, description="shown in the tables")


class Run(StrictModel):
    """What a run selects from the definitions."""

    name: Name = Field(description="folder of results/ to which everything is written")
    dataset: Name | None = Field(description="a key of datasets; null where every model brings its own vectors")
    models: tuple[Name, ...] = Field(min_length=1, description="keys of models")
    flows: tuple[Name, ...] = Field((), description="keys of flows")
    seeds: tuple[NonNegativeInt, ...] = Field((0,), min_length=1, description="seeds of the replicas of every model")
    skip: tuple[Skip, ...] = Field((), description="pairs of models and flows to leave out")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="what the batched engine trains on: cpu, cuda, cuda:1 ... or auto, a GPU where torch finds one",
    )


class Config(StrictModel):
    """A whole configuration: definitions, and what a run selects of them."""

    run: Run = Field(description="what is built")
    datasets: dict[Name, DatasetStanza] = Field(description="definitions of datasets")
    models: dict[Name, dict[str, Any]] = Field(description="definitions of models")
    flows: dict[Name, dict[str, Any]] = Field(default_factory=dict, description="definitions of hardware flows")
    custom_rules: tuple[str, ...] = Field((), description="a user's own .smk files, included after the rules")


def _path(parts: tuple[str | int, ...]) -> str:
    """Dotted key from pydantic's location, in which the tag of a dataset's source stands behind its name."""
    kept = [p for i, p in enumerate(parts) if not (i == 2 and parts[0] == "datasets" and p in ("pythia", "download"))]
    return ".".join(map(str, kept))


def _message(error: ValidationError, prefix: str, model: type[StrictModel] | None) -> str:
    """One line per problem: the key, what is wrong with it, and the nearest known key where there is one."""
    lines = []
    for problem in error.errors():
        where = ".".join(filter(None, (prefix, _path(problem["loc"]))))
        if problem["type"] == "extra_forbidden":
            key = str(problem["loc"][-1])
            known = list(model.model_fields) if model and len(problem["loc"]) == 1 else []
            close = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {close[0]}?" if close else f" Known: {', '.join(known)}." if known else ""
            lines.append(f"config: {where}: unknown key.{hint}")
        elif problem["type"] == "missing":
            lines.append(f"config: {where}: is missing.")
        else:
            value = problem["input"] if not isinstance(problem["input"], Mapping) else None
            shown = f" = {value!r}" if value is not None else ""
            lines.append(f"config: {where}{shown}: {problem['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)


def validate(model: type[StrictModel], content: Mapping[str, Any], prefix: str = "") -> Any:
    """`model` filled from `content`. Raises ConfigError naming every key that is wrong, behind `prefix`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_message(error, prefix, model)) from None
    except ConfigError as error:
        raise ConfigError(f"config: {prefix}.{error}") from None


def load_config(content: Mapping[str, Any]) -> Config:
    """The validated configuration: definitions, selection, and every selected name.

    Raises ConfigError naming the key and the remedy.
    """
    config = validate(Config, content)
    for kind, names, known in (
        ("dataset", [config.run.dataset] if config.run.dataset else [], config.datasets),
        ("models", config.run.models, config.models),
        ("flows", config.run.flows, config.flows),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"config: run.{kind}: '{name}' is not defined. {suggestion(name, known)}")
    for key in ("models", "flows", "seeds"):
        values = getattr(config.run, key)
        if len(set(values)) != len(values):
            raise ConfigError(f"config: run.{key} = {list(values)}: holds a value twice.")
    return config


def model_module(name: str, stanza: Mapping[str, Any]):
    """Module of the method that a model stanza names. Raises ConfigError naming the stanza."""
    return _module(name, stanza, "models", "method", load_method)


def flow_module(name: str, stanza: Mapping[str, Any]):
    """Module of the flow that a flow stanza names. Raises ConfigError naming the stanza."""
    return _module(name, stanza, "flows", "flow", load_flow)


def _module(name, stanza, group, key, load):
    if not isinstance(stanza.get(key), str):
        raise ConfigError(f"config: {group}.{name}.{key}: is missing; it names the module.")
    try:
        return load(stanza[key])
    except ConfigError as error:
        raise ConfigError(f"config: {group}.{name}.{key}: {error}") from None
