"""Printed tables: the same content in Markdown and LaTeX, and LaTeX that a compiler takes."""

import re
import shutil
import subprocess

import pytest

from nanotrigger.results.printing import Cell, Footnotes, Printed, latex, latex_text, markdown

SPECIAL = r"a_b & 5 % of $x$ #1 {y} ~ ^ \ <z> |"


def table(**changes):
    rows = [
        [Cell("hgq_s", mark="a"), Cell("12"), Cell("0.5 (0.4-0.6)")],
        [Cell(SPECIAL), Cell("1,234", grey=True), Cell()],
    ]
    content = {
        "header": ["model", "LUT [%]", "accuracy"], "rows": rows, "groups": [("", 1), ("ours & theirs", 2)],
        "rules": frozenset({1}), "marked": {"a": "because of x_1"}, "notes": ["95 % intervals"], "caption": "A table_1",
        "label": "one",
    }  # fmt: skip
    return Printed(**{**content, **changes})


def test_markdown_is_aligned_and_says_what_is_grey():
    text = markdown(table())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1 and len(lines) == 4
    cells = [re.split(r"(?<!\\)\|", line) for line in lines]
    assert {len(row) for row in cells} == {5}, "a bar in a cell is no column"
    assert "hgq_s [a]" in text and "- [a] because of x_1" in text and "(1,234)" in text
    assert "parentheses are not comparable" in text and "parentheses" not in markdown(table(rows=[[Cell("x")] * 3]))


def columns(line: str) -> int:
    """Columns that a LaTeX row fills."""
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) - len(spans)


def check_latex(text: str) -> None:
    """Its lines in booktabs' order, every row as wide as the table, braces and environments closed."""
    body = text[text.index(r"\begin{tabular}") : text.index(r"\end{tabular}")]
    width = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", body)[1])
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert rows and {columns(row) for row in rows} == {width}
    places = [body.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert places == sorted(places) and body.count(r"\toprule") == body.count(r"\bottomrule") == 1
    bare = re.sub(r"\\[\\{}%&#_$]", "", text)
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(.*?)\}", text) == re.findall(r"\\end\{(.*?)\}", text)[::-1]
    assert not re.search(r"[_#^~]", re.sub(r"\\label\{[^}]*\}|(?m:^%.*$)|\\footnotesize|\}~", "", bare)), "not escaped"
    assert text.isascii()


def test_latex_structure():
    text = latex(table())
    check_latex(text)
    assert r"\cmidrule(lr){2-3}" in text and r"\textcolor{black!55}{1,234}" in text
    assert r"hgq\_s\textsuperscript{a}" in text and r"\caption{A table\_1}" in text and r"\label{tab:one}" in text
    assert text.count(r"\midrule") == 2


def test_every_special_character_is_escaped():
    assert not re.search(r"(?<!\\)[_&%#$]", latex_text(SPECIAL))
    assert latex_text("\\") == r"\textbackslash{}" and latex_text("^") == r"\textasciicircum{}"


@pytest.mark.parametrize("changes", [{"header": ["one"]}, {"groups": [("x", 2)]}, {"rows": [[Cell()]]}])
def test_a_table_of_unequal_rows_is_refused(changes):
    with pytest.raises(ValueError, match="a table of"):
        table(**changes)


def test_footnotes_have_one_letter_each():
    notes = Footnotes()
    letters = [notes.mark(str(i)) for i in range(28)]
    assert letters[:3] == ["a", "b", "c"] and letters[25:] == ["z", "aa", "ab"] and notes.mark("1") == "b"
    assert notes.marked["aa"] == "26"


def compiles(folder, *tables: str) -> str:
    """Log of a document with these tables."""
    body = "\n".join(tables)
    preamble = r"\documentclass[twocolumn]{article}\usepackage{booktabs,xcolor,graphicx}"
    (folder / "t.tex").write_text(preamble + "\\begin{document}\n" + body + "\n\\end{document}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not on PATH (Debian: texlive-latex-recommended)")
def test_latex_compiles(tmp_path):
    log = compiles(tmp_path, latex(table()), latex(table(wide=True)))
    assert "Output written" in log and (tmp_path / "t.pdf").exists(), log[-2000:]
    assert "Output written" not in compiles(tmp_path, latex(table()).replace(r"\%", "&")), "what is wrong is found"
