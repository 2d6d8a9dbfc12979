"""Which samples are trained on and which are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from ganaug._text import visible

__all__ = ["Splits", "balanced_splits", "copies", "correlation_of", "drawn_splits", "folds"]


@dataclass(frozen=True)
class Splits:
    """Training and test sets.

    Attributes
    ----------
    training, test : tuple of ndarray
        Sorted indices, of each split.
    correlation : float or None
        Of the results of two splits, where their training sets have common samples and intervals must be corrected for
        it (:func:`correlation_of`); None where they are independent draws and have one test set.
    """

    training: tuple[NDArray[np.int64], ...]
    test: tuple[NDArray[np.int64], ...]
    correlation: float | None

    def __len__(self) -> int:
        return len(self.training)

    @property
    def common_samples(self) -> bool:
        """Whether some sample is in several training sets."""
        return bool(np.bincount(np.concatenate(self.training)).max() > 1)


def correlation_of(training: Sequence[NDArray[np.int64]], test: Sequence[NDArray[np.int64]]) -> float:
    """Estimate the correlation of the results of two splits of the same samples.

    It is the share of samples that is tested on, as Nadeau and Bengio propose ("Inference for the Generalization
    Error", Machine Learning 2003) where all others are trained on; or the share of its samples that a training set
    has in common with another one, where that is smaller. Then training sets are small draws, whose results have in
    common what their common samples bring, however many others are tested on.

    Parameters
    ----------
    training, test : sequence of ndarray
        Indices, of each split.

    Returns
    -------
    float
        In [0, 1).

    Examples
    --------
    >>> half, rest = np.arange(10), np.arange(10, 100)
    >>> correlation_of([half, half + 5], [rest, rest])
    0.5
    """
    tested = np.mean([len(rest) / (len(rest) + len(part)) for part, rest in zip(training, test, strict=True)])
    times = np.bincount(np.concatenate(training))
    pairs = len(training) * (len(training) - 1) / 2
    in_common = (times * (times - 1) / 2).sum() / max(1, pairs) / np.mean(list(map(len, training)))
    return float(min(tested, in_common)) if pairs else float(tested)


def drawn_splits(labels: NDArray[Any], n_per_class: int, n_splits: int, seed: int, imbalance: float = 1.0) -> Splits:
    """Draw training sets of a given size; everything else is for the test.

    Where the data allow it, no sample is in two training sets and all have one test set: the results of the splits are
    then independent (given the test set), and an ordinary paired t-interval over splits is valid. Otherwise each
    training set is drawn on its own, and intervals must be corrected.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
    n_per_class : int
        Samples of the largest class in each training set.
    n_splits : int
    seed : int
    imbalance : float
        How often the largest class has the samples of the smallest; the sizes of the classes between lie on a geometric
        line, and which class has which size is drawn anew for each split, among those that have more samples than that.
        Of two classes the rarer one stays the rarer.

    Returns
    -------
    Splits

    Raises
    ------
    ValueError
        If a class has too few samples to leave some for the test.

    Examples
    --------
    >>> splits = drawn_splits(np.repeat([0, 1], 10), n_per_class=2, n_splits=3, seed=0)
    >>> [len(part) for part in splits.training], len(splits.test[0]), splits.correlation
    ([4, 4, 4], 8, None)
    """
    of = f" with imbalance = {imbalance:g}" if imbalance > 1 else ""
    remedy = "ask for a smaller n_per_class" + (" or a larger imbalance" if imbalance > 1 else "")
    sizes = _sizes(n_per_class, imbalance, len(np.unique(labels)))
    return _drawn(labels, sizes, n_splits, seed, (f"n_per_class = {n_per_class}{of}", remedy))


def balanced_splits(labels: NDArray[Any], n_samples: int, n_splits: int, seed: int) -> Splits:
    """Draw training sets of a given size in all, of which each class has an equal part; the rest is for the test.

    Where the classes do not divide the size, some have one sample more; which ones is drawn anew for each split. What
    :func:`drawn_splits` says of independent splits holds here too.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
    n_samples : int
        Samples of each training set, of all classes together.
    n_splits : int
    seed : int

    Returns
    -------
    Splits

    Raises
    ------
    ValueError
        If a class would have no sample, or has too few to leave some for the test.

    Examples
    --------
    >>> splits = balanced_splits(np.repeat([0, 1, 2], [30, 30, 40]), n_samples=20, n_splits=2, seed=0)
    >>> len(splits.training[0]), len(splits.test[0])
    (20, 58)
    """
    n_classes = len(np.unique(labels))
    if n_samples < n_classes:
        raise ValueError(
            f"n_samples = {n_samples} is too few for {n_classes} classes, which need one sample each; ask for more"
        )
    sizes = n_samples // n_classes + (np.arange(n_classes) < n_samples % n_classes)
    return _drawn(labels, sizes, n_splits, seed, (f"n_samples = {n_samples}", "ask for a smaller n_samples"))


def _drawn(labels: NDArray[Any], sizes: NDArray[np.int64], n_splits: int, seed: int, asked: tuple[str, str]) -> Splits:
    """Training sets of given sizes of the classes, from the largest to the smallest."""
    classes, largest = np.unique(labels), int(sizes[0])
    randomness = np.random.default_rng(seed)
    members = [randomness.permutation(np.flatnonzero(labels == label)) for label in classes]
    counts = list(map(len, members))
    for index, size in zip(np.argsort(counts), sizes[::-1], strict=True):
        if counts[index] <= size:
            raise ValueError(
                f"class {visible(classes[index])} has {counts[index]} samples, but {asked[0]} needs {size} of it and "
                f"some more for the test; {asked[1]}"
            )
    orders = [_order(counts, sizes, seed, split) for split in range(n_splits)]
    if min(map(len, members)) > n_splits * largest:
        training = [
            [m[split * largest :][:n] for m, n in zip(members, sizes[order], strict=True)]
            for split, order in enumerate(orders)
        ]
        rest = np.sort(np.concatenate([m[n_splits * largest :] for m in members]))
        return Splits(tuple(np.sort(np.concatenate(part)) for part in training), (rest,) * n_splits, None)
    drawn = [
        np.sort(np.concatenate([randomness.permutation(m)[:n] for m, n in zip(members, sizes[order], strict=True)]))
        for order in orders
    ]
    test = tuple(np.setdiff1d(np.arange(len(labels)), part) for part in drawn)
    return Splits(tuple(drawn), test, correlation_of(drawn, test))


def folds(labels: NDArray[Any], n_folds: int, seed: int) -> Splits:
    """Split by a stratified, shuffled cross-validation.

    Raises
    ------
    ValueError
        If a class has fewer samples than there are folds, so that a test set would lack it.

    Examples
    --------
    >>> splits = folds(np.repeat([0, 1], 10), n_folds=5, seed=0)
    >>> len(splits), len(splits.training[0]), len(splits.test[0]), splits.correlation
    (5, 16, 4, 0.2)
    """
    values, counts = np.unique(labels, return_counts=True)
    if counts.min() < n_folds:
        raise ValueError(
            f"class {values[counts.argmin()]} has {counts.min()} samples, too few for {n_folds} folds: the test set of "
            "some would lack it; ask for fewer folds, or merge or drop the class"
        )
    parts = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels))
    return Splits(tuple(train for train, _ in parts), tuple(test for _, test in parts), 1 / n_folds)


def _sizes(n_per_class: int, imbalance: float, n_classes: int) -> NDArray[np.int64]:
    """Samples of the classes from the largest to the smallest, at least one of each."""
    steps = np.arange(n_classes) / max(1, n_classes - 1)
    return np.maximum(1, np.rint(n_per_class * imbalance**-steps)).astype(int)


def _order(counts: list[int], sizes: NDArray[np.int64], seed: int, split: int) -> NDArray[np.int64]:
    """Place of each class in the tail, where it has more samples than are drawn."""
    if len(counts) == 2:
        return np.array([0, 1] if counts[0] >= counts[1] else [1, 0])
    randomness = np.random.default_rng([seed, split])
    order = randomness.permutation(len(counts))
    if np.all(np.array(counts) > sizes[order]):
        return order
    left = list(range(len(counts)))
    for place, size in enumerate(sizes):
        chosen = int(randomness.choice([index for index in left if counts[index] > size]))
        left.remove(chosen)
        order[chosen] = place
    return order


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
