"""The papers' figures, one validated table: resources/published_results.csv.

A row is what one source says of one model. What the source does not say is empty. `confidence` is `primary` (the authors'
repository, logs or checkpoints), `secondary` (another text that quotes the paper), `derived` (computed from the authors'
formula and data, printed nowhere) or `memory` (recalled, never shown). `caveat` is what a reader of the row must know.
"""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from nanotrigger.errors import NanotriggerError
from nanotrigger.modules import StrictModel

Text = Annotated[str, Field(min_length=1)]
Stage = Literal["estimate", "hls_estimate", "logic_synthesis", "place_and_route"]
Metric = Literal[
    "test_accuracy", "val_accuracy", "val_or_test_accuracy", "best_epoch_accuracy", "reported_accuracy", "top1_accuracy",
    "auc", "binary_auc", "resolution_mrad", "val_resolution_mrad",
]  # fmt: skip


def _empty_is_none(value: str) -> str | None:
    return None if value == "" else value


def _optional(kind: type) -> type:
    return Annotated[kind | None, BeforeValidator(_empty_is_none)]


class PublishedRow(StrictModel):
    """A row of resources/published_results.csv; None is what the source does not say.

    value: a fraction for accuracies and areas under a curve, mrad for resolutions, named by `metric`; lut_percent and
    dsp_percent of what `part` has; clock_ns: the target; clock_convention: whether latency_ns is cycles times the target
    clock, times the achieved one, or was measured on a board; fmax_mhz: the achieved clock; bops_definition: `hawq`,
    `hawq_dense` (its formula without pruning), `hawq_ilp` (with the widths of a layer's own activations) or `qonnx`;
    ebops_definition: as HGQ2 counts them, or only the `target` of the training; encoder_included: whether the resources hold
    the encoder of the inputs, where the network has one.
    """

    id: Text
    arxiv: _optional(Text)
    version: _optional(Text)
    paper: Text
    source: Text
    model: Text
    method: Text
    task: Literal[
        "jets_features", "jets_particles", "jets_binary", "muon_tracking", "svhn", "model_zoo", "mlperf_tiny_ad",
        "mlperf_tiny_ic", "mlperf_tiny_kws", "constant_matrix",
    ]  # fmt: skip
    inputs: _optional(Text)
    dataset: _optional(Text)
    dataset_as_stated: _optional(Text)
    metric: _optional(Metric)
    metric_as_stated: _optional(Text)
    value: _optional(PositiveFloat)
    ebops: _optional(PositiveInt)
    ebops_definition: _optional(Literal["hgq2", "target"])
    bops: _optional(PositiveInt)
    bops_definition: _optional(Literal["hawq", "hawq_dense", "hawq_ilp", "qonnx"])
    stage: _optional(Stage)
    tool: _optional(Text)
    part: _optional(Text)
    part_as_stated: _optional(Text)
    clock_ns: _optional(PositiveFloat)
    clock_convention: _optional(Literal["target", "achieved", "measured"])
    latency_cycles: _optional(PositiveFloat)
    latency_ns: _optional(PositiveFloat)
    fmax_mhz: _optional(PositiveFloat)
    ii: _optional(PositiveInt)
    lut: _optional(NonNegativeInt)
    lut_percent: _optional(NonNegativeFloat)
    ff: _optional(NonNegativeInt)
    dsp: _optional(NonNegativeInt)
    dsp_percent: _optional(NonNegativeFloat)
    bram36: _optional(NonNegativeFloat)
    energy_uj: _optional(PositiveFloat)
    encoder_included: _optional(Literal["yes", "no", "not_applicable", "unknown"])
    confidence: Literal["primary", "secondary", "derived", "memory"]
    caveat: _optional(Text)
    note: Text

    @model_validator(mode="after")
    def _consistent(self):
        if (self.value is None) != (self.metric is None):
            raise ValueError("value and metric: one without the other says nothing")
        if self.metric and "resolution" not in self.metric and self.value > 1:
            raise ValueError(f"value = {self.value}: a fraction is at most 1")
        for quantity in ("bops", "ebops"):
            if getattr(self, quantity) is None and getattr(self, f"{quantity}_definition"):
                raise ValueError(f"{quantity}_definition without {quantity}")
        if self.clock_convention and self.latency_ns is None:
            raise ValueError("clock_convention without latency_ns")
        return self


def published_table(path: Path) -> pd.DataFrame:
    """All published rows, in the columns of PublishedRow.

    Raises NanotriggerError naming file, row and column of what does not hold.
    """
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = []
    for number, content in enumerate(raw.to_dict("records"), start=2):
        try:
            rows.append(PublishedRow.model_validate(content).model_dump())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "row"
            raise NanotriggerError(
                f"{path}: line {number} ({content.get('id')}): {where}: {first['msg'].removeprefix('Value error, ')}."
            ) from None
    table = pd.DataFrame(rows, columns=list(PublishedRow.model_fields))
    if len(twice := table.id[table.id.duplicated()]):
        raise NanotriggerError(f"{path}: id = {twice.iloc[0]!r}: two rows have it. Give each its own.")
    numbers = [c for c in table if table[c].notna().any() and not table[c].map(lambda v: isinstance(v, str)).any()]
    return table.astype(dict.fromkeys(numbers, float))
