"""Snapshots of a training by torch, whose live tensors are written and filled."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from nanotrigger.results.records import remove_halves
from nanotrigger.running import exclusive
from nanotrigger.training import snapshot
from nanotrigger.training.snapshot import Snapshot


def fingerprint(settings: Any, tensors: Sequence[torch.Tensor]) -> str:
    """Digest of all that a training's result depends on: its settings, its tensors (initial state and data), the code
    in this folder and torch's version."""
    return snapshot.fingerprint(settings, [tensor.detach().cpu().numpy() for tensor in tensors], ("torch",))


class Checkpoint(Snapshot):
    """A snapshot of tensors that one training at a time may hold."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings off the file for the length of a block. The system frees it of a process that was killed.

        Raises NanotriggerError naming the file and the process that has it.
        """
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            with exclusive(lock, self.path, "trains the same models here"):
                remove_halves(self.path)
                yield
        finally:
            self.remove_empty_folder()

    def restore(self, identity: str, tensors: Mapping[str, torch.Tensor]) -> int:
        """Fill the live `tensors` and return the epoch after which they were written; 0 if there is nothing to go on from.

        A checkpoint of another training (one with another `identity`) is not used.
        """
        epoch, saved = self.read_epoch(identity)
        with torch.no_grad():
            for name, tensor in tensors.items() if saved else ():
                tensor.copy_(torch.from_numpy(saved[name]))
        return epoch

    def keep(self, identity: str, epoch: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write the live `tensors` after `epoch`, whole or not at all; but not too often."""
        if self.due:
            self.write(identity, epoch, {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})
