"""What the differences between arms are worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """A paired difference with its interval, in the units of what was compared.

    Attributes
    ----------
    mean, low, high : float
        Mean and ends of the confidence interval.
    n : int
        Pairs.
    verdict : {"gain", "harm", "equal", "unclear"}
        "gain" and "harm" where the interval excludes zero, "equal" where it lies within the region of practical
        equivalence, "unclear" otherwise.
    """

    mean: float
    low: float
    high: float
    n: int
    verdict: str

    def to_dict(self) -> dict[str, float | int | str]:
        """Plain values."""
        return asdict(self)


def paired_difference(differences: ArrayLike, *, rope: float, confidence: float = 0.95) -> Difference:
    """Summarise independent paired differences by a t-interval.

    Parameters
    ----------
    differences : array-like of shape (n,)
        One per split, at least two; splits must not share training samples.
    rope : float
        Half-width of the region of practical equivalence.
    confidence : float
        Of the interval.

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
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"at least two differences are needed for an interval, got {values.size}")
    mean = float(values.mean())
    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * scipy.stats.sem(values))
    low, high = mean - half, mean + half
    if low > 0:
        verdict = "gain"
    elif high < 0:
        verdict = "harm"
    else:
        verdict = "equal" if -rope < low and high < rope else "unclear"
    return Difference(mean, low, high, len(values), verdict)
