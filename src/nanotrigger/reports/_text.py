"""What parsers of text reports share: the file's text, its numbered sections, and the tables in them."""

import re
from collections.abc import Iterator
from pathlib import Path

from nanotrigger.errors import ToolError

Row = dict[str, str]


def read_report(path: Path) -> str:
    """The text of a report. Raises ToolError if there is none."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError as error:
        raise ToolError(f"{path}: the report is not there ({error.strerror})") from None


def sections(text: str) -> dict[str, str]:
    """Text of each section of one of Vivado's reports by its title: a numbered line above a line of dashes."""
    heads = list(re.finditer(r"^\d+(?:\.\d+)*\.? (.+?) *\n-+ *$", text, re.M))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end() : end] for head, end in zip(heads, ends, strict=True)}


def cells(line: str, edge: str) -> list[str]:
    """Cells of a table's line, stripped; [] for a line that is none."""
    line = line.strip()
    inside = len(line) > 1 and line[0] == line[-1] == edge
    return [cell.strip() for cell in line[1:-1].split(edge)] if inside else []


def table(text: str, edge: str = "|") -> Iterator[Row]:
    """Rows of the first table of a text by its head, which is its first line of cells. None where there is no table."""
    head: list[str] = []
    for line in text.splitlines():
        row = cells(line, edge)
        if not head:
            head = row
        elif row:
            if len(row) != len(head):
                return
            yield dict(zip(head, row, strict=True))
        elif line.strip() and not line.lstrip().startswith("+"):
            return


def by_columns(head: str, rule: str, line: str) -> Row:
    """Cells of a line of a table without edges, whose columns a rule of dashes under the head marks."""
    spans = [(m.start(), m.end()) for m in re.finditer("-+", rule)]
    # a column reaches up to the next: a value may be wider than its dashes
    ends = [start for start, _ in spans[1:]] + [None]
    return {head[a:e].strip(): line[a:e].strip() for (a, _), e in zip(spans, ends, strict=True)}


def whole(path: Path, name: str, value: str | None) -> int:
    """A count, with or without thousands separators. Raises ToolError naming it if it is none."""
    digits = (value or "").replace(",", "")
    if not re.fullmatch(r"\d+", digits):
        raise ToolError(f"{path}: {name} is '{value}', not a count")
    return int(digits)


def decimal(path: Path, name: str, value: str | None) -> float:
    """A number that may have decimals or a sign. Raises ToolError naming it if it is none."""
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", value or ""):
        raise ToolError(f"{path}: {name} is '{value}', not a number")
    return float(value)
