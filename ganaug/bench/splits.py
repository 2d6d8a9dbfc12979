"""Which images are trained on and which are tested on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["copies", "disjoint_splits"]


def disjoint_splits(
    labels: NDArray[Any], n_per_class: int, n_splits: int, seed: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Draw training sets without a common sample, and one test set for all of them.

    Because the training sets are independent draws, the results of the splits are too (given the test set), and an
    ordinary paired t-interval over splits is valid. Overlapping training sets would make it too narrow.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
    n_per_class : int
        Samples of each class in each training set.
    n_splits : int
    seed : int

    Returns
    -------
    training : list of ndarray of shape (n_classes * n_per_class,)
    test : ndarray
        Indices of all other samples.

    Raises
    ------
    ValueError
        If a class has too few samples to leave some for the test.

    Examples
    --------
    >>> import numpy as np
    >>> training, test = disjoint_splits(np.repeat([0, 1], 10), n_per_class=2, n_splits=3, seed=0)
    >>> [len(part) for part in training], len(test)
    ([4, 4, 4], 8)
    """
    randomness = np.random.default_rng(seed)
    training: list[list[int]] = [[] for _ in range(n_splits)]
    test: list[int] = []
    for label in np.unique(labels):
        members = randomness.permutation(np.flatnonzero(labels == label))
        needed = n_splits * n_per_class
        if len(members) <= needed:
            raise ValueError(
                f"class {label} has {len(members)} images, but {n_splits} splits of {n_per_class} need {needed} "
                "and some more for the test; ask for fewer splits or a smaller n_per_class"
            )
        for split in range(n_splits):
            training[split].extend(members[split * n_per_class : (split + 1) * n_per_class])
        test.extend(members[needed:])
    return [np.sort(np.array(part)) for part in training], np.sort(np.array(test))


def copies(samples: NDArray[Any], of: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples are equal to one in `of`.

    Parameters
    ----------
    samples, of : ndarray of shape (n, ...)
        Of one dtype.

    Returns
    -------
    ndarray of shape (n_samples,), bool

    Examples
    --------
    >>> copies(np.array([[1, 2], [3, 4]]), np.array([[3, 4]])).tolist()
    [False, True]
    """
    known = {sample.tobytes() for sample in of}
    return np.array([sample.tobytes() in known for sample in samples], dtype=bool)
