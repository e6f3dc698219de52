"""Keras files, read without running what they hold: a `.keras` archive may bring a Lambda layer with Python's own bytecode."""

import os
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError


def load_network(path: Path) -> Any:
    """The network in a `.keras` file. Raises NanotriggerError naming one that is damaged, or would run code of its own."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import hgq  # noqa: F401  registers the layers that keras needs to read the file
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged archive raises kinds of its own, of zip, JSON and HDF5
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise NanotriggerError(f"{path}: not a Keras network that can be read safely ({first}).") from None
