"""What a design was expected to cost beside what synthesis found.

Three estimates of the look-up tables: effective bit operations (EBOPs) themselves, which the HGQ papers give as an upper
bound for distributed arithmetic; their law LUT = exp(a log EBOPs), refitted here; and the cost of alkaid's adder graph.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MODELS_FOR_A_FIT = 3
"""Fewer models say nothing about the spread around a law of one parameter."""

MEASURED = ("logic_synthesis", "place_and_route")
"""Stages whose look-up tables were counted in a netlist: the truth that an estimate is held against."""

ESTIMATES = ("ebops", "law", "adder_cost")
COLUMNS = [
    "model", "seed", "flow", "stage", "ebops", "adder_cost", "law", "lut", *(f"error_{name}" for name in ESTIMATES),
    "exponent", "exponent_error", "fitted_models",
]  # fmt: skip


@dataclass(frozen=True)
class PowerLaw:
    """LUT = EBOPs ** exponent; error: the standard error of the exponent, from the scatter of the designs around it."""

    exponent: float
    error: float

    def __call__(self, ebops: np.ndarray) -> np.ndarray:
        return np.exp(self.exponent * np.log(ebops))


def fit_power_law(ebops: np.ndarray, lut: np.ndarray) -> PowerLaw:
    """Least squares of log LUT = a log EBOPs, without an offset, as the HGQ papers write it.

    ebops, lut: (designs,), positive, at least two. For residuals r of n designs, the variance of a is
    sum r^2 / (n - 1) / sum (log EBOPs)^2.
    """
    x, y = np.log(np.asarray(ebops, float)), np.log(np.asarray(lut, float))
    exponent = (x @ y) / (x @ x)
    scatter = ((y - exponent * x) ** 2).sum() / (len(x) - 1)
    return PowerLaw(float(exponent), float(np.sqrt(scatter / (x @ x))))


def left_out(designs: pd.DataFrame) -> pd.Series:
    """LUTs of each design by the law that is fitted to all others; all seeds of its model are left out with it."""
    x, y = np.log(designs.ebops.astype(float)), np.log(designs.lut.astype(float))
    # the law's exponent is a ratio of two sums over designs: those of all but a model are differences
    sums = pd.DataFrame({"xy": x * y, "xx": x * x})
    others = sums.sum() - sums.groupby(designs.model).transform("sum")
    return np.exp(others.xy / others.xx * x)


def estimates_table(models: pd.DataFrame, hardware: pd.DataFrame) -> pd.DataFrame:
    """A row per synthesised design: estimates, truth, relative errors (estimate / LUT - 1) and its flow's fit.

    models, hardware: the tables of a run. A law is fitted per flow and stage, where at least MODELS_FOR_A_FIT models are; the
    column `law` holds what it says of a design that it was not fitted to. Designs that use DSPs are left out: their LUTs
    do not hold the multiplications that all three estimates count.
    """
    counted = hardware[hardware.stage.isin(MEASURED) & (hardware.lut > 0) & ~(hardware.dsp > 0)]
    table = counted.merge(models[["model", "seed", "ebops"]], on=["model", "seed"])
    table = table[table.ebops > 1].reset_index(drop=True).reindex(columns=COLUMNS)
    table = table.astype(dict.fromkeys(COLUMNS[4:], float))
    for _, rows in table.groupby(["flow", "stage"]):
        number = rows.model.nunique()
        table.loc[rows.index, "fitted_models"] = number if number >= MODELS_FOR_A_FIT else 0
        if number >= MODELS_FOR_A_FIT:
            law = fit_power_law(rows.ebops, rows.lut)
            table.loc[rows.index, ["exponent", "exponent_error"]] = law.exponent, law.error
            table.loc[rows.index, "law"] = left_out(rows)
    for name in ESTIMATES:
        table[f"error_{name}"] = table[name] / table.lut - 1
    return table.astype({"fitted_models": int})
