"""Checkpoints of a training that was interrupted, so that it goes on as if it had not been."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nanotrigger.errors import NanotriggerError
from nanotrigger.results.records import replace_when_whole

INTERVAL_S = 5.0
"""Seconds between two writings of a checkpoint at least."""


def fingerprint(settings: Any, tensors: Sequence[torch.Tensor]) -> str:
    """Digest of all that a training's result depends on: its settings, its tensors (initial state and data), the code
    in this folder and torch's version."""
    digest = sha256(repr((settings, torch.__version__)).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


@dataclass
class Checkpoint:
    """A file that holds a training after one of its epochs.

    path: safetensors. It is no output of the DAG, which would delete it with those of a failed job; `remove` does at
    the end.
    """

    path: Path
    written: float = field(default_factory=time.monotonic)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings off the file for the length of a block. The system frees it of a process that was killed.

        Raises NanotriggerError naming the file and the process that has it.
        """
        lock = self.path.with_name(f".{self.path.name}.lock")
        descriptor = None
        while descriptor is None:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(descriptor, 100).decode() or "another process"
                os.close(descriptor)
                raise NanotriggerError(
                    f"{self.path}: {owner} trains the same models here now. Wait for its end, or stop it."
                ) from None
            if not (lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat())):
                # its owner ended and deleted it between the opening and the locking
                os.close(descriptor)
                descriptor = None
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {os.uname().nodename}".encode())
            yield
        finally:
            lock.unlink(missing_ok=True)
            os.close(descriptor)
            self._remove_empty_folder()

    def restore(self, identity: str, tensors: Mapping[str, torch.Tensor]) -> int:
        """Fill the live `tensors` and return the epoch after which they were written; 0 if there is nothing to go on from.

        A checkpoint of another training (one with another `identity`) is not used.
        """
        if not self.path.is_file():
            return 0
        try:
            with safe_open(self.path, "pt") as file:
                metadata = file.metadata() or {}
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            print(f"{self.path}: not a readable checkpoint ({error}); the training starts anew", flush=True)
            return 0
        if metadata.get("identity") != identity:
            print(f"{self.path}: of other settings, data, code or device; the training starts anew", flush=True)
            return 0
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(saved[name])
        print(f"{self.path}: the training goes on after epoch {metadata['epoch']}", flush=True)
        return int(metadata["epoch"])

    def write(self, identity: str, epoch: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write the live `tensors` after `epoch`, whole or not at all; but not too often."""
        if time.monotonic() - self.written < INTERVAL_S:
            return
        with replace_when_whole(self.path) as temporary:
            state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(state, temporary, {"identity": identity, "epoch": str(epoch)})
        self.written = time.monotonic()

    def remove(self) -> None:
        """Delete the file, and its folder once it is empty."""
        self.path.unlink(missing_ok=True)
        self._remove_empty_folder()

    def _remove_empty_folder(self) -> None:
        # it may not be there, or hold what another training put there
        with suppress(OSError):
            self.path.parent.rmdir()
