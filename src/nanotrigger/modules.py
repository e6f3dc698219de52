"""Strict config models, and the modules that stanzas name."""

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel, ConfigDict

from nanotrigger.errors import ConfigError


class StrictModel(BaseModel):
    """A pydantic model that refuses keys it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@cache
def discover(package: str) -> tuple[str, ...]:
    """Names of the modules of a package, but for `base`: the methods or flows that come with nanotrigger."""
    folder = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(folder))
    return tuple(sorted(name for name in found if name != "base" and not name.startswith("_")))


def suggestion(name: str, known: Iterable[str]) -> str:
    """'Did you mean ...?' for a close name, else the list of known ones."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."


def import_module(name: str, package: str) -> ModuleType:
    """The module of that name in `package`, or of a dotted path; those in the working folder need not be installed."""
    if "." not in name:
        return importlib.import_module(f"{package}.{name}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def load_module(name: str, package: str, kind: str, contract: tuple[str, ...]) -> ModuleType:
    """Import a method or flow: a name in `package`, or a dotted path to a module of the user's own.

    Modules in the working folder are found without installing them. Raises ConfigError naming what is missing.
    """
    if "." not in name:
        if name not in discover(package):
            raise ConfigError(
                f"{kind} '{name}' does not exist. {suggestion(name, discover(package))} "
                "A module of your own is named by its dotted path."
            )
        return import_module(name, package)
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"{kind} {name!r} is no dotted path of a module. Give one as my_folder.my_{kind}.")
    try:
        module = import_module(name, package)
    except Exception as error:  # a module of the user's own may raise anything
        what = error if isinstance(error, ImportError) else repr(error)
        raise ConfigError(f"{kind} '{name}' cannot be imported ({what}). Is its folder on PYTHONPATH?") from None
    missing = [part for part in contract if not hasattr(module, part)]
    if missing:
        raise ConfigError(f"{kind} '{name}' ({module.__file__}) lacks {', '.join(missing)}; see {package}.base.")
    return module
