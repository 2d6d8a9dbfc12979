"""Fidelity and diversity measured separately, by the nearest neighbours of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from ganaug.data.host_states import plain_states
from ganaug.metrics.feature_pairs import feature_pair

__all__ = ["prdc"]

ROUNDING = 1e-7  # of the distances of rows of norm 1


@plain_states()
def prdc(real: ArrayLike, synthetic: ArrayLike, *, k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of synthetic samples.

    The neighbourhood of a sample is the ball around it that reaches its k-th neighbour on its own side.

    Parameters
    ----------
    real, synthetic : array-like of shape (n, n_features)
        At least k + 1 rows each.
    k : int, default=5

    Returns
    -------
    dict
        * ``precision``, in [0, 1]: share of synthetic samples in the neighbourhood of any real one.
        * ``recall``, in [0, 1]: share of real samples in the neighbourhood of any synthetic one.
        * ``density``, 0 or more: real neighbourhoods that a synthetic sample lies in, divided by k; about 1 for equal
          distributions. An outlier among the real samples raises it less than precision.
        * ``coverage``, in [0, 1]: share of real neighbourhoods that hold a synthetic sample.

    Raises
    ------
    ValueError, TypeError
        For k below 1, too few rows, different numbers of features, and values that are not finite numbers.

    References
    ----------
    Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019.
    Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020.

    Examples
    --------
    >>> real = np.arange(10.0)[:, None]
    >>> prdc(real, real[:5], k=1)
    {'precision': 1.0, 'recall': 0.6, 'density': 2.8, 'coverage': 0.6}
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    x, y = feature_pair(real, synthetic, at_least=k + 1, metric=f"a neighbourhood of k={k}")
    middle = np.median(x, axis=0)  # near most rows, also where a few are far from all others
    x, y = x - middle, y - middle
    # Distances by inner products are as exact as this: rows that repeat are not at 0, nor at the same from each other.
    x_slack, y_slack = (ROUNDING * np.linalg.norm(rows, axis=1) for rows in (x, y))
    x_radii, y_radii = _radii(x, k), _radii(y, k)
    balls_around: list[NDArray[np.int64]] = []  # each synthetic sample
    recalled, covered = np.zeros((2, len(x)), dtype=bool)
    start = 0
    for part in pairwise_distances_chunked(y, x):  # not all of them at once
        stop = start + len(part)
        distances = part - np.maximum(y_slack[start:stop, None], x_slack)
        within = distances <= x_radii
        balls_around.append(within.sum(1))
        covered |= within.any(0)
        recalled |= (distances <= y_radii[start:stop, None]).any(0)
        start = stop
    around = np.concatenate(balls_around)
    return {
        "precision": float((around > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(around.mean() / k),
        "coverage": float(covered.mean()),
    }


def _radii(rows: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors()[0][:, -1]
