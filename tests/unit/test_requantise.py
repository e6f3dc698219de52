"""Functions of integers as hardware: equal to the function on every integer, by each of the three ways."""

import itertools

import numpy as np
import pytest
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.trace.fixed_variable import FVariable

from nanotrigger.qonnx import requantise
from nanotrigger.qonnx.requantise import build, find_line, multiple, signed_digits, table_luts, thresholds

RNG = np.random.default_rng(6)


def port(signed: int, width: int, fraction: int):
    kif = [np.array([n]) for n in (signed, width - fraction, fraction)]
    return FVArray.from_kif(*kif, HWConfig(1, -1, -1), 0, {"hard_dc": 2})


def values(variable: FVariable) -> np.ndarray:
    return variable.low + variable.step * np.arange(round((variable.high - variable.low) / variable.step) + 1)


def check(x, codes):
    """The built hardware gives the codes for every value of its port."""
    (variable,) = np.asarray(x)
    result = FVArray(np.array([build(variable, codes)]), x.solver_options, x.hwconf)
    found = trace(x, result).predict(values(variable)[:, None], n_threads=1).ravel()
    np.testing.assert_array_equal(found, codes)


FUNCTIONS = {
    "affine": lambda grid: np.clip(np.round(0.37 * grid + 1.3), -8, 7),
    "falling": lambda grid: np.clip(np.floor(-0.61 * grid), -16, 15),
    "relu": lambda grid: np.clip(np.floor(np.maximum(0, 0.23 * grid - 1) + 0.5), 0, 31),
    "sigmoid": lambda grid: np.round(15 / (1 + np.exp(-grid / 3))),
    "hump": lambda grid: np.round(7 * np.cos(grid / 5)),
    "random": lambda grid: RNG.integers(-5, 9, len(grid)),
    "constant": lambda grid: np.full(len(grid), 3),
    "two levels": lambda grid: np.where(grid >= 1, 5, -2),
}


@pytest.mark.parametrize("signed, width, fraction", [(0, 4, 0), (1, 7, 2), (1, 9, -2), (0, 11, 3)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_value_is_right(name, signed, width, fraction):
    x = port(signed, width, fraction)
    check(x, FUNCTIONS[name](values(np.asarray(x)[0])).astype(int))


@pytest.mark.parametrize("way", ["table", "comparators", "line"])
def test_each_way_alone_is_exact(way, monkeypatch):
    """Costs are only estimates: whichever is taken gives the function."""
    monkeypatch.setattr(requantise, "min", lambda costs, key: way, raising=False)
    x = port(1, 8, 1)
    check(x, np.clip(np.round(0.21 * values(np.asarray(x)[0])), -4, 7).astype(int))


def test_the_line_with_the_smallest_shift_is_found():
    """Against every factor and offset up to the shift that was found."""
    n = np.arange(200)
    codes = np.clip(np.floor((45 * n - 700) / 256 + 0.5), 0, 15).astype(int)
    line = find_line(codes)
    np.testing.assert_array_equal(np.clip((line.factor * n + line.offset) >> line.shift, 0, 15), codes)
    for shift in range(line.shift):
        for factor in range(1, 2**shift):
            offsets = np.arange(-100 * factor, 1)
            found = np.clip((factor * n[None] + offsets[:, None]) >> shift, 0, 15)
            assert not (found == codes).all(1).any()


def test_what_is_no_line_has_none():
    assert find_line(np.array([0, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 6])) is None
    assert thresholds(np.array([0, 0, 2, 3, 3]))[0].tolist() == [2, 3]
    assert table_luts(11, 4, 15) < table_luts(11, 4, None)


@pytest.mark.parametrize("number", [1, -3, 5, 7, 85, 12345, -8388607])
def test_digits_are_canonical_and_give_the_number(number):
    digits = signed_digits(number)
    assert sum(sign * 2**power for power, sign in digits) == number
    powers = [power for power, _ in digits]
    assert all(b - a > 1 for a, b in itertools.pairwise(powers))


@pytest.mark.parametrize("constant", [409 / 4096, -1234567 / 2**22, 7.0, 0.0])
def test_multiples_are_exact(constant):
    x = port(1, 6, 2)  # alkaid's interpreter holds 31 bits, less than its hardware
    (variable,) = np.asarray(x)
    result = FVArray(np.array([multiple(variable, constant)]), x.solver_options, x.hwconf)
    found = trace(x, result).predict(values(variable)[:, None], n_threads=1).ravel()
    np.testing.assert_array_equal(found, values(variable) * constant)


def test_a_wide_function_that_is_not_monotone_is_refused():
    (variable,) = np.asarray(port(0, 16, 0))
    with pytest.raises(ValueError, match="65536 reachable values"):
        build(variable, np.arange(65536) % 3)
