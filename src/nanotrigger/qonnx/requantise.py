"""Integer hardware for a function that is known on every integer it can meet.

A monotone function with few levels is comparators; one that a line and a rounding describe is a multiplication by an integer
constant and a shift, checked against every threshold; anything narrow is a lookup table. The cheapest is taken.
"""

from dataclasses import dataclass

import numpy as np
from alkaid.trace.fixed_variable import FVariable
from alkaid.trace.ops.reduce_utils import reduce
from scipy.optimize import linprog

from nanotrigger.qonnx.fixed_point import lsb

MOST_ENTRIES = 2**14
"""Entries of a lookup table at most."""
MOST_COMPARATORS = 4096
PRECISION = 24
"""Bits of a constant factor at most."""


@dataclass(frozen=True)
class Line:
    """floor((factor * n + offset) / 2^shift), for n from zero."""

    factor: int
    offset: int
    shift: int


def thresholds(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a monotone function jumps, and by how much. codes: (reachable,) integers."""
    jumps = np.diff(codes)
    at = np.flatnonzero(jumps)
    return at + 1, jumps[at]


def find_line(codes: np.ndarray) -> Line | None:
    """A line whose floor, clipped to the first and last code, is the function; None if there is none.

    codes: (reachable,) nondecreasing integers. A level is reached at its threshold, and not one before it: these bounds leave a
    range of slopes (two linear programmes), in which the factor with the smallest shift is the cheapest.
    """
    at, jumps = thresholds(codes)
    levels = np.repeat(codes[at], jumps) - np.concatenate([np.arange(j)[::-1] for j in jumps])
    first = np.repeat(at, jumps)
    if first[-1] == first[0]:
        return None
    ones = np.ones(len(first))
    bounds = np.block([[-first[:, None], -ones[:, None]], [first[:, None] - 1.0, ones[:, None]]])
    ranges = []
    for sense in (1, -1):
        solution = linprog([sense, 0], bounds, np.concatenate([-levels, levels]), bounds=(None, None))
        if solution.status == 2:
            return None
        # unbounded where the few thresholds allow any slope
        ranges.append(solution.x[0] if solution.status == 0 else sense * -1e6)
    low, high = ranges
    for shift in range(PRECISION):
        scale = 2**shift
        for factor in sorted({*map(int, np.ceil([low * scale, (low + high) / 2 * scale])), int(high * scale)} - {0}):
            least = int((levels * scale - factor * first).max())
            most = int((levels * scale - 1 - factor * (first - 1)).min())
            if least <= most:
                return Line(factor, _roundest(least, most), shift)
    return None


def _roundest(least: int, most: int) -> int:
    """The integer between two others with the most zeros at its end."""
    for zeros in range(max(abs(least), abs(most)).bit_length(), -1, -1):
        candidate = -(-least >> zeros) << zeros
        if candidate <= most:
            return candidate
    return least


def signed_digits(number: int) -> list[tuple[int, int]]:
    """A constant in canonical signed-digit form: (power of two, +1 or -1), with no two neighbours."""
    digits, power = [], 0
    while number:
        if number & 1:
            digit = 2 - (number & 3)
            digits.append((power, digit))
            number -= digit
        number >>= 1
        power += 1
    return digits


def multiple(variable: FVariable, constant: float) -> FVariable:
    """variable * constant as a tree of shifts and additions; alkaid's own search takes minutes for long constants."""
    if constant == 0:
        return FVariable.from_const(0.0, hwconf=variable.hwconf)
    grid = float(lsb(np.float64(constant)))
    terms = [variable * (digit * 2.0**power * grid) for power, digit in signed_digits(round(constant / grid))]
    return reduce(lambda a, b: a + b, np.array(terms, dtype=object))


def table_luts(width: int, bits: int, levels: int | None) -> float:
    """LUTs of a table of 2^width entries of so many bits; levels: jumps of a monotone function, None for any other.

    Fitted to yosys 0.70 for Xilinx cells, which finds a monotone function's few levels: 8 for 7 to 4 bits, 20 for 9 to 4,
    36 for 11 to 4, 108 for 11 to 6; within a factor of two.
    """
    entries = 0.65 * bits * max(1.5, 2.0 ** (width - 6))
    return entries if levels is None else min(entries, 0.4 * levels * max(width - 5, 1) + bits)


def line_luts(line: Line, width: int, bits: int) -> float:
    """LUTs of a multiplication by a constant, an offset and the clipping; fitted to yosys as `table_luts`."""
    product = width + abs(line.factor).bit_length()
    return 0.5 * ((len(signed_digits(line.factor)) - 1) * product + (product / 2 if line.offset else 0) + 2 * bits)


def build(variable: FVariable, codes: np.ndarray) -> FVariable:
    """Hardware for the function that maps the reachable values of `variable`, from the lowest, to `codes`.

    codes: (reachable,) integers. Raises ValueError where the function is neither monotone nor narrow enough for a table.
    """
    codes = np.asarray(codes, np.int64)
    if (codes == codes[0]).all():
        return FVariable.from_const(float(codes[0]), hwconf=variable.hwconf)
    steps = np.diff(codes)
    if (steps <= 0).all():
        return -build(variable, -codes)
    # counted from zero: dividing by a step is a shift, and an adder with a constant is absorbed
    number = variable * (1 / variable.step) - variable.low / variable.step
    width = int(len(codes) - 1).bit_length()
    bits = int(codes.max() - codes.min()).bit_length()
    costs = {}
    rising = (steps >= 0).all()
    at, jumps = thresholds(codes)
    if len(codes) <= MOST_ENTRIES:
        costs["table"] = table_luts(width, bits, len(at) if rising else None)
    if rising:
        if len(at) <= MOST_COMPARATORS:
            costs["comparators"] = len(at) * (width / 2 + 1)
        if line := find_line(codes):
            costs["line"] = line_luts(line, width, bits)
    if not costs:
        raise ValueError(f"{len(codes)} reachable values: too many for a table, and the function is not monotone")
    match min(costs, key=costs.get):
        case "table":
            return number.lookup(codes.astype(np.float64))
        case "comparators":
            terms = [(number >= float(t)) * float(j) for t, j in zip(at, jumps, strict=True)]
            return reduce(lambda a, b: a + b, np.array(terms, dtype=object)) + float(codes[0])
        case "line":
            raised = (multiple(number, float(line.factor)) + float(line.offset)) * 2.0**-line.shift
            high = max(abs(float(raised.low)), abs(float(raised.high)), 1.0)
            whole = raised.quantize(1, int(high).bit_length() + 1, 0, "WRAP", "TRN")
            return whole.max_of(float(codes[0])).min_of(float(codes[-1]))
