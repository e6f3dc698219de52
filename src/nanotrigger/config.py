"""The configuration: pydantic models of config/*.yaml, from which its schema and reference are made."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from nanotrigger.data.classes import CLASSES
from nanotrigger.errors import ConfigError
from nanotrigger.flows.base import load_flow
from nanotrigger.methods.base import load_method
from nanotrigger.modules import StrictModel, discover, suggestion
from nanotrigger.redaction import redacted_data
from nanotrigger.validation import is_secret, shown, validate

EMPTY = frozenset({"NA", "NULL", "null", "NaN", "nan", "None"})
"""Words that pandas and other readers of tables take for an empty cell."""


def _no_empty_cell(name: str) -> str:
    if name in EMPTY:
        raise ValueError(f"'{name}' stands for an empty cell in tables; take another name")
    return name


Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60), AfterValidator(_no_empty_cell)
]
"""Names become folders, wildcards and cells of tables: letters, digits and underscores."""

Seed = Annotated[NonNegativeInt, Field(lt=2**32)]
"""As large as Keras' and numpy's older generators take."""

DATASETS_TABLE = Path(__file__).parents[2] / "config" / "datasets.csv"


class Splits(StrictModel):
    """How a dataset is divided; every split has the same share of each class."""

    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of all jets that is only for the final figures")
    val_fraction: float = Field(0.2, gt=0, lt=1, description="share of the other jets on which models are chosen")
    seed: int = Field(42, ge=0, description="seed of the random split")


class PythiaDataset(StrictModel):
    """Jets generated with Pythia 8."""

    source: Literal["pythia"] = Field(description="the generator")
    jets: PositiveInt = Field(description="number of jets, a fifth of each class")
    jets_per_job: PositiveInt = Field(2000, description="jets of one class that one job of the DAG generates")
    jets_per_event: Literal[1, 2] = Field(1, description="1: the leading jet; 2: the two leading jets, in one split")
    particles: int = Field(
        0, ge=0, le=150, description="constituents kept per jet, hardest first, with 16 features each"
    )
    detector: bool = Field(True, description="a CMS-like detector response; without it, true visible particles")
    seed: int = Field(1, ge=0, description="seed of the generator")
    splits: Splits = Field(Splits(), description="train, validation and test")

    @model_validator(mode="after")
    def _whole(self):
        test, val = self.splits.test_fraction, self.splits.val_fraction
        for split, share in (("train", (1 - test) * (1 - val)), ("val", (1 - test) * val), ("test", test)):
            if self.jets // len(CLASSES) * share < 1:
                raise ValueError(
                    f"jets = {self.jets}: leaves the {split} split without a jet of every class. Ask for more jets, or a "
                    "larger fraction"
                )
        if self.jets % len(CLASSES):
            whole = self.jets // len(CLASSES) * len(CLASSES)
            raise ValueError(f"jets = {self.jets}: is no multiple of the {len(CLASSES)} classes. Take {whole}")
        return self

    def options(self) -> dict[str, Any]:
        """What every job that generates jets is told, beside their number."""
        return self.model_dump(mode="json", include={"seed", "jets_per_event", "particles", "detector"})

    def chunks(self) -> list[int]:
        """Jets of each job that generates one class."""
        per_class = self.jets // len(CLASSES)
        return [min(self.jets_per_job, per_class - start) for start in range(0, per_class, self.jets_per_job)]


class PublishedSplits(StrictModel):
    """How a published set is divided: as the papers do, or in a way of one's own."""

    scheme: Literal["published", "stratified"] = Field(
        "published",
        description="published: test jets as in the papers, a fifth drawn with random_state 42 and without regard to class "
        "(openml_42468, cernbox), or the val archive (zenodo); stratified: test_fraction of each class, which no published "
        "figure may stand beside",
    )
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of all jets for the test, of scheme stratified")
    val_fraction: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="share of the other jets on which models are chosen; 0.25 as in the hls4ml tutorial",
    )
    seed: int = Field(42, ge=0, description="seed of what the papers do not fix")

    @model_validator(mode="after")
    def _fixed(self):
        if self.scheme == "published" and self.test_fraction != 0.2:
            raise ValueError(
                "test_fraction belongs to scheme: stratified, the published test jets are fixed. Leave it out, or change scheme"
            )
        return self


class DownloadedDataset(StrictModel):
    """A published dataset of config/datasets.csv."""

    source: Literal["download"] = Field(description="a published file")
    name: str = Field(description="row of config/datasets.csv")
    path: str | None = Field(
        None, description="a copy of your own: the file, or a folder with the set's files; checked like a download"
    )
    jets: PositiveInt | None = Field(
        None, description="a random subset of that many jets, for quick studies; it is not the published set any more"
    )
    particles: PositiveInt | None = Field(
        None,
        le=150,
        description="keep the first so many constituents of each jet as well (zenodo sets), as they lie there",
    )
    golden_model: str | None = Field(
        None, description="a copy of your own of the published model that checks this set (config/models.csv)"
    )
    splits: PublishedSplits = Field(PublishedSplits(), description="train, validation and test")

    @model_validator(mode="after")
    def _known(self):
        with DATASETS_TABLE.open(newline="") as file:  # not by pandas: its import is half the start of every job
            table = list(csv.DictReader(file))
        known = list(dict.fromkeys(row["name"] for row in table))
        if self.name not in known:
            raise ValueError(f"name = '{self.name}' is not in config/datasets.csv. {suggestion(self.name, known)}")
        archives = any(row["name"] == self.name and row["format"] == "archive" for row in table)
        if archives and self.splits.scheme != "published":
            raise ValueError(f"splits.scheme: {self.name} has test jets in a file of their own. Take published")
        if self.particles and not archives:
            raise ValueError(
                f"particles: {self.name} holds no constituents. Leave particles out, or take one of the zenodo sets"
            )
        for key in ("path", "golden_model"):
            if getattr(self, key) is not None and not os.path.exists(getattr(self, key)):
                raise ValueError(f"{key} = '{getattr(self, key)}': is not there. Give a path as seen from {Path.cwd()}")
        return self

    @property
    def as_published(self) -> bool:
        """Whether these are the papers' jets: the whole set with the published test jets."""
        return self.jets is None and self.splits.scheme == "published"


DatasetStanza = Annotated[PythiaDataset | DownloadedDataset, Field(discriminator="source")]


class Skip(StrictModel):
    """Pairs of models and flows that a run leaves out."""

    model: str = Field(description="model name, * and ? match anything")
    flow: str = Field(description="flow name, * and ? match anything")
    reason: str = Field(min_length=1, description="shown in the tables")


DIFFERENCES = ("dataset", "metric", "stage", "part", "bops", "ebops", "clock", "encoder")
"""What can keep a published figure from being comparable with ours; see nanotrigger.results.comparability."""

Difference = Literal["dataset", "metric", "stage", "part", "bops", "ebops", "clock", "encoder"]


class Compare(StrictModel):
    """Published figures that are set beside ours although something differs."""

    published: str = Field(
        description="id, arXiv number or model in resources/published_results.csv, * matches anything"
    )
    despite: tuple[Difference, ...] = Field(
        min_length=1, description=f"the differences that are accepted, of {', '.join(DIFFERENCES)}"
    )
    dataset: Name | None = Field(
        None, description="only in runs on this key of datasets; must be given with `despite: [dataset]`"
    )
    reason: str = Field(min_length=1, description="shown in the footnote")

    @model_validator(mode="after")
    def _which_dataset(self):
        if "dataset" in self.despite and self.dataset is None:
            raise ValueError(
                "dataset: is missing; name the key of datasets for which another dataset is accepted, so that a config "
                "laid over this one does not inherit it"
            )
        return self


class PaperTable(StrictModel):
    """How a paper's table is filled from a run."""

    rows: dict[str, str] = Field(default_factory=dict, description="row as printed: name of the model that fills it")
    flow: Name | None = Field(None, description="flow of its hardware figures; the one that measured most if absent")


class Run(StrictModel):
    """What a run selects from the definitions."""

    name: Name = Field(description="folder of results/ to which everything is written")
    dataset: Name | None = Field(description="a key of datasets; null where every model brings its own vectors")
    models: tuple[Name, ...] = Field(min_length=1, description="keys of models")
    flows: tuple[Name, ...] = Field((), description="keys of flows")
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="seeds of the replicas of every model")
    batches: int | None = Field(
        None,
        ge=0,
        le=10000,
        description="number of batches in which exports and designs are made, each step of a batch (in one flow) in one "
        "job; 0: a job for each step of each; null: as the run was begun, else that up to 128 models, counted with each seed, "
        "and 128 batches beyond. "
        "Another number repeats nothing that is done; a run that was begun in batches stays in them",
    )
    skip: tuple[Skip, ...] = Field((), description="pairs of models and flows to leave out")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="what the batched engine trains on: cpu, cuda, cuda:1 ... or auto, a GPU where torch finds one",
    )
    compare: tuple[Compare, ...] = Field((), description="published figures to compare with although something differs")


class ModelStanza(StrictModel):
    """Keys of every model stanza, beside those of its method."""

    method: str = Field(description="the module that trains it: one of nanotrigger.methods, or a dotted path")
    sweep: Any = Field(
        {},
        description="for each key that differs between its models a list of values, or `{product: [list, ...]}`, all "
        "combinations of lists, for a key that is itself a list",
    )
    models_per_job: PositiveInt | None = Field(
        None,
        description="models that one job of the DAG trains together, with all seeds; all of the stanza's if null. Another "
        "number trains the stanza again",
    )
    build: tuple[str, ...] = Field(
        ("*",),
        description="names of the models, `*` and `?` match anything, that are exported for good and go to the flows; the "
        "others are rows of `tables/sweeps.csv` alone",
    )


class Config(StrictModel):
    """A whole configuration: definitions, and what a run selects of them."""

    run: Run = Field(description="what is built")
    datasets: dict[Name, DatasetStanza] = Field(description="definitions of datasets")
    models: dict[Name, dict[str, Any]] = Field(description="definitions of models")
    flows: dict[Name, dict[str, Any]] = Field(default_factory=dict, description="definitions of hardware flows")
    tables: dict[str, PaperTable] = Field(default_factory=dict, description="changes to how papers' tables are filled")
    custom_rules: tuple[str, ...] = Field(
        (), description="a user's own .smk files, from the working folder, included after the rules (docs/extending.md)"
    )

    @field_validator("custom_rules")
    @classmethod
    def _are_there(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for file in files:
            if not os.path.isfile(file):  # not Path's: it raises for a name that no file can have
                raise ValueError(f"'{file}' is not a file. Give a path as seen from {Path.cwd()}")
        return files

    def public(self) -> dict[str, Any]:
        """The configuration as plain data without its secrets: what may be written beside the results.

        Left out are keys that a module's Params declare as SecretStr; addresses lose user and password.
        """
        content = self.model_dump(mode="json")
        for group, module in (("models", model_module), ("flows", flow_module)):
            for name, stanza in content[group].items():
                fields = module(name, stanza).Params.model_fields
                hidden = {key for key, field in fields.items() if is_secret(field.annotation)}
                content[group][name] = {key: value for key, value in stanza.items() if key not in hidden}
        return redacted_data(content)


def laid_over(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in a file with `content` laid over it, as Snakemake does with several files."""
    import yaml

    def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
        both = {key for key in over if isinstance(under.get(key), Mapping) and isinstance(over[key], Mapping)}
        return {**under, **over, **{key: merge(under[key], over[key]) for key in both}}

    return merge(yaml.safe_load(path.read_text()), content)


def load_config(content: Mapping[str, Any]) -> Config:
    """The validated configuration: definitions, selection, and every selected name.

    Raises ConfigError naming the key and the remedy.
    """
    config = validate(Config, content)
    for kind, names, known in (
        ("dataset", [config.run.dataset] if config.run.dataset else [], config.datasets),
        ("models", config.run.models, config.models),
        ("flows", config.run.flows, config.flows),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"config: run.{kind}: '{name}' is not defined. {suggestion(name, known)}")
    for i, rule in enumerate(config.run.compare):
        if rule.dataset is not None and rule.dataset not in config.datasets:
            near = suggestion(rule.dataset, config.datasets)
            raise ConfigError(f"config: run.compare[{i}].dataset: '{rule.dataset}' is not defined. {near}")
    for key in ("models", "flows", "seeds"):
        values = getattr(config.run, key)
        if len(set(values)) != len(values):
            raise ConfigError(f"config: run.{key} = {list(values)}: holds a value twice. Name each once.")
    return config


def model_module(name: str, stanza: Mapping[str, Any]):
    """Module of the method that a model stanza names. Raises ConfigError naming the stanza."""
    return _module(name, stanza, "models", "method", load_method)


def flow_module(name: str, stanza: Mapping[str, Any]):
    """Module of the flow that a flow stanza names. Raises ConfigError naming the stanza."""
    return _module(name, stanza, "flows", "flow", load_flow)


def _module(name, stanza, group, key, load):
    if stanza.get(key) is None:
        known = ", ".join(discover(f"nanotrigger.{key}s"))
        raise ConfigError(f"config: {group}.{name}.{key}: is missing. Known: {known}, or a module of your own.")
    if not isinstance(stanza[key], str):
        raise ConfigError(
            f"config: {group}.{name}.{key} = {shown(str(stanza[key]))}: must be text, the name of a module."
        )
    try:
        return load(stanza[key])
    except ConfigError as error:
        raise ConfigError(f"config: {group}.{name}.{key}: {error}") from None
