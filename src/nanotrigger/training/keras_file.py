"""Keras files: the same bytes for the same network, and read without running what they hold.

A `.keras` archive may bring a Lambda layer with Python's own bytecode.
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.results.records import replace_when_whole


def save_network(network: Any, path: Path) -> None:
    """Write a network as a `.keras` archive, whole or not at all: the same bytes for the same network.

    Keras puts in when it was written, and the addresses of objects in memory for their names.
    """
    with replace_when_whole(path) as temporary, tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "network.keras"
        network.save(written)
        with zipfile.ZipFile(written) as source, zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(source.namelist()):
                content = source.read(name)
                archive.writestr(zipfile.ZipInfo(name), _timeless(content) if name.endswith(".json") else content)


def _timeless(content: bytes) -> bytes:
    """JSON of a `.keras` archive without its date, and with objects numbered in the order in which they come."""
    numbers: dict[int, int] = {}

    def changed(entry: dict[str, Any]) -> dict[str, Any]:
        entry.pop("date_saved", None)
        if shared := entry.get("shared_object_id"):
            entry["shared_object_id"] = numbers.setdefault(shared, len(numbers) + 1)
        return entry

    return json.dumps(json.loads(content, object_hook=changed)).encode()


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
