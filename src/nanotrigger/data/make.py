"""From generated chunks or a downloaded file to the dataset of a run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanotrigger.config import DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES
from nanotrigger.data.dataset import Split, write_dataset
from nanotrigger.results.records import read_json, sha256, write_json

if TYPE_CHECKING:
    from nanotrigger.data.pythia import Jets

BLOCK = 4096
"""Jets whose constituents are in memory at a time."""


def write_chunk(folder: Path, jets: "Jets") -> None:
    """Write what one job generated. Constituents lie in a file of their own, from which single jets can be read."""
    folder.mkdir(parents=True)
    np.savez(folder / "jets.npz", x=jets.x, event=jets.event)
    if jets.constituents is not None:
        np.save(folder / "constituents.npy", jets.constituents)
    write_json(folder / "rates.json", jets.rates)


def make_dataset(stanza: PythiaDataset | DownloadedDataset, jets: str | Sequence[str], path: str) -> None:
    """Join, split and write the jets of a run.

    jets: for generated ones the folders of chunks, ordered by class, then chunk; for a published set its one file.
    """
    if isinstance(stanza, PythiaDataset):
        _make_generated(stanza, [Path(folder) for folder in jets], Path(path))
        return
    from nanotrigger.data.published import read_published
    from nanotrigger.data.splits import split_jets

    (file,) = [jets] if isinstance(jets, str) else jets
    x, y = read_published(stanza.name, Path(file))
    origin = {"source": stanza.name, "sha256": sha256(Path(file)), "seed": stanza.splits.seed}
    options = stanza.splits
    splits = split_jets(x, y, options.test_fraction, options.val_fraction, options.seed)
    write_dataset(Path(path), splits, {**origin, "stanza": stanza.model_dump(mode="json")})


def _make_generated(stanza: PythiaDataset, folders: Sequence[Path], path: Path) -> None:
    chunks = []
    for folder in folders:
        with np.load(folder / "jets.npz", allow_pickle=False) as file:
            chunks.append((file["x"], file["event"]))
    x = np.concatenate([chunk for chunk, _ in chunks])
    y = np.repeat(np.arange(len(CLASSES), dtype=np.int8), len(x) // len(CLASSES))
    event = _numbered([numbers for _, numbers in chunks])
    rows = split_events(event, y, stanza)
    constituents = None
    if stanza.particles:
        files = [np.load(folder / "constituents.npy", mmap_mode="r", allow_pickle=False) for folder in folders]
        constituents = {name: _blocks(files, chosen) for name, chosen in rows.items()}
    write_dataset(
        path,
        {name: Split(x[chosen], y[chosen]) for name, chosen in rows.items()},
        {
            "source": "pythia",
            "version": pythia_version(),
            "seed": stanza.seed,
            "stanza": stanza.model_dump(mode="json"),
            "rates": total_rates([read_json(folder / "rates.json") for folder in folders]),
        },
        constituents,
    )


def split_events(event: np.ndarray, y: np.ndarray, stanza: PythiaDataset) -> dict[str, np.ndarray]:
    """Rows of each split: events are divided, with equal class shares, and their jets follow them.

    event: (jets,) number of the event, ascending; y: (jets,). Two jets of one event balance each other: in two splits, one
    would tell of the other.
    """
    from nanotrigger.data.splits import split_jets

    _, first, count = np.unique(event, return_index=True, return_counts=True)
    options = stanza.splits
    parts = split_jets(first[:, None], y[first], options.test_fraction, options.val_fraction, options.seed)
    jets_of = np.zeros(len(event), np.int64)
    jets_of[first] = count
    rows = {}
    for name, part in parts.items():
        starts = part.x[:, 0]
        rows[name] = np.concatenate([starts[:, None] + k for k in range(int(count.max()))], 1)
        rows[name] = rows[name][np.arange(rows[name].shape[1]) < jets_of[starts][:, None]]
    return rows


def _numbered(chunks: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers of events, unique over all chunks."""
    start, numbers = 0, []
    for chunk in chunks:
        numbers.append(start + chunk.astype(np.int64))
        start += int(chunk.max()) + 1
    return np.concatenate(numbers)


def _blocks(files: Sequence[np.ndarray], rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of the joined files, some at a time."""
    starts = np.cumsum([0, *(len(file) for file in files)])
    for block in range(0, len(rows), BLOCK):
        chosen = rows[block : block + BLOCK]
        where = np.searchsorted(starts, chosen, side="right") - 1
        yield np.stack([files[i][row - starts[i]] for i, row in zip(where, chosen, strict=True)])


def total_rates(chunks: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Rates per class from those of its chunks, which come class by class, the same number of each.

    Counts add up; the cross section is the mean over the events that each chunk generated, with its error.
    """
    each = len(chunks) // len(CLASSES)
    totals = {}
    for i, name in enumerate(CLASSES):
        rates = chunks[i * each : (i + 1) * each]
        share = np.array([r["events"] for r in rates]) / sum(r["events"] for r in rates)
        totals[name] = {key: sum(r[key] for r in rates) for key in ("events", "in_window", "whole")}
        totals[name]["jets_per_event"] = rates[0]["jets_per_event"]
        totals[name]["cross_section_pb"] = float(share @ [r["cross_section_pb"] for r in rates])
        errors = np.array([r["cross_section_error_pb"] for r in rates])
        totals[name]["cross_section_error_pb"] = float(np.sqrt((share**2) @ errors**2))
    return totals


def pythia_version() -> str:
    from importlib.metadata import version

    return f"pythia8mc {version('pythia8mc')}, fastjet {version('fastjet')}"
