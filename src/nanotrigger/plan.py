"""From a configuration to what a run builds: models, replicas, and the pairs of model and flow. No Snakemake here."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from nanotrigger.config import Config, ModelStanza, flow_module, model_module
from nanotrigger.errors import ConfigError
from nanotrigger.flows.base import refusal
from nanotrigger.methods.base import Job, TrainingParams, layer_sizes
from nanotrigger.modules import StrictModel, suggestion
from nanotrigger.training.parts import useful_threads
from nanotrigger.validation import shown, validate


@dataclass(frozen=True)
class Model:
    """One model of a run: its name, the stanza it comes from and its parameters."""

    name: str
    stanza: str
    params: StrictModel


@dataclass(frozen=True)
class Stanza:
    """A model stanza: the unit that trains in one job, or in a few chunks.

    models: all its points; built: the names of those that a run exports and takes to its flows; the others are rows of
    the table of its sweep alone. models_per_job: points of a chunk at most, all of them if None.
    """

    name: str
    module: ModuleType
    models: tuple[Model, ...]
    built: frozenset[str]
    models_per_job: int | None = None

    @cached_property
    def chunks(self) -> tuple[tuple[Model, ...], ...]:
        """The points of each job that trains."""
        size = self.models_per_job or len(self.models)
        return tuple(self.models[start : start + size] for start in range(0, len(self.models), size))

    @property
    def surveyed(self) -> bool:
        """Whether some points are not built, so that the sweep has a table of its own."""
        return len(self.built) < len(self.models)

    @property
    def steps(self) -> tuple[Any, ...]:
        """What its method makes before training."""
        return tuple(s for s in getattr(self.module, "steps", ()) if s.needed(self.models[0].params))

    @property
    def own_vectors(self) -> bool:
        """Whether its models are run on vectors of their own, and need no dataset."""
        own = getattr(self.module, "own_vectors", None)
        return own is not None and own(self.models[0].params)

    @property
    def gpus(self) -> int:
        """GPUs that a job asks a cluster for, where the run's device is one: those of the batched engine."""
        return int(issubclass(self.module.Params, TrainingParams))

    def threads(self, chunk: int, seeds: int) -> int:
        """Threads that the job of a chunk, with so many seeds, can keep busy."""
        if not issubclass(self.module.Params, TrainingParams):
            return 1
        params = self.models[0].params
        return useful_threads(len(self.chunks[chunk]) * seeds, params.batch_size, max(layer_sizes(params)))

    def keys(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """The different values that its models have for those keys, as plain data."""
        values = [model.params.model_dump(mode="json", include=set(names)) for model in self.models]
        return [value for i, value in enumerate(values) if value not in values[:i]]

    def parameters(self, chunk: int) -> dict[str, dict[str, Any]]:
        """All parameters of every model of a chunk, as plain data."""
        return {model.name: model.params.model_dump(mode="json") for model in self.chunks[chunk]}

    @property
    def roles(self) -> frozenset[str]:
        """Comparisons of the papers in which its models take part."""
        return getattr(self.module, "roles", frozenset())


@dataclass(frozen=True)
class Flow:
    """A flow stanza."""

    name: str
    module: ModuleType
    params: StrictModel


@dataclass(frozen=True)
class Pair:
    """A design to build: a model in one flow, starting from an artifact of that kind."""

    model: str
    flow: str
    kind: str


@dataclass(frozen=True)
class Skipped:
    """A design that is not built, and why."""

    model: str
    flow: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything a run builds. models: those that are exported; stanzas hold the others of their sweeps as well."""

    config: Config
    stanzas: Mapping[str, Stanza]
    models: Mapping[str, Model]
    flows: Mapping[str, Flow]
    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.config.run.seeds

    @cached_property
    def kinds(self) -> dict[tuple[str, str], str]:
        """Kind of artifact from which each pair of model and flow starts."""
        return {(pair.model, pair.flow): pair.kind for pair in self.pairs}

    @cached_property
    def chunks(self) -> dict[str, int]:
        """The chunk in which each model trains, of those that are not built too."""
        chunks = ((i, chunk) for stanza in self.stanzas.values() for i, chunk in enumerate(stanza.chunks))
        return {model.name: i for i, chunk in chunks for model in chunk}

    def jobs(self, stanza: str, folder: Path, inputs: Path, chunk: int | None = None) -> list[Job]:
        """What a stanza trains, all of it or a chunk: its models with every seed, below `folder`; its steps lie in `inputs`.

        Checkpoints lie there too and not below `folder`, which Snakemake deletes when a job fails; those of each chunk in
        a folder of its own, as chunks train side by side.
        """
        content = self.stanzas[stanza]
        made = {step.output: inputs / step.output for step in content.steps}
        scratch = inputs / ("checkpoints" if chunk is None else f"checkpoints_{chunk}")
        return [
            Job(model.name, model.params, seed, folder / model.name / f"seed{seed}", made, scratch)
            for model in (content.models if chunk is None else content.chunks[chunk])
            for seed in self.seeds
        ]


def point_name(stanza: str, values: tuple[Any, ...]) -> str:
    """Name of a point of a sweep: the stanza's, and the values in the order of the sweep's keys."""
    return "_".join([stanza, *("-".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for v in values)])


MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
"""Names of models become folders and wildcards, and stand in scripts."""

LONGEST = 100
"""Letters of a model's name: with a seed, a flow and the name of a node it is that of a file, of which systems take 255."""


def _check_name(name: str, where: str) -> None:
    if not MODEL_NAME.fullmatch(name) or len(name) > LONGEST:
        raise ConfigError(
            f"config: {where}: a point would be named {shown(name[:210])}, which is no name of a folder here: letters, digits "
            f"and _ . + - alone, {LONGEST} at most. Sweep over other values, or write a stanza for each."
        )


def sweep_values(given: Any) -> list[Any]:
    """Values of a key of a sweep: a list, or `{product: [...]}`, all combinations of a list of lists. Empty if neither."""
    if isinstance(given, Mapping) and list(given) == ["product"]:
        axes = given["product"]
        whole = isinstance(axes, list) and all(isinstance(axis, list) for axis in axes)
        return [list(values) for values in itertools.product(*axes)] if whole and axes else []
    return given if isinstance(given, list) else []


@cache  # fnmatch itself keeps 256 patterns, and compiles each of more for every name again
def _matches(pattern: str) -> Callable[[str], Any]:
    return re.compile(translate(pattern)).match


def _built(prefix: str, patterns: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """The points that match one of the patterns. Raises ConfigError naming a pattern that no point matches."""
    known, built = frozenset(names), set()
    for pattern in patterns:
        # most patterns are a name: a thousand of them are not tried on a thousand names
        matching = {pattern} if pattern in known else set(filter(_matches(pattern), names))
        if not matching:
            raise ConfigError(f"config: {prefix}.build: no point is named {pattern}. {suggestion(pattern, names[:8])}")
        built |= matching
    return frozenset(built)


def _stanza(name: str, content: Mapping[str, Any]) -> Stanza:
    module = model_module(name, content)
    prefix = f"models.{name}"
    general = validate(ModelStanza, {k: v for k, v in content.items() if k in ModelStanza.model_fields}, prefix)
    keys = {k: v for k, v in content.items() if k not in ModelStanza.model_fields}
    given = general.sweep if isinstance(general.sweep, Mapping) else {"": None}
    sweep = {key: sweep_values(values) for key, values in given.items()}
    if not all(sweep.values()):
        raise ConfigError(
            f"config: {prefix}.sweep: give each key a list of values, as in sweep: {{ebops: [1000, 3000]}}, or the product of "
            "lists, as in sweep: {weight_bits: {product: [[4, 8], [4, 8]]}}."
        )
    for key in sweep:
        if key not in module.Params.model_fields:
            raise ConfigError(
                f"config: {prefix}.sweep.{shown(key)}: unknown key. {suggestion(str(key), module.Params.model_fields)}"
            )
        allowed = getattr(module, "sweepable", module.Params.model_fields)
        if key not in allowed:
            raise ConfigError(
                f"config: {prefix}.sweep.{shown(key)}: models that train together share it (keys that may differ: "
                f"{', '.join(sorted(allowed)) or 'none'}). Write a stanza for each value."
            )
    models = []
    for values in itertools.product(*sweep.values()):
        point = dict(zip(sweep, values, strict=True))
        label = prefix + "".join(f" (sweep {k}={shown(v)})" for k, v in point.items())
        _check_name(point_name(name, values), f"{prefix}.sweep")
        models.append(Model(point_name(name, values), name, validate(module.Params, {**keys, **point}, label)))
    built = _built(prefix, general.build, [model.name for model in models])
    return Stanza(name, module, tuple(models), built, general.models_per_job)


def make_plan(config: Config) -> Plan:
    """What `config` builds. Every definition is validated, selected or not.

    Raises ConfigError naming the key and the remedy.
    """
    defined = {name: _stanza(name, content) for name, content in config.models.items()}
    flows = {}
    for name, content in config.flows.items():
        module = flow_module(name, content)
        keys = {k: v for k, v in content.items() if k != "flow"}
        flows[name] = Flow(name, module, validate(module.Params, keys, f"flows.{name}"))
    stanzas = {name: defined[name] for name in config.run.models}
    flows = {name: flows[name] for name in config.run.flows}
    if config.run.dataset is None and (needy := [s.name for s in stanzas.values() if not s.own_vectors]):
        raise ConfigError(f"config: run.dataset: is null, but {', '.join(needy)} needs one. Name a key of datasets.")
    points: dict[str, Model] = {}
    for stanza in stanzas.values():
        for model in stanza.models:
            if model.name in points and points[model.name].stanza == stanza.name:
                raise ConfigError(
                    f"config: models.{stanza.name}.sweep: gives the model {model.name} twice. Name each value once."
                )
            if model.name in points:
                raise ConfigError(
                    f"config: models.{stanza.name} and models.{points[model.name].stanza} both give a model named "
                    f"{model.name}. Rename one."
                )
            points[model.name] = model
    models = {name: model for name, model in points.items() if name in stanzas[model.stanza].built}
    pairs, skipped = [], []
    for model, flow in itertools.product(models.values(), flows.values()):
        exports = stanzas[model.stanza].module.exports
        kinds = [kind for kind in flow.module.accepts if kind in exports]
        matching = [s for s in config.run.skip if _matches(s.model)(model.name) and _matches(s.flow)(flow.name)]
        if matching:
            skipped.append(Skipped(model.name, flow.name, matching[0].reason))
        elif reason := refusal(flow.name, flow.module, stanzas[model.stanza].module):
            skipped.append(Skipped(model.name, flow.name, reason))
        else:
            pairs.append(Pair(model.name, flow.name, kinds[0]))
    # against all definitions: a config laid over another inherits its rules and may select less
    names = [model.name for stanza in defined.values() for model in stanza.models]
    for i, rule in enumerate(config.run.skip):
        if not any(map(_matches(rule.model), names)) or not any(map(_matches(rule.flow), config.flows)):
            raise ConfigError(
                f"config: run.skip[{i}]: no defined model and flow match {rule.model}, {rule.flow}. "
                "Name what is defined, or leave the rule out."
            )
    return Plan(config, stanzas, models, flows, tuple(pairs), tuple(skipped))
