"""Quantisers as stanzas name them, one type for parameters and one for activations (`qonnx.kinds.parse`)."""

from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator

from nanotrigger.errors import ConfigError
from nanotrigger.qonnx.kinds import parse


def _known(name: Any, activation: bool) -> Any:
    try:
        parse(name, activation)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return name


ParameterQuantiser = Annotated[int | str, BeforeValidator(partial(_known, activation=False))]
ActivationQuantiser = Annotated[int | str, BeforeValidator(partial(_known, activation=True))]
