"""AutoQ: a search for the quantisers, and widths, of every layer, after AutoQKeras (Coelho et al. 2021, 2006.10159).

A candidate names a quantiser for every kernel, bias and activation and, where asked, the units of every hidden layer. It is
trained for a few epochs and scored by its accuracy on the validation split times a forgiving factor, which lets a smaller
network be less accurate. Candidates are proposed by Optuna; those of a generation train together, in one stack for each
architecture. The best one is then trained at full length. With `objective: energy` that is the paper's QE, with `bits` QB.

Sources: forgiving factor, qkeras/autoqkeras/forgiving_metrics/forgiving_factor.py, and score, autoqkeras_internal.py
(`adjusted_score`), of github.com/google/qkeras; energy and bits, `qonnx.energy`. The paper's own search space is not published
in full: the one here is what its text names, on the quantisers of `qonnx.kinds`, without stochastic ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.methods._quantisers import ActivationQuantiser, ParameterQuantiser
from nanotrigger.methods.base import Job, Step, TrainingParams, layer_sizes, same
from nanotrigger.qonnx.kinds import LayerFormat, layers, parse
from nanotrigger.training import jobs as mlp

exports = frozenset({"qonnx"})
sweepable: frozenset[str] = frozenset()

FIXED = (2, 3, 4, 5, 6, 7, 8, 16)


class Params(TrainingParams):
    """Config stanza of a searched model; `hidden` are the units at a multiple of one, and of the reference."""

    objective: Literal["energy", "bits"] = Field("energy", description="what a candidate is forgiven inaccuracy for")
    algorithm: Literal["bayesian", "hyperband"] = Field(
        "bayesian", description="whether all candidates train to the end, or most stop early"
    )
    candidates: PositiveInt = Field(100, description="how many are tried")
    generation: PositiveInt = Field(24, description="candidates that are proposed at once and train together")
    startup: PositiveInt = Field(24, description="candidates before Optuna's sampler learns from any")
    trial_epochs: PositiveInt = Field(20, description="epochs of a candidate")
    first_rung: PositiveInt = Field(2, description="hyperband: epochs before the first comparison at the earliest")
    reduction: int = Field(
        3, ge=2, description="hyperband: one of so many goes on to a rung of so many times the epochs"
    )
    kernels: tuple[ParameterQuantiser, ...] = Field(
        ("binary", "ternary", "po2_4", *FIXED), description="quantisers that a layer's weights may have"
    )
    biases: tuple[ParameterQuantiser, ...] = Field(
        ("binary", "ternary", "po2_4", *FIXED), description="quantisers that a layer's biases may have"
    )
    activations: tuple[ActivationQuantiser, ...] = Field(
        ("binary", "ternary", "po2_3", *FIXED), description="quantisers that a hidden layer's activations may have"
    )
    units: tuple[PositiveFloat, ...] = Field((1.0,), description="multiples of its units that a hidden layer may have")
    delta_p: float = Field(8.0, ge=0, description="per cent of accuracy that a candidate `rate` times smaller may lose")
    delta_n: float = Field(8.0, ge=0, description="per cent of accuracy that one `rate` times larger must gain")
    rate: float = Field(2.0, gt=1, description="see delta_p and delta_n")
    stress: PositiveFloat = Field(
        1.0, description="factor on the reference's cost: below one asks for smaller networks"
    )
    reference_bits: int = Field(8, ge=2, le=16, description="width of all numbers of the reference network")
    input_bits: int = Field(16, ge=2, le=20, description="width of the standardised features")

    @model_validator(mode="after")
    def _has_candidates(self):
        for key in ("kernels", "biases", "activations", "units"):
            given = getattr(self, key)
            if not given:
                raise ConfigError(f"{key} = []: the search space has no candidate. Name a choice at least.")
            if len(set(given)) != len(given):
                raise ConfigError(f"{key} = {list(given)}: holds a choice twice. Name each once.")
        for multiple in self.units:
            if min(n := [scaled(units, multiple) for units in self.hidden]) < 1:
                raise ConfigError(
                    f"units = {list(self.units)}: {multiple:g} times {list(self.hidden)} is {n}, no layer. "
                    "Take larger multiples, or wider layers."
                )
        if self.algorithm == "hyperband" and self.first_rung >= self.trial_epochs:
            raise ConfigError(
                f"first_rung = {self.first_rung}: is not below trial_epochs = {self.trial_epochs}. Lower it, or raise "
                "trial_epochs."
            )
        return self

    def space(self) -> dict[str, Sequence[Any]]:
        """Choices by parameter; layers count from one."""
        kinds = {"kernel": (self.kernels, 1), "bias": (self.biases, 1), "activation": (self.activations, 0)}
        kinds |= {"units": (self.units, 0)} if len(self.units) > 1 else {}
        hidden = len(self.hidden)
        return {f"{kind}{i + 1}": names for kind, (names, last) in kinds.items() for i in range(hidden + last)}

    def homogeneous(self) -> list[dict[str, Any]]:
        """Candidates to begin with: each kernel quantiser in all layers, the other numbers of its width or of the nearest."""
        found = []
        for kernel in self.kernels:
            width = parse(kernel).bits
            nearest = {"kernel": kernel, "units": min(self.units, key=lambda u: abs(u - 1))}
            for kind, names in (("bias", self.biases), ("activation", self.activations)):
                # signs and powers of two lose most where they are activations: fixed-point ones of four bits at least
                wanted = max(width, 4)
                fixed = [name for name in names if isinstance(name, int)] or list(names)
                nearest[kind] = min(fixed, key=lambda name, w=wanted: abs(parse(name).bits - w))
            found.append({name: nearest[name.rstrip("0123456789")] for name in self.space()})
        return found

    def hidden_of(self, candidate: Mapping[str, Any]) -> tuple[int, ...]:
        multiples = [candidate.get(f"units{i}", self.units[0]) for i in range(1, len(self.hidden) + 1)]
        return tuple(scaled(units, multiple) for units, multiple in zip(self.hidden, multiples, strict=True))

    def formats_of(self, candidate: Mapping[str, Any]) -> tuple[LayerFormat, ...]:
        hidden = range(1, len(self.hidden) + 1)
        kernels, biases = (tuple(candidate[f"{k}{i}"] for i in (*hidden, len(hidden) + 1)) for k in ("kernel", "bias"))
        return layers(kernels, biases, tuple(candidate[f"activation{i}"] for i in hidden))


def scaled(units: int, multiple: float) -> int:
    """Units of a layer at a multiple, rounded down as in AutoQKeras."""
    return int(units * multiple)


def costs(params: Params, hidden: tuple[int, ...], formats: Sequence[LayerFormat]) -> dict[str, float]:
    """Energy (pJ) and bits of a network of those units and formats, no parameter being zero."""
    from nanotrigger.qonnx.energy import bits_of_formats, energy_of_formats

    sizes = layer_sizes(params.model_copy(update={"hidden": hidden}))
    given = sizes, formats, params.input_bits
    return {"energy": energy_of_formats(*given), "bits": float(bits_of_formats(*given))}


def reference(params: Params) -> dict[str, float]:
    """Energy (pJ) and bits of the stanza's network at `reference_bits` throughout, before `stress`."""
    depth, bits = len(params.hidden), params.reference_bits
    return costs(params, params.hidden, layers((bits,) * (depth + 1), (bits,) * (depth + 1), (bits,) * depth))


def forgiving_factor(cost: float, limit: float, delta_p: float, delta_n: float, rate: float) -> float:
    """1 + delta log(limit / cost) / log(rate), with delta_p per cent where the cost is below the limit, else delta_n.

    What an accuracy is multiplied with: `rate` times cheaper than the limit is worth delta_p per cent of it. Source: QKeras,
    forgiving_metrics/forgiving_factor.py (`ForgivingFactor.delta`).
    """
    delta = (delta_p if cost < limit else delta_n) / 100
    return 1 + delta * math.log(limit / cost) / math.log(rate)


def search_plan(params: Params, seed: int):
    """The search that a stanza asks for."""
    from nanotrigger.training.search import Plan, rungs

    steps = (params.trial_epochs,)
    if params.algorithm == "hyperband":
        steps = rungs(params.trial_epochs, params.reduction, params.first_rung)
    known = params.homogeneous()
    counts = params.candidates, params.generation
    return Plan(params.space(), *counts, steps, params.reduction, seed, params.startup, known)


def measure(data, job: Job, steps: Sequence[int]):
    """How candidates are measured (see `training.search.Measure`): by training them, the ones of an architecture together."""
    from nanotrigger.training.network import Widths
    from nanotrigger.training.search import Measured

    params = job.params
    limit = params.stress * reference(params)[params.objective]

    def start(candidates):
        chosen = dict(candidates)
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, candidate in candidates:
            groups.setdefault(params.hidden_of(candidate), []).append(number)
        trained: dict[tuple[int, ...], tuple[Any, list[int]]] = {}

        def train(alive: Sequence[int], place: int) -> dict[int, Measured]:
            found = {}
            epochs = steps[place] - (steps[place - 1] if place else 0)
            for hidden, group in groups.items():
                if not (numbers := [number for number in group if number in alive]):
                    continue
                own = params.model_copy(update={"hidden": hidden})
                names = [replace(job, model=f"candidate {number} of {job.model}", params=own) for number in numbers]
                formats = [params.formats_of(chosen[number]) for number in numbers]
                network = mlp.build(data, names, [Widths.of(params.input_bits, form) for form in formats])
                if hidden in trained:  # on from the rung before
                    before, order = trained[hidden]
                    network.copy_parameters(before, [order.index(number) for number in numbers])
                mlp.calibrate(network, data)
                fitted = mlp.fit(network, data, names, epochs=epochs, what=f"rung {place}")
                trained[hidden] = network, numbers
                for m, (number, form) in enumerate(zip(numbers, formats, strict=True)):
                    accuracy = fitted.history[m][fitted.best_epoch[m] - 1]["val_accuracy"]
                    cost = costs(params, hidden, form)
                    score = accuracy * forgiving_factor(
                        cost[params.objective], limit, params.delta_p, params.delta_n, params.rate
                    )
                    found[number] = Measured(score, {"accuracy": accuracy, **cost})
            return found

        return train

    return start


def run_search(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """Optuna's storage of the whole search, a journal.

    While the search runs it lies in the folder for checkpoints, which a failed job leaves, and one that follows goes on from.
    """
    from hashlib import sha256

    import torch

    from nanotrigger.qonnx import energy
    from nanotrigger.training.checkpoint import fingerprint
    from nanotrigger.training.search import open_study, search

    job = jobs[0]
    plan = search_plan(job.params, job.seed)
    splits = [data.standardised(split) for split in ("train", "val")]
    code = [sha256(Path(path).read_bytes()).hexdigest() for path in (__file__, energy.__file__)]
    settings = (job.params.model_dump(exclude={"epochs"}), job.seed, code)
    identity = fingerprint(settings, [torch.from_numpy(array) for part in splits for array in (part.x, part.y)])
    journal = (job.scratch or output.parent / "checkpoints") / output.name
    study = open_study(journal, identity)
    try:
        search(study, plan, measure(data, job, plan.rungs))
    except NanotriggerError:
        _remove(journal)
        raise
    journal.replace(output)
    _remove(journal)


def _remove(path: Path) -> None:
    """Delete a file, and its folder once that is empty."""
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def choose(data, jobs: Sequence[Job], inputs: dict[str, Path], output: Path) -> None:
    """All candidates with their scores and costs, and the best one that was trained to the end."""
    from nanotrigger.results.records import write_json
    from nanotrigger.training.search import read_study

    params = jobs[0].params
    rows = []
    for trial in (study := read_study(inputs["study.log"])).get_trials(deepcopy=False):
        formats = [layer.names() for layer in params.formats_of(trial.params)]
        row = {
            "candidate": trial.number,
            "finished": trial.state.name == "COMPLETE",
            "hidden": params.hidden_of(trial.params),
        }
        row |= {"score": list(trial.intermediate_values.values())[-1], "layers": formats}
        rows.append(row | {key: trial.user_attrs[key] for key in ("accuracy", "energy", "bits", "epochs")})
    best = study.best_trial.number
    settings = {"objective": params.objective, "reference": reference(params), "generation": params.generation}
    write_json(output, settings | {"chosen": best, "model": jobs[0].model, "candidates": rows})


steps = (
    Step("study.log", run_search, keys=tuple(key for key in Params.model_fields if key != "epochs")),
    Step(
        "search.json",
        choose,
        needs=("study.log",),
        keys=("hidden", "units", "objective", "reference_bits", "input_bits", "generation"),
        data=False,
    ),
)


def train(data, jobs: Sequence[Job]) -> None:
    """Quantisation-aware training of the chosen candidate at full length, for every seed."""
    from nanotrigger.results.records import read_json
    from nanotrigger.training.network import Widths

    found = read_json(jobs[0].inputs["search.json"])
    best = found["candidates"][found["chosen"]]
    formats = layers(
        tuple(layer["kernel"] for layer in best["layers"]),
        tuple(layer["bias"] for layer in best["layers"]),
        tuple(layer["activation"] for layer in best["layers"][:-1]),
    )
    sized = [replace(job, params=job.params.model_copy(update={"hidden": tuple(best["hidden"])})) for job in jobs]
    network = mlp.build(data, sized, [Widths.of(same(jobs, "input_bits"), formats)] * len(jobs))
    mlp.calibrate(network, data)
    mlp.save(network, jobs, mlp.fit(network, data, sized))


def predict(folder: Path, x: np.ndarray) -> np.ndarray:
    """Logits (jets, classes) of the quantised network."""
    return mlp.predict(folder, x)


def export(folder: Path, kind: str, path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Write model.onnx."""
    return mlp.export(folder, kind, path, metadata)
