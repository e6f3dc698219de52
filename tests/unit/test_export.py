"""QONNX files: exact where a float32 would round, and honest about what they cannot hold."""

import numpy as np
import onnx
import pytest

from nanotrigger.errors import ExportError, NanotriggerError
from nanotrigger.qonnx.costs import ebops, qonnx_bops
from nanotrigger.qonnx.execute import compare, execute, load_model
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser


def dense(rng, inputs, outputs, bits, quantiser, relu):
    step = 2.0 ** -(bits - 1)
    weight, bias = (rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), s) * step for s in ((inputs, outputs), outputs))
    widths = [np.where(v != 0, bits - 1.0, 0) for v in (weight, bias)]
    return Dense(
        quantiser, weight, np.full_like(weight, step), widths[0], bias, np.full_like(bias, step), widths[1], relu
    )


def network(bits, seed=0, hidden_units=12):
    rng = np.random.default_rng(seed)
    step = 2.0 ** -(bits - 4)
    port = Quantiser(step, -8.0, 8.0 - step, "ROUND")
    hidden = Quantiser(step, 0.0, 2.0**bits * step - step, "HALF_UP")
    first = dense(rng, 16, hidden_units, bits, port, True)
    return FixedPointNetwork((first, dense(rng, hidden_units, 5, bits, hidden, False)))


@pytest.mark.parametrize("bits, double", [(6, False), (8, False), (14, True), (16, True)])
def test_exact_at_every_width(tmp_path, bits, double):
    """Sums of more than 24 bits are computed in double precision; in float32 they would round (shown below)."""
    net, x = network(bits), np.random.default_rng(1).normal(size=(3000, 16), scale=3).astype(np.float32)
    write_qonnx(net, tmp_path / "m.onnx", {})
    outputs, overflows = execute(tmp_path / "m.onnx", x)
    np.testing.assert_array_equal(outputs, net.predict(x))
    assert overflows == 0
    casts = [n for n in onnx.load(tmp_path / "m.onnx").graph.node if n.op_type == "Cast"]
    assert bool(casts) == double == any(layer.sum_bits() > 24 for layer in net.layers)
    if double:
        layer = net.layers[0]
        single = layer.input(x).astype(np.float32) @ layer.weight.astype(np.float32) + layer.bias.astype(np.float32)
        assert (single != layer.input(x) @ layer.weight + layer.bias).any()


def test_sum_bits_bounds_every_partial_sum():
    layer = network(8).layers[0]
    x = np.where(np.random.default_rng(2).random((2000, 16)) < 0.5, layer.input.low, layer.input.high)
    grid = float(layer.input.step) * layer.weight_step.min()
    partial = np.abs(np.cumsum(x[:, :, None] * layer.weight, 1)).max() / grid
    assert partial < 2.0 ** layer.sum_bits()


def test_per_element_grids_and_pruned_elements(tmp_path):
    rng = np.random.default_rng(3)
    step, top = 2.0 ** -rng.integers(0, 5, 16), 2.0 ** rng.integers(0, 3, 16)
    alive = rng.random(16) > 0.3
    port = Quantiser(
        np.where(alive, step, 1), np.where(alive, -top, 0), np.where(alive, top - step, 0), "ROUND", traced=True
    )
    net = FixedPointNetwork((dense(rng, 16, 5, 6, port, False),))
    x = rng.normal(size=(500, 16), scale=2).astype(np.float32)
    write_qonnx(net, tmp_path / "m.onnx", {})
    outputs, overflows = execute(tmp_path / "m.onnx", x)
    np.testing.assert_array_equal(outputs, net.predict(x))
    rounded = np.round(x / port.step) * port.step
    assert overflows == ((rounded < port.low) | (rounded > port.high))[:, alive].sum() > 0


def test_qonnx_bops_equal_the_packages_own(tmp_path):
    from qonnx.util.inference_cost import inference_cost

    net = network(6)
    # the package reads widths off tensors, and has no notion of a pruned weight here
    write_qonnx(net, tmp_path / "m.onnx", {})
    theirs = inference_cost(str(tmp_path / "m.onnx"), discount_sparsity=True)
    total = theirs.get("total_cost", theirs)
    assert total["total_bops"] == qonnx_bops(net)


def test_ebops_equal_hgq2s():
    from nanotrigger.training import hgq_engine as engine

    rng = np.random.default_rng(4)
    # not negative: HGQ2 gives a range that ends exactly at -2^i one bit more than it needs
    x = np.abs(rng.normal(size=(4000, 16))).astype(np.float32)
    engine.keras.utils.set_random_seed(1)
    model = engine.build((16, 8, 5))
    for layer in model.layers:
        for q in (layer.kq.quantizer, layer.bq.quantizer):
            q._b.assign(rng.integers(0, 7, q._b.shape))
        layer.iq.quantizer._f.assign(rng.integers(1, 6, layer.iq.quantizer._f.shape))
    from hgq.utils import trace_minmax

    theirs = trace_minmax(model, x)
    numbers = {name: np.array(variable) for name, variable in engine._numbers(model).items()}
    assert ebops(engine.fixed_point(numbers, x, margin=1.0)) == theirs > 0


def test_one_wrong_row_is_named():
    found = np.zeros((10, 5))
    found[7, 2] = 1e-12
    with pytest.raises(ExportError, match=r"hgq_s: .* differs .* in 1 of 10 jets; first in row 7"):
        compare(found, np.zeros((10, 5)), "hgq_s")


def test_what_is_not_exact_is_refused(tmp_path):
    net = network(16)
    wide = Quantiser(2.0**-40, -8.0, 8.0 - 2.0**-40, "ROUND")
    layers = (Dense(wide, *[getattr(net.layers[0], f) for f in list(vars(net.layers[0]))[1:]]), net.layers[1])
    with pytest.raises(ExportError, match=r"layer 0: its sums need .* bits"):
        write_qonnx(FixedPointNetwork(layers), tmp_path / "m.onnx", {})
    assert not list(tmp_path.iterdir()), "something half-written was left behind"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" * 50])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(NanotriggerError, match=r"broken\.onnx: not a"):
        load_model(path)
