"""HGQ networks: the sealed Keras model, the exact numbers and the front of checkpoints agree."""

import numpy as np
import pytest

from nanotrigger.methods import hgq


@pytest.mark.parametrize("granularity", ["parameter", "layer"])
def test_sealed_network_equals_its_exact_numbers(granularity, toy):
    from nanotrigger.training import hgq_engine as engine

    sizes = (16, 8, 6, 5)
    split, val = toy.standardised("train"), toy.standardised("val")
    walk = engine.Walk(0, (1e-6, 1e-5, 1e-4))
    fronts, histories = engine.train_walks(
        sizes, granularity, [walk], split, val, 64, lambda epoch: 0.01, 0, "hgq", lambda epochs: epochs
    )
    assert [row["beta"] for row in histories[0]] == pytest.approx(walk.beta)
    network = engine.fixed_point(engine.restore(sizes, granularity, fronts[0][-1]), split.x, margin=1.25)
    x = np.concatenate([toy.standardised("test").x, 30 * val.x])
    keras_says = np.asarray(engine.seal(network).predict(x, verbose=0), np.float64)
    np.testing.assert_array_equal(keras_says, network.predict(x))
    if granularity == "layer":
        for layer in network.layers:
            assert len(np.unique(layer.weight_bits)) == 1 and len(np.unique(layer.input.step)) == 1


def test_front_holds_no_beaten_checkpoint(toy):
    from nanotrigger.training import hgq_engine as engine

    beta = tuple(np.geomspace(1e-6, 1e-2, 12))
    splits = toy.standardised("train"), toy.standardised("val")
    fronts, _ = engine.train_walks(
        (16, 6, 5),
        "parameter",
        [engine.Walk(s, beta) for s in (0, 1)],
        *splits,
        64,
        lambda e: 0.02,
        0,
        "hgq",
        lambda r: r,
    )
    for front in fronts:
        points = [(c.accuracy, c.ebops) for c in front]
        for a, e in points:
            assert not any((b >= a and f <= e) and (b, f) != (a, e) for b, f in points)
    assert fronts[0][0].variables[0].shape == (16, 6), "one walk of two, without the walk axis"


def test_beta_rises_after_the_warmup():
    params = hgq.Params(ebops=1, epochs=10, warmup=4, beta=(1e-6, 1e-3))
    beta = hgq._beta(params)
    assert beta[:5] == (1e-6,) * 5 and beta[-1] == pytest.approx(1e-3)
    assert np.allclose(np.diff(np.log(beta[4:])), np.log(1000) / 5)
