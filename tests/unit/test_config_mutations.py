"""Valid configurations, mutated at random: each is either valid still or refused with one message that names the key."""

import copy
import gc
import re
import time

import pytest
import yaml
from conftest import merged, read_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError
from nanotrigger.plan import make_plan
from nanotrigger.validation import shown

BASE = read_yaml("config/config.yaml")
QUICK = merged(BASE, read_yaml("config/quickstart.yaml"))
CONFIGS = [
    BASE,
    QUICK,
    *(merged(QUICK, read_yaml(f"config/{name}.yaml")) for name in ("hawq", "autoqkeras", "methods")),
]
AT_MOST = 50
"""Times what the slowest of the unchanged ones takes to be planned: a value must not become work."""

SUGGESTION = re.compile(
    r"Did you mean|Known:|should|must|is missing \("
    r"|[Gg]ive |[Ww]rite |Sweep over|[Nn]ame |Rename|Ask for|Raise|Lower|[Tt]ake |[Aa]dd |Swap |Leave |[Ss]et "
    r"|\([^()]{10,}.*\)\.$"
)
"""What a message offers beside naming the key: the nearest name, what the value is to be, or what to do."""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2, 10**9]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=12),
    st.sampled_from(
        ["", "..", "../up", "a b", "$(touch x)", "; rm", "hgq", "rtl", "é", "\x00", "-", "1", "long" * 1250]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(node, prefix=()):
    """Every place of a configuration below its root."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield (*prefix, key)
        yield from paths(value, (*prefix, key))


class Case:
    """A configuration that was changed; shown as its changes alone."""

    def __init__(self, config):
        self.config, self.changes, self.places = copy.deepcopy(config), [], []

    def __repr__(self):
        return "; ".join(self.changes)

    def parent(self, path):
        node = self.config
        for key in path[:-1]:
            node = node[key]
        return node


@st.composite
def mutated(draw):
    """A case with one to three changes."""
    case = Case(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths(case.config))
        path = draw(st.sampled_from(places))
        node, last = case.parent(path), path[-1]
        kind = draw(st.sampled_from(["value", "remove", "rename", "add", "copy"]))
        what = None
        if kind == "value":
            what = node[last] = draw(values)
        elif kind == "remove":
            del node[last]
        elif kind == "copy":  # what is right elsewhere
            what = draw(st.sampled_from(places))
            node[last] = copy.deepcopy(case.parent(what)[what[-1]])
        elif isinstance(node, list):
            what = draw(values)
            node.append(what)
        elif kind == "rename":
            what = draw(st.sampled_from([f"{last}s", f"{last}"[:-1], f"{last}_", "x", ""]))
            node[what] = node.pop(last)
        else:
            what = draw(st.text(min_size=1, max_size=10)), draw(values)
            node[what[0]] = what[1]
        case.places.append(path)
        case.changes.append(f"{kind} {'.'.join(map(str, path))} {what!r}")
    return case


def planned(config):
    """The plan, the refusal in its place, and the seconds of CPU time; what other tests left is not collected meanwhile."""
    plan = refusal = None
    gc.disable()
    started = time.process_time()
    try:
        plan = make_plan(load_config(config))
    except ConfigError as error:
        refusal = str(error)
    finally:
        gc.enable()
    return plan, refusal, time.process_time() - started


@pytest.fixture(scope="module")
def limit():
    """Seconds of CPU time that a case may take, measured here and now."""
    return AT_MOST * max(min(planned(config)[2] for _ in range(3)) for config in CONFIGS)


@settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    report_multiple_bugs=False,
)
@given(mutated())
def test_a_mutated_configuration_is_valid_or_refused(limit, case):
    plan, message, seconds = planned(case.config)
    if message:
        assert "Traceback" not in message and len(message) < 20000, message
        for line in message.splitlines():
            assert line.startswith("config: "), message
            # the key at which something is wrong stands first
            key = line.removeprefix("config: ")
            assert key.startswith((*map(shown, case.config), "run", "datasets", "models", "flows", "custom_rules")), (
                message
            )
            assert SUGGESTION.search(line), line
        if len(case.places) == 1:
            # the changed key, or one that holds it; a name that others use is named where it is missed
            changed = [str(key) for key in case.places[0] if isinstance(key, str)][-3:]
            assert any(key in message for key in changed), (message, case)
    else:
        assert plan.models
        yaml.safe_dump(plan.config.model_dump(mode="json"))
    # a busy machine is not slow three times
    assert seconds < limit or min(planned(case.config)[2] for _ in range(2)) < limit, (seconds, limit, case)
