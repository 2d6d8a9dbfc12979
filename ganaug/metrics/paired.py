"""What paired scores on the same splits differ by, and how sure that is: the t-tests that gate and benchmark share."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEWEST_SPLITS",
    "Difference",
    "corrected_resampled_difference",
    "paired_difference",
    "paired_values",
    "standard_error",
]

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
    values = paired_values(differences)
    return _interval(values, standard_error(values, resolution=resolution), rope, confidence)


def corrected_resampled_difference(
    differences: ArrayLike, *, correlation: float, rope: float, confidence: float = 0.95, resolution: float = 0.0
) -> Difference:
    """Summarise paired differences of resampled splits, whose training sets overlap, by a corrected t-interval.

    An ordinary t-test over the folds of a cross-validation finds differences that are not there; see
    :func:`standard_error` for the correction.

    Parameters
    ----------
    differences : array-like of shape (n,)
        One per fold or resample, at least two.
    correlation : float in [0, 1)
        Of two of the differences: for folds the share of the samples that is tested on in each, 0.2 for five.
    rope, confidence, resolution : float
        As for :func:`paired_difference`.

    Returns
    -------
    Difference

    Examples
    --------
    >>> folds = [1.5, 2.0, 2.5, 1.8, 2.2]
    >>> plain = paired_difference(folds, rope=0)
    >>> corrected = corrected_resampled_difference(folds, correlation=0.2, rope=0)
    >>> corrected.mean == plain.mean, corrected.low < plain.low
    (True, True)
    """
    values = paired_values(differences)
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation must be in [0, 1), got {correlation}")
    return _interval(values, standard_error(values, correlation, resolution=resolution), rope, confidence)


def standard_error(differences: ArrayLike, correlation: float = 0.0, *, resolution: float = 0.0) -> float:
    """Standard error of the mean of paired differences, corrected where training sets overlap.

    It is the root of ``s² (1 / n + r / (1 - r))`` with the correlation r of two differences, which are not independent
    where splits share training samples (Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning
    2003, eq. 9, where r is the share of samples that is tested on).

    Parameters
    ----------
    differences : array-like of shape (n,)
        One per split, at least two.
    correlation : float in [0, 1)
        Of two differences, 0.2 for five folds; 0 for independent differences.
    resolution : float
        Smallest step between two possible differences, as for :func:`paired_difference`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are fewer than two differences.

    Examples
    --------
    >>> standard_error([1.0, 3.0], 0.0), round(standard_error([1.0, 3.0], 0.5), 3)
    (1.0, 1.732)
    """
    values = paired_values(differences)
    variance = max(float(values.var(ddof=1)), resolution**2 / 12)
    return float(np.sqrt(variance * (1 / len(values) + correlation / (1 - correlation))))


def paired_values(differences: ArrayLike) -> NDArray[np.float64]:
    """Differences as an array, of which there must be two at least.

    Raises
    ------
    ValueError
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"at least two differences are needed, got {values.size}")
    return values


def _interval(values: NDArray[np.float64], scale: float, rope: float, confidence: float) -> Difference:
    mean = float(values.mean())
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
