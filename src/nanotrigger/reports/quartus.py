"""Quartus' reports of the fitter (`*.fit.rpt`, `*.fit.summary`) and of timing (`*.sta.rpt`).

Written for the layouts of Quartus Prime 18.1 (Cyclone V) and 19.1 Pro (Cyclone 10 GX) as public projects keep them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import cells, decimal, read_report, whole


@dataclass(frozen=True)
class Fit:
    """What a fitted design takes: adaptive logic modules, registers, DSP blocks and RAM blocks of the part's own sizes."""

    version: str
    device: str
    alm: int
    registers: int
    dsp: int
    ram_blocks: int


def read_fit(path: Path) -> Fit:
    """The fitter's summary. Raises ToolError for another layout, and if the fit did not succeed."""
    text = read_report(path)
    if Path(path).suffix == ".summary":
        rows = [[part.strip() for part in line.split(" : ", 1)] for line in text.splitlines()]
    else:
        rows = _below(text, "Fitter Summary")
    summary = {row[0]: row[1] for row in rows if len(row) == 2}

    def value(name: str) -> str:
        if name not in summary:
            raise ToolError(f"{path}: the fitter's summary has no row '{name}'; this layout is not known")
        return summary[name]

    def used(name: str) -> int:
        return whole(path, name, value(name).split("/")[0].strip())

    if not value("Fitter Status").startswith("Successful"):
        raise ToolError(f"{path}: the fitter ended with '{value('Fitter Status')}'")
    version = re.match(r"(?:Version )?([\d.]+\S*)", value("Quartus Prime Version"))
    if not version:
        raise ToolError(f"{path}: Quartus' version is '{value('Quartus Prime Version')}'; this layout is not known")
    return Fit(
        version=version[1],
        device=value("Device"),
        alm=used("Logic utilization (in ALMs)"),
        registers=used("Total registers"),
        dsp=used("Total DSP Blocks"),
        ram_blocks=used("Total RAM Blocks"),
    )


def read_fmax(path: Path) -> float:
    """Highest clock in MHz of a design with one clock: the lowest over the timing models.

    The restricted one, which minimum pulse widths limit too. Raises ToolError for another layout or several clocks.
    """
    text = read_report(path)
    found = []
    for title in re.findall(r"^; (Slow .+ Model Fmax Summary) *;$", text, re.M):
        head, *rows = _below(text, title)
        if head[:3] != ["Fmax", "Restricted Fmax", "Clock Name"] or len(rows) != 1:
            raise ToolError(f"{path}: '{title}' shows {len(rows)} clocks; the highest clock is known for one")
        value, _, unit = rows[0][1].partition(" ")
        if unit != "MHz":
            raise ToolError(f"{path}: '{title}' is in '{unit}', not in MHz; this layout is not known")
        found.append(decimal(path, title, value))
    if not found:
        raise ToolError(f"{path}: holds no summary of Fmax")
    return min(found)


def _below(text: str, title: str) -> list[list[str]]:
    """Rows of the framed table whose title line it is."""
    match = re.search(rf"^; {re.escape(title)} +;$", text, re.M)
    rows: list[list[str]] = []
    for line in text[match.end() :].splitlines()[1:] if match else ():
        if not line.startswith(("+", ";")):
            break
        if row := cells(line, ";"):
            rows.append(row)
    return rows
