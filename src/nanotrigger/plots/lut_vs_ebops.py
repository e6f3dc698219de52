"""Look-up tables against effective bit operations.

Look-up tables of every synthesised design, and 55 for each of its DSP blocks, against its effective bit operations (EBOPs,
2405.00645). One panel per stage: figures of different stages are not the same quantity. Solid: LUT = EBOPs, which the HGQ
papers take as an estimate, or as an upper bound where adders are shared. Dashed: LUT = exp(0.985 ln EBOPs), a fit of
2405.00645 (third version, Fig. 3). Both are guides and no measurement of ours.
"""

import numpy as np
import pandas as pd

from nanotrigger.plots._style import COLOURS, MARKERS, SMALLEST, WIDTH, method_name, subplots

needs = ("models", "hardware")

LUT_PER_DSP = 55
"""What a DSP block counts for in EBOPs (2405.00645)."""

FIT = 0.985
"""Exponent of the fit of 2405.00645v3, Fig. 3."""

COLUMNS = ["model", "method", "seed", "flow", "stage", "part", "ebops", "lut", "dsp", "lut_and_dsp", "lut_fit"]


def applies(available):
    return {"data", "hardware"} <= available


def plot(plan, inputs):
    models, hardware = pd.read_csv(inputs.models), pd.read_csv(inputs.hardware)
    table = models[["model", "method", "seed", "ebops"]].merge(hardware[hardware.lut.notna()], on=["model", "seed"])
    # a design of unknown EBOPs or DSP blocks has no place in either direction
    table = table[table.ebops.notna() & (table.ebops > 0) & table.dsp.notna()]
    table = table.assign(lut_and_dsp=table.lut + LUT_PER_DSP * table.dsp, lut_fit=table.ebops**FIT)
    stages = list(table.stage.unique()) or ["nothing was synthesised"]
    figure, axes = subplots(len(stages), 1, figsize=(WIDTH, 3.9 * len(stages)), squeeze=False)
    methods = list(models.method.unique())
    for ax, stage in zip(axes[:, 0], stages, strict=True):
        of_stage = table[table.stage == stage] if len(table) else table
        flows = list(of_stage.flow.unique())
        for (method, flow), rows in of_stage.groupby(["method", "flow"], sort=False):
            ax.plot(
                rows.ebops,
                rows.lut_and_dsp,
                MARKERS[flows.index(flow) % len(MARKERS)],
                color=COLOURS[methods.index(method) % len(COLOURS)],
                label=f"{method_name(method)}, {flow}",
            )
        if len(of_stage):
            ends = np.array([of_stage.ebops.min() / 1.5, of_stage.ebops.max() * 1.5])
            ax.plot(ends, ends, "-", color="grey", linewidth=1, label="LUT = EBOPs")
            ax.plot(ends, ends**FIT, "--", color="grey", linewidth=1, label=f"LUT = EBOPs$^{{{FIT}}}$ (2405.00645v3)")
            ax.set(xscale="log", yscale="log")
            ax.legend(loc="upper left", fontsize=SMALLEST)
        ax.set_xlabel(f"EBOPs ({stage.replace('_', ' ')})")
        ax.set_ylabel(f"LUTs + {LUT_PER_DSP} per DSP")
    return figure, table[COLUMNS]
