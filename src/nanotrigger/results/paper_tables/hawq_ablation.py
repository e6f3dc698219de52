"""Accuracy and BOPs of floating-point and homogeneously quantised networks.

The ablation of 2304.06745: 16-64-32-32-5 networks in floating point and at 12, 8, 6 and 4 bits, plain, with an L1 term, with
batch normalisation, and with both. Accuracy on the test split with its 95 % interval; BOPs as the HAWQ papers count them,
pruned weights left out. Our FP32 rows are run as their 16-bit export, whose BOPs are given; the paper counts 32 bits, as the
figure of the ablation does. Published BOPs are those of the unpruned networks.
"""

from collections import Counter

from nanotrigger.results.paper_tables._fill import ACCURACY, BOPS, line_notes
from nanotrigger.results.printing import Cell, Footnotes, Printed

PAPER = "2304.06745"
HIDDEN = (64, 32, 32)
PRECISIONS = {"FP32": "float", "INT12": 12, "INT8": 8, "INT6": 6, "INT4": 4}
VARIANTS = {"plain": "", "L1": "_l1", "BN": "_bn", "L1+BN": "_l1_bn"}
_UNPRUNED = {"FP32": "16-64-32-32-5 MLP FP32", "INT8": "INT8 (8b input)"}
COLUMNS = (ACCURACY, BOPS)


def _row(precision: str, variant: str) -> str:
    return precision if variant == "plain" else f"{precision} {variant}"


def _published(precision: str, variant: str) -> tuple[str, ...]:
    """Ids of the accuracy, and of the BOPs, which do not depend on how the unpruned network was trained."""
    accuracy = f"{PAPER}/{precision} {'baseline' if variant == 'plain' else variant}"
    bops = (f"{PAPER}/{_UNPRUNED.get(precision, precision)}",) if variant == "plain" else ()
    return (*bops, accuracy)


ROWS = {_row(p, v): _published(p, v) for p in PRECISIONS for v in VARIANTS}


def models(plan):
    """The stanzas of config.yaml: float, float_l1 ... and the points of int, int_l1 ..."""
    return {
        _row(precision, variant): f"float{suffix}" if bits == "float" else f"int{suffix}_{bits}"
        for precision, bits in PRECISIONS.items()
        for variant, suffix in VARIANTS.items()
    }


def layout(lines):
    """A row per precision, as the paper prints it: accuracies of the variants, their BOPs, and the published BOPs."""
    by_row = {line.row: line for line in lines}
    footnotes, rows = Footnotes(), []
    published = any(line.published_cell(c).text for line in lines for c in COLUMNS)
    for precision in PRECISIONS:
        four = [by_row[_row(precision, variant)] for variant in VARIANTS]
        marks = ",".join(dict.fromkeys(footnotes.mark(note) for line in four for note in line_notes(line)))
        cells = [Cell(precision, mark=marks), *(line.our_cell(c) for c in COLUMNS for line in four)]
        if published:
            cells += [line.published_cell(ACCURACY) for line in four] + [four[0].published_cell(BOPS)]
        rows.append(cells)
    n = len(VARIANTS)
    groups, header = [("", 1), ("accuracy [%]", n), ("BOPs", n)], ["", *VARIANTS, *VARIANTS]
    if published:
        groups, header = [*groups, ("published accuracy [%]", n), ("published", 1)], [*header, *VARIANTS, "BOPs"]
    # of the published columns only those with a figure
    kept = [i for i in range(len(header)) if i <= 2 * n or any(row[i].text for row in rows)]
    of_group = [title for title, size in groups for _ in range(size)]
    sizes = Counter(of_group[i] for i in kept)
    groups = [(title, sizes[title]) for title, _ in groups if sizes[title]]
    rows, header = [[row[i] for i in kept] for row in rows], [header[i] for i in kept]
    return Printed(header, rows, groups=groups, marked=footnotes.marked)
