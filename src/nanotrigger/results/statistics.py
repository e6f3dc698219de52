"""Intervals and tests of classifiers: over the jets they were tested on, and over seeds where there are several.

Every interval is at 95 %, of one figure alone (not of all at once). What it speaks of depends on what was repeated: with
one seed, of that one trained network on other jets; with several, of the stanza trained with other seeds, on other jets.

Jets are resampled (the bootstrap of Efron 1979). A mean over jets that takes few different values needs no list of jets
for that: a resample holds each value a multinomial number of times, so that 10,000 resamples of 166,000 jets take
milliseconds. For one model, right or wrong on each jet, that is a binomial number, whose quantiles are known: its
interval is the one of infinitely many resamples.

Seeds are too few to be resampled: on simulated replicas (1,000 trials each; seeds' spread from none to five times the jets')
resampling both jets and two seeds held the true accuracy in 75 % of the trials at worst, three 84 %, five 90 %, and a true
difference of accuracies in 68, 79 and 86 %. So the jets are resampled, all replicas together, and the mean over seeds
is drawn around each resample's by Student's t: at worst 95 and 94 %. Where the replicas differ only in which jets they get
right by chance, that chance counts in both parts and the interval is up to 1.4 times too wide, apart from Student's factor
for few seeds. Two seeds have an interval, but hardly a useful one (factor 12.7); five (2.8) are enough to compare recipes.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import scipy  # its parts load when they are first used

LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
RESAMPLES = 10_000
SEED = 0
"""Of the resampling: each interval is drawn on its own, so it does not depend on what else is in a run."""


class Interval(NamedTuple):
    """Bounds of a 95 % interval, in the unit of the figure."""

    low: float
    high: float


class Comparison(NamedTuple):
    """Two models on the same jets: difference of their accuracies (first - second), its interval, and its p-value.

    only_first, only_second: how often one alone is right, summed over jets and seeds. p_value: two-sided, of no difference.
    """

    difference: float
    interval: Interval
    only_first: int
    only_second: int
    p_value: float
    test: str


def accuracy_interval(right: int, jets: int) -> Interval:
    """Bootstrap interval over jets of an accuracy of which `right` of `jets` are right: quantiles of a binomial number.

    Where every jet is right, or none, resampling knows no spread: there the interval is Wilson's score interval.
    """
    if not 0 < right < jets:
        return Interval(*scipy.stats.binomtest(right, jets).proportion_ci(LEVEL, "wilson"))
    return Interval(*(scipy.stats.binom.ppf(TAILS, jets, right / jets) / jets).tolist())


def resampled_means(values: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Means (resamples,) of `values` (jets,) resampled with replacement; quick where `values` has few different ones."""
    different, counts = np.unique(values, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=resamples)
    return draws @ different / len(values)


def seeds_interval(means: np.ndarray) -> Interval:
    """Student's t interval of the mean of `means` (seeds,), each measured on the same jets; at least two.

    It speaks of other seeds on these very jets: other jets would add their own spread.
    """
    half = scipy.stats.t.ppf(TAILS[1], len(means) - 1) * scipy.stats.sem(means)
    return Interval(float(np.mean(means) - half), float(np.mean(means) + half))


def combined_interval(values: np.ndarray) -> Interval:
    """Bootstrap interval of the mean of `values` (seeds, jets), over jets and, where there are several, over seeds.

    values: 1 where a replica is right and 0 where it is wrong, or the difference of two models' (-1, 0 or 1).
    """
    means = resampled_means(_sums(values)) / len(values)
    if len(values) > 1:
        means = means + scipy.stats.sem(values.mean(1)) * _student(len(values) - 1)
    return Interval(*np.quantile(means, TAILS).tolist())


def _sums(values: np.ndarray) -> np.ndarray:
    """Sum over seeds (jets,) of (seeds, jets): whole numbers, so that equal ones are equal."""
    return values.sum(0, dtype=np.int64)


@functools.lru_cache(maxsize=8)
def _student(freedom: int) -> np.ndarray:
    """RESAMPLES values of Student's t in random order: its quantiles, as its heavy tails make random ones noisy."""
    quantiles = scipy.stats.t.ppf((np.arange(RESAMPLES) + 0.5) / RESAMPLES, freedom)
    return np.random.default_rng(SEED + 1).permutation(quantiles)


def model_interval(right: np.ndarray) -> Interval:
    """Interval of the mean accuracy of a model's replicas. right: (seeds, jets) bool."""
    if len(right) == 1 or not 0 < right.sum() < right.size:
        return accuracy_interval(int(right[0].sum()), right.shape[1])
    low, high = combined_interval(right)
    return Interval(max(low, 0.0), min(high, 1.0))


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided: whether as many jets are right by one model alone as by the other alone."""
    different = only_first + only_second
    return float(scipy.stats.binomtest(only_first, different).pvalue) if different else 1.0


def spread_p_value(difference: float, jets_error: float, seeds_error: float, seeds: int) -> float:
    """Two-sided p-value of no difference, where its error is a normal one (jets) and a Student's t (seeds) in sum.

    jets_error, seeds_error: standard errors over jets and over seeds. The distribution from which `combined_interval` draws,
    integrated, so that p-values too small for any number of draws can be corrected for many comparisons.
    """
    size = abs(difference)
    if size == 0:
        return 1.0
    if seeds_error == 0:
        return float(2 * scipy.stats.norm.sf(size / jets_error)) if jets_error else 0.0
    if jets_error == 0:
        return float(2 * scipy.stats.t.sf(size / seeds_error, seeds - 1))
    step, edge = -size / jets_error, 10.0
    tail, _ = scipy.integrate.quad(
        lambda z: math.exp(-(z**2) / 2) * scipy.special.stdtr(seeds - 1, -(size + jets_error * z) / seeds_error),
        -edge,
        edge,
        points=[step] if step > -edge else [0.0],  # a step, where seeds differ much less than jets do
        epsabs=0,
        epsrel=1e-6,
        limit=500,
    )
    return min(1.0, 2 * tail / math.sqrt(2 * math.pi))


def compare(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Compare two models jet by jet, and seed by seed where there are several.

    first, second: (seeds, jets) bool, whether a replica is right; the same seeds and the same jets. With one seed the
    p-value is McNemar's; with several the jets are no longer independent trials, and `spread_p_value` is taken.
    """
    values = first.astype(np.int8) - second.astype(np.int8)
    alone = int((values > 0).sum()), int((values < 0).sum())
    difference = float((alone[0] - alone[1]) / values.size)
    if len(values) == 1:
        p_value, test = mcnemar(*alone), "McNemar, exact"
    else:
        errors = scipy.stats.sem(_sums(values)) / len(values), scipy.stats.sem(values.mean(1))
        p_value, test = spread_p_value(difference, *map(float, errors), len(values)), "jets and seeds"
    return Comparison(difference, combined_interval(values), *alone, p_value, test)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number by Holm's step-down method (1979): below a, any error has probability a at most."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted


def area_under_curve(signal: np.ndarray, scores: np.ndarray) -> tuple[float, Interval | None]:
    """Area under the ROC curve and its interval over jets by DeLong, DeLong and Clarke-Pearson (1988), on the logit scale.

    signal: (jets,) bool; scores: (jets,), larger for signal. In place of resampling, which would sort the jets each time.
    None where the curve is perfect (or perfectly wrong): its spread cannot be estimated.
    """
    kept, rejected = scores[signal], scores[~signal]
    ranks = scipy.stats.rankdata(scores)
    # for each jet, the share of the other kind's jets on the right side of it
    of_signal = (ranks[signal] - scipy.stats.rankdata(kept)) / len(rejected)
    of_background = 1 - (ranks[~signal] - scipy.stats.rankdata(rejected)) / len(kept)
    area = float(of_signal.mean())
    if not 0 < area < 1 or min(len(kept), len(rejected)) < 2:
        return area, None
    error = np.sqrt(of_signal.var(ddof=1) / len(kept) + of_background.var(ddof=1) / len(rejected))
    half = scipy.stats.norm.ppf(TAILS[1]) * error / (area * (1 - area))
    return area, Interval(*scipy.special.expit(scipy.special.logit(area) + np.array([-half, half])).tolist())
