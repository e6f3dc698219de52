"""Fixed-point quantisers against a search over the grid, and against Brevitas."""

import numpy as np
import pytest
import torch

from nanotrigger.training.network import BatchedMLP, Widths
from nanotrigger.training.quantisers import (
    power_of_two_step,
    quantise_activations,
    quantise_inputs,
    quantise_weights,
)


def column(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_go_to_the_nearest_point_of_their_grid(bits):
    w = torch.randn(3, 20, 10, generator=torch.Generator().manual_seed(bits))
    q = quantise_weights(w, column(bits, bits, bits)).numpy()
    for model, values in enumerate(w.numpy()):
        step = 2.0 ** (np.ceil(np.log2(np.abs(values).max())) - (bits - 1))
        grid = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) * step
        best = np.abs(values[..., None] - grid).min(-1)
        np.testing.assert_allclose(np.abs(q[model] - values), best, atol=1e-7)
        assert np.isin(q[model], grid).all()


def test_activations_round_half_up_and_saturate():
    h = torch.tensor([0.0, 0.124, 0.125, 0.375, 0.62, 1.7, 1.9, 50.0]).reshape(1, -1, 1)
    q = quantise_activations(h, column(3), column(1.5))
    # three bits to 2.0: steps of 0.25 up to 1.75
    assert q.flatten().tolist() == [0.0, 0.0, 0.25, 0.5, 0.5, 1.75, 1.75, 1.75]


def test_inputs_round_half_to_even_and_saturate():
    x = torch.tensor([-9.0, -0.375, -0.125, 0.125, 0.375, 9.0])
    assert quantise_inputs(x, 4, 0.25).tolist() == [-2.0, -0.5, 0.0, 0.0, 0.5, 1.75]


def test_gradients_pass_straight_through_but_for_saturation():
    w = torch.randn(1, 4, 4, requires_grad=True)
    quantise_weights(w, column(3)).sum().backward()
    assert (w.grad == 1).all()
    h = torch.tensor([[[0.3], [1.0], [9.0]]], requires_grad=True)
    quantise_activations(h, column(3), column(1.5)).sum().backward()
    assert h.grad.flatten().tolist() == [1.0, 1.0, 0.0]


def test_mixed_widths_in_one_batch_equal_each_alone():
    w = torch.randn(4, 6, 5)
    bits = [3.0, 5.0, 8.0, float("inf")]
    together = quantise_weights(w, column(*bits))
    for i, b in enumerate(bits):
        assert torch.equal(together[i : i + 1], quantise_weights(w[i : i + 1], column(b)))
    assert torch.equal(together[3], w[3]), "an infinite width changes nothing"
    assert float(power_of_two_step(torch.tensor(0.9), torch.tensor(4.0), signed=True)) == 0.125


def test_a_stack_computes_what_its_models_compute_alone(tmp_path):
    widths = [Widths(12, (4, 5, 6), (7, 8)), Widths(12, (8, 3, 4), (5, 6)), Widths(12, (16, 16, 16), (16, 16))]
    stack = BatchedMLP((16, 8, 6, 5), widths, 4.0, [0, 1, 2])
    x = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    stack.measure_peaks(torch.from_numpy(x))
    together = stack.predict(x)
    for model in range(3):
        stack.save(model, tmp_path / f"{model}.safetensors")
        alone = BatchedMLP.load(tmp_path / f"{model}.safetensors")
        np.testing.assert_array_equal(alone.predict(x)[0], together[model])
        np.testing.assert_array_equal(alone.fixed_point().predict(x), together[model])


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_same_forward_pass_as_brevitas(bits):
    """Brevitas' integer quantiser with the same width, scale and rounding, in front of the same product."""
    from brevitas.core.bit_width import BitWidthConst
    from brevitas.core.function_wrapper import RoundSte, TensorClamp
    from brevitas.core.quant import IntQuant

    parts = {
        "float_to_int_impl": RoundSte(),
        "tensor_clamp_impl": TensorClamp(),
        "input_view_impl": torch.nn.Identity(),
    }
    core = IntQuant(narrow_range=False, signed=True, **parts)
    generator = torch.Generator().manual_seed(bits)
    w, x = torch.randn(1, 16, 8, generator=generator), torch.randn(200, 16, generator=generator)
    step = power_of_two_step(w.abs().amax((1, 2), keepdim=True), torch.tensor(float(bits)), signed=True)
    theirs = core(step, torch.tensor(0.0), BitWidthConst(bits)(), w)
    ours = quantise_weights(w, column(bits))
    assert torch.equal(ours, theirs)
    assert torch.equal(x @ ours[0], x @ theirs[0])
