"""From generated chunks or published files to the dataset of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.config import DATASETS_TABLE, DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES, CONSTITUENT_FEATURES
from nanotrigger.data.dataset import Split, write_dataset
from nanotrigger.data.splits import (
    archive_rows,
    published_rows,
    repeated_jets,
    split_jets,
    stratified_rows,
    subset_rows,
)
from nanotrigger.errors import DataError
from nanotrigger.results.records import read_arrays, read_json


def make_dataset(
    stanza: PythiaDataset | DownloadedDataset, jets: str | Sequence[str], path: str, table: Path = DATASETS_TABLE
) -> None:
    """Join, split and write the jets of a run.

    jets: for generated ones the folders of chunks, ordered by class, then chunk; for a published set its files, in the
    order of the table. Raises DataError where a generated test jet is also a train jet: the generator has repeated itself,
    and accuracies would be too good. A published set cannot be changed, and papers' figures hold what it holds: there such
    jets are counted, in the attribute `repeated_test_jets` and the table of the dataset.
    """
    files = [Path(file) for file in ([jets] if isinstance(jets, str) else jets)]
    if isinstance(stanza, DownloadedDataset):
        published_dataset(stanza, files, Path(path), table)
    else:
        generated_dataset(stanza, files, Path(path))


def generated_dataset(stanza: PythiaDataset, folders: Sequence[Path], path: Path) -> None:
    """Join, split and write the chunks of generated jets."""
    from nanotrigger.data.particles import ChunkParticles

    chunks = []
    for folder in folders:
        file = read_arrays(folder / "jets.npz")
        chunks.append((file["x"], file["event"]))
    x = np.concatenate([chunk for chunk, _ in chunks])
    y = np.repeat(np.arange(len(CLASSES), dtype=np.int8), len(x) // len(CLASSES))
    rows = split_events(_numbered([numbers for _, numbers in chunks]), y, stanza)
    splits = {name: Split(x[chosen], y[chosen]) for name, chosen in rows.items()}
    if repeated := repeated_in_test(splits):
        raise DataError(
            f"{path}: {repeated} of {len(splits['test'].y)} test jets are also among the train or validation jets: chunks "
            "were generated with the same random numbers. Delete the chunks and generate them again."
        )
    particles = None
    if stanza.particles:
        particles = ChunkParticles(path, [f / "constituents.npy" for f in folders], CONSTITUENT_FEATURES, rows)
    facts = {
        "source": "pythia",
        "version": pythia_version(),
        "seed": stanza.seed,
        "repeated_test_jets": 0,
        "stanza": stanza.model_dump(mode="json"),
        "rates": total_rates([read_json(folder / "rates.json") for folder in folders]),
    }
    write_dataset(path, splits, facts, particles=particles)


def repeated_in_test(splits: dict[str, Split]) -> int:
    """Number of test jets that are train or validation jets as well."""
    return repeated_jets(np.concatenate([splits["train"].x, splits["val"].x]), splits["test"].x)


def published_dataset(stanza: DownloadedDataset, files: list[Path], path: Path, table: Path) -> None:
    """Check, read, split and write a published set."""
    from nanotrigger.data.dataset import check_jets
    from nanotrigger.data.download import check
    from nanotrigger.data.formats import read_archive, read_arff, read_table
    from nanotrigger.data.lock import Lock
    from nanotrigger.data.particles import Staging
    from nanotrigger.data.sources import dataset_files, described

    sources, lock = dataset_files(stanza.name, table), Lock(table)
    facts: dict[str, Any] = {"source": stanza.name, "seed": stanza.splits.seed}
    checked, parts = [], []
    with Staging(path, stanza.particles) as staging:
        for source, file in zip(sources, files, strict=True):
            if stanza.path and not lock.entry(source):
                # what its publisher says is asked for a copy too, where there is a network
                source, problems = described(source, timeout=10)
                print(*problems, sep="\n", flush=True)
            checked.append(check(source, file, lock))
            if source.format == "arff":
                x, y = read_arff(source, file)
            elif source.format == "table":
                x, y, repetitions = read_table(source, file)
                facts["repeated_rows"] = repetitions
            else:
                x, y = read_archive(source, file, staging.add if stanza.particles else None)
            found = {len(x), len(x) + facts.get("repeated_rows", 0)}
            if source.events is not None and source.events not in found:
                raise DataError(
                    f"{file}: holds {' or, with repeated rows, '.join(map(str, sorted(found)))} jets, {source.key} has "
                    f"{source.events}. Delete it and download it again."
                )
            x = x.astype(np.float32)
            check_jets(x, y, str(file))
            parts.append((source.part, x, y))
        x, y = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        rows = _rows(stanza, {part: len(of) for part, of, _ in parts}, y)
        splits = {name: Split(x[of], y[of]) for name, of in rows.items()}
        facts |= {
            "sha256": {entry["file"]: entry["sha256"] for entry in checked},
            "checked_by": {entry["file"]: entry["checked_by"] for entry in checked},
            "as_published": stanza.as_published,
            "repeated_test_jets": repeated_in_test(splits),
            "stanza": stanza.model_dump(mode="json"),
        }
        if stanza.jets:
            facts["source"] = f"{stanza.jets} of the {len(x)} jets of {stanza.name}"
        # the papers fit the standardisation on all jets that are not test jets, before they take validation jets from them
        write_dataset(path, splits, facts, moments_of=("train", "val"), particles=staging.of(rows))


def _rows(stanza: DownloadedDataset, counts: dict[str, int], y: np.ndarray) -> dict[str, np.ndarray]:
    options = stanza.splits
    if set(counts) == {"train", "test"}:
        rows = archive_rows(counts["train"], counts["test"], options.val_fraction, options.seed)
    elif options.scheme == "published":
        rows = published_rows(counts["all"], options.val_fraction)
    else:
        rows = stratified_rows(y, options.test_fraction, options.val_fraction, options.seed)
    return subset_rows(rows, stanza.jets, options.seed) if stanza.jets else rows


def split_events(event: np.ndarray, y: np.ndarray, stanza: PythiaDataset) -> dict[str, np.ndarray]:
    """Rows of each split: events are divided, with equal class shares, and their jets follow them.

    event: (jets,) number of the event, ascending; y: (jets,). Two jets of one event balance each other: in two splits, one
    would tell of the other.
    """

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
