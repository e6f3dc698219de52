"""HGQ-LUT networks: the exact tables are what HGQ2's layers compute at every code, and cost what these count."""

import numpy as np
import pytest

from nanotrigger.errors import ExportError, NanotriggerError
from nanotrigger.methods import hgq_lut
from nanotrigger.methods.base import Job
from nanotrigger.qonnx.tables import layer_ebops
from nanotrigger.training import snapshot
from nanotrigger.training.snapshot import Snapshot

SIZES = (16, 4, 5)
SMALL = {"units": 3, "depth": 1}


@pytest.fixture(scope="module")
def tables():
    from nanotrigger.training import hgq_tables

    return hgq_tables


def walk(toy, tables, beta, **options):
    from nanotrigger.training import hgq_engine as engine

    splits = toy.standardised("train"), toy.standardised("val")
    walks = [engine.Walk("hgq_lut (seed 0)", 0, tuple(beta))]
    (walked,) = engine.train_walks(
        SIZES,
        "parameter",
        walks,
        *splits,
        128,
        lambda epoch: 0.02,
        stop_below=0,
        layers=tables.layers(**SMALL, fraction=3),
        **options,
    )
    return walked


@pytest.fixture(scope="module")
def walked(toy, tables):
    return walk(toy, tables, np.geomspace(1e-6, 3e-3, 10))


def seen(toy):
    return np.concatenate([toy.standardised("train").x, toy.standardised("val").x])


def test_tables_are_what_the_trained_layers_compute(walked, toy, tables):
    """HGQ2's own network, batch normalisation and all, on the jets by which its ranges and statistics were taken."""
    x = seen(toy)
    for checkpoint in (walked.front[0], walked.front[-1]):
        exact = tables.exact(checkpoint.numbers, x, margin=1.25)
        model = tables.build(SIZES, **SMALL)
        for name, variable in tables.numbers_of(model).items():
            variable.assign(checkpoint.numbers[name])
        theirs = np.asarray(model(x, training=True), np.float64)
        same = (theirs == exact.predict(x)).all(1)
        # in single precision a value beside the middle of a step may round to the other side
        assert same.mean() > 0.98 and len(np.unique(theirs, axis=0)) > 100
        val = toy.standardised("val")
        assert abs((exact.predict(val.x).argmax(1) == val.y).mean() - checkpoint.accuracy) < 0.05


def with_shared_widths(numbers, axes):
    """Their means over the axes along which a width is shared, as a network of that granularity has them."""

    def shared(values, axis):
        return np.round(values.mean(tuple(a for a in axis if a), keepdims=True))

    numbers = {name: shared(v, axes["input"]) if name.endswith("fraction") else v for name, v in numbers.items()}
    return {name: shared(v, axes["table"]) if ".table_" in name else v for name, v in numbers.items()}


@pytest.mark.parametrize("granularity", ["parameter", "channel", "layer"])
def test_every_code_of_every_table_against_the_sealed_layers(granularity, walked, toy, tables):
    from nanotrigger.training import hgq_engine as engine

    numbers = walked.front[-1].numbers
    if granularity != "parameter":  # one width where several are
        numbers = with_shared_widths(numbers, tables.SHARED_AXES[granularity])
        model = tables.build(SIZES, granularity, **SMALL)
        for name, variable in tables.numbers_of(model).items():
            variable.assign(numbers[name])
    exact = tables.exact(numbers, seen(toy), margin=1.25)
    sealed = tables.seal(exact, numbers)
    checked = 0
    for layer, found in zip(sealed.layers, exact.network.layers, strict=True):
        codes = len(found.table)
        code = np.arange(codes)[:, None, None]
        signed = np.where(code > found.input.high / found.input.step, code - codes, code) * found.input.step
        values = np.where(found.reachable(), signed, 0.0)
        # what lies on the grid stays there
        np.testing.assert_array_equal(np.asarray(layer.iq(values)), values)
        theirs = np.asarray(layer.toq(layer.module(values[..., None].astype(np.float32))))
        mine = np.where(found.reachable(), found.table, found.table[0])
        step = np.exp2(layer.toq.quantizer.i - layer.toq.quantizer.b)[0]
        assert (np.abs(theirs - mine) <= step).all(), "more than a rounding apart"
        assert (theirs != mine).mean() < 1e-3
        checked += found.reachable().sum()
        assert float(layer._compute_ebops((1, layer.n_in))) == pytest.approx(layer_ebops(found), abs=0.01)
        if granularity == "layer":
            assert len(np.unique(found.input.step[found.input.low != found.input.high])) == 1
    assert checked > 1000
    x = np.concatenate([toy.standardised("test").x, 30 * toy.standardised("test").x])
    assert (np.asarray(sealed.predict(x, verbose=0)) == exact.predict(x)).all(1).mean() > 0.98
    assert isinstance(sealed, engine.keras.Sequential)


def test_what_costs_nothing_is_pruned(walked, toy, tables):
    """Towards the end of a walk tables have no bits; they are constants, and their inputs are not read."""
    exact = [tables.exact(c.numbers, seen(toy), 1.25).network for c in walked.front]
    pruned = [sum(int((layer.bits == 0).sum()) for layer in network.layers) for network in exact]
    cheapest = exact[int(np.argmax(pruned))]
    assert max(pruned) > 0
    for layer in cheapest.layers:
        dead = layer.bits == 0
        assert (layer.table[:, dead] == 0).all() and (layer.input_bits[dead] == 0).all()


def test_an_input_that_is_too_wide_is_refused(walked, toy, tables):
    numbers = dict(walked.front[0].numbers)
    numbers["0.fraction"] = numbers["0.fraction"] + 12
    with pytest.raises(ExportError, match=r"layer 0: a table's input has \d+ bits; at most 14"):
        tables.exact(numbers, seen(toy), 1.25)


def test_an_interrupted_walk_goes_on_to_the_same_end(walked, toy, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "INTERVAL_S", 0.0)
    kept = Snapshot(tmp_path / "checkpoints/walks.safetensors")
    begun = []

    def interrupted(epochs):
        begun.append(epochs.start)
        for epoch in epochs:
            if epoch == 6 and len(begun) == 1:
                raise KeyboardInterrupt
            yield epoch

    beta = np.geomspace(1e-6, 3e-3, 10)
    with pytest.raises(KeyboardInterrupt):
        walk(toy, tables, beta, progress=interrupted, snapshot=kept)
    again = walk(toy, tables, beta, progress=interrupted, snapshot=kept)
    assert begun == [0, 6] and again.history == walked.history
    for a, b in zip(walked.front, again.front, strict=True):
        assert a.epoch == b.epoch
        for name in a.numbers:
            np.testing.assert_array_equal(a.numbers[name], b.numbers[name])


def test_a_budget_that_cannot_be_met_leaves_no_model(toy, tmp_path):
    keys = {"hidden": (), "epochs": 2, "warmup": 1, "batch_size": 400, "learning_rate": 0.02, "function_units": 2}
    jobs = [Job(f"small_{n}", hgq_lut.Params(ebops=n, **keys), 7, tmp_path / str(n)) for n in (10**7, 2)]
    with pytest.raises(NanotriggerError, match=r"small_2 \(seed 7\): ebops = 2: no checkpoint is that small"):
        hgq_lut.train(toy, jobs)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
