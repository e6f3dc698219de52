"""Kinds of quantisers against QKeras' definitions written out in numpy, and mixed stacks against their models alone."""

import numpy as np
import onnx
import pytest
import torch

from nanotrigger.errors import ConfigError
from nanotrigger.methods import heterogeneous
from nanotrigger.qonnx.costs import ebops, hawq_bops, layer_formats, qonnx_bops
from nanotrigger.qonnx.execute import compare, execute
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.qonnx.fixed_point import Dense, FixedPointNetwork, Quantiser, activation_quantiser
from nanotrigger.qonnx.kinds import KINDS, Format, layers, parse
from nanotrigger.training import kinds, loop
from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.validation import validate

PARAMETERS = ["binary", "ternary", "po2_2", "po2_4", "po2_5", 2, 3, 6, 16]
ACTIVATIONS = ["binary", "ternary", "po2_2", "po2_3", "po2_4", 2, 4, 8, 16]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def column(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)


def code(kind):
    return column(float(KINDS.index(kind)))


def po2(scale):
    """QKeras: the power of two whose logarithm is nearest."""
    return 2.0 ** np.round(np.log2(scale + 1e-12))


def binary(w, axis):
    q = np.where(w >= 0, 1.0, -1.0)
    return po2((w * q).mean(axis, keepdims=True) / (q * q).mean(axis, keepdims=True)) * q


def ternary(w, axis):
    scale = po2(2 * np.abs(w).max(axis, keepdims=True) / 3)
    for _ in range(5):
        rounded = scale * np.round(w / scale)
        q = (np.abs(rounded) >= scale / 2) * np.sign(w)
        scale = po2((w * q).mean(axis, keepdims=True) / (q * q).mean(axis, keepdims=True))
    return scale * (np.abs(scale * np.round(w / scale)) >= scale / 2) * np.sign(w)


@pytest.mark.parametrize("kind, formula", [("binary", binary), ("ternary", ternary)])
@pytest.mark.parametrize("per_output", [True, False])
def test_signs_and_three_values_are_qkeras(kind, formula, per_output):
    w = np.random.default_rng(3).standard_t(4, size=(1, 40, 9)).astype(np.float32) * np.float32(0.3)
    w[0, 0, :2] = 0.0
    t, bits = torch.from_numpy(w), column(2.0)
    reach = kinds.parameter_range(t, bits, code(kind), per_output)
    found = kinds.quantise_parameters(t, bits, reach, code(kind))
    np.testing.assert_array_equal(found[0].numpy(), formula(w[0].astype(np.float64), 0 if per_output else None))
    assert reach.shape == ((1, 1, 9) if per_output else (1, 1, 1))


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_powers_of_two_are_nearest_in_the_logarithm(bits):
    w = np.random.default_rng(bits).normal(size=(1, 500, 1)).astype(np.float32)
    w[0, :4, 0] = [0.0, -0.0, 1e-30, -7.0]
    found = kinds.quantise_parameters(torch.from_numpy(w), column(float(bits)), column(1.0), code("po2")).numpy()
    levels = 2.0 ** -np.arange(2 ** (bits - 1))
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log2(np.abs(w.astype(np.float64))) - np.log2(levels))
    distance[w[..., 0] == 0] = -np.log2(levels)[::-1]  # the smallest level, as QKeras' epsilon does
    expected = levels[distance.argmin(-1)] * np.where(w[..., 0] >= 0, 1, -1)
    np.testing.assert_array_equal(found[..., 0], expected)
    best = kinds.parameter_range(torch.from_numpy(w), column(float(bits)), code("po2"), True)
    errors = [
        float(((kinds.nearest_logarithm(torch.from_numpy(w), column(2.0**k), column(float(bits))) - w) ** 2).sum())
        for k in range(-10, 10)
    ]
    assert float(best) == 2.0 ** (int(np.argmin(errors)) - 10)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_gradients_pass_straight_through(name):
    form = parse(name)
    w = (torch.randn(1, 6, 4) * 3).requires_grad_()
    kinds.quantise_parameters(w, column(float(form.bits)), column(0.5), code(form.kind)).sum().backward()
    assert (w.grad == 1).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients(name):
    """Values by search over the levels; gradients: of tanh where there are two signs, of a ReLU that saturates elsewhere."""
    form, reach = parse(name, activation=True), 2.0
    bits, kind = column(float(form.bits)), code(form.kind)
    x = torch.linspace(-5, 5, 4001)[1:].reshape(1, -1, 1).requires_grad_()
    unit = float(kinds.activation_unit(bits, column(reach), kind))
    y = kinds.mixed_codes(x / unit + kinds.activation_offset(kind), bits, kind) * unit
    y.sum().backward()
    values, gradient, outputs = (v.detach().numpy().ravel().astype(np.float64) for v in (x, x.grad, y))
    if form.kind == "binary":
        np.testing.assert_array_equal(outputs, np.where(values >= 0, 2.0, -2.0))
    else:
        levels = np.arange(0, reach, unit)
        if form.kind == "ternary":
            levels = np.array([-1, 0, 1]) * reach
        elif form.kind == "po2":
            levels = np.append(0, reach / 2.0 ** np.arange(2**form.bits - 1))
        assert set(outputs) <= set(levels) and outputs.max() == levels.max() and len(levels) <= 2**form.bits
        below = np.clip(np.searchsorted(np.sort(levels), values) - 1, 0, len(levels) - 2)
        nearest = np.minimum(*(np.abs(values - np.sort(levels)[below + i]) for i in (0, 1)))
        np.testing.assert_allclose(np.abs(values - outputs), nearest, atol=1e-6)
    if form.kind in ("binary", "ternary"):
        np.testing.assert_allclose(gradient, 1 - np.tanh(values / reach) ** 2, atol=1e-5)
    else:
        # the half step that rounds counts with fixed-point ReLUs, as in a stack of those alone
        low, high = (-unit / 2, reach - unit / 2) if form.kind == "fixed" else (0, reach)
        np.testing.assert_array_equal(gradient, (values > low) & (values < high))
    q = activation_quantiser(form, reach)
    np.testing.assert_array_equal(q(values), outputs)
    assert q.format == form and float(q.width) == form.bits


def stack(formats, sizes=(16, 12, 8, 5), seeds=None):
    widths = [f if isinstance(f, Widths) else Widths.of(12, f) for f in formats]
    return BatchedMLP(sizes, widths, 4.0, seeds or list(range(len(formats))))


def test_fixed_point_models_of_a_mixed_stack_are_those_of_a_plain_one():
    """Outputs, ranges and gradients, bit for bit; and a plain stack holds nothing of the other kinds."""
    x, y = torch.randn(400, 16, generator=torch.Generator().manual_seed(1)) * 2, torch.arange(400) % 5
    fixed = [Widths(12, (4, 6, 8), (5, 7)), Widths(12, (2, 3, 16), (2, 16))]
    other = layers(("binary", "po2_4", "ternary"), ("po2_3", 4, "binary"), ("binary", "po2_3"))
    plain, mixed = stack(fixed, seeds=[3, 4]), stack([*fixed, other], seeds=[3, 4, 5])
    assert not plain.mixed and not [name for name in plain.state_dict() if "kind" in name or "bias_bits" in name]
    for network in (plain, mixed):
        with torch.no_grad():
            for b in network.biases:
                b.copy_(torch.randn(b.shape[1:], generator=torch.Generator().manual_seed(2)) * 0.2)
        network.calibrate(x)
        network.train()
        loop.cross_entropy(network(x), y).sum().backward()
    np.testing.assert_array_equal(plain.predict(x.numpy()), mixed.predict(x.numpy())[:2])
    for mine, theirs in zip(plain.parameters(), mixed.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad[:2])
        assert torch.isfinite(theirs.grad).all() and (theirs.grad[2] != 0).any()
    with pytest.raises(ValueError, match="fixed-point numbers alone"):
        plain.set_widths([Widths.of(12, other)] * 2)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """Twelve models of random kinds in one stack, with jets."""
    rng = np.random.default_rng(0)

    def pick(choices, count):
        return tuple(choices[i] for i in rng.integers(0, len(choices), count))

    formats = [layers(pick(PARAMETERS, 3), pick(PARAMETERS, 3), pick(ACTIVATIONS, 2)) for _ in range(12)]
    network = stack(formats)
    with torch.no_grad():
        for b in network.biases:
            b.copy_(0.2 * torch.randn(b.shape, generator=torch.Generator().manual_seed(0)))
    x = rng.normal(size=(1000, 16), scale=1.5).astype(np.float32)
    network.calibrate(torch.from_numpy(x))
    return formats, network, x, tmp_path_factory.mktemp("mixture")


def test_a_mixed_stack_is_its_models_alone_its_numbers_and_its_files(mixture):
    formats, network, x, folder = mixture
    together = network.predict(x)
    used = set()
    for m, form in enumerate(formats):
        network.save(folder / "m.safetensors", [m])
        alone = BatchedMLP.load(folder / "m.safetensors")
        np.testing.assert_array_equal(alone.predict(x)[0], together[m])
        numbers = alone.fixed_point()
        numbers.save(folder / "m.npz")
        numbers = FixedPointNetwork.load(folder / "m.npz")
        np.testing.assert_array_equal(numbers.predict(x), together[m])
        assert layer_formats(numbers) == [{k: v for k, v in f.names().items() if v is not None} for f in form]
        write_qonnx(numbers, folder / f"{m}.onnx", {})
        outputs, _ = execute(folder / f"{m}.onnx", x)
        assert compare(outputs, together[m], str(m)) == 0
        used |= {f"{k} {v}" for f in form for k, v in f.names().items()}
    assert len(used) > 20, "too few of the kinds were tried"


@pytest.mark.parametrize("m", range(4))
def test_adder_graphs_of_every_kind_equal_the_file(mixture, m):
    from alkaid.trace import HWConfig, trace

    from nanotrigger.qonnx.adder_graph import QONNXTracer
    from nanotrigger.qonnx.execute import run_model

    _, network, x, folder = mixture
    write_qonnx(network.fixed_point(m), folder / "graph.onnx", {})
    model = onnx.load(folder / "graph.onnx")
    tracer = QONNXTracer(model, HWConfig(1, -1, -1), {"hard_dc": 2}, "saturate")
    graph = trace(*tracer.trace())
    found = graph.predict(run_model(tracer.graph.part("x", tracer.port), x), n_threads=1)
    np.testing.assert_array_equal(found, execute(folder / "graph.onnx", x)[0])


def test_files_use_the_natural_operators(tmp_path):
    network = stack([layers(("binary", "ternary", 4), ("binary", 4, 4), ("binary", "ternary"))])
    network.calibrate(torch.randn(200, 16))
    write_qonnx(network.fixed_point(), tmp_path / "m.onnx", {})
    nodes = {node.output[0]: node for node in onnx.load(tmp_path / "m.onnx").graph.node}
    assert nodes["dense0_weight"].op_type == "Quant", "hls4ml takes no BipolarQuant of a constant"
    assert nodes["dense1_input"].op_type == "BipolarQuant"
    three = nodes["dense2_input"]
    assert three.op_type == "Quant" and {a.name: a.i for a in three.attribute}["narrow"] == 1
    assert "dense0_relu" not in nodes and "dense1_relu" not in nodes, "two-sided activations have no ReLU"


@pytest.mark.parametrize("value", [0.0, -0.25])
def test_parameters_of_zeros_and_one_negative_value_stay_what_they_are(tmp_path, value):
    """One signed bit is -1 and +1 to the executor: a bias of zeros came out as ones."""
    bias = np.array([0.0, 0.0, 0.0, 0.0, value])
    port = Quantiser(0.25, -2.0, 1.75, "ROUND")
    weight = np.ones((16, 5))
    step = np.full((16, 5), 1.0)
    layer = Dense(port, weight, step, step, bias, np.full(5, 0.25), np.where(bias != 0, 3, 0), relu=False)
    write_qonnx(FixedPointNetwork((layer,)), tmp_path / "m.onnx", {})
    x = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    np.testing.assert_array_equal(execute(tmp_path / "m.onnx", x)[0], port(x) @ weight + bias)


def test_costs_count_the_bits_of_every_kind():
    """By hand, for 16-4-4-5: a binary weight has one bit, a ternary two, a power of two those of its code."""
    network = stack([layers(("binary", "ternary", "po2_4"), (4, 4, 4), ("binary", 6))], sizes=(16, 4, 4, 5))
    network.calibrate(torch.randn(300, 16))
    numbers = network.fixed_point()
    alive = int((numbers.layers[1].weight != 0).sum())
    assert [sorted(set(y.widths("weight").ravel())) for y in numbers.layers] == [[1], [0, 2], [4]]
    assert qonnx_bops(numbers) == 16 * 4 * 12 * 1 + alive * 1 * 2 + 4 * 5 * 6 * 4
    biases = 3 * sum(int((y.bias != 0).sum()) for y in numbers.layers)
    assert ebops(numbers) == 16 * 4 * 11 * 1 + alive * 1 * 1 + 4 * 5 * 6 * 3 + biases
    assert hawq_bops(numbers) > qonnx_bops(numbers)


@pytest.mark.parametrize("name", [1, 17, "po2_6", "po2_1", "binry", "po2"])
def test_unknown_quantisers_say_what_is_known(name):
    with pytest.raises(ConfigError, match=rf"'{name}' is no quantiser of a parameter: give a width from 2 to 16"):
        parse(name)
    assert parse("po2_5") == Format("po2", 5)
    with pytest.raises(ConfigError, match="po2_2 to po2_4"):
        parse("po2_5", activation=True)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"kernels": (4, 4)}, r"kernels = \[4, 4\]: 2 for 2 hidden layers. Give 3, one for each layer"),
        ({"activations": (4,)}, r"Give 2, one for each hidden layer"),
        ({"biases": (4, 4, 99)}, r"models\.m\.biases\.2 = 99: '99' is no quantiser"),
    ],
)
def test_stanzas_that_do_not_fit_are_refused(changed, message):
    keys = {"hidden": (8, 6), "kernels": (4, 4, 4), "biases": (4, 4, 4), "activations": (4, 4)}
    heterogeneous.Params(**keys)
    with pytest.raises(ConfigError, match=message):
        validate(heterogeneous.Params, {**keys, **changed}, "models.m")
