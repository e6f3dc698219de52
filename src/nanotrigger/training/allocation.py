"""Which layer gets how many bits: a 0-1 programme over layers and widths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanotrigger.errors import ConfigError


@dataclass(frozen=True)
class Allocation:
    """bits: width per layer; bops: what they cost; objective: sum of trace times quantisation error."""

    bits: tuple[int, ...]
    bops: float
    objective: float


def smallest_budget(bops: np.ndarray) -> float:
    """Smallest budget that some choice meets. bops: (layers, choices)."""
    return float(np.min(bops, axis=1).sum())


def allocate(
    trace: np.ndarray, errors: np.ndarray, bops: np.ndarray, budget: float, widths: Sequence[int]
) -> Allocation:
    """Width per layer that minimises sum(trace * error) with sum(bops) <= budget, solved to optimality by HiGHS.

    trace: (layers,), negative ones (noise around zero) count as zero; errors, bops: (layers, choices); widths: (choices,).
    Raises ConfigError, which names the smallest budget that has a solution. Source: 2304.06745, section 3; HAWQ-V3, eq. 8.
    """
    from scipy.optimize import LinearConstraint, milp
    from scipy.sparse import eye, kron

    layers, choices = errors.shape
    if budget < smallest_budget(bops):
        raise ConfigError(
            f"bops_budget = {budget:,.0f}: no choice of weight_bits fits; the smallest needs {smallest_budget(bops):,.0f}."
        )
    cost = np.maximum(trace, 0)[:, None] * errors
    one_per_layer = kron(eye(layers), np.ones((1, choices)))
    solution = milp(
        cost.ravel(),
        integrality=np.ones(cost.size),
        bounds=(0, 1),
        constraints=[LinearConstraint(one_per_layer, 1, 1), LinearConstraint(bops.reshape(1, -1), ub=budget)],
        options={"mip_rel_gap": 0.0},
    )
    if not solution.success:
        raise ConfigError(f"bops_budget = {budget:,.0f}: the solver found no allocation ({solution.message}).")
    choice = solution.x.reshape(layers, choices).argmax(1)
    rows = np.arange(layers)
    return Allocation(
        tuple(int(widths[c]) for c in choice), float(bops[rows, choice].sum()), float(cost[rows, choice].sum())
    )
