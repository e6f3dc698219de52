"""Hutchinson's estimate against the exact Hessian of a small network."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, hessian

from nanotrigger.training.hessian import hessian_traces, quantisation_errors, reference_errors
from nanotrigger.training.network import BatchedMLP, Widths


@pytest.fixture(scope="module")
def small():
    network = BatchedMLP((4, 5, 3), [Widths.floating(2)], 1.0, [7]).eval()
    rng = np.random.default_rng(0)
    return network, rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60)


def exact(network, x, y):
    parameters = dict(network.named_parameters())
    traces = []
    for name in ("weights.0", "weights.1"):

        def loss(w, name=name):
            logits = functional_call(network, {**parameters, name: w}, (torch.from_numpy(x),))
            return torch.nn.functional.cross_entropy(logits[0], torch.from_numpy(y))

        w = parameters[name].detach()
        traces.append(float(hessian(loss)(w).reshape(w.numel(), w.numel()).trace()))
    return np.array(traces)


def test_estimate_agrees_with_the_exact_trace(small):
    network, x, y = small
    estimate = hessian_traces(network, x, y, probes=400, seed=1)
    pull = (estimate.mean - exact(network, x, y)) / estimate.standard_error
    assert (np.abs(pull) < 4).all(), pull
    assert (estimate.standard_error < 0.2 * np.abs(estimate.mean)).all(), "too noisy to be a test"


def test_error_shrinks_with_the_root_of_the_probes(small):
    network, x, y = small
    few, many = (hessian_traces(network, x, y, probes=n, seed=2).standard_error for n in (100, 1600))
    np.testing.assert_allclose(few / many, 4, rtol=0.35)


def test_quantisation_errors_by_search_over_the_grid(small):
    network, _, _ = small
    found = quantisation_errors(network, (3, 6))
    for layer, w in enumerate(w.detach().numpy() for w in network.weights):
        for column, bits in enumerate((3, 6)):
            errors = []
            for reach in 2.0 ** np.arange(-8, 8):
                grid = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) * reach / 2 ** (bits - 1)
                errors.append((np.abs(w.ravel()[:, None] - grid).min(1) ** 2).sum())
            assert found[layer, column] == pytest.approx(min(errors), rel=1e-5)


def test_reference_errors_value_by_value(small):
    """Its step is about 2 whatever the width: nearly all weights are lost, at 8 bits as at 4."""
    network, _, _ = small
    found = reference_errors(network, (4, 8))
    for layer, w in enumerate(w.detach().double().numpy() for w in network.weights):
        for column, (bits, step) in enumerate(((4, 15 / 6), (8, 255 / 126))):
            codes = [min(max(round(v / step), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1) for v in w.ravel()]
            expected = sum((v - code * step) ** 2 for v, code in zip(w.ravel(), codes, strict=True))
            assert found[layer, column] == pytest.approx(expected)
    assert (found > 10 * quantisation_errors(network, (4, 8))).all()
    assert np.isnan(reference_errors(network, (2,))).all()
