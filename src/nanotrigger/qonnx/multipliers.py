"""Multiplications by constants as multiplications, for compilers that are to find their own way to build them.

alkaid would turn each matrix into shared adders at once; here every weight that is not zero stays a product of an input
and a constant, as a loop over `sum += x[i] * w[i][j]` would be read by a high-level synthesiser.
"""

from pathlib import Path
from typing import Any

import numpy as np
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.trace.fixed_variable import FVariable
from alkaid.trace.passes import optimize

from nanotrigger.errors import ExportError
from nanotrigger.qonnx.adder_graph import QONNXTracer
from nanotrigger.qonnx.execute import load_model


def products(x: FVArray, weight: np.ndarray) -> FVArray:
    """x @ weight with one product per weight that is not zero; exact.

    x: (..., in); weight (in, out): constants. A product is of the magnitude: its sign is that of the sum it enters, so
    that no bit is spent on it.
    """
    if not isinstance(x, FVArray) or isinstance(weight, FVArray) or weight.ndim != 2:
        raise ExportError("arithmetic: multipliers takes products of an activation with a constant matrix alone.")
    zero = FVariable.from_const(0.0, x.hwconf)

    def product(value: FVariable, constant: float) -> FVariable:
        # alkaid's `*` is made of adders where one side is constant
        result = value._var_mul(FVariable.from_const(abs(constant), value.hwconf))
        return -result if constant < 0 else result

    def element(row: np.ndarray, column: np.ndarray) -> Any:
        terms = [product(v, float(c)) for v, c in zip(row, column, strict=True) if c and v.low != v.high]
        fixed = sum(float(v.low) * float(c) for v, c in zip(row, column, strict=True) if v.low == v.high)
        terms += [FVariable.from_const(fixed, x.hwconf)] if fixed else []
        return np.sum(FVArray(np.array(terms, object), x.solver_options)) if terms else zero

    rows = np.asarray(x).reshape(-1, x.shape[-1])
    values = np.array([[element(row, column) for column in weight.T] for row in rows], object)
    return FVArray(values.reshape(*x.shape[:-1], weight.shape[1]), x.solver_options)


def multiplier_graph(artifact: Path, params: Any) -> tuple[QONNXTracer, Any]:
    """A QONNX file's tracer, and its products and sums as an alkaid CombLogic. params: ArithmeticParams."""
    tracer = QONNXTracer(load_model(artifact), HWConfig(1, -1, -1), None, params.overflow, products)
    # retracing would see the constants and make adders of the products
    return tracer, optimize(trace(*tracer.trace(), optimize=False), retrace=False)
