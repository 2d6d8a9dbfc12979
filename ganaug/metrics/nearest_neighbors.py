"""How near synthetic samples lie to training and to holdout samples, which all tests for copies start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaug.metrics.pairwise_distances import Measure, in_parts

__all__ = ["SMALLEST", "Cells", "Nearness", "Points", "chosen", "closest", "measure_nearness"]

MAX_QUERIES = 2000  # samples of each kind whose neighbours are sought
SMALLEST = 10  # synthetic and holdout samples of a class that are needed

Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Points:
    """Samples as they are compared, and the class of each.

    Attributes
    ----------
    values : ndarray of shape (n, ...)
    cells : ndarray of shape (n,), int64
        Position of the class of each.
    """

    values: NDArray
    cells: Cells

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: NDArray[np.integer]) -> Points:
        """The samples at `indices`."""
        return Points(self.values[indices], self.cells[indices])

    def queries(self, cells: Cells, randomness: np.random.Generator) -> NDArray[np.int64]:
        """Indices of those that are asked about: of each of these distinct classes at most its part of 2,000."""
        most = max(SMALLEST, MAX_QUERIES // len(cells))
        members = [np.flatnonzero(self.cells == cell) for cell in cells]
        return np.sort(np.concatenate([own[chosen(len(own), most, randomness)] for own in members]))


@dataclass(frozen=True)
class Nearness:
    """Distances to the nearest sample, whatever its class.

    Attributes
    ----------
    asked, nearest_train, nearest_holdout : ndarray of shape (n,), int64
        Synthetic samples that were asked about, and the real samples nearest to each.
    synthetic, holdout, train : Cells
        Class of each sample that was asked about.
    synthetic_to_train, synthetic_to_holdout, holdout_to_train, train_to_holdout : ndarray of float
        One distance for each of these samples.
    hits : ndarray of shape (n_train + n_holdout,), float64
        How many synthetic samples have each real one, training samples first, as their nearest of both kinds; equally
        near ones share.
    """

    asked: NDArray[np.int64]
    nearest_train: NDArray[np.int64]
    nearest_holdout: NDArray[np.int64]
    synthetic: Cells
    holdout: Cells
    train: Cells
    synthetic_to_train: NDArray
    synthetic_to_holdout: NDArray
    holdout_to_train: NDArray
    train_to_holdout: NDArray
    hits: NDArray[np.float64]


def chosen(n: int, most: int, randomness: np.random.Generator) -> NDArray[np.int64]:
    """Indices of at most so many of `n`, at random, in their order."""
    return np.arange(n) if n <= most else np.sort(randomness.choice(n, most, replace=False))


def closest(measure: Measure, queries: NDArray, targets: NDArray) -> tuple[NDArray[np.int64], NDArray]:
    """Index of the nearest target of each query, and its distance.

    Examples
    --------
    >>> from ganaug.metrics.pairwise_distances import row_distances
    >>> closest(row_distances, np.array([[0.9]]), np.array([[0.0], [1.0]]))[0].tolist()
    [1]
    """
    indices, distances = np.empty(len(queries), dtype=np.int64), np.empty(len(queries))
    for part, table in in_parts(measure, queries, targets):
        indices[part] = table.argmin(1)
        distances[part] = table.min(1)
    return indices, distances


def measure_nearness(
    measure: Measure, synthetic: Points, train: Points, holdout: Points, randomness: np.random.Generator
) -> Nearness:
    """Find the nearest samples of about 2,000 of each kind among all of the others, of whatever class.

    Only samples of the classes of `synthetic` are asked about.

    Synthetic and holdout samples are asked about the same training samples, so that the number of these favours
    neither.

    Parameters
    ----------
    measure : callable
        From two arrays of samples to the distances between them.
    synthetic, train, holdout : Points
    randomness : Generator
        Chooses the samples that are asked about.

    Returns
    -------
    Nearness
    """
    cells = np.unique(synthetic.cells)
    asked = synthetic.queries(cells, randomness)
    synthetic = synthetic.take(asked)
    asked_holdout, asked_train = (part.take(part.queries(cells, randomness)) for part in (holdout, train))
    real = np.concatenate([train.values, holdout.values])
    to_train, to_holdout = np.empty(len(synthetic)), np.empty(len(synthetic))
    nearest_train, nearest_holdout = (np.empty(len(synthetic), dtype=np.int64) for _ in range(2))
    hits = np.zeros(len(real))
    for part, table in in_parts(measure, synthetic.values, real):
        nearest_train[part] = table[:, : len(train)].argmin(1)
        nearest_holdout[part] = table[:, len(train) :].argmin(1)
        to_train[part] = table[:, : len(train)].min(1)
        to_holdout[part] = table[:, len(train) :].min(1)
        first = table == np.minimum(to_train[part], to_holdout[part])[:, None]
        hits += (first / first.sum(1, keepdims=True)).sum(0)
    return Nearness(
        asked=asked,
        nearest_train=nearest_train,
        nearest_holdout=nearest_holdout,
        synthetic=synthetic.cells,
        holdout=asked_holdout.cells,
        train=asked_train.cells,
        synthetic_to_train=to_train,
        synthetic_to_holdout=to_holdout,
        holdout_to_train=closest(measure, asked_holdout.values, train.values)[1],
        train_to_holdout=closest(measure, asked_train.values, holdout.values)[1],
        hits=hits,
    )
