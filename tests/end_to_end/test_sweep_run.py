"""A run that only surveys a sweep, from a given dataset to its table and figure; chunks are jobs of their own."""

import re
import shutil

import pandas as pd
import pytest
from conftest import Checkout, merged

from nanotrigger.data.dataset import write_dataset

SWEEP = {
    "run": {"name": "sweep", "dataset": "toy", "models": ["grid"], "flows": [], "skip": []},
    "datasets": {"toy": {"source": "pythia", "jets": 2000}},
    "models": {
        "grid": {
            "method": "mixed", "hidden": [8], "epochs": 5, "batch_size": 128, "learning_rate": 0.01, "models_per_job": 2,
            "sweep": {"weight_bits": [[3, 3], [5, 4], [8, 8]]}, "build": [],
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    data = checkout.folder / "results/sweep/data/toy.h5"
    write_dataset(
        data,
        {split: getattr(toy, split) for split in ("train", "val", "test")},
        {"source": "toy", "repeated_test_jets": 0},
    )
    done = checkout.snakemake("--cores", "2", overlay=SWEEP)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout


def jobs(checkout, overlay):
    done = checkout.snakemake("-n", overlay=overlay)
    assert done.returncode == 0, done.stdout
    return re.findall(r"^ *Job \d+: (.*)$", done.stdout, re.M)


def test_the_table_and_the_figure_of_a_sweep(finished):
    results = finished.folder / "results/sweep"
    table = pd.read_csv(results / "tables/sweeps.csv")
    assert list(table.model) == ["grid_3-3", "grid_5-4", "grid_8-8"] and list(table.weight_bits) == [
        "3-3",
        "5-4",
        "8-8",
    ]
    assert (table.qonnx_mismatches == 0).all() and (table.accuracy > 0.25).all() and table.on_front.any()
    assert not table.built.any() and not (results / "models").exists()
    assert (results / "figures/precision_sweep.png").stat().st_size > 5000
    assert sorted(p.name for p in (results / "training/grid/trained").iterdir()) == ["0", "1"]
    assert pd.read_csv(results / "tables/models.csv").empty, "no point is built"


def test_building_a_point_trains_nothing(finished):
    planned = jobs(finished, merged(SWEEP, {"models": {"grid": {"build": ["grid_5-4"]}}}))
    assert "Exporting grid_5-4, seed 0" in planned
    assert not [job for job in planned if job.startswith("Training")]


def test_a_lost_chunk_trains_alone(finished):
    """As after an interrupted run: the other chunk's models stay."""
    results = finished.folder / "results/sweep"
    shutil.rmtree(results / "training/grid/trained/1")
    for path in (results / "training/grid/survey/1.csv", results / "tables/sweeps.csv"):
        path.unlink()
    assert [job for job in jobs(finished, SWEEP) if job.startswith("Training")] == ["Training grid, chunk 1"]
