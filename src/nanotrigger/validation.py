"""Plain data into pydantic models, and what is wrong with it in one line per key: what it is, and what would be right."""

import functools
import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import SecretStr, ValidationError

from nanotrigger.errors import ConfigError
from nanotrigger.modules import StrictModel, suggestion
from nanotrigger.redaction import redacted

WORDS = {
    "string_type": "must be text, in quotes where it looks like a number",
    "tuple_type": "must be a list, as [1, 2]",
    "dict_type": "must be keys with values",
    "model_type": "must be keys with values",
    "model_attributes_type": "must be keys with values",
}
"""What pydantic says in terms of Python, in terms of YAML."""


def validate(model: type[StrictModel], content: Mapping[str, Any], prefix: str = "") -> Any:
    """`model` filled from `content`. Raises ConfigError naming every key that is wrong, behind `prefix`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_message(error, prefix, model)) from None
    except ConfigError as error:
        raise ConfigError(f"config: {prefix}.{error}") from None


def shown(value: Any) -> str:
    """A key or a value as a message shows it: in quotes where it is no plain word, number or list of these."""
    return str(value) if re.fullmatch(r"[\w.+,\[\] -]+", str(value)) else repr(value)


def is_secret(annotation: Any) -> bool:
    """Whether a key of that type holds what no file and no message may show."""
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _path(parts: tuple[str | int, ...]) -> str:
    """Dotted key from pydantic's location, in which the tag of a dataset's source stands behind its name."""
    kept = [p for i, p in enumerate(parts) if not (i == 2 and parts[0] == "datasets" and p in ("pythia", "download"))]
    return ".".join(shown(p) for p in kept)


def _inner(annotation: Any, key: str | int) -> Any:
    """What stands under a key of a value of that type; None where that is not known."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if _model(annotation):
        field = annotation.model_fields.get(str(key))
        return field and field.annotation
    kind, inside = get_origin(annotation), get_args(annotation)
    if kind is dict:
        return inside[1]
    if kind in (tuple, list):
        return inside[0]
    for option in inside:  # a union: pydantic puts the tag of the one that was meant into the path
        source = (
            option.model_fields.get("source") if isinstance(option, type) and hasattr(option, "model_fields") else None
        )
        if source and key in get_args(source.annotation):
            return option
    return next((found for option in inside if (found := _inner(option, key))), None)


def _model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, StrictModel)


def _field(model: type[StrictModel] | None, path: tuple[str | int, ...]) -> tuple[list[str], Any]:
    """Keys that are known beside the last one of a path, and its field, of a value in a list the list's; else none."""
    around = functools.reduce(_inner, path[:-1], model)
    if _model(around) and path:
        return list(around.model_fields), around.model_fields.get(str(path[-1]))
    if get_origin(around) in (tuple, list):
        return [], _field(model, path[:-1])[1]
    return [], None


def _message(error: ValidationError, prefix: str, model: type[StrictModel] | None) -> str:
    """One line per problem: the key, what is wrong with it, and the nearest known key or what the key is."""
    lines = []
    places = [problem["loc"] for problem in error.errors()]
    for problem in error.errors():
        at = problem["loc"]
        if problem["type"] == "too_short" and any(place[: len(at)] == at and len(place) > len(at) for place in places):
            continue  # what is wrong is a value in it
        where = ".".join(filter(None, (prefix, _path(problem["loc"]))))
        known, field = _field(model, problem["loc"])
        meaning = f" ({field.description})" if field and field.description else ""
        if problem["type"] == "extra_forbidden":
            hint = f" {suggestion(str(problem['loc'][-1]), known)}" if known else ""
            lines.append(f"config: {where}: unknown key.{hint}")
        elif problem["type"] == "missing":
            short = " (the list needs more values)" if isinstance(problem["loc"][-1], int) else ""
            lines.append(f"config: {where}: is missing{short or meaning}.")
        elif problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            lines.append(f"config: {where}.source: must be pythia or download.")
        else:
            value = problem["input"] if not isinstance(problem["input"], Mapping) else None
            secret = field and is_secret(field.annotation)
            given = f" = {value!r}" if value is not None and not secret else ""
            text = WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
            text += meaning if problem["type"] not in ("value_error", "literal_error") else ""
            lines.append(f"config: {where}{given}: {text}{'' if text.endswith(('?', '.')) else '.'}")
    return redacted("\n".join(lines))
