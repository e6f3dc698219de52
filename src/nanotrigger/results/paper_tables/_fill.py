"""How a paper's table is filled: our model and the published figures of each row, and how both are printed."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from nanotrigger.config import PaperTable
from nanotrigger.errors import ConfigError
from nanotrigger.flows.base import STAGES
from nanotrigger.modules import discover, suggestion
from nanotrigger.plan import Plan, make_plan
from nanotrigger.results.comparability import Ours, Standing, active_rules, our_dataset, standing
from nanotrigger.results.printing import Cell, Footnotes, Printed, latex, markdown
from nanotrigger.results.published import published_table
from nanotrigger.results.records import replace_when_whole

PACKAGE = "nanotrigger.results.paper_tables"


@dataclass(frozen=True)
class Column:
    """A quantity of the table: `name` in the CSV and of ours, its printed header, its text, and the published column.

    published: None where no figure is asked of the paper. low, high: names of our interval, where it has one.
    """

    name: str
    header: str
    text: Callable[[float], str]
    published: str | None = None
    interval: tuple[str, str] | None = None


def count(value: float) -> str:
    """A count with commas, as papers print them; small means over seeds that are not whole with one digit."""
    return f"{value:,.0f}" if float(value).is_integer() or value >= 1000 else f"{value:,.1f}"


def percent(value: float) -> str:
    """A share in percent: two digits below ten, where the second is not zero, else one; 0 as the papers print it."""
    text = f"{value:.2f}" if value < 10 else f"{value:.1f}0"
    return "0" if value == 0 else text[:-1] if text.endswith("0") else text


def as_percent(value: float) -> str:
    """A fraction in percent, with the digits that the papers print."""
    return f"{100 * value:.1f}"


ACCURACY = Column("accuracy", "accuracy [%]", as_percent, "value", ("accuracy_low", "accuracy_high"))
EBOPS = Column("ebops", "EBOPs", count, "ebops")
BOPS = Column("bops_hawq", "BOPs", count, "bops")
CYCLES = Column("latency_cycles", "cycles", count, "latency_cycles")
LATENCY = Column("latency_ns", "latency [ns]", count, "latency_ns")
LUT = Column("lut", "LUT", count, "lut")
FF = Column("ff", "FF", count, "ff")
DSP = Column("dsp", "DSP", count, "dsp")
II = Column("ii", "II", count, "ii")
LUT_SHARE = Column("lut_percent", "LUT [%]", percent, "lut_percent")
DSP_SHARE = Column("dsp_percent", "DSP [%]", percent, "dsp_percent")

HARDWARE = {CYCLES, LATENCY, LUT, FF, DSP, II, LUT_SHARE, DSP_SHARE}

XCVU9P = {"lut": 1_182_240, "dsp": 6_840}
"""What an xcvu9p has: the papers' tables give shares of it, and so ours are given as shares of it too."""


@dataclass(frozen=True)
class Line:
    """A row of the table: our figures by column name, the published ones with how they stand, and why what is empty is."""

    row: str
    model: str | None
    ours: Mapping[str, float]
    published: Mapping[str, float] = field(default_factory=dict)
    standing: Standing = field(default_factory=lambda: Standing("refused"))
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: str = ""

    def our_cell(self, column: Column) -> Cell:
        value = self.ours.get(column.name)
        if value is None or pd.isna(value):
            return Cell()
        low, high = (self.ours.get(name) for name in column.interval or (None, None))
        shown = low is not None and not pd.isna(low)
        return Cell(column.text(value) + (f" ({column.text(low)}-{column.text(high)})" if shown else ""))

    def published_cell(self, column: Column) -> Cell:
        value = self.published.get(column.published)
        if value is None or pd.isna(value):
            return Cell()
        return Cell(column.text(value), grey=column.published in self.standing.grey)


def tables() -> dict[str, ModuleType]:
    """The papers' tables, by name."""
    return {name: importlib.import_module(f"{PACKAGE}.{name}") for name in discover(PACKAGE)}


def title(table: ModuleType) -> str:
    """First line of a table's docstring."""
    return table.__doc__.strip().partition("\n")[0]


def caption(table: ModuleType) -> str:
    """What its docstring says below the first line, on one line."""
    return " ".join(table.__doc__.partition("\n\n")[2].split())


def chosen_models(name: str, table: ModuleType, plan: Plan) -> dict[str, str]:
    """Name of the model that fills each row, whether this run has it or not; rows without one are left out.

    Raises ConfigError where the config names a row that the table does not have.
    """
    stanza = plan.config.tables.get(name, PaperTable())
    for row in stanza.rows:
        if row not in table.ROWS:
            raise ConfigError(f"config: tables.{name}.rows: '{row}' is no row. {suggestion(row, table.ROWS)}")
    return {**table.models(plan), **stanza.rows}


def defined_models(plan: Plan) -> list[str]:
    """Names of all models that the config defines, selected by this run or not."""
    config = plan.config
    everything = {"models": tuple(config.models), "dataset": config.run.dataset or next(iter(config.datasets), None)}
    return list(make_plan(config.model_copy(update={"run": config.run.model_copy(update=everything)})).models)


def check_tables(plan: Plan) -> None:
    """Raises ConfigError where `tables` names a table, row, model or flow that does not exist."""
    known = tables()
    for name, stanza in plan.config.tables.items():
        if name not in known:
            raise ConfigError(f"config: tables.{name}: no such table. {suggestion(name, known)}")
        chosen_models(name, known[name], plan)
        for row, model in stanza.rows.items():
            if model not in (defined := defined_models(plan)):
                raise ConfigError(
                    f"config: tables.{name}.rows.{row}: '{model}' is not defined. {suggestion(model, defined)}"
                )
        if stanza.flow is not None and stanza.flow not in plan.config.flows:
            raise ConfigError(
                f"config: tables.{name}.flow: '{stanza.flow}' is not defined. {suggestion(stanza.flow, plan.config.flows)}"
            )


def applies(name: str, table: ModuleType, plan: Plan) -> bool:
    """Whether the run has a model of any row."""
    return any(model in plan.models for model in chosen_models(name, table, plan).values())


def chosen_flow(hardware: pd.DataFrame, models: Sequence[str], wish: str | None) -> str | None:
    """The one flow whose figures a table shows, so that a column holds one stage.

    The one that the config wishes; else the one that counted the LUTs of most of these models, of equals the one that goes
    furthest towards silicon, then the first; None where none counted any.
    """
    if wish is not None:
        return wish
    counted = hardware[hardware.model.isin(models) & hardware.lut.notna()]
    if not len(counted):
        return None
    found = counted.groupby("flow", sort=False).agg(
        models=("model", "nunique"), stage=("stage", lambda s: max(map(STAGES.index, s)))
    )
    return found.sort_values(["models", "stage"], ascending=False, kind="stable").index[0]


def published_of(ids: Sequence[str], published: pd.DataFrame) -> list[dict[str, Any]]:
    """Published rows in the order of their ids. Raises KeyError for an id that no row has."""
    by_id = published.set_index("id", drop=False)
    return [by_id.loc[i].to_dict() for i in ids]


def fill(
    name: str,
    table: ModuleType,
    plan: Plan,
    models: pd.DataFrame,
    hardware: pd.DataFrame,
    accuracies: pd.DataFrame,
    published: pd.DataFrame,
) -> list[Line]:
    """Every row of the table: means over the seeds of its model, and the published figures that may be shown."""
    chosen = chosen_models(name, table, plan)
    wish = plan.config.tables.get(name, PaperTable()).flow
    flow = chosen_flow(hardware, [m for m in chosen.values() if m in plan.models], wish)
    lines = []
    for row, ids in table.ROWS.items():
        model = chosen.get(row)
        facts: dict[str, Any] = {}
        ours: dict[str, float] = {}
        if model in plan.models:
            ours, facts, status = _measured(model, flow, models, hardware, accuracies)
        elif model is None:
            status = f"not in this run: no model fills this row; tables.{name}.rows may name one"
        else:
            status = f"not in this run: {model} is not in run.models"
        side = Ours(our_dataset(plan), facts.get("stage"), facts.get("part"))
        shown, stands = _published(published_of(ids, published), side, table.COLUMNS, plan)
        lines.append(Line(row, model, ours, shown, stands, facts, status))
    return lines


def _measured(model, flow, models, hardware, accuracies):
    """Figures of a model, facts of its hardware, and its status."""
    own = models[models.model == model]
    ours = {c: own[c].mean() for c in ("bops_hawq", "bops_qonnx", "ebops")}
    mean = accuracies[accuracies.model == model]
    if len(mean):
        ours |= mean.iloc[0][["accuracy", "accuracy_low", "accuracy_high"]].to_dict()
    facts = {"seeds": len(own)}
    designs = hardware[(hardware.model == model) & (hardware.flow == flow)]
    if flow is None or not len(designs):
        return ours, facts, "no flow of this run counted its LUTs" if flow is None else f"not run in {flow}"
    ours |= {c: designs[c].mean() for c in ("lut", "ff", "dsp", "latency_cycles", "latency_ns", "ii")}
    ours |= {f"{c}_percent": 100 * ours[c] / total for c, total in XCVU9P.items()}
    stages, parts, states = (list(dict.fromkeys(designs[c].dropna())) for c in ("stage", "part", "status"))
    facts |= {"flow": flow, "stage": "; ".join(stages) or None, "part": "; ".join(parts) or None}
    return ours, facts, "; ".join(states)


def _published(rows, side, columns, plan):
    """Published figures by column, from the first of the row's sources that may be shown, and how they stand."""
    wanted = [c.published for c in columns if c.published]
    found = [(row, standing(side, row, active_rules(plan), wanted)) for row in rows]
    shown = [(row, s) for row, s in found if s.word != "refused"]
    if not shown:
        return {}, found[0][1] if found else Standing("refused", ("nothing published",))
    values: dict[str, Any] = {}
    grey: dict[str, tuple[str, ...]] = {}
    for row, stands in reversed(shown):  # what an earlier source says replaces what a later one does
        given = {c: row[c] for c in wanted if not pd.isna(row[c])}
        values |= given | {c: None if pd.isna(row[c]) else row[c] for c in ("source", "confidence", "caveat")}
        grey = {c: names for c, names in grey.items() if c not in given} | dict(stands.grey)
    first = shown[0][1]
    differs = tuple(dict.fromkeys(name for names in grey.values() for name in names))
    word = "grey" if grey else first.word
    return values, Standing(word, differs, grey, first.despite, first.reasons)


def as_frame(lines: Sequence[Line], columns: Sequence[Column]) -> pd.DataFrame:
    """The table as tidy data: ours and published side by side, and what a reader must know of each row."""
    rows = []
    for line in lines:
        row: dict[str, Any] = {"row": line.row, "model": line.model, "seeds": line.facts.get("seeds")}
        for c in columns:
            for key in (c.name, *(c.interval or ())):
                row[key] = line.ours.get(key)
        row |= {key: line.facts.get(key) for key in ("flow", "stage", "part")}
        row |= {f"published_{c.name}": line.published.get(c.published) for c in columns if c.published}
        row |= {f"published_{key}": line.published.get(key) for key in ("source", "confidence")}
        ours = {c.published: c.name for c in columns if c.published}
        apart = [f"published_{ours[c]}: {', '.join(names)}" for c, names in line.standing.grey.items()]
        apart = apart or [", ".join(line.standing.differs)]
        row["published_standing"], row["differs"] = line.standing.word, "; ".join(apart)
        row |= {
            "despite": ", ".join(line.standing.despite),
            "caveat": line.published.get("caveat"),
            "status": line.status,
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    whole = [c for c in frame.select_dtypes("number") if frame[c].notna().any() and (frame[c].dropna() % 1 == 0).all()]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def line_notes(line: Line) -> list[str]:
    """Footnotes of a row: what differs, what is excepted, and what its source warns of."""
    from nanotrigger.results.tables import footnote

    notes = [f"Published: {text[0].lower()}{text[1:]}"] if (text := footnote(line.standing)) and line.published else []
    if line.published.get("confidence") == "derived":
        notes.append("Published: computed from the authors' configuration and formula, printed in no paper.")
    if caveat := line.published.get("caveat"):
        notes.append(f"Published: {caveat}.")
    return notes


def general_notes(table: ModuleType, lines: Sequence[Line], plan: Plan, published: pd.DataFrame) -> list[str]:
    """What holds for the whole table: whose jets, which hardware, and what of the paper is not shown and why."""
    from nanotrigger.results.tables import dataset_notes

    notes = [f"Ours: run {plan.config.run.name}. {' '.join(dataset_notes(plan))}"]
    hardware = {
        tuple(line.facts.get(k) for k in ("flow", "stage", "part")) for line in lines if line.facts.get("stage")
    }
    for flow, stage, part in sorted(hardware, key=str) if HARDWARE & set(table.COLUMNS) else ():
        notes.append(
            f"Our hardware: flow {flow}, {stage.replace('_', ' ')}, {part}; latency in ns is cycles times the target clock."
        )
    if any(c in (LUT_SHARE, DSP_SHARE) for c in table.COLUMNS):
        notes.append(f"Shares are of an xcvu9p ({XCVU9P['lut']:,} LUT, {XCVU9P['dsp']:,} DSP), ours as well.")
    if other := _other_networks(table, lines, plan):
        notes.append(f"Unlike the paper's, of our networks {other}.")
    missing = [line for line in lines if line.status.startswith("not in this run")]
    if missing:
        notes.append(f"Not in this run: {', '.join(line.row for line in missing)}.")
    built = [line for line in lines if line not in missing and HARDWARE & set(table.COLUMNS)]
    others = dict.fromkeys(line.status for line in built if line.status not in ("", "done"))
    notes += [
        f"{status[:1].upper()}{status[1:]}: {', '.join(x.row for x in lines if x.status == status)}."
        for status in others
    ]
    notes += _not_shown(table, lines, published)
    return notes


def _other_networks(table, lines, plan):
    """Which rows have hidden layers of other sizes than the paper's, where those are known."""
    sizes: dict[tuple[int, ...], list[str]] = {}
    for line in lines:
        hidden = getattr(plan.models[line.model].params, "hidden", None) if line.model in plan.models else None
        if hidden is not None and tuple(hidden) != getattr(table, "HIDDEN", tuple(hidden)):
            sizes.setdefault(tuple(hidden), []).append(line.row)
    return "; ".join(
        f"{', '.join(rows)} have {'-'.join(map(str, hidden))} hidden units" for hidden, rows in sizes.items()
    )


def _not_shown(table, lines, published):
    """Which of the paper's figures are left out, and why."""
    notes = []
    apart: dict[str, list[str]] = {}
    for line in lines:
        if line.standing.word == "refused" and line.standing.differs not in (
            ("memory",),
            ("no figure",),
            ("nothing published",),
        ):
            apart.setdefault(", ".join(line.standing.differs), []).append(line.row)
    for names, rows in apart.items():
        which = "all rows" if len(rows) == len(lines) else ", ".join(rows)
        notes.append(f"Published figures are not set beside ours ({names}: different, or not stated): {which}.")
    quoted = [line for line in lines if line.published.get("confidence") == "secondary"]
    if quoted:
        notes.append("Published figures are as quoted by other texts, not read in the paper itself.")
    ids = {row: published[published.id.isin(names)] for row, names in table.ROWS.items()}
    recalled = {c.header: _only_recalled(c.published, ids) for c in table.COLUMNS if c.published}
    names = [header for header, rows in recalled.items() if rows]
    if names:
        notes.append(f"Published figures that are only recalled from memory are not shown: {', '.join(names)}.")
    return notes


def _only_recalled(column, ids):
    """Rows of which this published column is known from memory alone."""
    found = []
    for row, sources in ids.items():
        known = set(sources.confidence[sources[column].notna()])
        found += [row] if known == {"memory"} else []
    return found


def plain_layout(table: ModuleType, lines: Sequence[Line]) -> Printed:
    """A row per model: ours on the left, published on the right, where any is shown; footnotes at the row's name."""
    theirs = [c for c in table.COLUMNS if any(line.published_cell(c).text for line in lines)]
    footnotes, rows = Footnotes(), []
    for line in lines:
        marks = ",".join(footnotes.mark(note) for note in line_notes(line))
        cells = [Cell(line.row, mark=marks), *(line.our_cell(c) for c in table.COLUMNS)]
        rows.append([*cells, *(line.published_cell(c) for c in theirs)])
    groups = [("", 1), ("ours", len(table.COLUMNS)), *([("published", len(theirs))] if theirs else [])]
    header = ["", *(c.header for c in table.COLUMNS), *(c.header for c in theirs)]
    return Printed(header, rows, groups=groups, marked=footnotes.marked)


def printed(name: str, table: ModuleType, lines: Sequence[Line], plan: Plan, published: pd.DataFrame) -> Printed:
    """The table as the paper prints it."""
    layout = getattr(table, "layout", None)
    content = layout(lines) if layout else plain_layout(table, lines)
    notes = general_notes(table, lines, plan, published)
    text = f"{title(table)} {caption(table)}"
    return Printed(
        content.header, content.rows, content.groups, content.rules, content.marked, notes, text, name, wide=True
    )


def write_table(name: str, plan: Plan, inputs: Any, outputs: Any) -> None:
    """Write one of the papers' tables as CSV, Markdown and LaTeX."""
    table = tables()[name]
    published = published_table(Path(inputs.published))
    models, hardware, accuracies = (pd.read_csv(inputs[key]) for key in ("models", "hardware", "accuracies"))
    lines = fill(name, table, plan, models, hardware, accuracies, published)
    content = printed(name, table, lines, plan, published)
    with replace_when_whole(outputs.csv) as temporary:
        as_frame(lines, table.COLUMNS).to_csv(temporary, index=False, lineterminator="\n")
    for path, text in ((outputs.markdown, markdown(content)), (outputs.latex, latex(content))):
        with replace_when_whole(path) as temporary:
            temporary.write_text(text)
