"""Bits per layer: the integer programme against the published choice and against brute force."""

import itertools
import math

import numpy as np
import pytest

from nanotrigger.errors import ConfigError
from nanotrigger.methods import hawq
from nanotrigger.qonnx.costs import hawq_bops, hawq_layer_bops
from nanotrigger.training.allocation import allocate, path_bops, smallest_budget

# as published with 2304.06745: traces, and squared perturbations per layer at 4 to 8 bits
TRACE = np.array([6.451294, 0.8976602, 0.18409997, 0.08547983])
ERRORS = np.array(
    [
        [303.83422852, 300.52352905, 298.87918091, 297.98114014, 297.51644897],
        [697.54553223, 690.93457031, 687.21173096, 685.22906494, 684.15856934],
        [361.45074463, 358.4932251, 356.55566406, 355.17990112, 354.45861816],
        [55.21582031, 54.71564865, 54.51513672, 54.42643738, 54.38290024],
    ]
)
PUBLISHED_BOPS = np.array(
    [
        [90112, 107520, 124928, 142336, 159744],
        [92160, 120832, 153600, 190464, 231424],
        [45056, 59392, 75776, 94208, 114688],
        [7040, 9280, 11840, 14720, 17920],
    ]
)
WIDTHS = (4, 5, 6, 7, 8)
LIMITS = (200e3, 225e3, 250e3, 275e3, 300e3, 325e3, 350e3, 375e3, 400e3, 450e3, 500e3, 530e3)


BUDGETS = tuple(range(250_000, 525_001, 25_000))
"""Those of the stanza hawq_ilp."""


def cost_of(bops, choice):
    if bops.ndim == 2:
        return sum(bops[layer, own] for layer, own in enumerate(choice))
    return bops[0, 0, choice[0]] + sum(bops[i, choice[i - 1], choice[i]] for i in range(1, len(choice)))


def brute_force(trace, errors, bops, budget):
    best = math.inf, None
    for choice in itertools.product(range(errors.shape[1]), repeat=len(trace)):
        rows = np.arange(len(trace))
        if cost_of(bops, choice) <= budget:
            best = min(best, (float((trace * errors[rows, choice]).sum()), choice))
    return best


def test_bops_reproduce_the_published_table():
    shapes = ((16, 64), (64, 32), (32, 32), (32, 5))
    reference = hawq.bops_table(hawq.Params(bops_budget=350_000, allocation="reference"))
    for before in range(5):
        np.testing.assert_array_equal(reference[:, before], PUBLISHED_BOPS)
    ours = [[hawq_layer_bops(n, m, 16 if i == 0 else b + 3, b) for b in WIDTHS] for i, (n, m) in enumerate(shapes)]
    np.testing.assert_array_equal(ours, PUBLISHED_BOPS)


def test_the_published_choice():
    found = allocate(TRACE, ERRORS, PUBLISHED_BOPS, 350_000, WIDTHS)
    assert found.bits == (8, 5, 5, 5) and found.bops == 349_248
    assert found.objective == pytest.approx(2610.266223, abs=1e-4)


@pytest.mark.parametrize("limit", LIMITS)
def test_every_budget_of_the_notes_against_all_625_choices(limit):
    if limit < smallest_budget(PUBLISHED_BOPS):
        with pytest.raises(ConfigError, match="smallest needs 234,368"):
            allocate(TRACE, ERRORS, PUBLISHED_BOPS, limit, WIDTHS)
        return
    objective, choice = brute_force(TRACE, ERRORS, PUBLISHED_BOPS, limit)
    found = allocate(TRACE, ERRORS, PUBLISHED_BOPS, limit, WIDTHS)
    assert found.objective == pytest.approx(objective, abs=1e-9)
    assert found.bits == tuple(WIDTHS[c] for c in choice)


@pytest.mark.parametrize("seed", range(12))
def test_random_problems_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    trace, errors = rng.exponential(size=5), rng.exponential(size=(5, 4))
    bops = rng.integers(1, 100, (5, 4)).astype(float)
    budget = float(rng.uniform(smallest_budget(bops), bops.max(1).sum()))
    found = allocate(trace, errors, bops, budget, (2, 3, 4, 5))
    assert found.objective == pytest.approx(brute_force(trace, errors, bops, budget)[0])
    assert found.bops <= budget
    assert found.bops == pytest.approx(path_bops(bops, [(2, 3, 4, 5).index(b) for b in found.bits]))


@pytest.mark.parametrize("allocation", ["correct", "reference"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_budget_of_the_config_against_all_625_choices(allocation, budget):
    """With the published perturbations, and with ones that fall by four with each bit, as on the right grid."""
    table = hawq.bops_table(hawq.Params(bops_budget=budget, allocation=allocation))
    for errors in (ERRORS, ERRORS[:, :1] * 0.25 ** np.arange(5)):
        objective, choice = brute_force(TRACE, errors, table, budget)
        found = allocate(TRACE, errors, table, budget, WIDTHS)
        assert found.objective == pytest.approx(objective, abs=1e-9)
        assert found.bits == tuple(WIDTHS[c] for c in choice)
        assert found.bops == cost_of(table, choice) <= budget


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_costs_that_depend_on_the_layer_before_against_brute_force(layers, seed):
    rng = np.random.default_rng(seed)
    trace, errors = rng.exponential(size=layers), rng.exponential(size=(layers, 3))
    bops = rng.integers(1, 100, (layers, 3, 3)).astype(float)
    choices = list(itertools.product(range(3), repeat=layers))
    assert smallest_budget(bops) == min(cost_of(bops, choice) for choice in choices)
    budget = float(rng.uniform(smallest_budget(bops), 100 * layers))
    found = allocate(trace, errors, bops, budget, (2, 3, 4))
    assert found.objective == pytest.approx(brute_force(trace, errors, bops, budget)[0])
    assert found.bops <= budget


@pytest.mark.parametrize("choice", [(0, 1, 2, 3), (4, 0, 0, 2), (2, 2, 2, 2)])
def test_the_correct_count_is_that_of_the_network(choice):
    """BOPs of the exported fixed-point network whose weights are all different from zero."""
    import torch

    from nanotrigger.training.network import BatchedMLP, Widths

    widths = Widths.leaving([WIDTHS[c] for c in choice], 3, 16)
    network = BatchedMLP((16, 64, 32, 32, 5), [widths], 4.0, [0])
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.where(torch.rand_like(p) < 0.5, -1.0, 0.75))
    network.calibrate(torch.randn(100, 16))
    counted = hawq_bops(network.fixed_point())
    table, tied = (
        hawq.bops_table(hawq.Params(bops_budget=10**6, allocation=kind)) for kind in ("correct", "reference")
    )
    assert counted == pytest.approx(path_bops(table, choice))
    assert (counted == pytest.approx(path_bops(tied, choice))) == (len(set(choice)) == 1)
