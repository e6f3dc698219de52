"""The energy model against the published figures it rests on, and against layers worked out by hand."""

import numpy as np
import pytest
import torch

from nanotrigger.qonnx.energy import (
    Numbers,
    add,
    bits_of_formats,
    energy,
    energy_of_formats,
    layer_energy,
    memory,
    model_bits,
    multiplication,
    multiply,
    product_bits,
)
from nanotrigger.qonnx.kinds import Format, layers
from nanotrigger.training.network import BatchedMLP, Widths


def test_horowitz_figures():
    """ISSCC 2014, fig. 1.1.9, in pJ; the 8-bit addition and the 1 MB memory lie beside the laws, as QTools' do."""
    assert add(32) == pytest.approx(0.1) and add(8) == pytest.approx(0.03, rel=0.2)
    assert multiplication(8) == pytest.approx(0.2) and multiplication(32) == pytest.approx(3.1)
    for kilobytes, picojoules, tolerance in ((8, 10, 1e-9), (32, 20, 1e-9), (1024, 100, 0.15)):
        bits = kilobytes * 1024 * 8
        assert memory(bits) / bits * 64 == pytest.approx(picojoules, rel=tolerance)


@pytest.mark.parametrize("bits", [1, 2, 5, 16])
def test_qtools_polynomials(bits):
    """Coefficients of qtools/config_public.py, process horowitz."""
    assert add(bits) == pytest.approx(np.polyval([0.003125, 0], bits))
    assert multiplication(bits) == pytest.approx(np.polyval([0.002994791667, 0.001041666667, 0], bits), rel=1e-6)


def numbers(kind, bits, shape, signed=True):
    return Numbers.alike(Format(kind, bits), shape, signed)


@pytest.mark.parametrize(
    "inputs, weights, energy_pj, width",
    [
        # fixed-point: a product at the geometric mean; widths add up
        (("fixed", 8, True), ("fixed", 2), 0.002994791667 * 16 + 0.001041666667 * 4, 10),
        # signs and three values select: 0.3 and 0.6 of an addition as wide as the other number, which gains a sign
        (("fixed", 8, False), ("binary", 1), 0.3 * 0.025, 9),
        (("fixed", 8, True), ("ternary", 2), 0.6 * 0.025, 8),
        (("binary", 1, True), ("fixed", 4), 0.3 * 0.0125, 4),
        (("ternary", 2, True), ("binary", 1), 0.3 * 0.00625, 2),
        (("binary", 1, True), ("binary", 1), 0.3 * 0.003125, 1),
        # a power of two shifts: b log10 b with b = sqrt(2^4 * 4) = 8 bits of an addition; its exponents span 7 digits
        (("fixed", 4, False), ("po2", 4), 0.003125 * 8 * np.log10(8), 4 + 7 + 1),
        (("po2", 3, False), ("fixed", 4), 0.003125 * np.sqrt(32) * np.log10(np.sqrt(32)), 4 + 6),
        # two powers add their exponents
        (("po2", 3, False), ("po2", 4), 0.003125 * 5, 6 + 7 + 1),
    ],
)
def test_products(inputs, weights, energy_pj, width):
    x, w = numbers(inputs[0], inputs[1], (3,), inputs[2]), numbers(*weights, (3, 2))
    np.testing.assert_allclose(multiply(x, w), np.full((3, 2), energy_pj), rtol=1e-6)
    np.testing.assert_array_equal(product_bits(x, w), np.full((3, 2), width))


def test_a_layer_by_hand():
    """16 inputs of 8 bits, 64 outputs, weights and biases of 8: 1,024 products of 0.2 pJ; sums of 16 + 5 bits."""
    found = layer_energy(
        numbers("fixed", 8, (16,)),
        numbers("fixed", 8, (16, 64)),
        numbers("fixed", 8, (64,)),
        numbers("fixed", 4, (64,)),
    )
    assert found["multiply"] == pytest.approx(204.8)
    assert found["add"] == pytest.approx(1024 * 0.1 * 21 / 32)  # 16 products and a bias: log2 17 is 5 bits more
    assert found["inputs"] == pytest.approx(128 * 0.3125 / 2**5.5)  # 2^7 bits: sqrt(2^7 / 2^18)
    assert found["parameters"] == pytest.approx(8192 * 0.3125 * 2**-2.5 + 512 * 0.3125 * 2**-4.5)
    assert found["outputs"] == pytest.approx(256 * 0.3125 * 2**-5)


def test_what_is_zero_costs_nothing():
    w = numbers("fixed", 6, (4, 2))
    w.bits[:, 1] = 0
    w.bits[0, 0] = 0
    found = layer_energy(numbers("fixed", 4, (4,), False), w, Numbers("fixed", np.array([5.0, 0.0]), True), None)
    three = layer_energy(numbers("fixed", 4, (3,), False), numbers("fixed", 6, (3, 1)), numbers("fixed", 5, (1,)), None)
    assert {k: found[k] for k in ("multiply", "add", "parameters")} == {
        k: three[k] for k in ("multiply", "add", "parameters")
    }


@pytest.mark.parametrize(
    "names",
    [
        ((6, 4, 8), (6, 6, 6), (5, 7)),
        (("binary", "po2_4", 16), ("po2_3", "binary", 4), ("binary", "po2_3")),
        (("po2_5", "binary", "binary"), ("binary", 4, "po2_2"), ("ternary", "binary")),
    ],
)
def test_a_network_without_zeros_costs_what_its_formats_do(names):
    formats, sizes = layers(*names), (16, 8, 6, 5)
    torch.manual_seed(0)
    network = BatchedMLP(sizes, [Widths.of(12, formats)], 4.0, [0])
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.where(torch.rand(p.shape) < 0.5, -1.0, 1.0) * (0.7 + 0.3 * torch.rand(p.shape)))
    network.calibrate(torch.randn(300, 16))
    found = network.fixed_point()
    assert all((y.weight != 0).all() and (y.bias != 0).all() for y in found.layers)
    total = sum(sum(parts.values()) for parts in energy(found))
    assert total == pytest.approx(energy_of_formats(sizes, formats, 12))
    assert model_bits(found) == bits_of_formats(sizes, formats, 12)


def test_bits_of_the_eight_bit_reference():
    """16-64-32-32-5: 4,389 parameters, 16 inputs and 128 activations."""
    assert bits_of_formats((16, 64, 32, 32, 5), layers((8,) * 4, (8,) * 4, (8,) * 3), 8) == 8 * (4389 + 16 + 128)
