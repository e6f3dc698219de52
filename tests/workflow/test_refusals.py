"""Mutated configurations through the real command: refused at once, with the key and a suggestion and without a traceback."""

import resource

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from test_config_mutations import LIMIT_S, SUGGESTION, mutated

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
    path = checkout.folder / "config/config.yaml"
    for case in sample:
        path.write_text(yaml.safe_dump(case.config, sort_keys=False))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = checkout.snakemake("-n")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode != 0 and "Traceback" not in done.stdout, (case, done.stdout)
        with pytest.raises(ConfigError) as expected:
            make_plan(load_config(case.config))
        assert str(expected.value) in done.stdout, (case, done.stdout)
        assert all(SUGGESTION.search(line) for line in str(expected.value).splitlines())
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert seconds < LIMIT_S, f"{seconds:.1f} s of CPU for {case}"
