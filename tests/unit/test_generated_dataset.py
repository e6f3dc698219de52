"""From chunks to dataset, table and figures: nothing is lost, nothing is mixed, and the page says what the code does."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from test_config import changed

from nanotrigger.config import PythiaDataset, load_config
from nanotrigger.data.chunks import write_chunk
from nanotrigger.data.classes import CLASSES, CONSTITUENT_FEATURES, FEATURES
from nanotrigger.data.dataset import SPLITS, read_dataset, read_particles, read_rates
from nanotrigger.data.make import make_dataset, split_events
from nanotrigger.data.splits import split_jets
from nanotrigger.errors import ConfigError, DataError
from nanotrigger.results.jets import PDG, WINDOWS, fit_peak, jets_table, write_jets_table

MASS = FEATURES.index("mass_mmdt")


def chunk(label, number, jets, per_event, particles):
    """Jets that can be told apart: feature 0 and every constituent hold a number of their own."""
    rng = np.random.default_rng([CLASSES.index(label), number])
    x = rng.normal(50, 10, (jets, 16)).astype(np.float32)
    x[:, 0] = 1000 * CLASSES.index(label) + 100 * number + np.arange(jets)
    if label in PDG:
        x[:, MASS] = rng.normal(PDG[label][0] + 1, 4, jets)
    constituents = np.zeros((jets, particles, 16), np.float32) + x[:, :1, None] if particles else None
    rates = {
        "jets_per_event": per_event,
        "events": 100,
        "in_window": 98,
        "whole": 96 - number,
        "cross_section_pb": 2.0 + number,
    }
    return SimpleNamespace(
        x=x,
        event=np.arange(jets) // per_event,
        constituents=constituents,
        rates={**rates, "cross_section_error_pb": 0.1},
    )


@pytest.fixture(params=[(1, 0), (2, 3)], ids=["leading jet", "two jets with particles"])
def made(request, tmp_path):
    per_event, particles = request.param
    stanza = PythiaDataset(source="pythia", jets=400, jets_per_job=40, jets_per_event=per_event, particles=particles)
    folders = []
    for label in CLASSES:
        for number in (0, 1):
            folders.append(tmp_path / f"{label}_{number}")
            write_chunk(folders[-1], chunk(label, number, 40, per_event, particles))
    make_dataset(stanza, [str(folder) for folder in folders], str(tmp_path / "d.h5"))
    return stanza, tmp_path / "d.h5"


def test_every_jet_is_in_one_split_with_its_label_and_particles(made):
    stanza, path = made
    data = read_dataset(path)
    marks = np.concatenate([getattr(data, name).x[:, 0] for name in SPLITS])
    assert sorted(marks) == sorted(1000 * c + 100 * k + i for c in range(5) for k in (0, 1) for i in range(40))
    for name in SPLITS:
        part = getattr(data, name)
        np.testing.assert_array_equal(part.y, part.x[:, 0] // 1000)
        if stanza.particles:
            found, columns = read_particles(path, name)
            assert columns == list(CONSTITUENT_FEATURES)
            assert found.shape == (len(part.x), 3, 16) and (found == part.x[:, :1, None]).all()
        else:
            with pytest.raises(DataError, match=r"d\.h5: holds no readable particles .* key particles"):
                read_particles(path, name)


def test_both_jets_of_an_event_are_in_one_split(made):
    stanza, path = made
    data = read_dataset(path)
    events = [set(getattr(data, name).x[:, 0] // stanza.jets_per_event) for name in SPLITS]
    assert not (events[0] & events[1] or events[0] & events[2] or events[1] & events[2])


def test_leading_jets_are_split_as_any_other_jets(toy):
    x, y = toy.train.x, np.sort(toy.train.y)
    stanza = PythiaDataset(source="pythia", jets=5000)
    rows = split_events(np.arange(len(y)) * 3, y, stanza)
    options = stanza.splits
    for name, part in split_jets(x, y, options.test_fraction, options.val_fraction, options.seed).items():
        np.testing.assert_array_equal(x[rows[name]], part.x)


def test_rates_add_up_and_stand_in_the_table(made, tmp_path):
    stanza, path = made
    rates = read_rates(path)["q"]
    assert (rates["events"], rates["in_window"], rates["whole"]) == (200, 196, 96 + 95)
    assert rates["cross_section_pb"] == 2.5 and rates["cross_section_error_pb"] == pytest.approx(0.1 / np.sqrt(2))
    write_jets_table(str(path), str(tmp_path / "jets.csv"))
    table = pd.read_csv(tmp_path / "jets.csv").set_index("class")
    possible = 200 * stanza.jets_per_event
    assert table.acceptance["q"] == pytest.approx(191 / possible, rel=1e-5)
    assert table.acceptance_low["q"] < 191 / possible < table.acceptance_high["q"]
    assert (table.lost_by_grooming == 5).all() and (table.jets == 80).all() and (table.status == "generated").all()
    assert table.pdg_mass_gev.isna()["q"] and table.mass_peak_gev.isna()["q"], "quarks have no peak"


def test_jets_from_elsewhere_have_no_rates(made):
    import h5py

    _, path = made
    with h5py.File(path, "a") as file:
        del file.attrs["rates"]
    table = jets_table(path)
    assert table.events.isna().all() and table.acceptance.isna().all() and (table.status == "not generated here").all()


def test_a_known_peak_is_found_with_its_error():
    """Sixty samples of one peak: fits miss it by their own errors."""
    rng = np.random.default_rng(2)
    pulls = []
    for _ in range(60):
        masses = np.concatenate([rng.normal(80.4, 4.0, 2000), rng.uniform(40, 130, 200)])
        peak = fit_peak(masses, WINDOWS["w"])
        pulls.append((peak.position - 80.4) / peak.position_error)
        assert peak.sigma == pytest.approx(4.0, abs=0.8)
    assert abs(np.mean(pulls)) < 0.5 and 0.6 < np.std(pulls) < 1.4


@pytest.mark.parametrize("masses", [np.full(50, 80.0), np.linspace(60, 105, 5000), np.array([])])
def test_where_there_is_no_peak_none_is_claimed(masses):
    assert fit_peak(masses, WINDOWS["w"]) is None


def test_particles_that_are_not_finite_are_refused(tmp_path):
    stanza = PythiaDataset(source="pythia", jets=100, particles=2)
    folders = []
    for label in CLASSES:
        jets = chunk(label, 0, 20, 1, 2)
        if label == "z":
            jets.constituents[7, 1, 3] = np.inf
        folders.append(tmp_path / label)
        write_chunk(folders[-1], jets)
    with pytest.raises(DataError, match=r"d\.h5 split \w+: 1 jets have NaN or infinite particles"):
        make_dataset(stanza, [str(folder) for folder in folders], str(tmp_path / "d.h5"))
    assert not list(tmp_path.glob("*d.h5*"))


def test_the_page_of_the_generator_is_up_to_date():
    from nanotrigger.data.settings import render

    assert (ROOT / "docs/generator.md").read_text() == render(), "run: python -m nanotrigger.data.settings"


def test_every_line_for_pythia_stands_on_the_page_with_a_source():
    from nanotrigger.data import pythia
    from nanotrigger.data.settings import TECHNICAL, settings

    shown = {s.what: s for s in settings()}
    for line in (*pythia.BEAMS, *pythia.COLLISIONS):
        key, _, value = (part.strip() for part in line.partition("="))
        assert key in TECHNICAL or (shown[f"Pythia, `{key}`"].value == value and shown[f"Pythia, `{key}`"].source)
    for label, lines in pythia.HARD_PROCESS.items():
        assert all(line.split(" ")[0] in shown[f"hard process of {label} jets"].value for line in lines)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("particles", 151, r"datasets\.pythia\.particles = 151: Input should be less than or equal to 150"),
        ("particles", -1, r"datasets\.pythia\.particles = -1: Input should be greater than or equal to 0"),
        ("jets_per_event", 3, r"datasets\.pythia\.jets_per_event = 3: Input should be 1 or 2"),
        ("detector", "cms", r"datasets\.pythia\.detector = 'cms': Input should be a valid boolean"),
    ],
)
def test_mistaken_options_are_named(key, value, message):
    with pytest.raises(ConfigError, match=message):
        load_config(changed(f"datasets.pythia.{key}", value))
