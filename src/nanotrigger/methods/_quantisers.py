"""Quantisers as stanzas name them, one type for parameters and one for activations (`qonnx.kinds.parse`)."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from nanotrigger.errors import ConfigError
from nanotrigger.qonnx.kinds import parse


def _parameter(name: Any) -> Any:
    return _known(name, activation=False)


def _activation(name: Any) -> Any:
    return _known(name, activation=True)


def _known(name: Any, activation: bool) -> Any:
    try:
        parse(name, activation)
    except ConfigError as error:
        raise ValueError(str(error).removesuffix(".")) from None
    return name


ParameterQuantiser = Annotated[int | str, BeforeValidator(_parameter)]
ActivationQuantiser = Annotated[int | str, BeforeValidator(_activation)]
