"""The same configuration and seed give the same bytes, whatever `--cores`; with other sums they need not, and that is named."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT, Checkout, merged
from study import RESULTS, STUDY, TARGETS, hashes

WHOLE = merged(
    STUDY,
    {
        "run": {"models": ["small", "walk"]},
        "datasets": {"toy": {"jets": 750, "jets_per_job": 75}},
        "models": {"walk": {"method": "hgq", "hidden": [6], "epochs": 30, "batch_size": 64, "warmup": 1, "restarts": 1,
                            "sweep": {"ebops": [1000000]}}},
    },
)  # fmt: skip
EXCEPT = ("provenance", "provenance.json", "report.html", "programs")
"""What says when and on which machine a run was made."""


def digests(results):
    """Hash of every file of a run but those, and but what tools leave in archives beside designs and netlists."""
    found = {}
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results)
        if path.is_file() and name.parts[0] not in EXCEPT and path.name != ".snakemake_timestamp":
            found |= hashes(path, name)
    return found


TIMED = ("emulation.json", "netlist.json", "manifest.json")
"""Files with a stopwatch's seconds, or the state of the checkout, beside their content."""


@pytest.mark.slow
def test_a_whole_run_on_one_core_and_on_two(tmp_path):
    """Jets from the generator in ten jobs, both engines, a design, every table and figure, twice from scratch."""
    found = []
    for cores in ("1", "2"):
        (tmp_path / cores).mkdir()
        checkout = Checkout(tmp_path / cores)
        done = checkout.snakemake("--cores", cores, overlay=WHOLE, timeout=1800)
        assert done.returncode == 0, done.stdout[-4000:]
        found.append(digests(checkout.folder / RESULTS))
    one, two = found
    assert set(one) ^ set(two) == set()
    different = [name for name in one if one[name] != two[name]]
    assert not [name for name in different if not name.endswith(TIMED)]
    kinds = {
        suffix: sum(name.endswith(suffix) for name in one) for suffix in (".h5", ".onnx", ".csv", ".png", ".pdf", ".v")
    }
    assert all(kinds.values()), kinds
    for name in different:
        a, b = (json.loads((tmp_path / cores / RESULTS / name).read_text()) for cores in ("1", "2"))
        for timed in ("seconds", "git"):
            a.pop(timed, None), b.pop(timed, None)
        assert a == b


DRAW = """
import sys
from types import SimpleNamespace
import yaml
from nanotrigger.config import load_config
from nanotrigger.plan import make_plan
from nanotrigger.plots._style import draw

config, history, out = sys.argv[1:]
plan = make_plan(load_config(yaml.safe_load(open(config))))
outputs = SimpleNamespace(**{kind: f"{out}.{kind}" for kind in ("png", "pdf", "csv")})
draw("training_curves", plan, SimpleNamespace(histories=history.split(",")), outputs)
"""


def test_a_figure_carries_no_date_and_no_machine(finished_study, tmp_path):
    """Drawn again at another time by another process it is the same file, PDF too."""
    plan = json.loads(json.dumps(merged(read_config(), STUDY)))
    (tmp_path / "config.yaml").write_text(json.dumps(plan))
    histories = [str(finished_study / RESULTS / f"models/small_{bits}/seed0/history.csv") for bits in (2, 3)]
    command = [sys.executable, "-c", DRAW, str(tmp_path / "config.yaml"), ",".join(histories), str(tmp_path / "again")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for kind in ("png", "pdf", "csv"):
        before = (finished_study / RESULTS / f"figures/training_curves.{kind}").read_bytes()
        assert (tmp_path / f"again.{kind}").read_bytes() == before
        assert b"CreationDate" not in before


def read_config():
    from conftest import read_yaml

    return read_yaml("config/config.yaml")


def test_the_documented_spread_is_that_of_a_script_one_can_run():
    """The page names what may differ, and the command that measured by how much."""
    text = (ROOT / "docs/reproducibility.md").read_text()
    for word in ("ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", "XLA_FLAGS", "GPU", "python -m bench spread"):
        assert word in text
    assert TARGETS
