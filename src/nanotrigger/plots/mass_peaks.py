"""Groomed mass of W, Z and top jets, with the fitted peak and the PDG's mass.

Groomed (mMDT) mass of W, Z and top jets per GeV, with statistical errors; line: a Gaussian, fitted to the core within
1.5 of its sigmas; dotted: the mass of the particle by the Particle Data Group (2024). The widths of the particles are
2.1, 2.5 and 1.4 GeV: what is seen is the resolution of detector and jet.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.plots._style import CLASS_NAMES, COLOURS, subplots
from nanotrigger.results.jets import PDG, WINDOWS, all_jets, fit_peak

needs = ("data",)


def applies(available):
    return "data" in available


def plot(plan, inputs):
    x, y = all_jets(Path(inputs.data))
    figure, axes = subplots(3, 1, figsize=(5.2, 7.6))
    rows = []
    for ax, name in zip(axes, PDG, strict=True):
        masses = x[y == CLASSES.index(name), FEATURES.index("mass_mmdt")].astype(float)
        low, high = WINDOWS[name]
        edges = np.arange(low - 15, high + 15.5, 1.0)
        counts = np.histogram(masses, edges)[0]
        middle = (edges[:-1] + edges[1:]) / 2
        ax.errorbar(middle, counts, np.sqrt(counts), fmt=".", color="k", markersize=4, elinewidth=0.8)
        mass = PDG[name][0]
        ax.axvline(mass, color=COLOURS[1], linestyle=":", label=f"PDG: {mass:.1f} GeV")
        fit = fit_peak(masses, WINDOWS[name])
        label = "no peak could be fitted"
        if fit:
            position, sigma = (
                f"{fit.position:.2f} ± {fit.position_error:.2f}",
                f"{fit.sigma:.2f} ± {fit.sigma_error:.2f}",
            )
            label = f"({position}) GeV\n$\\sigma$ = ({sigma}) GeV"
            span = np.linspace(fit.low, fit.high, 200)
            ax.plot(span, fit(span), color=COLOURS[0], label=label)
        else:
            ax.plot([], [], " ", label=label)
        ax.set(xlim=(edges[0], edges[-1]), ylim=(0, None), ylabel="jets per GeV")
        ax.margins(y=0.15)
        ax.legend(
            title=f"{CLASS_NAMES[name]} jets", loc="upper right" if name != "t" else "upper left", alignment="left"
        )
        row = {"class": name, "mass_gev": middle, "jets": counts, "pdg_mass_gev": mass}
        row["fit"] = np.where((middle > fit.low) & (middle < fit.high), fit(middle), np.nan) if fit else np.nan
        rows.append(pd.DataFrame(row))
    axes[-1].set_xlabel("groomed mass [GeV]")
    return figure, pd.concat(rows)
