"""Which layer gets how many bits: a 0-1 programme over layers and widths.

What a layer costs may depend on the width of the layer before as well, whose activations it reads. A choice of widths is
then a path through a trellis, layer by layer, and the programme chooses its edges.
"""

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


def trellis(bops: np.ndarray) -> np.ndarray:
    """BOPs (layers, choices, choices) by the width of the layer before and the layer's own.

    bops: that, or (layers, choices) where the layer before does not matter, as it never does for the first layer.
    """
    bops = np.asarray(bops, float)
    return np.repeat(bops[:, None, :], bops.shape[1], 1) if bops.ndim == 2 else bops


def smallest_budget(bops: np.ndarray) -> float:
    """Smallest budget that some choice meets. bops: (layers, choices) or (layers, choices, choices), see `trellis`."""
    first, *others = trellis(bops)
    least = first[0]
    for table in others:
        least = (least[:, None] + table).min(0)
    return float(least.min())


def path_bops(bops: np.ndarray, choice: Sequence[int]) -> float:
    """What a choice (layers,) of columns costs. bops: see `trellis`."""
    tables = trellis(bops)
    return float(sum(table[before, own] for table, before, own in zip(tables, [0, *choice], choice, strict=False)))


def allocate(
    trace: np.ndarray, errors: np.ndarray, bops: np.ndarray, budget: float, widths: Sequence[int]
) -> Allocation:
    """Width per layer that minimises sum(trace * error) with sum(bops) <= budget, solved to optimality by HiGHS.

    trace: (layers,), negative ones (noise around zero) count as zero; errors: (layers, choices); bops: the same, or
    (layers, choices, choices), see `trellis`; widths: (choices,). Raises ConfigError, which names the smallest budget that
    has a solution. Source: 2304.06745, section 3; HAWQ-V3, eq. 8.
    """
    from scipy.optimize import LinearConstraint, milp

    layers, choices = errors.shape
    if budget < smallest_budget(bops):
        raise ConfigError(
            f"bops_budget = {budget:,.0f}: no choice of weight_bits fits; the smallest needs {smallest_budget(bops):,.0f}. "
            "Raise bops_budget."
        )
    cost = np.maximum(trace, 0)[:, None] * errors
    shape = (layers, choices, choices)
    # an edge is one if the layer before has its first width and the layer its second; the first layer starts from width 0
    edges = np.arange(np.prod(shape)).reshape(shape)
    allowed = np.ones(shape)
    allowed[0, 1:] = 0
    rows = np.zeros((1 + (layers - 1) * choices, edges.size))
    rows[0, edges[0].ravel()] = 1
    for layer in range(1, layers):
        for width in range(choices):  # what enters a width leaves it
            row = rows[1 + (layer - 1) * choices + width]
            row[edges[layer - 1, :, width]], row[edges[layer, width]] = 1, -1
    one_path = np.eye(len(rows))[0]
    solution = milp(
        np.broadcast_to(cost[:, None, :], shape).ravel(),
        integrality=np.ones(edges.size),
        bounds=(0, allowed.ravel()),
        constraints=[
            LinearConstraint(rows, one_path, one_path),
            LinearConstraint(trellis(bops).reshape(1, -1), ub=budget),
        ],
        options={"mip_rel_gap": 0.0},
    )
    if not solution.success:
        raise ConfigError(f"bops_budget = {budget:,.0f}: the solver found no allocation ({solution.message}).")
    choice = solution.x.reshape(shape).sum(1).argmax(1)
    return Allocation(
        tuple(int(widths[c]) for c in choice), path_bops(bops, choice), float(cost[np.arange(layers), choice].sum())
    )
