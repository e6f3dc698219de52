"""From generated chunks or published files to the dataset of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.config import DATASETS_TABLE, DownloadedDataset, PythiaDataset
from nanotrigger.data.classes import CLASSES
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


def make_dataset(
    stanza: PythiaDataset | DownloadedDataset, jets: str | Sequence[str], path: str, table: Path = DATASETS_TABLE
) -> None:
    """Join, split and write the jets of a run.

    jets: for generated ones the chunks (.npy), ordered by class, then chunk; for a published set its files, in the order
    of the table. Raises DataError where a generated test jet is also a train jet: the generator has repeated itself, and
    accuracies would be too good. A published set cannot be changed, and papers' figures hold what it holds: there such
    jets are counted, in the attribute `repeated_test_jets` and the table of the dataset.
    """
    files = [Path(file) for file in ([jets] if isinstance(jets, str) else jets)]
    if isinstance(stanza, DownloadedDataset):
        published_dataset(stanza, files, Path(path), table)
        return
    x = np.concatenate([np.load(file, allow_pickle=False) for file in files])
    y = np.repeat(np.arange(len(CLASSES), dtype=np.int8), len(x) // len(CLASSES))
    options = stanza.splits
    splits = split_jets(x, y, options.test_fraction, options.val_fraction, options.seed)
    if repeated := repeated_in_test(splits):
        raise DataError(
            f"{path}: {repeated} of {len(splits['test'].y)} test jets are also among the train or validation jets: chunks "
            "were generated with the same random numbers. Delete the chunks and generate them again."
        )
    origin = {"source": "pythia", "version": pythia_version(), "seed": stanza.seed, "repeated_test_jets": 0}
    write_dataset(Path(path), splits, {**origin, "stanza": stanza.model_dump(mode="json")})


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


def pythia_version() -> str:
    from importlib.metadata import version

    return f"pythia8mc {version('pythia8mc')}, fastjet {version('fastjet')}"
