"""Accuracy, latency and resources of the networks of AutoQKeras.

The table of 2006.10159: BF (16 bits after training), BP (BF pruned to 70 %), BH (hand-made heterogeneous widths), Q6 (6 bits),
QE and QB (widths found by search for energy and for bits). Accuracy on the test split with its 95 % interval.
"""

from nanotrigger.results.paper_tables._fill import ACCURACY, CYCLES, DSP_SHARE, FF, LATENCY, LUT_SHARE

PAPER = "2006.10159"
_NAMES = ("BF", "BP", "BH", "Q6", "QE", "QB")
_TWINS = ("BF", "BP", "BH", "QB")
ROWS = {
    name: (f"{PAPER}/{name}", *([f"{PAPER}/{name} (absolute counts)"] if name in _TWINS else [])) for name in _NAMES
}
COLUMNS = (ACCURACY, CYCLES, LATENCY, DSP_SHARE, LUT_SHARE, FF)


def models(plan):
    """The stanzas bf, bp, bh, q6, qe and qb, or their only models."""
    found = {name: name.lower() for name in _NAMES}
    for name, stanza in found.items():
        if stanza in plan.stanzas and len(plan.stanzas[stanza].models) == 1:
            found[name] = plan.stanzas[stanza].models[0].name
    return found
