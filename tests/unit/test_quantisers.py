"""Fixed-point quantisers against a search over the grid, and against Brevitas."""

import numpy as np
import pytest
import torch

from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.quantisers import (
    activation_codes,
    activation_range,
    power_of_two_range,
    quantise_inputs,
    quantise_weights,
    weight_range,
)


def column(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_go_to_the_nearest_point_of_their_grid(bits):
    w = torch.randn(3, 20, 10, generator=torch.Generator().manual_seed(bits))
    reach = column(1.0, 2.0, 4.0)
    q = quantise_weights(w, column(bits, bits, bits), reach).numpy()
    for model, values in enumerate(w.numpy()):
        grid = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) * float(reach[model]) / 2 ** (bits - 1)
        best = np.abs(values[..., None] - grid).min(-1)
        np.testing.assert_allclose(np.abs(q[model] - values), best, atol=1e-7)
        assert np.isin(q[model], grid).all()


def codes(values, bits, reach):
    """As the network calls it: in units of the range, half a step added."""
    return activation_codes(values / reach + 2.0 ** -(bits + 1), column(bits))


def test_activations_round_half_up_and_saturate():
    h = torch.tensor([-3.0, 0.0, 0.124, 0.125, 0.375, 0.62, 1.7, 1.9, 50.0]).reshape(1, -1, 1)
    # three bits to 2.0: steps of 0.25 up to 1.75
    assert (codes(h, 3, 2.0) * 0.25).flatten().tolist() == [0.0, 0.0, 0.0, 0.25, 0.5, 0.5, 1.75, 1.75, 1.75]


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_ranges_by_search(bits):
    """Over forty powers of two, in numpy: weights by squared error, activations by absolute error."""
    rng = np.random.default_rng(bits)
    values = rng.standard_t(3, size=(2, 50, 9)).astype(np.float32) * np.float32(0.3)
    reaches = 2.0 ** np.arange(-20, 20)
    found = weight_range(torch.from_numpy(values), column(bits, bits)).flatten()
    hidden = np.maximum(values, 0)
    found_hidden = activation_range(torch.from_numpy(hidden), column(bits, bits)).flatten()
    for model in range(2):
        squared = [
            (
                (np.clip(np.round(values[model] / s), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * s - values[model]) ** 2
            ).sum()
            for s in reaches * 2.0 ** (1 - bits)
        ]
        assert found[model] == reaches[np.argmin(squared)]
        absolute = [
            np.abs(np.clip(np.floor(hidden[model] / s + 0.5), 0, 2**bits - 1) * s - hidden[model]).sum()
            for s in reaches * 2.0**-bits
        ]
        assert found_hidden[model] == reaches[np.argmin(absolute)]


def test_powers_of_two_are_exact():
    """Also just above one, where a logarithm in single precision is a whole number."""
    assert power_of_two_range(torch.tensor([8.0, 8.000001, 7.999999, 0.3, 1e-30])).tolist() == [8, 16, 8, 0.5, 2.0**-24]


def test_inputs_round_half_to_even_and_saturate():
    x = torch.tensor([-9.0, -0.375, -0.125, 0.125, 0.375, 9.0])
    assert quantise_inputs(x, 4, 0.25).tolist() == [-2.0, -0.5, 0.0, 0.0, 0.5, 1.75]


def test_gradients_pass_straight_through_but_for_saturation():
    w = torch.randn(1, 4, 4, requires_grad=True)
    quantise_weights(w, column(3), column(1.0)).sum().backward()
    assert (w.grad == 1).all()
    h = torch.tensor([[[-5.0], [0.3], [1.0], [9.0]]], requires_grad=True)
    (codes(h, 3, 2.0) * 0.25).sum().backward()
    assert h.grad.flatten().tolist() == [0.0, 1.0, 1.0, 0.0]


def test_mixed_widths_in_one_batch_equal_each_alone():
    w, bits = torch.randn(3, 6, 5), [3.0, 5.0, 8.0]
    reach = weight_range(w, column(*bits))
    together = quantise_weights(w, column(*bits), reach)
    for i, b in enumerate(bits):
        mine = w[i : i + 1]
        assert torch.equal(together[i : i + 1], quantise_weights(mine, column(b), weight_range(mine, column(b))))


def test_a_stack_computes_what_its_models_compute_alone(tmp_path):
    widths = [Widths(12, (4, 5, 6), (7, 8)), Widths(12, (8, 3, 4), (5, 6)), Widths(12, (16, 16, 16), (16, 16))]
    stack = BatchedMLP((16, 8, 6, 5), widths, 4.0, [0, 1, 2])
    x = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    stack.calibrate(torch.from_numpy(x))
    together = stack.predict(x)
    for model in range(3):
        stack.save(tmp_path / f"{model}.safetensors", [model])
        alone = BatchedMLP.load(tmp_path / f"{model}.safetensors")
        np.testing.assert_array_equal(alone.predict(x)[0], together[model])
        np.testing.assert_array_equal(alone.fixed_point().predict(x), together[model])


def brevitas_network(network, model):
    """Brevitas' own layers with the widths, ranges and floating-point parameters of one model of a stack.

    Constant power-of-two scales, no narrow ranges; weights, biases and inputs round half to even. Activations round down
    after half a step was added, which is half up. Batch normalisation is merged into the weights by Brevitas.
    """
    from brevitas import nn
    from brevitas import quant as q
    from brevitas.inject.enum import ScalingImplType
    from brevitas.nn.utils import merge_bn

    def options(reach, bits, rounding, prefix=""):
        keys = {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": float(reach), "bit_width": int(bits)}
        keys |= {"float_to_int_impl_type": rounding, "narrow_range": False}
        return {prefix + key: value for key, value in keys.items()}

    class AddHalfStep(torch.nn.Module):
        def __init__(self, step):
            super().__init__()
            self.half = step / 2

        def forward(self, h):
            return h + self.half

    def buffer(name):
        return getattr(network, name)[model].flatten()[0]

    reach = network.input_step() * 2 ** (network.input_bits - 1)
    parts = [nn.QuantIdentity(act_quant=q.Int8ActPerTensorFixedPoint, **options(reach, network.input_bits, "ROUND"))]
    for layer in range(network.layers):
        w, b = network.weights[layer][model].detach(), network.biases[layer][model, 0].detach()
        width = buffer(f"weight_bits{layer}")
        linear = nn.QuantLinear(
            *w.shape,
            bias=True,
            weight_quant=q.Int8WeightPerTensorFixedPoint,
            bias_quant=q.Int8BiasPerTensorFixedPointInternalScaling,
            **options(buffer(f"weight_range{layer}"), width, "ROUND", "weight_"),
            **options(buffer(f"bias_range{layer}"), width, "ROUND", "bias_"),
        )
        linear.weight.data.copy_(w.T)
        if network.batch_norm:
            norm = torch.nn.BatchNorm1d(w.shape[1])
            norm.weight.data.copy_(network.gammas[layer][model, 0])
            norm.bias.data.copy_(b)
            norm.running_mean.copy_(getattr(network, f"mean{layer}")[model, 0])
            norm.running_var.copy_(getattr(network, f"variance{layer}")[model, 0])
            linear.bias.data.zero_()
            merge_bn(linear, norm)
        else:
            linear.bias.data.copy_(b)
        parts.append(linear)
        if layer < network.layers - 1:
            reach, bits = buffer(f"activation_range{layer}"), buffer(f"activation_bits{layer}")
            act = nn.QuantReLU(act_quant=q.Uint8ActPerTensorFixedPoint, **options(reach, bits, "FLOOR"))
            parts += [AddHalfStep(float(reach * 2.0**-bits)), act]
    return torch.nn.Sequential(*parts).eval()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_same_forward_pass_as_brevitas(batch_norm):
    """Whole networks, bit for bit: in double precision, and in single where all sums fit."""
    pytest.importorskip("brevitas", reason="brevitas is a development package")
    widths = [Widths.uniform(4, 2, 6), Widths.uniform(4, 4, 6), Widths.uniform(4, 8, 6)]
    widths += [Widths(6, (3, 8, 5, 6), (7, 4, 9)), Widths(6, (12, 10, 12, 12), (12, 12, 12))]
    seeds = list(range(len(widths)))
    network = BatchedMLP((16, 64, 32, 32, 5), widths, 4.0, seeds, batch_norm=batch_norm)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in (*network.biases, *network.gammas):
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    x = 2 * torch.randn(3000, 16, generator=generator)
    network.calibrate(x[:1000], statistics=True)
    ours = torch.from_numpy(network.predict(x.numpy()))
    single = network(x).detach()
    for model in seeds:
        theirs = brevitas_network(network, model)
        with torch.no_grad():
            if model < 3:
                assert torch.equal(single[model], theirs(x))
            assert torch.equal(ours[model], theirs.double()(x.double()))
        assert len(ours[model].unique(dim=0)) > 1000, "a constant network proves nothing"
