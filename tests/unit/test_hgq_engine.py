"""HGQ networks: the sealed Keras model, the exact numbers and the front of checkpoints agree; walks resume bit for bit."""

import numpy as np
import pytest

from nanotrigger.errors import NanotriggerError
from nanotrigger.methods import hgq
from nanotrigger.methods.base import Job
from nanotrigger.training import hgq_front, snapshot
from nanotrigger.training.snapshot import Snapshot, fingerprint

SIZES = (16, 6, 5)


@pytest.fixture(scope="module")
def engine():
    from nanotrigger.training import hgq_engine

    return hgq_engine


def walk(toy, engine, seeds=(0,), beta=(1e-6, 1e-5, 1e-4), granularity="parameter", sizes=SIZES, **options):
    """Short walks over the toy clusters."""
    splits = toy.standardised("train"), toy.standardised("val")
    walks = [engine.Walk(f"hgq (seed {seed})", seed, tuple(beta)) for seed in seeds]
    options = {"learning_rate": lambda epoch: 0.01, "stop_below": 0, **options}
    return engine.train_walks(sizes, granularity, walks, *splits, 64, **options)


@pytest.mark.parametrize("granularity", ["parameter", "channel", "layer"])
def test_exact_numbers_are_what_was_trained_and_what_is_sealed(granularity, toy, engine):
    (walked,) = walk(toy, engine, granularity=granularity)
    assert [row["beta"] for row in walked.rows()] == pytest.approx([1e-6, 1e-5, 1e-4])
    checkpoint = walked.front[-1]
    val = toy.standardised("val")
    seen = np.concatenate([toy.standardised("train").x, val.x])
    network = engine.fixed_point(checkpoint.numbers, seen, margin=1.25)
    # the compiled epoch counted its accuracy in single precision and with ranges that follow the jets
    right = (network.predict(val.x).argmax(1) == val.y).sum()
    assert abs(right - checkpoint.accuracy * len(val.y)) < 1.5
    x = np.concatenate([toy.standardised("test").x, 30 * val.x])
    keras_says = np.asarray(engine.seal(network).predict(x, verbose=0), np.float64)
    np.testing.assert_array_equal(keras_says, network.predict(x))
    # put back into HGQ2's own layers, the numbers give its quantised parameters and its widths
    model = engine.build(SIZES, granularity)
    for name, variable in engine._numbers(model).items():
        variable.assign(checkpoint.numbers[name])
    for layer, exact in zip(model.layers, network.layers, strict=True):
        np.testing.assert_array_equal(np.asarray(layer.qkernel), exact.weight)
        np.testing.assert_array_equal(np.asarray(layer.qbias), exact.bias)
        widths = np.broadcast_to(np.asarray(layer.kq.bits), exact.weight.shape)
        np.testing.assert_array_equal(widths, exact.weight_bits)
        used = exact.input.step[exact.input.low != exact.input.high]
        if granularity != "parameter":
            assert max(len(np.unique(column)) for column in exact.weight_bits.T) == 1
        if granularity == "layer":
            assert [len(np.unique(w)) for w in (exact.weight_bits, exact.bias_bits, used)] == [1, 1, 1]


def test_front_holds_no_beaten_checkpoint(toy, engine):
    beta = np.geomspace(1e-6, 1e-2, 12)
    walked = walk(toy, engine, (0, 1), beta, sizes=(16, 5), learning_rate=lambda epoch: 0.02)
    for one in walked:
        points = [(c.accuracy, c.ebops) for c in one.front]
        for a, e in points:
            assert not any((b >= a and f <= e) and (b, f) != (a, e) for b, f in points)
    assert walked[0].front[0].numbers["0.weight"].shape == (16, 5), "one walk of two, without the walk axis"


def same(one, other):
    """Whether two walks left the same, bit for bit."""
    assert one.history == other.history and len(one.front) == len(other.front)
    for a, b in zip(one.front, other.front, strict=True):
        assert (a.epoch, a.accuracy, a.ebops) == (b.epoch, b.accuracy, b.ebops)
        for name in a.numbers:
            np.testing.assert_array_equal(a.numbers[name], b.numbers[name])


def test_an_interrupted_walk_goes_on_to_the_same_end(toy, engine, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0.0)
    settings = {"beta": np.geomspace(1e-6, 1e-2, 8), "sizes": (16, 5)}
    whole = walk(toy, engine, (0, 3), **settings)
    path = tmp_path / "checkpoints/walks.safetensors"

    def interrupted(epochs):
        for epoch in epochs:
            if epoch == 5:
                raise KeyboardInterrupt
            yield epoch

    with pytest.raises(KeyboardInterrupt):
        walk(toy, engine, (0, 3), **settings, progress=interrupted, snapshot=Snapshot(path))
    assert path.is_file()
    begun = []

    def noted(epochs):
        begun.append(epochs.start)
        return epochs

    resumed = walk(toy, engine, (0, 3), **settings, progress=noted, snapshot=Snapshot(path))
    assert begun == [5] and not path.parent.exists()
    for one, other in zip(whole, resumed, strict=True):
        same(one, other)
    # nor does a walk depend on which others train with it
    same(whole[1], walk(toy, engine, (3,), **settings)[0])


def test_a_snapshot_of_another_training_or_a_damaged_one_is_not_used(tmp_path, monkeypatch, capsys):
    x = np.arange(6, dtype=np.float32)
    identity = fingerprint((1e-6, 0.5), [x], ("numpy",))
    monkeypatch.setenv("XLA_FLAGS", "--another")
    others = [fingerprint((1e-6, 0.5), [x], ("numpy",)), fingerprint((1e-6, 0.4), [x], ("numpy",))]
    others.append(fingerprint((1e-6, 0.4), [x + 1], ("numpy",)))
    assert len({identity, *others}) == 4
    kept = Snapshot(tmp_path / "walks.safetensors")
    assert kept.read(identity) == {} and not kept.due
    kept.write(identity, 7, {"x": x[::2], "number": np.array(3, np.uint32)})
    read = kept.read(identity)
    np.testing.assert_array_equal(read["x"], x[::2])
    assert read["number"] == 3 and read["number"].dtype == np.uint32
    assert kept.read(others[0]) == {} and "of other settings, data, code or device" in capsys.readouterr().out
    kept.path.write_bytes(kept.path.read_bytes()[:-3])
    assert kept.read(identity) == {} and "not a readable checkpoint" in capsys.readouterr().out


def jobs(folder, budgets, **changed):
    keys = {"hidden": (), "epochs": 4, "warmup": 1, "batch_size": 128, "learning_rate": 0.01, **changed}
    return [
        Job(f"small_{budget}", hgq.Params(ebops=budget, **keys), 7, folder / str(budget), scratch=folder / "scratch")
        for budget in budgets
    ]


def test_a_budget_that_cannot_be_met_leaves_no_model(toy, tmp_path):
    with pytest.raises(NanotriggerError, match=r"small_2 \(seed 7\): ebops = 2: no checkpoint is that small") as error:
        hgq.train(toy, jobs(tmp_path, [10**7, 2]))
    smallest = int(str(error.value).split("smallest has ")[1].split(".")[0])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    hgq.train(toy, jobs(tmp_path, [smallest]))
    assert (tmp_path / f"{smallest}/model/network.keras").is_file()


def test_a_walk_that_learned_nothing_says_so(toy, tmp_path):
    """A rate so large that no checkpoint is better than naming one class, though its loss is a number."""
    job = jobs(tmp_path, [10**7])[0]
    with pytest.raises(NanotriggerError, match=r"small_10000000 \(seed 7\): no checkpoint of the walk is better than"):
        hgq_front.choose(job, [])


def test_a_network_that_has_lost_its_input_is_no_model(toy, engine):
    (walked,) = walk(toy, engine, sizes=(16, 5), beta=(1e-6,) * 3)
    val = toy.standardised("val")
    alive = walked.front[-1]
    dead = engine.Checkpoint(9, 0.2, 0.0, {**alive.numbers, "0.weight": 0 * alive.numbers["0.weight"]})
    kept = hgq_front.front([dead, alive], val.x, val, 1.25, hgq.kind())
    assert [point.checkpoint.epoch for point in kept] == [alive.epoch]


def test_a_loss_that_is_not_a_number_names_the_model_and_leaves_nothing(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0.0)
    with pytest.raises(NanotriggerError, match=r"small_1000 \(seed 7\): the loss is not a number after epoch \d+"):
        hgq.train(toy, jobs(tmp_path, [1000], learning_rate=1e30))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_beta_rises_after_the_warmup():
    params = hgq.Params(ebops=1, epochs=10, warmup=4, beta=(1e-6, 1e-3))
    beta = hgq_front.betas(params)
    assert beta[:5] == (1e-6,) * 5 and beta[-1] == pytest.approx(1e-3)
    assert np.allclose(np.diff(np.log(beta[4:])), np.log(1000) / 5)
