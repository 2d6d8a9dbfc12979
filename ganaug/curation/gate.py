"""The gate: how much synthetic data to add, zero included, by inner validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from ganaug.metrics.paired import standard_error

__all__ = ["GateDecision", "decide", "decide_by_folds", "step_of_rarest"]

FEW_FOLDS = 5  # below which their scores alone do not say how certain they are


@dataclass(frozen=True)
class GateDecision:
    """What the gate chose, and how well it could see.

    Attributes
    ----------
    ratio : float
        The choice, one of the ratios offered.
    best_ratio : float
        The one with the highest mean score.
    gain : float
        Mean gain in score of `best_ratio` over adding nothing.
    smallest_gain : float
        Standard error of that gain: a smaller one would not have been told from noise. NaN where validation could not
        decide at all.
    reason : str
        The decision in a sentence.
    position : int
        Of the choice among the candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import SafeOverSampler
    >>> from imblearn.over_sampling import SMOTE
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(120, 2)), np.repeat([0, 1], [100, 20])
    >>> safe = SafeOverSampler(SMOTE(random_state=0), cv=3, random_state=0)
    >>> X_new, y_new = safe.fit_resample(X, y)
    >>> safe.decision_.ratio, safe.decision_.smallest_gain > 0
    (0.0, True)
    """

    ratio: float
    best_ratio: float
    gain: float
    smallest_gain: float
    reason: str
    position: int = 0


def decide(
    scores: ArrayLike,
    ratios: Sequence[float],
    test_share: float,
    *,
    names: Sequence[str] | None = None,
    nothing: str = "adding nothing",
    few: bool = False,
    resolution: float = 0.0,
) -> GateDecision:
    """Choose the smallest ratio that is within one standard error of the best; one that adds must beat adding nothing.

    Parameters
    ----------
    scores : array-like of shape (n_folds, n_candidates)
        Validation scores, higher being better; a row holds scores on the same rows. In place of folds, rows may be
        samples of one validation set.
    ratios : sequence of float
        Of each candidate, never decreasing; the first is 0.
    test_share : float
        Share of the rows that a fold validates on; 0 for samples of one validation set.
    names : sequence of str, optional
        Of the candidates, for the reason; by default "ratio" and the number.
    nothing : str, default="adding nothing"
        What the first candidate is, for the reason.
    few : bool, default=False
        Whether the standard error is enlarged for few rows, which underestimate it: to the quantile of Student's t that
        chance exceeds as seldom as one standard error of many rows.
    resolution : float, default=0.0
        Smallest step between two possible scores of a row, below which the rounding of scores is no certainty: folds
        that all say the same have a standard error, too.

    Returns
    -------
    GateDecision

    Notes
    -----
    The error is that of the benchmark's intervals, enlarged where folds share training rows:
    :func:`ganaug.metrics.paired.standard_error`.

    Examples
    --------
    >>> decide([[0.7, 0.8], [0.6, 0.7], [0.7, 0.81]], [0, 1], 1 / 3).ratio
    1
    >>> decide([[0.7, 0.8], [0.6, 0.5], [0.7, 0.71]], [0, 1], 1 / 3).ratio
    0
    >>> decide([[0.7, 0.9, 0.8], [0.6, 0.3, 0.7], [0.7, 0.7, 0.81]], [0, 0.5, 1], 1 / 3).ratio  # 0.5 is below 0
    1
    """
    table = np.asarray(scores, dtype=float)
    called = names or [f"ratio {ratio:g}" for ratio in ratios]
    if len(table) < 2:
        raise ValueError(f"the gate needs at least two validation folds, got {len(table)}; pass a cv of more splits")
    if not np.isfinite(table).all():
        raise ValueError("a validation score is not finite; choose a scoring that is defined in every fold")
    means = table.mean(0)
    best = int(means.argmax())

    enlarged = float(scipy.stats.t.ppf(scipy.stats.norm.cdf(1), len(table) - 1)) if few else 1.0

    def error(one: int, other: int) -> float:
        return enlarged * standard_error(table[:, one] - table[:, other], test_share, resolution=resolution)

    better = [column for column in range(best + 1) if column in {0, best} or means[column] > means[0]]
    chosen = next(column for column in better if means[best] - means[column] <= error(best, column))
    gain = float(means[best] - means[0])
    # If nothing is best: how well the largest ratio could have been told from it.
    smallest = error(best, 0) if best else error(-1, 0)
    if not (table != table[:, :1]).any():
        smallest = float("nan")
        reason = "validation cannot decide: every ratio scored the same in every fold"
    elif best == 0:
        reason = f"no ratio scored better than {nothing}; a gain below {smallest:.3f} could not have been seen"
    elif chosen == 0:
        reason = (
            f"{called[best]} scored {gain:+.3f}, within one standard error ({smallest:.3f}) of {nothing}; "
            "a smaller gain than that cannot be seen with so few samples"
        )
    else:
        reason = f"{called[best]} scored {gain:+.3f} over {nothing} (standard error {smallest:.3f})"
        if chosen != best:
            reason += f"; {called[chosen]} is within one standard error of it"
    return GateDecision(ratios[chosen], ratios[best], gain, smallest, reason, chosen)


def decide_by_folds(
    scores: ArrayLike, ratios: Sequence[float], tested: Sequence[NDArray[Any]], n_samples: int, **options: Any
) -> GateDecision:
    """Choose as :func:`decide` does, by folds of a data set.

    Two folds often say the same by chance. With fewer than five the standard error is enlarged for few, and is at least
    that of rounding to what one row more of the rarest class is worth in balanced accuracy.

    Parameters
    ----------
    scores, ratios
        As for :func:`decide`.
    tested : sequence of ndarray of shape (n_test,)
        Labels of the samples that each fold validates on.
    n_samples : int
        Of all folds.
    **options
        `names` and `nothing` of :func:`decide`.

    Examples
    --------
    >>> labels = [np.repeat([0, 1], [15, 3])] * 2
    >>> decide_by_folds([[0.50, 0.533], [0.60, 0.633]], [0, 1], labels, 36).ratio
    0
    """
    share, few = float(np.mean([len(labels) for labels in tested])) / n_samples, len(tested) < FEW_FOLDS
    return decide(scores, ratios, share, few=few, resolution=step_of_rarest(tested) if few else 0.0, **options)


def step_of_rarest(tested: Sequence[NDArray[Any]]) -> float:
    """What one sample more of the rarest class is worth in balanced accuracy, in the mean of folds.

    Parameters
    ----------
    tested : sequence of ndarray of shape (n_test,)
        Labels of the samples that each fold validates on.

    Examples
    --------
    >>> step_of_rarest([np.repeat([0, 1], [15, 2])])
    0.25
    """
    counts = [np.unique(labels, return_counts=True)[1] for labels in tested]
    return float(np.mean([1 / (len(of_classes) * of_classes.min()) for of_classes in counts]))
