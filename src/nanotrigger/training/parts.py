"""How a stack of models that trains together is divided: what `threads` of a job can do side by side. No torch here."""

import math

ACTIVATIONS = 2**20
"""Of one layer that are worked on at a time on a processor: few enough for its cache, enough to make Python's share small."""

MOST_THREADS = 8


def models_per_part(jets: int, widest: int, activations: int = ACTIVATIONS) -> int:
    """Models that go through a step of so many jets together, at most. widest: units of the largest layer."""
    return max(1, activations // (jets * widest))


def useful_threads(models: int, jets: int, widest: int) -> int:
    """Threads that a training of so many models can keep busy, one for each part, up to a few."""
    return min(MOST_THREADS, math.ceil(models / models_per_part(jets, widest)))
