"""Mutated configurations through the real command: refused at once, with the key and a suggestion and without a traceback."""

import pytest
import yaml
from conftest import read_import_times
from hypothesis import HealthCheck, given, settings
from test_config_mutations import SUGGESTION, mutated

from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError
from nanotrigger.plan import make_plan

SAMPLE = 6


def refused(case):
    try:
        make_plan(load_config(case.config))
    except ConfigError:
        return True
    return False


def as_written(case):
    """Whether YAML gives back what was drawn: a file of text holds no null characters, say."""
    try:
        return yaml.safe_load(yaml.safe_dump(case.config, sort_keys=False)) == case.config
    except yaml.YAMLError:
        return False


@pytest.fixture
def sample():
    """The first mutated configurations that are refused, each with another message."""
    found = {}

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(mutated())
    def draw(case):
        if len(found) < SAMPLE and refused(case) and as_written(case):
            found.setdefault(case.changes[0].split(" ")[1].rpartition(".")[0], case)

    draw()
    assert len(found) == SAMPLE
    return list(found.values())


def test_snakemake_refuses_them_at_once(checkout, sample):
    """Before it plans, and before any library is loaded that takes long: `make bench BENCH=refusal` measures the seconds."""
    path = checkout.folder / "config/config.yaml"
    for case in sample:
        path.write_text(yaml.safe_dump(case.config, sort_keys=False))
        done = checkout.snakemake("-n", env={"PYTHONPROFILEIMPORTTIME": "1"})
        said, heavy = read_import_times(done.stdout)
        assert done.returncode != 0 and "Traceback" not in said, (case, said)
        with pytest.raises(ConfigError) as expected:
            make_plan(load_config(case.config))
        assert str(expected.value) in said, (case, said)
        assert all(SUGGESTION.search(line) for line in str(expected.value).splitlines())
        assert "Building DAG" not in said, case
        assert not heavy, (case, heavy)
