"""Checks of a finished run: exactness, and figures that cannot be true."""

from pathlib import Path

import pandas as pd

from nanotrigger.data.classes import CLASSES
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan
from nanotrigger.results.designs import NOT_EMULATED
from nanotrigger.results.records import replace_when_whole


def problems(models: pd.DataFrame, hardware: pd.DataFrame) -> list[str]:
    """What is wrong with the tables of a run, a line each."""
    found = []
    for row in models.itertuples():
        name = f"{row.model}, seed {row.seed}"
        if row.qonnx_mismatches != 0 or not row.qonnx_vectors > 0:
            found.append(f"{name}: {row.qonnx_mismatches} of {row.qonnx_vectors} jets differ in the QONNX file")
        if pd.isna(row.accuracy):
            continue  # its vectors have no labels
        if not row.accuracy_low <= row.accuracy <= row.accuracy_high:
            found.append(f"{name}: accuracy {row.accuracy} outside its own interval")
        if row.accuracy_high <= 1 / len(CLASSES):
            found.append(f"{name}: accuracy {row.accuracy:.4f}, no better than a guess; train longer")
    for row in hardware.itertuples():
        name = f"{row.model}, seed {row.seed}, {row.flow}"
        if row.status.startswith("not run"):
            continue
        if NOT_EMULATED in row.status and not row.vectors > 0:
            pass  # the row itself says that it claims nothing, and why
        elif not row.vectors > 0:
            found.append(f"{name}: was not emulated")
        elif row.mismatches != 0:
            found.append(f"{name}: {row.mismatches:.0f} of {row.vectors:.0f} jets differ from the QONNX file")
        if row.netlist_mismatches > 0:
            found.append(
                f"{name}: the netlist differs in {row.netlist_mismatches:.0f} of {row.netlist_vectors:.0f} jets"
            )
        if row.status.partition(";")[0] == "done" and not (row.lut > 0 or row.area_um2 > 0):
            found.append(f"{name}: synthesised, but without logic")
    return found


def check_results(plan: Plan, models: str, hardware: str, path: str) -> None:
    """Write what was checked. Raises NanotriggerError listing every problem."""
    tables = pd.read_csv(models), pd.read_csv(hardware)
    if found := problems(*tables):
        raise NanotriggerError(f"{len(found)} results of {plan.config.run.name} do not hold:\n" + "\n".join(found))
    with replace_when_whole(Path(path)) as temporary:
        temporary.write_text(claims(*tables))


def claims(models: pd.DataFrame, hardware: pd.DataFrame) -> str:
    """What holds of tables without a problem; nothing is said of what a run does not have."""
    emulated, netlists = (hardware[column].notna().sum() for column in ("vectors", "netlist_vectors"))
    found = {
        f"{len(models)} models equal their QONNX files on the whole test split": len(models),
        f"{emulated} designs equal theirs on every emulated jet": emulated,
        f"{netlists} netlists equal theirs on every simulated jet": netlists,
        "every accuracy is above a guess": models.accuracy.notna().sum(),
        "every synthesised design has logic": (hardware.lut.notna() | hardware.area_um2.notna()).sum(),
    }
    return "; ".join(claim for claim, count in found.items() if count) + ".\n"
