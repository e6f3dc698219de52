"""Printed tables: one content, as Markdown and LaTeX (booktabs, xcolor), with grey cells and footnotes."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A printed value; `grey` if it is not comparable with the others, `mark` the letter of its footnote."""

    text: str = ""
    grey: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Printed:
    """A table as a paper prints it.

    groups: (title, columns) from left to right over the header, empty titles for columns without a group; rules: numbers of
    the rows that a line stands above; marked: letter of a footnote and its text; notes: what holds for the whole table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    groups: Sequence[tuple[str, int]] = ()
    rules: frozenset[int] = frozenset()
    marked: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    caption: str = ""
    label: str = ""
    wide: bool = False

    def __post_init__(self):
        widths = {len(self.header), *map(len, self.rows), *([sum(n for _, n in self.groups)] if self.groups else [])}
        if len(widths) != 1:
            raise ValueError(f"a table of {sorted(widths)} columns")

    @property
    def titles(self) -> list[str]:
        """Header of every column with its group before it, for formats without groups."""
        over = [title for title, n in self.groups for _ in range(n)] or [""] * len(self.header)
        return [f"{group}: {name}" if group else name for group, name in zip(over, self.header, strict=True)]

    @property
    def greyed(self) -> bool:
        return any(cell.grey for row in self.rows for cell in row)


class Footnotes:
    """Letters for footnotes, the same text always under the same letter."""

    def __init__(self):
        self._letters: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """Letter of a footnote: a to z, then aa, ab ..."""
        if text not in self._letters:
            n, letters = len(self._letters), ""
            while n >= 0:
                letters, n = chr(97 + n % 26) + letters, n // 26 - 1
            self._letters[text] = letters
        return self._letters[text]

    @property
    def marked(self) -> dict[str, str]:
        return {letter: text for text, letter in self._letters.items()}


def _is_number(text: str) -> bool:
    digits = text.replace(",", "").replace("%", "").split(" ")[0]
    try:
        float(digits)
    except ValueError:
        return False
    return True


def _numeric(table: Printed, column: int) -> bool:
    """Whether a column is of numbers, to be aligned on the right."""
    return all(_is_number(text) for row in table.rows if (text := row[column].text))


GREY_NOTE = "are not comparable with ours: the footnote of the row names what differs"


def markdown(table: Printed) -> str:
    """A Markdown table of aligned columns; grey values in parentheses."""

    def shown(cell: Cell) -> str:
        text = f"({cell.text})" if cell.grey and cell.text else cell.text
        return (text + (f" [{cell.mark}]" if cell.mark else "")).replace("|", r"\|")

    lines = [[title.replace("|", r"\|") for title in table.titles], *([shown(c) for c in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    text = "".join("| " + " | ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)) + " |\n" for line in lines)
    notes = [f"[{letter}] {note}" for letter, note in table.marked.items()]
    notes += [f"Figures in parentheses {GREY_NOTE}."] if table.greyed else []
    notes += table.notes
    caption = f"**{table.caption}**\n\n" if table.caption else ""
    return caption + text + ("\n" + "".join(f"- {note}\n" for note in notes) if notes else "")


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$", "µ": r"$\mu$",
}  # fmt: skip


def latex_text(text: str) -> str:
    """Text in which no character means anything to LaTeX."""
    return "".join(_LATEX.get(c, c) for c in text)


def latex(table: Printed) -> str:
    """A table environment with booktabs' lines, for a preamble with booktabs, xcolor and, if it is wide, graphicx."""

    def shown(cell: Cell) -> str:
        text = latex_text(cell.text)
        text = rf"\textcolor{{black!55}}{{{text}}}" if cell.grey and text else text
        return text + (rf"\textsuperscript{{{cell.mark}}}" if cell.mark else "")

    columns = "".join("r" if i and _numeric(table, i) else "l" for i in range(len(table.header)))
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    if table.groups:
        spans, rules, first = [], [], 1
        for title, n in table.groups:
            spans.append(rf"\multicolumn{{{n}}}{{c}}{{{latex_text(title)}}}")
            rules += [rf"\cmidrule(lr){{{first}-{first + n - 1}}}"] if title else []
            first += n
        lines += [" & ".join(spans) + r" \\", "".join(rules)]
    lines += [" & ".join(map(latex_text, table.header)) + r" \\", r"\midrule"]
    for i, row in enumerate(table.rows):
        lines += [r"\midrule"] if i and i in table.rules else []
        lines.append(" & ".join(map(shown, row)) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.wide:
        lines = [r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%", *lines[:-1], lines[-1] + "}"]
    notes = [rf"\textsuperscript{{{letter}}}~{latex_text(note)}" for letter, note in table.marked.items()]
    notes += [f"Grey figures {GREY_NOTE}."] if table.greyed else []
    notes += map(latex_text, table.notes)
    environment = "table*" if table.wide else "table"
    head = [f"% needs \\usepackage{{booktabs,xcolor{',graphicx' if table.wide else ''}}}", rf"\begin{{{environment}}}"]
    head.append(r"\centering\small")
    if table.caption:
        head.append(rf"\caption{{{latex_text(table.caption)}}}")
    if table.label:
        head.append(rf"\label{{tab:{table.label}}}")
    tail = [rf"\par\smallskip\raggedright\footnotesize {' '.join(notes)}"] if notes else []
    return "\n".join([*head, *lines, *tail, rf"\end{{{environment}}}"]) + "\n"
