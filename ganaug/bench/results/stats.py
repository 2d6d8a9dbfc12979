"""What the differences between arms are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEWEST_SPLITS",
    "Difference",
    "SignedRank",
    "bayesian_signed_rank",
    "bootstrap_interval",
    "corrected_resampled_difference",
    "harm_rate",
    "holm",
    "paired_difference",
    "wilcoxon",
]

PRIOR_STRENGTH = 0.5  # of the observation that two methods are equal
SAMPLES = 20_000
FEWEST_SPLITS = 3  # two leave one degree of freedom, and intervals that are wider than the scale of any metric


@dataclass(frozen=True)
class Difference:
    """A paired difference with its interval, in the units of what was compared.

    Attributes
    ----------
    mean, low, high : float
        Mean and ends of the confidence interval.
    n : int
        Pairs.
    p : float
        Of a two-sided t-test for a difference of zero.
    harm : float
        Probability that the true difference is below the region of practical equivalence, by the t-distribution that
        the interval is from.
    verdict : {"gain", "harm", "equal", "unclear"}
        "gain" and "harm" where the interval excludes zero, "equal" where it lies within the region of practical
        equivalence, "unclear" otherwise, and wherever there are fewer than three pairs.
    """

    mean: float
    low: float
    high: float
    n: int
    p: float
    harm: float
    verdict: str

    @property
    def has_interval(self) -> bool:
        """Whether there are pairs enough for the interval to mean anything."""
        return self.n >= FEWEST_SPLITS

    def to_dict(self) -> dict[str, float | int | str]:
        """Plain values."""
        return asdict(self)


def paired_difference(
    differences: ArrayLike, *, rope: float, confidence: float = 0.95, resolution: float = 0.0
) -> Difference:
    """Summarise independent paired differences by a t-interval.

    Parameters
    ----------
    differences : array-like of shape (n,)
        One per split, at least two; splits must not share training samples.
    rope : float
        Half-width of the region of practical equivalence.
    confidence : float
        Of the interval.
    resolution : float
        Smallest step between two possible differences. Rounding to such steps has a variance of a twelfth of its
        square, below which the one found does not count: two equal numbers of right answers are no certainty.

    Returns
    -------
    Difference

    Examples
    --------
    >>> paired_difference([1.0, 2.0, 3.0], rope=0.5).verdict
    'unclear'
    >>> paired_difference([1.9, 2.0, 2.1], rope=0.5).verdict
    'gain'
    """
    values = _checked(differences)
    return _interval(values, _variance(values, resolution) / len(values), rope, confidence)


def corrected_resampled_difference(
    differences: ArrayLike, *, test_share: float, rope: float, confidence: float = 0.95, resolution: float = 0.0
) -> Difference:
    """Summarise paired differences of resampled splits, whose training sets overlap, by a corrected t-interval.

    The variance of the mean is ``s² (1 / n + n_test / n_train)`` (Nadeau and Bengio, Machine Learning 2003, eq. 9): an
    ordinary t-test over the folds of a cross-validation finds differences that are not there.

    Parameters
    ----------
    differences : array-like of shape (n,)
        One per fold or resample, at least two.
    test_share : float in (0, 1)
        Share of the samples that is tested on in each, 0.2 for five folds.
    rope, confidence, resolution : float
        As for :func:`paired_difference`.

    Returns
    -------
    Difference

    Examples
    --------
    >>> folds = [1.5, 2.0, 2.5, 1.8, 2.2]
    >>> plain = paired_difference(folds, rope=0)
    >>> corrected = corrected_resampled_difference(folds, test_share=0.2, rope=0)
    >>> corrected.mean == plain.mean, corrected.low < plain.low
    (True, True)
    """
    values = _checked(differences)
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must be in (0, 1), got {test_share}")
    variance = _variance(values, resolution) * (1 / len(values) + test_share / (1 - test_share))
    return _interval(values, variance, rope, confidence)


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p-value of the signed-rank test over datasets; 1 if all differences are zero.

    Examples
    --------
    >>> wilcoxon([1, 2, 3, 4, 5, 6])
    0.03125
    """
    values = _checked(differences)
    return float(scipy.stats.wilcoxon(values).pvalue) if values.any() else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for the number of tests (Holm, 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(values) - np.arange(len(values))) * values[order]))
    return adjusted


@dataclass(frozen=True)
class SignedRank:
    """Probabilities that one method is worse than another on a new dataset, as good, or better.

    Attributes
    ----------
    worse, equal, better : float
        They sum to one.
    """

    worse: float
    equal: float
    better: float


def bayesian_signed_rank(differences: ArrayLike, *, rope: float, seed: int = 0) -> SignedRank:
    """Compare two methods over datasets by the Bayesian signed-rank test.

    The posterior is a Dirichlet process over the differences, with one prior observation of no difference (Benavoli et
    al., ICML 2014; "Time for a Change", JMLR 2017, section 4.2). Each draw of weights gives the chance that the mean of
    two differences lies below, within or above the region of practical equivalence; counted is which is largest.

    Parameters
    ----------
    differences : array-like of shape (n_datasets,)
        At least two.
    rope : float
        Half-width of the region of practical equivalence.
    seed : int

    Returns
    -------
    SignedRank

    Examples
    --------
    >>> found = bayesian_signed_rank([0.03, 0.02, 0.05, 0.04, 0.01, 0.03, 0.02], rope=0.01)
    >>> found.better > 0.95
    True
    """
    values = np.concatenate([[0.0], _checked(differences)])
    weights = np.random.default_rng(seed).dirichlet([PRIOR_STRENGTH, *np.ones(len(values) - 1)], SAMPLES)
    means = (values[:, None] + values) / 2
    regions = [means < -rope, np.abs(means) <= rope, means > rope]
    chances = np.stack([np.einsum("si,ij,sj->s", weights, region.astype(float), weights) for region in regions])
    counts = np.bincount(chances.argmax(0), minlength=3) / SAMPLES
    return SignedRank(*map(float, counts))


def bootstrap_interval(
    differences: Sequence[ArrayLike], *, confidence: float = 0.95, seed: int = 0, samples: int = 5000
) -> tuple[float, float]:
    """Interval of the mean over datasets: datasets are drawn with replacement, then splits within each.

    The percentiles are those of an expanded interval: plain ones cover too seldom where datasets are few (Hesterberg,
    "What Teachers Should Know About the Bootstrap", The American Statistician 2015).

    Parameters
    ----------
    differences : sequence of array-like
        Of each dataset, one per split.
    confidence : float
    seed, samples : int

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = bootstrap_interval([[1.0, 1.2], [0.8, 1.0], [1.1, 0.9]])
    >>> 0.7 < low < 1 < high < 1.3
    True
    """
    randomness = np.random.default_rng(seed)
    of_each = [np.asarray(values, dtype=float) for values in differences]
    if len(of_each) < 2 or not all(map(len, of_each)):
        raise ValueError(f"at least two datasets are needed for an interval, none without splits, got {len(of_each)}")
    means = np.stack([v[randomness.integers(len(v), size=(samples, len(v)))].mean(1) for v in of_each], axis=1)
    drawn = means[np.arange(samples)[:, None], randomness.integers(len(of_each), size=(samples, len(of_each)))].mean(1)
    n = len(of_each)
    outside = scipy.stats.norm.sf(scipy.stats.t.ppf(0.5 + confidence / 2, n - 1) * np.sqrt(n / (n - 1)))
    low, high = np.quantile(drawn, [outside, 1 - outside])
    return float(low), float(high)


def harm_rate(differences: ArrayLike, *, rope: float) -> float:
    """Share of differences, one per dataset and classifier, that are worse than the region of practical equivalence.

    Examples
    --------
    >>> harm_rate([-0.05, -0.005, 0.02, 0.03], rope=0.01)
    0.25
    """
    return float((np.asarray(differences, dtype=float) < -rope).mean())


def _checked(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"at least two differences are needed, got {values.size}")
    return values


def _variance(values: NDArray[np.float64], resolution: float) -> float:
    return max(float(values.var(ddof=1)), resolution**2 / 12)


def _interval(values: NDArray[np.float64], variance: float, rope: float, confidence: float) -> Difference:
    mean, scale = float(values.mean()), float(np.sqrt(variance))
    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * scale
    if scale > 0:
        harm = float(scipy.stats.t.cdf((-rope - mean) / scale, len(values) - 1))
        p = float(2 * scipy.stats.t.sf(abs(mean) / scale, len(values) - 1))
    else:
        harm, p = float(mean < -rope), float(mean == 0)
    low, high = mean - half, mean + half
    if len(values) < FEWEST_SPLITS:
        verdict = "unclear"
    elif low > 0:
        verdict = "gain"
    elif high < 0:
        verdict = "harm"
    else:
        verdict = "equal" if -rope < low and high < rope else "unclear"
    return Difference(mean, low, high, len(values), p, harm, verdict)
