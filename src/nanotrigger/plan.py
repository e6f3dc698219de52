"""From a configuration to what a run builds: models, replicas, and the pairs of model and flow. No Snakemake here."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from nanotrigger.config import Config, flow_module, model_module, validate
from nanotrigger.errors import ConfigError
from nanotrigger.methods.base import Job, TrainingParams
from nanotrigger.modules import StrictModel, suggestion


@dataclass(frozen=True)
class Model:
    """One model of a run: its name, the stanza it comes from and its parameters."""

    name: str
    stanza: str
    params: StrictModel


@dataclass(frozen=True)
class Stanza:
    """A model stanza: the unit that trains in one job."""

    name: str
    module: ModuleType
    models: tuple[Model, ...]

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

    def keys(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """The different values that its models have for those keys, as plain data."""
        values = [model.params.model_dump(mode="json", include=set(names)) for model in self.models]
        return [value for i, value in enumerate(values) if value not in values[:i]]

    def parameters(self) -> dict[str, dict[str, Any]]:
        """All parameters of every model, as plain data."""
        return {model.name: model.params.model_dump(mode="json") for model in self.models}


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
    """Everything a run builds."""

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

    def jobs(self, stanza: str, folder: Path, inputs: Path) -> list[Job]:
        """What a stanza trains: its models with every seed, below `folder`; its steps lie in `inputs`.

        Checkpoints lie there too and not below `folder`, which Snakemake deletes when a job fails.
        """
        made = {step.output: inputs / step.output for step in self.stanzas[stanza].steps}
        return [
            Job(model.name, model.params, seed, folder / model.name / f"seed{seed}", made, inputs / "checkpoints")
            for model in self.stanzas[stanza].models
            for seed in self.seeds
        ]


def point_name(stanza: str, values: tuple[Any, ...]) -> str:
    """Name of a point of a sweep: the stanza's, and the values in the order of the sweep's keys."""
    return "_".join([stanza, *("-".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for v in values)])


def _stanza(name: str, content: Mapping[str, Any]) -> Stanza:
    module = model_module(name, content)
    keys = {k: v for k, v in content.items() if k not in ("method", "sweep")}
    sweep = content.get("sweep", {})
    prefix = f"models.{name}"
    if not isinstance(sweep, Mapping) or not all(isinstance(v, list) and v for v in sweep.values()):
        raise ConfigError(
            f"config: {prefix}.sweep: give each key a list of values, as in sweep: {{ebops: [1000, 3000]}}."
        )
    for key in sweep:
        if key not in module.Params.model_fields:
            raise ConfigError(
                f"config: {prefix}.sweep.{key}: unknown key. {suggestion(key, module.Params.model_fields)}"
            )
        allowed = getattr(module, "sweepable", module.Params.model_fields)
        if key not in allowed:
            raise ConfigError(
                f"config: {prefix}.sweep.{key}: models that train together share it (keys that may differ: "
                f"{', '.join(sorted(allowed)) or 'none'}). Write a stanza for each value."
            )
    models = []
    for values in itertools.product(*sweep.values()):
        point = dict(zip(sweep, values, strict=True))
        label = prefix + "".join(f" (sweep {k}={v})" for k, v in point.items())
        models.append(Model(point_name(name, values), name, validate(module.Params, {**keys, **point}, label)))
    return Stanza(name, module, tuple(models))


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
    models: dict[str, Model] = {}
    for stanza in stanzas.values():
        for model in stanza.models:
            if model.name in models:
                raise ConfigError(
                    f"config: models.{stanza.name} and models.{models[model.name].stanza} both give a model named "
                    f"{model.name}. Rename one."
                )
            models[model.name] = model
    pairs, skipped = [], []
    for model, flow in itertools.product(models.values(), flows.values()):
        exports = stanzas[model.stanza].module.exports
        kinds = [kind for kind in flow.module.accepts if kind in exports]
        matching = [s for s in config.run.skip if fnmatchcase(model.name, s.model) and fnmatchcase(flow.name, s.flow)]
        if matching:
            skipped.append(Skipped(model.name, flow.name, matching[0].reason))
        elif not kinds:
            reason = (
                f"{flow.name} takes {', '.join(flow.module.accepts)}, the method writes {', '.join(sorted(exports))}"
            )
            skipped.append(Skipped(model.name, flow.name, reason))
        else:
            pairs.append(Pair(model.name, flow.name, kinds[0]))
    # against all definitions: a config laid over another inherits its rules and may select less
    names = [model.name for stanza in defined.values() for model in stanza.models]
    for i, rule in enumerate(config.run.skip):
        if not any(fnmatchcase(m, rule.model) for m in names) or not any(
            fnmatchcase(f, rule.flow) for f in config.flows
        ):
            raise ConfigError(f"config: run.skip[{i}]: no defined model and flow match {rule.model}, {rule.flow}.")
    return Plan(config, stanzas, models, flows, tuple(pairs), tuple(skipped))
