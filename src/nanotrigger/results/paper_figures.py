"""Which figures and tables of the papers a run has made: resources/paper_figures.csv, with the status of this run.

What a paper's number is and is not known of is said in the list itself: a number that is not known is not invented.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import ValidationError, model_validator

from nanotrigger.errors import NanotriggerError
from nanotrigger.modules import StrictModel, discover
from nanotrigger.plan import Plan
from nanotrigger.results.paper_tables import _fill
from nanotrigger.results.printing import Cell, Printed, markdown
from nanotrigger.results.records import replace_when_whole

FOLDERS = ("figures", "tables")
COLUMNS = ["arxiv", "version", "item", "kind", "shows", "target", "file", "status"]


class PaperFigure(StrictModel):
    """A figure or table of a paper.

    file: what reproduces it, below results/<run>/ and without its suffix, or why_not; needs: a column of that table without
    any value of which it does not.
    """

    arxiv: str
    version: str
    item: str
    kind: Literal["figure", "table"]
    shows: str
    file: str
    needs: str
    why_not: str

    @model_validator(mode="after")
    def _either(self):
        if bool(self.file) == bool(self.why_not):
            raise ValueError("give either file or why_not")
        folder, _, name = self.file.partition("/")
        known = [*discover(_fill.PACKAGE), "summary"] if folder == "tables" else discover("nanotrigger.plots")
        if self.file and (folder not in FOLDERS or name not in known):
            raise ValueError(f"file = {self.file}: nothing makes it. Known in {folder}: {', '.join(known)}")
        return self


def paper_figures(path: Path) -> list[PaperFigure]:
    """The list of figures and tables. Raises NanotriggerError naming the line that does not hold."""
    rows = []
    for number, row in enumerate(pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records"), start=2):
        try:
            rows.append(PaperFigure.model_validate(row))
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise NanotriggerError(f"{path}: line {number} ({row.get('item')}): {message}.") from None
    return rows


def absent(item: PaperFigure, plan: Plan) -> str:
    """Why a run makes no such file."""
    folder, _, name = item.file.partition("/")
    if folder == "tables" and name in _fill.tables():
        models = _fill.chosen_models(name, _fill.tables()[name], plan).values()
        named = ", ".join(models) or f"tables.{name}.rows may name them"
        return f"not in this run: none of its models is in run.models ({named})"
    return "not in this run: the run makes nothing that it shows"


def made_status(item: PaperFigure, folder: Path) -> str:
    """How much there is in a file that was made: of one of the papers' tables, how many rows."""
    if item.file.startswith("figures/"):
        return "made"
    rows = pd.read_csv(folder / f"{item.file}.csv")
    ours = rows[~rows.status.fillna("").str.startswith(("not in this run", "published"))]
    if item.needs and ours[item.needs].isna().all():
        return f"not in this run: no design of it has {item.needs}"
    return "made" if item.needs or len(ours) == len(rows) else f"made, {len(ours)} of {len(rows)} rows"


def listing(plan: Plan, items: Sequence[PaperFigure], made: Mapping[str, str], folder: Path) -> pd.DataFrame:
    """The list with what this run made of it. made: files without suffix, and those of this run, below its folder."""
    rows = []
    for item in items:
        row: dict[str, Any] = item.model_dump(include=set(COLUMNS))
        row["target"] = item.file.partition("/")[0] or None
        if not item.file:
            row["status"] = f"not reproducible: {item.why_not}"
        else:
            row["status"] = made_status(item, folder) if item.file in made else absent(item, plan)
        row["file"] = made.get(item.file) if row["status"].startswith("made") else None
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def write_listing(plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write the list as CSV and Markdown. Inputs `made` are the files of this run."""
    # where they were made; the list itself may be written elsewhere, as when a run is verified
    folder = Path(inputs.made[0]).parents[1]
    files = [Path(f).relative_to(folder) for f in inputs.made]
    made = {str(file.with_suffix("")): str(file) for file in files}
    table = listing(plan, paper_figures(Path(inputs.entries)), made, folder)
    with replace_when_whole(outputs.csv) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    text = table.fillna("").astype(str)
    printed = Printed(
        list(text.columns),
        [[Cell(value) for value in row] for row in text.to_numpy().tolist()],
        caption="Figures and tables of the papers, and what this run made of them",
        notes=[
            "Numbers of figures and tables are the papers' where they are known.",
            "A target is a rule: `snakemake figures --configfile ...` makes all figures of a run.",
        ],
    )
    with replace_when_whole(outputs.markdown) as temporary:
        temporary.write_text(markdown(printed))
