"""Call a compiled network in a shared library, here or in a process that has a vendor's environment."""

import ctypes
import sys
from pathlib import Path

import numpy as np


def call(library: Path, function: str, x: np.ndarray, outputs: int) -> np.ndarray:
    """Outputs (rows, outputs) float64 of `void function(double inputs[], double outputs[])` for every row of x."""
    compiled = getattr(ctypes.CDLL(str(Path(library).resolve())), function)
    inputs = np.ascontiguousarray(x, np.float64)
    results = np.empty((len(x), outputs))
    pointer = ctypes.POINTER(ctypes.c_double)
    for row, result in zip(inputs, results, strict=True):
        compiled(row.ctypes.data_as(pointer), result.ctypes.data_as(pointer))
    return results


if __name__ == "__main__":
    path, name, source, target, width = sys.argv[1:]
    np.save(target, call(Path(path), name, np.load(source, allow_pickle=False), int(width)))
