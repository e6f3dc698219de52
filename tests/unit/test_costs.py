"""Bit operations against the papers' worked numbers, and fixed-point arithmetic against fractions."""

from fractions import Fraction

import numpy as np
import pytest

from nanotrigger.qonnx.costs import hawq_bops, hawq_layer_bops
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser, lsb

SHAPES = ((16, 64), (64, 32), (32, 32), (32, 5))


def test_bops_of_the_float_network():
    """4,652,832 is asserted in the code of 2304.06745 for 16-64-32-32-5 at 32 bits."""
    assert sum(hawq_layer_bops(n, m, 32, 32) for n, m in SHAPES) == 4_652_832


@pytest.mark.parametrize("bits, bops", [(12, 737_312), (8, 362_784)])
def test_bops_of_homogeneous_networks(bits, bops):
    """The published formula on the repository's widths, as in resources/published_results.csv."""
    layers = []
    for i, (n, m) in enumerate(SHAPES):
        # the reference counts activations with their full width, signed or not
        quantiser = Quantiser(1.0, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1, "ROUND")
        ones = [np.ones(s) for s in ((n, m), m)]
        widths = [np.full(s, bits - 1.0) for s in ((n, m), m)]
        layers.append(Dense(quantiser, ones[0], ones[0], widths[0], ones[1], ones[1], widths[1], relu=i < 3))
    assert hawq_bops(FixedPointNetwork(tuple(layers))) == bops


def test_lsb_is_the_largest_power_of_two_that_divides():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=200), rng.integers(-999, 999, 200) / 64.0, [0.5, 3.0, -96.0]])
    for value, found in zip(values, lsb(values), strict=True):
        if value == 0:
            assert found == np.inf
            continue
        ratio = Fraction(float(value)) / Fraction(float(found))
        assert ratio.denominator == 1 and ratio.numerator % 2 == 1
    assert lsb(np.array([0.0]))[0] == np.inf


@pytest.mark.parametrize("rounding, half", [("ROUND", 0.0), ("FLOOR", 0.0), ("HALF_UP", 0.25)])
def test_quantiser_by_search(rounding, half):
    q = Quantiser(0.25, -2.0, 1.75, rounding)
    grid = np.arange(-2.0, 2.0, 0.25)
    x = np.random.default_rng(1).uniform(-3, 3, 500)
    for value, found in zip(x, q(x), strict=True):
        inside = np.clip(value, -2.0, 1.75)
        nearest = grid[grid <= inside].max() if rounding == "FLOOR" else grid[np.abs(grid - inside).argmin()]
        assert found == nearest
    assert q(np.array([0.125]))[0] == half
    assert q.bits == 3 and Quantiser(1.0, 0.0, 0.0, rounding).bits == 0
