"""First page: what was run, whether it holds, and the summary table."""

import re
from typing import Any

from nanotrigger.report.designs import links
from nanotrigger.report.source import Source
from nanotrigger.report.tables import stored

TITLE = "Overview"


def footnotes(markdown: str | None) -> list[str]:
    """The notes below a printed Markdown table, the items of its list.

    Those of a letter, and of figures in parentheses, are left out: here each row says what its grey figures differ in.
    """
    items = [line[2:] for line in (markdown or "").splitlines() if line.startswith("- ")]
    return [item for item in items if not re.match(r"\[\w+\] |Figures in parentheses ", item)]


def content(source: Source) -> dict[str, Any]:
    run = source.plan.config.run
    designs = source.designs
    keep = ("model", "flow", "status")
    status = designs.status.astype(str) if designs is not None and len(designs) else None
    return {
        "dataset": run.dataset,
        "models": len(source.plan.models),
        "seeds": run.seeds,
        "designs": len(source.plan.pairs) * len(run.seeds),
        "done": None if status is None else int((status.str.partition(";")[0] == "done").sum()),
        "skipped": len(source.plan.skipped) * len(run.seeds),
        "checks": source.text("checks.txt"),
        "golden": stored(source, "golden", "Published models on the published test jets", keep=("status",)),
        "summary": stored(source, "summary", "Models beside their designs", links(source), keep),
        "footnotes": footnotes(source.text("tables/summary.md")),
        "failures": source.failures,
    }
