"""Which of many models are worth a look: those that no other beats in cost and merit at once."""

import numpy as np


def pareto_front(cost: np.ndarray, merit: np.ndarray) -> np.ndarray:
    """Mask (points,) of those that no other equals in both and beats in one: as cheap and better, or as good and cheaper.

    cost, merit: (points,); points that lack one (NaN) are not on the front, and of equal points all are.
    """
    cost, merit = np.asarray(cost, float), np.asarray(merit, float)
    known = ~(np.isnan(cost) | np.isnan(merit))
    on_front = np.zeros(len(cost), bool)
    best = (-np.inf, np.inf)
    for i in sorted(np.flatnonzero(known), key=lambda i: (cost[i], -merit[i])):
        if merit[i] > best[0] or (merit[i], cost[i]) == best:
            on_front[i] = True
            best = merit[i], cost[i]
    return on_front
