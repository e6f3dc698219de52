"""Snapshots of a training, so that one that was interrupted goes on as if it had not been."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nanotrigger.results.records import remove_halves, replace_when_whole

INTERVAL_S = 5.0
"""Seconds between two snapshots at least."""


def fingerprint(settings: Any, arrays: Sequence[np.ndarray], packages: Sequence[str]) -> str:
    """Digest of all that a training's result depends on: its settings, its data, the code in this folder, the versions of
    the packages that compute, and XLA's flags."""
    digest = sha256(repr((settings, [version(p) for p in packages], os.environ.get("XLA_FLAGS"))).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass
class Snapshot:
    """A file of named arrays that holds a training after one of its epochs.

    path: safetensors. It is no output of the DAG, which would delete it with those of a failed job; `remove` does at
    the end.
    """

    path: Path
    written: float = field(default_factory=time.monotonic)

    def read(self, identity: str) -> dict[str, np.ndarray]:
        """The arrays of the last snapshot; none where there is none of the training with this identity."""
        return self.read_epoch(identity)[1]

    def read_epoch(self, identity: str) -> tuple[int, dict[str, np.ndarray]]:
        """The epoch after which the last snapshot was written, 0 where there is none, and its arrays; see `read`."""
        if not self.path.is_file():
            return 0, {}
        try:
            with safe_open(self.path, "np") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            print(f"{self.path}: not a readable checkpoint ({error}); the training starts anew", flush=True)
            return 0, {}
        if metadata.get("identity") != identity:
            print(f"{self.path}: of other settings, data, code or device; the training starts anew", flush=True)
            return 0, {}
        print(f"{self.path}: the training goes on after epoch {metadata['epoch']}", flush=True)
        return int(metadata["epoch"]), arrays

    @property
    def due(self) -> bool:
        """Whether the last snapshot is old enough for another one."""
        return time.monotonic() - self.written >= INTERVAL_S

    def write(self, identity: str, epoch: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the arrays as they are after `epoch`, whole or not at all."""
        with replace_when_whole(self.path) as temporary:
            whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
            save_file(whole, temporary, {"identity": identity, "epoch": str(epoch)})
        self.written = time.monotonic()

    def remove(self) -> None:
        """Delete the file, and its folder once it is empty."""
        self.path.unlink(missing_ok=True)
        remove_halves(self.path)
        self.remove_empty_folder()

    def remove_empty_folder(self) -> None:
        # it may not be there, or hold what another training put there
        with suppress(OSError):
            self.path.parent.rmdir()
