"""The configuration: every YAML in the repository is valid, and every mistake is named with its remedy."""

import copy
import re
import subprocess

import pytest
import yaml
from conftest import ROOT, merged, read_yaml

from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError
from nanotrigger.plan import make_plan, point_name

BASE = read_yaml("config/config.yaml")


def tracked(*suffixes):
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    found = names.stdout.split() or [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if ".venv" not in p.parts]
    return [name for name in found if name.endswith(suffixes)]


def test_there_are_yaml_files_to_test():
    assert {"config/config.yaml", "config/quickstart.yaml", "profiles/default/config.yaml"} <= set(tracked(".yaml"))


@pytest.mark.parametrize("path", tracked(".yaml", ".yml", ".cff"))
def test_every_yaml_is_valid(path):
    content = read_yaml(path)
    assert isinstance(content, dict)
    if path.startswith(("config/", "tests/fixtures/config")):
        plan = make_plan(load_config(content if path == "config/config.yaml" else merged(BASE, content)))
        assert plan.models and (plan.pairs or not plan.flows)


def changed(path, value):
    config = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node[key]
    node[last] = value
    return config


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("rum", {}, r"rum: unknown key. Did you mean run\?"),
        ("run.seed", [1], r"run\.seed: unknown key. Did you mean seeds\?"),
        ("run.models", 5, r"run\.models = 5: must be a list, as \[1, 2\] \(keys of models\)"),
        ("datasets.pythia", {"source": "pythia"}, r"datasets\.pythia\.jets: is missing \(number of jets, a fifth of"),
        ("datasets.pythia.jet", 5, r"datasets\.pythia\.jet: unknown key. Did you mean jets\?"),
        (
            "datasets.pythia.splits",
            {"tests": 5},
            r"datasets\.pythia\.splits\.tests: unknown key. Known: seed, test_fraction",
        ),
        ("custom_rules", ["no.smk"], r"custom_rules = .*'no\.smk' is not a file. Give a path as seen from "),
        ("flows.vivado.licence", 5, r"flows\.vivado\.licence: must be text"),
        (
            "flows.rtl.part",
            "a b",
            r"flows\.rtl\.part = 'a b': String should match .*the device, as its vendor names it",
        ),
        ("run.name", "../x", r"run\.name = '\.\./x'"),
        ("run.dataset", "opnml", r"run\.dataset: 'opnml' is not defined. Did you mean openml\?"),
        ("run.models", ["hgqq"], r"run\.models: 'hgqq' is not defined. Did you mean hgq\?"),
        ("run.models", [], r"run\.models"),
        ("run.models", ["hgq", "hgq"], r"holds a value twice"),
        ("run.flows", ["rtll"], r"run\.flows: 'rtll' is not defined. Did you mean rtl\?"),
        ("run.skip", [{"model": "nix", "flow": "rtl", "reason": "x"}], r"run\.skip\[0\]: no defined model and flow"),
        ("run.device", "tpu", r"run\.device = 'tpu'"),
        (
            "run.seeds",
            [2**32],
            r"run\.seeds\.0 = 4294967296: Input should be less than 4294967296 \(seeds of the replicas",
        ),
        (
            "models.float.hidden",
            [10**9],
            r"models\.float\.hidden\.0 = 1000000000: Input should be less than or equal to 4096",
        ),
        ("models.float.method", 3, r"models\.float\.method = 3: must be text, the name of a module\."),
        ("flows.rtl.flow", ["rtl"], r"flows\.rtl\.flow = .*must be text"),
        (
            "models.float.sweep",
            {"learning_rate": [0.1, 0.1]},
            r"models\.float\.sweep: gives the model float_0\.1 twice",
        ),
        ("models.hgq.beta", [1e-3, 1e-6], r"models\.hgq.*: beta = \[0\.001, 1e-06\]: falls, but a walk raises it"),
        ("models.hgq.restarts", 10**5, r"models\.hgq.*: restarts = 100000: are more than the \d+ epochs"),
        ("models", {"NA": {"method": "float"}}, r"models\.NA.*'NA' stands for an empty cell in tables"),
        ("run.seeds", [-1], r"run\.seeds\.0 = -1: Input should be greater than or equal to 0"),
        (
            "models.float.sweep",
            {"hidden": [[8], [6]]},
            r"models\.float\.sweep\.hidden: models that train together share it",
        ),
        (
            "models.hawq.sweep",
            {"epochs": [1, 2]},
            r"may differ: allocation, bops_budget\). Write a stanza for each value",
        ),
        ("datasets.openml.name", "opnml_42468", r"datasets\.openml.*Did you mean openml_42468\?"),
        ("datasets.openml.source", "web", r"datasets\.openml"),
        ("datasets.pythia.jets", 1001, r"datasets\.pythia.*is no multiple of the 5 classes. Take 1000"),
        ("datasets.pythia.jets", -5, r"datasets\.pythia\.jets = -5: Input should be greater than 0"),
        ("datasets.pythia.jets", 10, r"datasets\.pythia.*leaves the val split without a jet of every class"),
        ("models.hgq.method", "hgqq", r"models\.hgq\.method: method 'hgqq' does not exist. Did you mean hgq\?"),
        ("models.hgq.method", "no.such.module", r"models\.hgq\.method: method 'no.such.module' cannot be imported"),
        ("models.float.epoch", 3, r"models\.float\.epoch: unknown key. Did you mean epochs\?"),
        ("models.float.bits", 64, r"models\.float\.bits = 64: Input should be less than or equal to 24"),
        ("models.int.sweep", {"bits": [8, 1]}, r"models\.int \(sweep bits=1\)\.bits = 1: .*greater than or equal to 2"),
        ("models.int.sweep", {"bits": [17]}, r"models\.int \(sweep bits=17\)\.bits = 17: .*less than or equal to 16"),
        ("models.ptq.input_bits", 40, r"models\.ptq.*\.input_bits = 40: Input should be less than or equal to 20"),
        ("models.pruned.sweep", {"sparsity": [1.0]}, r"pruned \(sweep sparsity=1.0\)\.sparsity = 1.0: .*less than 1"),
        ("models.pruned.sweep", {"sparsity": [-0.1]}, r"sparsity = -0.1: .*greater than or equal to 0"),
        ("models.pruned.prune_from", 0.7, r"models\.pruned.*\.prune_until = 0.6: is not after prune_from = 0.7"),
        ("models.int_bn.l1", -1, r"models\.int_bn.*\.l1 = -1: Input should be greater than or equal to 0"),
        ("models.hgq.sweep", {"ebop": [1]}, r"models\.hgq\.sweep\.ebop: unknown key. Did you mean ebops\?"),
        ("models.hgq.sweep", {"ebops": 5}, r"models\.hgq\.sweep: give each key a list"),
        (
            "models.hawq.sweep",
            {"bops_budget": [90000]},
            r"models\.hawq \(sweep bops_budget=90000\).*smallest needs 234,368",
        ),
        (
            "models.hawq.allocation",
            "right",
            r"models\.hawq.*\.allocation = 'right': Input should be 'correct' or 'reference'",
        ),
        ("models.widths.models_per_job", 0, r"models\.widths\.models_per_job = 0: Input should be greater than 0"),
        ("models.widths.build", ["widths_9*"], r"models\.widths\.build: no point is named widths_9\*"),
        ("models.widths.sweep", {"weight_bits": {"product": [4, 5]}}, r"models\.widths\.sweep: .*the product of lists"),
        (
            "models.widths.sweep",
            {"weight_bits": [[4, 4, 4]]},
            r"widths \(sweep weight_bits=\[4, 4, 4\]\)\.weight_bits = .*each",
        ),
        ("models.widths.sweep", {"weight_bits": [[4, 4, 4, 1]]}, r"weight_bits\.3 = 1: .*greater than or equal to 2"),
        ("flows.rtl.flow", "vhdl", r"flows\.rtl\.flow: flow 'vhdl' does not exist"),
        ("flows.rtl.clock", 5, r"flows\.rtl\.clock: unknown key. Did you mean clock_ns\?"),
    ],
)
def test_mistakes_are_named(path, value, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(load_config(changed(path, value)))


def test_sweep_points_are_models_of_one_stanza():
    plan = make_plan(load_config(changed("models.hgq.sweep", {"ebops": [100, 200]})))
    assert [m.name for m in plan.stanzas["hgq"].models] == ["hgq_100", "hgq_200"]
    assert plan.models["hgq_200"].params.ebops == 200
    assert point_name("s", ([4, 5], 3)) == "s_4-5_3"


def test_two_stanzas_cannot_give_one_model():
    config = changed("models.hgq_100", {"method": "hgq", "ebops": 5})
    config["models"]["hgq"]["sweep"] = {"ebops": [100]}
    config["run"]["models"] = ["hgq", "hgq_100"]
    with pytest.raises(ConfigError, match="both give a model named hgq_100"):
        make_plan(load_config(config))


def test_pairs_follow_the_artifacts():
    plan = make_plan(load_config(BASE))
    assert plan.kinds["hgq_1000", "hls4ml"] == "keras" and plan.kinds["hawq_250000", "hls4ml"] == "qonnx"
    assert ("float", "rtl") not in plan.kinds
    assert {(s.model, s.flow) for s in plan.skipped} == {("float", flow) for flow in ("rtl", "asic", "vivado")}


def test_a_step_depends_on_its_own_keys_only():
    before, after = (make_plan(load_config(changed("models.hawq.epochs", n))).stanzas["hawq"] for n in (10, 20))
    for step in before.module.steps:
        assert before.keys(step.keys) == after.keys(step.keys)
    assert before.parameters(0) != after.parameters(0)
    wider = make_plan(load_config(changed("models.hawq.sweep", {"bops_budget": [250000, 260000]}))).stanzas["hawq"]
    teacher = before.module.steps[0]
    assert before.keys(teacher.keys) == wider.keys(teacher.keys), "another budget trained the teacher again"


def test_config_reference_is_up_to_date():
    from nanotrigger.reference import render

    assert (ROOT / "config/README.md").read_text() == render(), "run: python -m nanotrigger.reference"


def test_yaml_of_effective_config_can_be_run_again(tmp_path):
    config = load_config(BASE)
    again = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    assert load_config(again) == config


def test_the_readmes_config_can_be_laid_over_the_papers():
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    plan = make_plan(load_config(merged(BASE, yaml.safe_load(example))))
    assert list(plan.models) == ["narrow_500", "narrow_2000"]
