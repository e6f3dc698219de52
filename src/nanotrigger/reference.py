"""The reference of every config key, rendered from the models that validate them: `python -m nanotrigger.reference`."""

import re
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from nanotrigger.config import (
    Compare,
    Config,
    DownloadedDataset,
    ModelStanza,
    PaperTable,
    PublishedSplits,
    PythiaDataset,
    Run,
    Skip,
    Splits,
)
from nanotrigger.flows.base import load_flow
from nanotrigger.methods.base import load_method
from nanotrigger.modules import StrictModel, discover

PATH = Path(__file__).parents[2] / "config" / "README.md"

INTRODUCTION = """# Configuration

Made by `python -m nanotrigger.reference` from the models that validate a config: do not edit.

`config.yaml` is the paper run. Any file given with `--configfile` is laid over it: it changes single keys and replaces lists.
Definitions (`datasets`, `models`, `flows`) stand apart from what a run selects of them (`run`). An unknown key is an error.

A model stanza names its `method`, a flow stanza its `flow`: a module of nanotrigger, or the dotted path of your own.
`sweep:` in a model stanza gives keys a list of values each; every combination is a model, named after the stanza and its
values, and all of them train in one job, or in chunks of `models_per_job`. Of a large sweep most points need no more than a
row in a table: `build` names those that are exported for good and go to the flows. All points, these too, are exported, run on
the validation and test split and compared with their method, bit for bit; `tables/sweeps.csv` marks the front, chosen on the
validation split, from which to take names for `build`. Adding one trains nothing again.

```yaml
models:
  hgq: {method: hgq, epochs: 1500, sweep: {ebops: [1000, 3000]}}   # models hgq_1000 and hgq_3000
  widths:                                                          # 625 models, widths_4-4-4-4 to widths_8-8-8-8
    method: mixed
    sweep: {weight_bits: {product: [&each [4, 5, 6, 7, 8], *each, *each, *each]}}
    models_per_job: 64
    build: [widths_8-5-5-5]
```
"""


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema's type in a word or two, with its bounds."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", schema["$ref"].rpartition("/")[2]).lower()
    kind = {"array": "list", "object": "mapping", "null": "nothing"}.get(schema.get("type"), schema.get("type", "any"))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([kind, ", ".join(bounds)]).strip()


def _table(model: type[StrictModel]) -> str:
    """A row per key: its type, default and meaning."""
    properties = model.model_json_schema()["properties"]
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        shown = "see below" if isinstance(default, StrictModel) else default
        shown = (
            "required"
            if default is PydanticUndefined
            else f"`{shown}`"
            if shown not in ("required", "see below")
            else shown
        )
        rows.append(f"| `{name}` | {_type(properties[name])} | {shown} | {field.description or ''} |")
    return "\n".join(rows)


def _first_line(module: Any) -> str:
    return module.__doc__.strip().splitlines()[0]


def render() -> str:
    """The text of config/README.md."""
    parts = [INTRODUCTION]
    for title, model in (
        ("Top level", Config),
        ("`run`", Run),
        ("`run.skip`", Skip),
        ("`run.compare`", Compare),
        ("`tables.*`", PaperTable),
        ("`datasets.*` with `source: pythia`", PythiaDataset),
        ("`datasets.*` with `source: download`", DownloadedDataset),
        ("`splits` of `source: pythia`", Splits),
        ("`splits` of `source: download`", PublishedSplits),
        ("`models.*`", ModelStanza),
    ):
        parts.append(f"## {title}\n\n{_table(model)}\n")
    for group, key, load in (("methods", "method", load_method), ("flows", "flow", load_flow)):
        for name in discover(f"nanotrigger.{group}"):
            module = load(name)
            parts.append(f"## `{key}: {name}`\n\n{_first_line(module)}\n\n{_table(module.Params)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PATH.write_text(render())
