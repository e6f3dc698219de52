"""OpenSTA's worst slack (`report_worst_slack`) and power (`report_power`)."""

import re
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import read_report

NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
COLUMNS = ("Internal", "Switching", "Leakage", "Total")


@dataclass(frozen=True)
class Power:
    """Power in mW."""

    internal: float
    switching: float
    leakage: float

    @property
    def total(self) -> float:
        return self.internal + self.switching + self.leakage

    def __sub__(self, other: "Power") -> "Power":
        return Power(self.internal - other.internal, self.switching - other.switching, self.leakage - other.leakage)


def worst_slack_ns(path: Path) -> float:
    """Worst setup slack in ns, negative where the clock is not met; the script must have set ns as the unit.

    Raises ToolError if no path is constrained.
    """
    found = re.findall(rf"^worst slack ({NUMBER})$", read_report(path), re.M)
    if len(found) != 1:
        raise ToolError(f"{path}: holds {len(found)} worst slacks; one was expected: is any path constrained?")
    return float(found[0])


def design_power(path: Path) -> Power:
    """Power of the whole design: the row 'Total' of the table by groups. Raises ToolError if it is not the only one."""
    text = read_report(path)
    _header(path, text, r"^Group")
    rows = re.findall(rf"^Total +({NUMBER}) +({NUMBER}) +({NUMBER}) +({NUMBER}) +{NUMBER}%$", text, re.M)
    if len(rows) != 1:
        raise ToolError(f"{path}: holds {len(rows)} totals of power; one was expected")
    return _power(path, rows[0])


def instance_power(path: Path) -> dict[str, Power]:
    """Power of each listed instance. Raises ToolError if there is no such table."""
    text = read_report(path)
    _header(path, text, r"^ ")
    rows = re.findall(rf"^ +({NUMBER}) +({NUMBER}) +({NUMBER}) +({NUMBER}) (\S+)$", text, re.M)
    return {name: _power(path, numbers) for *numbers, name in rows}


def _header(path: Path, text: str, start: str) -> None:
    """Columns are known by their place: another layout must not be read as this one."""
    if not re.search(start + r" *" + r" +".join(COLUMNS) + "$", text, re.M):
        raise ToolError(f"{path}: has no table of power with the columns {', '.join(COLUMNS)}")


def _power(path: Path, numbers: tuple[str, ...] | list[str]) -> Power:
    """From watts. The columns must add up to the last one."""
    internal, switching, leakage, total = (1000 * float(number) for number in numbers)
    power = Power(internal, switching, leakage)
    if abs(power.total - total) > 1e-4 * abs(total):
        raise ToolError(f"{path}: its columns of power add up to {power.total:g} mW, not to {total:g} mW")
    return power
