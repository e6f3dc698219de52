"""Accuracy and resources of the networks of HGQ.

Table I of 2405.00645v2: HGQ-1 to HGQ-6, from the largest to the smallest. The paper gives no EBOPs for them: ours are the six
budgets of a stanza, in falling order, so that a row's size is not the paper's. Accuracy on the test split with its 95 %
interval.
"""

from nanotrigger.results.paper_tables._fill import (
    ACCURACY,
    CYCLES,
    DSP,
    DSP_SHARE,
    EBOPS,
    FF,
    II,
    LATENCY,
    LUT,
    LUT_SHARE,
)

PAPER = "2405.00645"
_NAMES = tuple(f"HGQ-{i}" for i in range(1, 7))
ROWS = {name: (f"{PAPER}/{name}", f"{PAPER}/{name} (absolute counts)") for name in _NAMES}
COLUMNS = (ACCURACY, EBOPS, CYCLES, LATENCY, DSP, DSP_SHARE, LUT, LUT_SHARE, FF, II)


def models(plan):
    """The six models of the stanza hgq, or of the first one of this run with six budgets of EBOPs, the largest first."""
    for stanza in sorted(plan.stanzas.values(), key=lambda stanza: stanza.name != "hgq"):
        budgets = {getattr(model.params, "ebops", None) for model in stanza.models}
        if len(stanza.models) == len(budgets) == len(_NAMES) and None not in budgets:
            falling = sorted(stanza.models, key=lambda model: -model.params.ebops)
            return {name: model.name for name, model in zip(_NAMES, falling, strict=True)}
    return {}
