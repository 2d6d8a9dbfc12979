"""Where the samples of each class are, found part by part: a sort of very many would hold several numbers of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["parts", "position_dtype", "positions_by_class"]

PART = 2**17  # samples that are looked at at a time


def parts(n: int, size: int = PART) -> Iterator[slice]:
    """Slices of `size` that cover `n` samples.

    Examples
    --------
    >>> list(parts(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def position_dtype(n: int) -> type[np.signedinteger]:
    """The smaller of int32 and int64 that holds the numbers below `n`.

    Examples
    --------
    >>> position_dtype(2**31), position_dtype(2**31 + 1)
    (<class 'numpy.int32'>, <class 'numpy.int64'>)
    """
    return np.int32 if n <= 2**31 else np.int64


def positions_by_class(
    classes: NDArray[np.integer], n_classes: int = 0
) -> tuple[NDArray[np.signedinteger], NDArray[np.int64]]:
    """Positions of samples, class by class, rising in each, and how many there are of each class.

    It is what a stable argsort gives, in the memory of the result.

    Parameters
    ----------
    classes : ndarray of shape (n_samples,), integer
        Negative ones are left out.
    n_classes : int
        Counts are returned for as many classes at least.

    Returns
    -------
    positions : ndarray of shape (n_counted,), int32 or, of very many samples, int64
    counts : ndarray of shape (n_classes,), int64

    Examples
    --------
    >>> [found.tolist() for found in positions_by_class(np.array([2, 0, -1, 2, 0]))]
    [[1, 4, 0, 3], [2, 0, 2]]
    """
    n_classes = max(n_classes, int(classes.max(initial=-1)) + 1)
    counts = np.zeros(n_classes, np.int64)
    for part in parts(len(classes)):
        counts += _counts(classes[part], n_classes)
    positions = np.empty(counts.sum(), position_dtype(len(classes)))
    places = np.cumsum(counts) - counts  # of the next sample of each class
    for part in parts(len(classes)):
        order = np.argsort(classes[part], kind="stable")
        of = classes[part][order]
        first = np.searchsorted(of, 0)
        order, of = order[first:], of[first:]
        counted = _counts(of, n_classes)
        rank = np.arange(len(of)) - (np.cumsum(counted) - counted)[of]
        positions[places[of] + rank] = part.start + order
        places += counted
    return positions, counts


def _counts(classes: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    return np.bincount(classes[classes >= 0], minlength=n_classes)
