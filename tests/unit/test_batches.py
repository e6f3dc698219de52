"""How models are dealt into batches, what a job sees of their lists, and that planning grows with the models alone."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Namedlist

from nanotrigger.batches import (
    LARGEST_WITHOUT,
    NUMBER,
    deal,
    expanded,
    lists_with,
    member_job,
    number_of,
    read_list,
    run_order,
    shared,
    write_list,
)
from nanotrigger.config import load_config
from nanotrigger.errors import ConfigError, NanotriggerError
from nanotrigger.plan import make_plan

NAMES = [f"model{i:04d}" for i in range(1000)]


def test_every_model_and_seed_is_in_one_batch():
    dealt = deal(NAMES, (0, 1, 2), NUMBER)
    members = [member for batch in dealt.values() for member in batch]
    assert sorted(members) == [(name, seed) for name in NAMES for seed in (0, 1, 2)]
    assert len(dealt) == NUMBER and max(map(len, dealt.values())) < 2 * 3000 / NUMBER


def test_a_batch_keeps_its_models_when_others_come():
    few, many = deal(NAMES[:500], (0,), NUMBER), deal(NAMES, (0,), NUMBER)
    assert all(set(members) <= set(many[batch]) for batch, members in few.items())


@pytest.mark.parametrize("models, number, batches", [
    (LARGEST_WITHOUT, None, False), (LARGEST_WITHOUT + 1, None, True), (1000, 0, False), (2, 1, True),
])  # fmt: skip
def test_small_runs_have_none_unless_told(models, number, batches, tmp_path):
    assert bool(number_of(planned(models, number), tmp_path / "results/r")) is batches


def planned(models, batches, seeds=(0,)):
    config = SimpleNamespace(run=SimpleNamespace(batches=batches, name="r"))
    return SimpleNamespace(models=NAMES[:models], seeds=seeds, config=config, flows=["rtl"])


def test_a_run_stays_in_the_batches_in_which_it_was_begun(tmp_path):
    """Whatever its size is now; another number can be asked for, but not none: a job of its own that Snakemake knew from before
    would count as done, though a batch has made its files anew."""
    results = tmp_path / "results/r"
    (results / "provenance/batches/7").mkdir(parents=True)
    assert number_of(planned(1, None), results) == number_of(planned(1000, None), results) == 7
    assert number_of(planned(1, 3), results) == 3
    with pytest.raises(ConfigError, match=r"run\.batches: is 0, but .*results/r was begun in batches.*or delete "):
        number_of(planned(1, 0), results)
    assert number_of(planned(100, None, (0, 1)), tmp_path / "results/other") == NUMBER


def listed(**parts):
    values, made = [], Namedlist()
    for name, value in parts.items():
        several = isinstance(value, list)
        made.extend(value if several else [value])
        made._set_name(name, len(values), end=len(made) if several else None)
        values = list(made)
    return made


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in ("b", "a"):
        for seed in (1, 0):
            path = tmp_path / f"results/r/models/{model}/seed{seed}/metrics.json"
            path.parent.mkdir(parents=True)
            path.write_text(f"{model}{seed}")
    config = SimpleNamespace(run=SimpleNamespace(name="r"))
    return SimpleNamespace(models=["b", "a"], flows=["rtl"], seeds=(1, 0), config=config)


def metrics(model, seed):
    return f"results/r/models/{model}/seed{seed}/metrics.json"


def test_a_job_sees_files_in_the_runs_order_where_its_rule_names_lists(results, tmp_path):
    lists = [f"results/r/provenance/batches/{batch}/metrics.json.list" for batch in ("0000", "0001")]
    write_list(Path(lists[0]), [metrics("a", 0), metrics("b", 1)])
    write_list(Path(lists[1]), [metrics("a", 1), metrics("b", 0)])
    found = expanded(listed(data="jets.h5", metrics=lists, code=["x.py"], table="t.csv"), results)
    ordered = [metrics("b", 1), metrics("b", 0), metrics("a", 1), metrics("a", 0)]
    assert list(found) == ["jets.h5", *ordered, "x.py", "t.csv"]
    assert list(found.metrics) == ordered and found.data == "jets.h5" and list(found.code) == ["x.py"]
    Path("shopping.list").write_text("milk")
    assert list(expanded(listed(mine="shopping.list"), results)) == ["shopping.list"], "a user's own is none"
    unnamed = Namedlist([*lists, "x.py", "y.py"])
    unnamed._set_name("code", 2)
    found = expanded(unnamed, results)
    assert list(found) == [*ordered, "x.py", "y.py"] and found.code == "x.py", "inputs without a name are inputs too"
    one = expanded(listed(metrics=lists[:1]), results)
    assert list(one.metrics) == [metrics("b", 1), metrics("a", 0)]


def test_the_order_is_that_of_the_run_under_a_prefix_of_any_name(results):
    for prefix in ("", "results/", "results/r/", "nt/results/", "models/"):
        files = [f"{prefix}{metrics(*member)}" for member in (("a", 0), ("b", 1), ("b", 0))]
        assert sorted(files, key=run_order(results)) == [files[1], files[2], files[0]]


def test_a_list_changes_with_its_files_and_names_what_is_gone(results, tmp_path):
    path = tmp_path / "0.list"
    files = [metrics("a", 0), metrics("b", 1)]
    write_list(path, files)
    before = path.read_bytes()
    write_list(path, files[::-1])
    assert path.read_bytes() == before and read_list(path) == files
    (tmp_path / files[0]).write_text("other")
    write_list(path, files)
    assert path.read_bytes() != before
    (tmp_path / files[0]).unlink()
    with pytest.raises(NanotriggerError, match=r"metrics\.json: is not there, though .*0\.list lists it"):
        read_list(path)
    path.write_text("")
    with pytest.raises(NanotriggerError, match="is no list of files"):
        read_list(path)


def test_lists_are_known_by_the_files_in_them(results, tmp_path):
    lists = tmp_path / "results/r/provenance/batches"
    for batch, models in (("0000", "a"), ("0001", "b")):
        (lists / batch).mkdir(parents=True)
        write_list(lists / batch / "metrics.json.list", [metrics(model, 0) for model in models])
    assert lists_with(tmp_path / "results/r", metrics("b", 0)) == [str(lists / "0001/metrics.json.list")]
    assert lists_with(tmp_path / "results/r", metrics("b", 1)) == []
    assert lists_with(tmp_path / "results/other", metrics("b", 0)) == []


def test_a_member_sees_what_a_job_of_its_own_would():
    members = [
        {
            "wildcards": {"model": name, "seed": "0"},
            "input": {
                "trained": f"training/{name}",
                "vectors": "jets.h5",
                "project": "{model}/seed{seed}/p",
                "code": ["c.py"],
            },
            "params": {"stanza": {"bits": bits}, "flow": "rtl"},
        }
        for name, bits in (("a", 4), ("b", 6))
    ]
    step = shared("export", "export.py", "logs/{model},{seed}.log", {"": "{model}/seed{seed}/out"}, members)
    assert [set(member["input"]) for member in members] == [{"trained"}] * 2, "what all share is said once"
    job = member_job(step, members[1], {"run": {}}, None)
    assert list(job.input) == ["training/b", "jets.h5", "b/seed0/p", "c.py"] and list(job.input.code) == ["c.py"]
    assert job.input.trained == "training/b" and job.output[0] == "b/seed0/out" and job.log == ["logs/b,0.log"]
    assert job.params.stanza == {"bits": 6} and job.params.flow == "rtl" and job.wildcards.model == "b"


def test_planning_compares_each_name_with_few_patterns(monkeypatch):
    """The work grows as the models do, not as their square, though each is named in `build` and `skip`."""
    from nanotrigger import plan

    calls = []
    matches = plan._matches
    monkeypatch.setattr(plan, "_matches", lambda pattern: lambda name: calls.append(name) or matches(pattern)(name))

    def work(count):
        calls.clear()
        rates = [round(0.001 + 1e-6 * i, 6) for i in range(count)]
        stanza = {"method": "uniform", "bits": 6, "sweep": {"learning_rate": rates}, "build": [f"m_{r}" for r in rates]}
        run = {"name": "r", "dataset": "d", "models": ["m"], "flows": ["rtl"]}
        run |= {"skip": [{"model": f"m_{rates[0]}", "flow": "*", "reason": "no"}]}
        flows = {"rtl": {"flow": "rtl"}}
        config = {"run": run, "models": {"m": stanza}, "flows": flows}
        made = make_plan(load_config({**config, "datasets": {"d": {"source": "pythia", "jets": 100}}}))
        assert len(made.models) == count and len(made.pairs) == count - 1
        return len(calls)

    small, large = work(50), work(500)
    assert large <= 11 * small
