"""Tests for copies of training samples: near copies, and the data-copying test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from ganaug.metrics.nearest_neighbors import Cells, Nearness

__all__ = [
    "DataCopying",
    "NearCopies",
    "copying_z",
    "data_copying",
    "near_copies",
    "near_counts",
    "near_train_share",
]

QUANTILE = 0.05  # of the distances of fresh real samples, below which a sample is a near copy
PERMUTATIONS = 1999
MEMORY = 2**22  # numbers that are permuted at a time


@dataclass(frozen=True)
class NearCopies:
    """How many samples are nearer to a training sample than fresh real ones are.

    Attributes
    ----------
    rate, low, high : float
        Share of the synthetic samples, with its Wilson interval of 95 %.
    expected : float
        Share of fresh real samples, by the holdout.
    rate_holdout : float
        Share of the synthetic samples that are as near to a holdout sample: what does not come from copying.
    n : int
        Synthetic samples whose neighbours were sought.
    p_near : float
        That more are near to training samples than of fresh real ones.
    p_value : float
        That more are so, and that of those which are near to any real sample more than by chance are nearest to one
        that was trained on: the larger of two p-values.
    """

    rate: float
    low: float
    high: float
    expected: float
    rate_holdout: float
    n: int
    p_near: float
    p_value: float


@dataclass(frozen=True)
class DataCopying:
    """The data-copying statistic, and how often the nearest real sample is a training sample.

    Attributes
    ----------
    c_t : float
        Of Meehan et al.: far below zero where the synthetic samples are nearer to training samples than fresh ones.
    c_t_exchanged : float
        The same with training and holdout data in each other's place: what does not come from copying.
    share, share_expected : float
        Of the synthetic samples whose nearest real one is a training sample; and by chance.
    p_near : float
        That they are nearer to training samples than fresh real ones, by ``c_t``.
    p_value : float
        That the share is above chance.
    """

    c_t: float
    c_t_exchanged: float
    share: float
    share_expected: float
    p_near: float
    p_value: float


def near_copies(found: Nearness, real_cells: Cells, n_train: int, randomness: np.random.Generator) -> NearCopies:
    """Count near copies, and test whether there are more than among fresh real samples.

    A synthetic sample is a near copy if it is nearer to a training sample than the 5 % quantile of the distances of its
    class's holdout samples to training samples. If synthetic samples are like the holdout, the number below the k-th
    smallest of these follows a negative hypergeometric distribution, exactly and for any number of samples of either
    kind (the precedence test: Nelson, Technometrics 1963). Blurred or typical samples are near to everything; therefore
    those that are so near to any real sample must also be nearest to training samples more often than by chance, by the
    test of :func:`near_train_share`.

    Parameters
    ----------
    found : Nearness
    real_cells : ndarray of shape (n_train + n_holdout,), int64
        Classes of the real samples, training samples first.
    n_train : int
    randomness : Generator

    Returns
    -------
    NearCopies
    """
    counts = near_counts(found)
    to_train, to_holdout = found.synthetic_to_train, found.synthetic_to_holdout
    # One bound for both, so that it does not matter which real samples were trained on.
    asked = np.minimum(to_train, to_holdout) < counts.farthest
    of_train = (to_train < to_holdout) + 0.5 * (to_train == to_holdout)
    hits = np.zeros(len(real_cells))
    np.add.at(hits, found.nearest_train[asked], of_train[asked])
    np.add.at(hits, n_train + found.nearest_holdout[asked], 1 - of_train[asked])
    p_share = near_train_share(hits, real_cells, n_train, randomness)[2] if asked.any() else 1.0
    count, n = int(counts.near.sum()), len(counts.near)
    interval = scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
    return NearCopies(
        count / n,
        float(interval.low),
        float(interval.high),
        counts.expected,
        float(counts.near_holdout.mean()),
        n,
        counts.p_more,
        max(counts.p_more, p_share),
    )


@dataclass(frozen=True)
class NearCounts:
    """Which synthetic samples are near to real ones.

    Attributes
    ----------
    near, near_holdout : ndarray of shape (n,), bool
        To a training sample, and to a holdout sample.
    farthest : ndarray of shape (n,)
        The larger of both bounds of the sample's class.
    expected : float
        Share of fresh real samples that are near to a training sample.
    p_more : float
        That more are.
    """

    near: NDArray[np.bool_]
    near_holdout: NDArray[np.bool_]
    farthest: NDArray[np.float64]
    expected: float
    p_more: float


def near_counts(found: Nearness) -> NearCounts:
    """Find the synthetic samples that are near to real ones, each kind of real samples by its own bound."""
    near = np.zeros(len(found.synthetic), dtype=bool)
    near_holdout, farthest = near.copy(), np.zeros(len(near))
    expected, chances = 0.0, np.ones(1)
    for cell in np.unique(found.synthetic):
        own = found.synthetic == cell
        n = int(own.sum())
        real = np.sort(found.holdout_to_train[found.holdout == cell])
        k = _rank(len(real))
        expected += n * k / (len(real) + 1)
        chances = np.convolve(chances, scipy.stats.nhypergeom(n + len(real), n, k).pmf(np.arange(n + 1)))
        swapped = np.sort(found.train_to_holdout[found.train == cell])
        bounds = real[k - 1], swapped[_rank(len(swapped)) - 1]
        near[own], near_holdout[own] = (
            found.synthetic_to_train[own] < bounds[0],
            found.synthetic_to_holdout[own] < bounds[1],
        )
        farthest[own] = max(bounds)
    p_more = min(1.0, float(chances[int(near.sum()) :].sum()))
    return NearCounts(near, near_holdout, farthest, expected / len(near), p_more)


def _rank(n: int) -> int:
    return max(1, int(QUANTILE * (n + 1)))


def data_copying(found: Nearness, real_cells: Cells, n_train: int, randomness: np.random.Generator) -> DataCopying:
    """Test whether synthetic samples are nearer to training samples than fresh real ones are.

    ``C_T`` is the mean over classes, weighted by their synthetic samples, of the z-score of the Mann-Whitney test of
    the distances to the nearest training sample, synthetic against holdout (Meehan, Chaudhuri and Dasgupta, "A
    Non-Parametric Test to Detect Data-Copying in Generative Models", AISTATS 2020, section 4; their cells are regions,
    here they are classes). Beside it stands what comes out with training and holdout data in each other's place, since
    blurred samples are near to everything. Neither is tested: where samples have little variety all their distances
    hang on a few real samples, and no distribution is known. What is tested is the share of synthetic samples whose
    nearest real one is a training sample, by random exchanges of training and holdout samples of one class, which holds
    for any samples and also finds copies under much noise.

    Parameters
    ----------
    found : Nearness
    real_cells : ndarray of shape (n_train + n_holdout,), int64
        Classes of the real samples, training samples first.
    n_train : int
    randomness : Generator

    Returns
    -------
    DataCopying
    """
    ahead = copying_z(found.synthetic_to_train, found.synthetic, found.holdout_to_train, found.holdout)
    exchanged = copying_z(found.synthetic_to_holdout, found.synthetic, found.train_to_holdout, found.train)
    counts = np.unique(found.synthetic, return_counts=True)[1]
    weights = counts / counts.sum()
    c_t, c_t_exchanged = float(weights @ ahead), float(weights @ exchanged)
    deviation = float(np.sqrt(np.square(weights).sum()))
    p_near = float(scipy.stats.norm.cdf(c_t / deviation))
    share, expected, p_value = near_train_share(found.hits, real_cells, n_train, randomness)
    return DataCopying(c_t, c_t_exchanged, share, expected, p_near, p_value)


def copying_z(distances: NDArray, cells: Cells, reference: NDArray, reference_cells: Cells) -> NDArray[np.float64]:
    """The z-score of the Mann-Whitney test in each cell; negative where `distances` are the smaller ones.

    Parameters
    ----------
    distances, reference : ndarray of shape (n,)
    cells, reference_cells : ndarray of shape (n,), int64

    Returns
    -------
    ndarray of shape (n_cells,), float64
        For the distinct `cells` in their order. 0 where all distances are equal.

    Examples
    --------
    >>> cells = np.zeros(20, dtype=int)
    >>> copying_z(np.arange(20) / 100, cells, np.arange(1.0, 21.0), cells).round(1).tolist()
    [-5.4]
    """
    scores = []
    for cell in np.unique(cells):
        own, other = distances[cells == cell], reference[reference_cells == cell]
        n, m = len(own), len(other)
        ranks = scipy.stats.rankdata(np.concatenate([own, other]))
        # Ranks have this variance whether there are ties or not (Lehmann, Nonparametrics, 1975, section 1.4).
        variance = n * m * ranks.var(ddof=1) / (n + m)
        above = ranks[:n].sum() - n * (n + m + 1) / 2
        scores.append(above / np.sqrt(variance) if variance > 0 else 0.0)
    return np.array(scores)


def near_train_share(
    hits: NDArray[np.float64], cells: Cells, n_train: int, randomness: np.random.Generator
) -> tuple[float, float, float]:
    """Share of the hits that fall on training samples, the share by chance, and the p-value of a permutation test.

    If the synthetic samples depend on the training samples no more than on the holdout, it is chance which real samples
    of a class were trained on; this holds whatever the synthetic samples look like, and for any sizes of both sets.

    Parameters
    ----------
    hits : ndarray of shape (n_train + n_holdout,)
    cells : ndarray of shape (n_train + n_holdout,), int64
        Class of each real sample.
    n_train : int
    randomness : Generator

    Returns
    -------
    share, expected, p_value : float

    Examples
    --------
    >>> hits, cells = np.repeat([1.0, 0.0], 10), np.zeros(20, dtype=int)
    >>> near_train_share(hits, cells, 10, np.random.default_rng(0))
    (1.0, 0.5, 0.0005)
    """
    of_train = np.arange(len(hits)) < n_train
    expected, drawn = 0.0, np.zeros(PERMUTATIONS)
    for cell in np.unique(cells):
        own = hits[cells == cell]
        if not own.any():
            continue
        members = int(of_train[cells == cell].sum())
        expected += own.sum() * members / len(own)
        # Real samples that are nobody's nearest are only counted: few have hits, however many there are.
        rows = max(1, MEMORY // len(own))
        for start in range(0, PERMUTATIONS, rows):
            part = slice(start, min(start + rows, PERMUTATIONS))
            drawn[part] += randomness.permuted(np.tile(own, (part.stop - start, 1)), axis=1)[:, :members].sum(1)
    observed, total = float(hits[of_train].sum()), float(hits.sum())
    # Sums of the same shares in another order may differ in their last digit.
    p_value = (1 + int((drawn >= observed - 1e-9 * total).sum())) / (1 + PERMUTATIONS)
    return observed / total, float(expected / total), p_value
