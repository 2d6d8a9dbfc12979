"""Tests of differences over datasets, and what they say of another dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from ganaug.metrics.paired import paired_values

__all__ = [
    "ENOUGH_DATASETS",
    "SignedRank",
    "bayesian_signed_rank",
    "bootstrap_interval",
    "harm_rate",
    "holm",
    "wilcoxon",
]

PRIOR_STRENGTH = 0.5  # of the observation that two methods are equal
SAMPLES = 20_000
ENOUGH_DATASETS = 6  # below, no signed-rank test over datasets can find anything at 5 %


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p-value of the signed-rank test over datasets; 1 if all differences are zero.

    Examples
    --------
    >>> wilcoxon([1, 2, 3, 4, 5, 6])
    0.03125
    """
    values = paired_values(differences)
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
    values = np.concatenate([[0.0], paired_values(differences)])
    weights = np.random.default_rng(seed).dirichlet([PRIOR_STRENGTH, *np.ones(len(values) - 1)], SAMPLES)
    means = (values[:, None] + values) / 2
    regions = [means < -rope, np.abs(means) <= rope, means > rope]
    chances = np.stack([np.einsum("si,ij,sj->s", weights, region.astype(float), weights) for region in regions])
    counts = np.bincount(chances.argmax(0), minlength=3) / SAMPLES
    return SignedRank(*map(float, counts))


def bootstrap_interval(
    differences: ArrayLike, *, confidence: float = 0.95, seed: int = 0, samples: int = 5000
) -> tuple[float, float]:
    """Interval of the mean over datasets, which are drawn with replacement.

    The means of datasets differ by what their splits happen to be as well: to draw splits too would count that twice.
    The percentiles are those of an expanded interval: plain ones cover too seldom where datasets are few (Hesterberg,
    "What Teachers Should Know About the Bootstrap", The American Statistician 2015).

    Parameters
    ----------
    differences : array-like of shape (n_datasets,)
        The mean of each, at least two.
    confidence : float
    seed, samples : int

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = bootstrap_interval([1.1, 0.9, 1.0])
    >>> 0.7 < low < 1 < high < 1.3
    True
    """
    values = paired_values(differences)
    n = len(values)
    drawn = values[np.random.default_rng(seed).integers(n, size=(samples, n))].mean(1)
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
