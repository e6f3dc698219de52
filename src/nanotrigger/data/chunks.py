"""What one job of the generator leaves; apart from `make`, whose imports would be a good part of that job."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanotrigger.results.records import write_json

if TYPE_CHECKING:
    from nanotrigger.data.pythia import Jets


def write_chunk(folder: Path, jets: "Jets") -> None:
    """Write what one job generated. Constituents lie in a file of their own, from which single jets can be read."""
    folder.mkdir(parents=True)
    np.savez(folder / "jets.npz", x=jets.x, event=jets.event)
    if jets.constituents is not None:
        np.save(folder / "constituents.npy", jets.constituents)
    write_json(folder / "rates.json", jets.rates)
