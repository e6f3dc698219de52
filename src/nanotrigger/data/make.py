"""From generated chunks or a downloaded file to the dataset of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanotrigger.config import DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import write_dataset
from nanotrigger.data.splits import split_jets
from nanotrigger.results.records import sha256


def make_dataset(stanza: PythiaDataset | DownloadedDataset, jets: str | Sequence[str], path: str) -> None:
    """Join, split and write the jets of a run.

    jets: for generated ones the chunks (.npy), ordered by class, then chunk; for a published set its one file.
    """
    if isinstance(stanza, PythiaDataset):
        chunks = [np.load(file, allow_pickle=False) for file in jets]
        x = np.concatenate(chunks)
        y = np.repeat(np.arange(len(CLASSES), dtype=np.int8), len(x) // len(CLASSES))
        origin = {"source": "pythia", "version": pythia_version(), "seed": stanza.seed}
    else:
        from nanotrigger.data.published import read_published

        (file,) = [jets] if isinstance(jets, str) else jets
        x, y = read_published(stanza.name, Path(file))
        origin = {"source": stanza.name, "sha256": sha256(Path(file)), "seed": stanza.splits.seed}
    options = stanza.splits
    splits = split_jets(x, y, options.test_fraction, options.val_fraction, options.seed)
    write_dataset(Path(path), splits, {**origin, "stanza": stanza.model_dump(mode="json")})


def pythia_version() -> str:
    from importlib.metadata import version

    return f"pythia8mc {version('pythia8mc')}, fastjet {version('fastjet')}"
