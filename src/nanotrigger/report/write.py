"""Writing the report: one page after the other, in one file that needs nothing else."""

import json
from pathlib import Path
from typing import Any

from nanotrigger.report import (
    assets,
    comparisons,
    dataset,
    designs,
    figures,
    models,
    overview,
    papers,
    provenance,
    reading,
)
from nanotrigger.report.source import Source
from nanotrigger.results.records import replace_when_whole

PAGES = (overview, models, designs, comparisons, figures, papers, dataset, provenance, reading)
"""In the order of the navigation."""


def render(source: Source) -> str:
    """The report as HTML; the same text for the same source."""
    pages = []
    for module in PAGES:
        name = module.__name__.rpartition(".")[2]
        if (content := module.content(source)) is not None:
            pages.append({"name": name, "title": module.TITLE, "content": content})
    library, library_style = assets.data_tables()
    script, imports = assets.own("report.js"), json.dumps({"imports": {"datatables": library}})
    return _environment().get_template("report.html.j2").render(
        pages=pages,
        run=source.plan.config.run,
        unfinished=source.failures is not None,
        library_style=library_style,
        style=assets.own("report.css"),
        script=script,
        imports=imports,
        hashes=[assets.script_hash(text) for text in (imports, script)],
    )  # fmt: skip


def _environment() -> Any:
    """Templates of this package: every value is escaped, and a name that does not exist is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nanotrigger.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    return environment


def code(text: str) -> Any:
    """Text with what stands in `back ticks` as code, all of it escaped."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def write_report(source: Source, path: str | Path) -> None:
    """Write the report, whole or not at all."""
    with replace_when_whole(Path(path)) as temporary:
        temporary.write_text(render(source), encoding="utf-8", newline="\n")
