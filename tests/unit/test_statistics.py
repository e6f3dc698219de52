"""Intervals and tests against resampling written out, enumeration, textbook values and simulated truths."""

from math import comb

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score

from nanotrigger.results.statistics import (
    accuracy_interval,
    area_under_curve,
    combined_interval,
    compare,
    holm,
    mcnemar,
    model_interval,
    resampled_means,
    seeds_interval,
    spread_p_value,
)

JETS = 600


def resample(values, number, rng):
    """Means of resamples drawn jet by jet, as the bootstrap is defined."""
    return values[rng.integers(0, len(values), (number, len(values)))].mean(1)


def replicas(rng, offset, seeds_spread, seeds=3, jets=None, noise=0.4):
    """Replicas of a simulated model, (seeds, jets) bool, and the accuracy that it has over all jets and seeds.

    A jet is right where its ease, the seed's luck and their chance together exceed -offset; all three are normal.
    """
    jets = rng.normal(size=JETS) if jets is None else jets
    luck = rng.normal(size=(seeds, 1)) * seeds_spread
    right = jets + luck + noise * rng.normal(size=(seeds, len(jets))) > -offset
    return right, float(ndtr(offset / np.sqrt(1 + seeds_spread**2 + noise**2)))


def test_an_accuracys_interval_is_the_bootstraps():
    rng = np.random.default_rng(0)
    right = rng.random(JETS) < 0.68
    low, high = accuracy_interval(int(right.sum()), JETS)
    drawn = np.quantile(resample(right, 20000, rng), [0.025, 0.975])
    np.testing.assert_allclose([low, high], drawn, atol=1.01 / JETS)
    wilson = stats.binomtest(int(right.sum()), JETS).proportion_ci(0.95, "wilson")
    np.testing.assert_allclose([low, high], wilson, atol=2 / JETS)


@pytest.mark.parametrize("right, bounds", [(0, (0, 3.8415 / 103.8415)), (100, (100 / 103.8415, 1))])
def test_no_wrong_jet_is_no_certainty(right, bounds):
    """Wilson's interval in closed form, z^2 / (n + z^2), where resampling has no spread."""
    assert accuracy_interval(right, 100) == pytest.approx(bounds, abs=1e-5)
    assert model_interval(np.full((3, 100), right == 100)) == pytest.approx(bounds, abs=1e-5)


def test_resampling_counts_is_resampling_jets():
    rng = np.random.default_rng(1)
    values = rng.choice([-2, -1, 0, 1, 2], size=300, p=[0.1, 0.2, 0.3, 0.2, 0.2])
    quick, slow = resampled_means(values, 4000), resample(values, 4000, rng)
    assert quick.mean() == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(300 * 4000))
    assert quick.std() == pytest.approx(values.std() / np.sqrt(300), rel=0.05)
    assert stats.ks_2samp(quick, slow).pvalue > 0.01


def test_seeds_interval_of_a_textbook_sample():
    """1 to 5: mean 3, standard error sqrt(2.5 / 5), t with four degrees of freedom 2.776445."""
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert seeds_interval(np.arange(1.0, 6.0)) == pytest.approx((3 - half, 3 + half), abs=1e-5)


@pytest.mark.parametrize("seeds_spread", [0.0, 0.15])
def test_interval_over_jets_and_seeds_holds_the_truth(seeds_spread):
    """In 95 % of simulated runs or more; over jets alone it does so only where the seeds do not differ."""
    rng = np.random.default_rng(2)
    both, jets_alone, trials = 0, 0, 300
    for _ in range(trials):
        right, truth = replicas(rng, 0.6, seeds_spread)
        low, high = combined_interval(right)
        both += low <= truth <= high
        low, high = np.quantile(resampled_means(right.sum(0), 1000) / len(right), [0.025, 0.975])
        jets_alone += low <= truth <= high
    assert both / trials > 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / trials)
    assert (jets_alone / trials > 0.9) == (seeds_spread == 0)


def test_equal_replicas_add_nothing():
    right = np.random.default_rng(3).random((1, JETS)) < 0.7
    np.testing.assert_allclose(model_interval(np.repeat(right, 4, 0)), model_interval(right), atol=1.01 / JETS)


@pytest.mark.parametrize("first, second", [(0, 0), (5, 0), (3, 9), (9, 3), (6, 6), (7, 8)])
def test_mcnemar_by_enumeration(first, second):
    """All outcomes of fair coins that are no likelier than the one seen."""
    n = first + second
    ways = [comb(n, k) for k in range(n + 1)]
    assert mcnemar(first, second) == pytest.approx(sum(w for w in ways if w <= ways[first]) / 2**n)


def test_a_comparison_by_hand():
    """Ten jets: both right 4, first alone 3, second alone 1, both wrong 2."""
    first = np.array([[1] * 4 + [1] * 3 + [0] + [0] * 2], bool)
    second = np.array([[1] * 4 + [0] * 3 + [1] + [0] * 2], bool)
    found = compare(first, second)
    assert found.difference == pytest.approx(0.2) and (found.only_first, found.only_second) == (3, 1)
    assert found.p_value == pytest.approx(2 * (4 + 1) / 16)
    turned = compare(second, first)
    assert turned.difference == -found.difference and turned.p_value == found.p_value


def test_pairing_counts():
    """The interval of a paired difference against the variance of a difference of two counts, and the unpaired one."""
    rng = np.random.default_rng(4)
    jets = rng.normal(size=20000)
    first, second = (jets + 0.2 * rng.normal(size=(2, 1, len(jets)))) > -0.5
    found = compare(first, second)
    alone = found.only_first, found.only_second
    error = np.sqrt(sum(alone) - (alone[0] - alone[1]) ** 2 / first.size) / first.size
    half = (found.interval.high - found.interval.low) / 2
    assert half == pytest.approx(1.96 * error, rel=0.03)
    assert half < 0.5 * 1.96 * np.sqrt(2 * first.mean() * (1 - first.mean()) / first.size)


def test_equal_models_do_not_differ():
    right = np.random.default_rng(5).random((2, 50)) < 0.7
    for seeds in (right[:1], right):
        found = compare(seeds, seeds)
        assert found.difference == 0 and found.interval == (0, 0) and found.p_value == 1


@pytest.mark.parametrize("seeds_spread", [0.0, 0.05])
def test_differences_over_seeds_hold_the_truth(seeds_spread):
    """Interval over jets and seeds, and the share of equal models that are called different."""
    rng = np.random.default_rng(6)
    held, called, agreed, trials = 0, 0, 0, 300
    for _ in range(trials):
        jets = rng.normal(size=JETS)
        better, best = replicas(rng, 0.7, seeds_spread, jets=jets)
        worse, worst = replicas(rng, 0.6, seeds_spread, jets=jets)
        found = compare(better, worse)
        low, high = found.interval
        held += low <= best - worst <= high
        agreed += (found.p_value < 0.05) == (not low <= 0 <= high)
        called += compare(worse, replicas(rng, 0.6, seeds_spread, jets=jets)[0]).p_value < 0.05
    error = np.sqrt(0.95 * 0.05 / trials)
    assert held / trials > 0.95 - 2.5 * error
    assert called / trials < 0.05 + 2.5 * error
    assert agreed / trials > 0.97, "no difference lies outside the interval where its p-value is below 0.05"


def test_p_value_over_jets_and_seeds_against_draws():
    rng = np.random.default_rng(7)
    drawn = 0.004 * rng.normal(size=10**6) + 0.003 * rng.standard_t(2, size=10**6)
    expected = (np.abs(drawn) > 0.012).mean()
    assert spread_p_value(0.012, 0.004, 0.003, 3) == pytest.approx(expected, rel=0.02)
    assert spread_p_value(-0.012, 0.004, 0.003, 3) == spread_p_value(0.012, 0.004, 0.003, 3)


@pytest.mark.parametrize("ratio", [0.0, 1e-6, 1e-3])
def test_p_value_where_one_spread_is_small(ratio):
    """It becomes the normal distribution's where seeds hardly differ, and Student's where jets hardly do."""
    assert spread_p_value(3.0, 1.0, ratio, 4) == pytest.approx(2 * stats.norm.sf(3), rel=1e-3)
    assert spread_p_value(3.0, ratio, 1.0, 4) == pytest.approx(2 * stats.t.sf(3, 3), rel=1e-3)
    assert spread_p_value(30.0, 1.0, ratio, 4) <= spread_p_value(15.0, 1.0, ratio, 4) < 1e-6


def test_holms_correction_of_a_known_case():
    """As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives it."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9])).max() == 1 and len(holm(np.array([]))) == 0


def test_area_under_the_curve_and_its_interval():
    """The area by scikit-learn, ties included; the interval by resampling the jets."""
    rng = np.random.default_rng(8)
    signal = rng.random(500) < 0.3
    scores = np.round(rng.normal(size=500) + 1.2 * signal, 1)
    area, (low, high) = area_under_curve(signal, scores)
    assert area == pytest.approx(roc_auc_score(signal, scores))
    draws = [roc_auc_score(signal[i], scores[i]) for i in rng.integers(0, 500, (1500, 500))]
    np.testing.assert_allclose([low, high], np.quantile(draws, [0.025, 0.975]), atol=0.006)


def test_a_perfect_curve_claims_no_interval():
    assert area_under_curve(np.array([0, 0, 1, 1], bool), np.arange(4.0)) == (1.0, None)
