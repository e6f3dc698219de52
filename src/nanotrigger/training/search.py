"""A search over candidates in generations that train together, by Optuna, which goes on where it was interrupted.

A generation is asked for at once: every candidate of it that is not measured yet counts as a bad one (the constant liar), so
that the others lie elsewhere. With Hyperband (Li et al., 1603.06560) most candidates of a generation stop early: each
generation is a bracket of successive halving, and brackets differ in how many epochs they grant before the first
comparison. What they learn goes to the same sampler, as in BOHB (1807.01774). Optuna's own HyperbandPruner is asynchronous:
in a stack, where all candidates reach a rung together, it would let the first of them pass whatever its score.

Optuna's own storage holds finished generations alone, in order: a generation is asked for and measured in memory, from a
sampler seeded by its place, and its trials are then written. So whatever moment a search is killed in, it goes on as if it
had not been, with the same result. The storage is a journal: a text file, which needs no database and no locks of one.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.progress import Progress

Candidate = Mapping[str, Any]

STUDY = "search"


@dataclass(frozen=True)
class Plan:
    """A search. space: the choices of every parameter, in order; candidates, and how many of them train at once; rungs: epochs
    after which candidates are compared, the last one being all; factor: by which fewer go on from a rung to the next; startup:
    candidates drawn at random before the sampler learns from any; known: candidates to begin with, as many as the first
    generation holds.
    """

    space: Mapping[str, Sequence[Any]]
    candidates: int
    generation: int
    rungs: Sequence[int]
    factor: int
    seed: int
    startup: int
    known: Sequence[Candidate] = ()


Measure = Callable[[Sequence[tuple[int, Candidate]]], Callable[[Sequence[int], int], Mapping[int, "Measured"]]]
"""measure([(number, candidate), ...]) starts a generation; what it returns is called with the numbers that go on and the
rung's place, and trains those to it."""


@dataclass(frozen=True)
class Measured:
    """A candidate's score, which is maximised, and what else is to be known of it (plain data)."""

    score: float
    notes: Mapping[str, Any]


def rungs(epochs: int, factor: int, least: int) -> tuple[int, ...]:
    """Epochs of Hyperband's rungs, from `least` on, each `factor` times the one before, and at last all of them."""
    counts, count = [], least
    while count < epochs:
        counts.append(count)
        count *= factor
    return (*counts, epochs)


def bracket(plan: Plan, first: int) -> int:
    """Place of the first rung at which the generation that begins with candidate `first` is compared."""
    return first // plan.generation % len(plan.rungs)


def promoted(scores: Mapping[int, float], factor: int) -> list[int]:
    """Numbers of the candidates that go on to the next rung: the best of `factor`, and one at least; ties by number."""
    order = sorted(scores, key=lambda number: (-scores[number], number))
    return sorted(order[: max(1, len(order) // factor)])


def open_study(path: Path, identity: str) -> Any:
    """The study in a journal, begun anew where there is none, or one of other settings, data or code, or a damaged one."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                storage = JournalStorage(JournalFileBackend(str(path)))
            study = optuna.create_study(
                study_name=STUDY, storage=storage, direction="maximize", load_if_exists=True, sampler=_sampler(0, 0, 1)
            )
        except (ValueError, KeyError, TypeError) as error:
            print(f"{path}: not a readable search ({error}); it starts anew", flush=True)
        else:
            if study.user_attrs.get("identity", identity) == identity:
                study.set_user_attr("identity", identity)
                return study
            print(f"{path}: of other settings, data or code; the search starts anew", flush=True)
        path.unlink()
    raise NanotriggerError(f"{path}: a search cannot be written there.")


def read_study(path: Path) -> Any:
    """The study in a journal that is finished; nothing is written to it."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.load_study(study_name=STUDY, storage=JournalStorage(JournalFileBackend(str(path))))


def _sampler(seed: int, first: int, startup: int) -> Any:
    import numpy as np
    import optuna

    seed = int(np.random.SeedSequence((seed, first)).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False, n_startup_trials=startup)


def search(study: Any, plan: Plan, measure: Measure) -> None:
    """Fill a study (see `open_study`) up to the plan's candidates.

    A candidate that an earlier generation trained to the end is not trained again: its scores are those of its twin.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    choices = {name: optuna.distributions.CategoricalDistribution(list(given)) for name, given in plan.space.items()}
    with Progress(total=plan.candidates, initial=len(study.trials), desc="search", unit="candidate") as progress:
        while (found := len(study.trials)) < plan.candidates:
            first = found // plan.generation * plan.generation
            done = study.get_trials(deepcopy=False)[:first]
            sampler = _sampler(plan.seed, first, plan.startup)
            memory = optuna.create_study(study_name=STUDY, direction="maximize", sampler=sampler)
            memory.add_trials(done)
            for candidate in plan.known[: plan.generation] if not first else ():
                memory.enqueue_trial(dict(candidate))
            trials = [memory.ask(choices) for _ in range(min(plan.generation, plan.candidates - first))]
            _measure(memory, plan, measure, trials, first)
            for trial in memory.get_trials(deepcopy=False)[found:]:
                study.add_trial(trial)
                progress.update()
            best = memory.best_trial
            print(
                f"{len(study.trials)} of {plan.candidates} candidates: best {best.value:.4f}, {best.number}", flush=True
            )


def _measure(memory: Any, plan: Plan, measure: Measure, trials: Sequence[Any], first: int) -> None:
    """Train the trials of a generation from rung to rung, and tell the study."""
    from optuna.trial import TrialState

    complete = memory.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    twins = {tuple(t.params.items()): t for t in complete}
    fresh = []
    for trial in trials:
        if twin := twins.get(tuple(trial.params.items())):
            for epochs, score in twin.intermediate_values.items():
                trial.report(score, epochs)
            for name, value in twin.user_attrs.items():
                trial.set_user_attr(name, value)
            memory.tell(trial, twin.value)
        else:
            fresh.append(trial)
    alive = {trial.number: trial for trial in fresh}
    train = measure([(number, trial.params) for number, trial in alive.items()]) if alive else None
    for place, epochs in enumerate(plan.rungs):
        if not alive:
            return
        found = train(list(alive), place)
        for number, trial in alive.items():
            trial.report(found[number].score, epochs)
            for name, value in {**found[number].notes, "epochs": epochs}.items():
                trial.set_user_attr(name, value)
        scores = {number: found[number].score for number in alive}
        last = place == len(plan.rungs) - 1
        going_on = [] if last else promoted(scores, plan.factor) if place >= bracket(plan, first) else list(alive)
        for number in sorted(set(alive) - set(going_on)):
            # one that stops keeps the score of the last rung it reached
            state = TrialState.COMPLETE if last else TrialState.PRUNED
            memory.tell(alive.pop(number), scores[number] if last else None, state)
