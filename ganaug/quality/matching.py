"""Two sides that can be compared: the same classes, and as many samples of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.labels import same_labels

__all__ = ["check_synthetic_labels", "like_first", "matched_samples", "shared_classes"]


def check_synthetic_labels(has_label: NDArray[np.bool_]) -> None:
    """Raise ``ValueError`` for synthetic images without a label."""
    if n_unlabelled := int((~has_label).sum()):
        raise ValueError(
            f"synthetic holds {n_unlabelled} images labelled -1, which marks images without a label; pass the classes "
            "that they were made for"
        )


def like_first(labels: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Write the labels of all sides as the first side does, where it can be told what they mean.

    Parameters
    ----------
    labels : mapping of str to ndarray of shape (n,)
        Labels of each side under its name.

    Returns
    -------
    dict of str to ndarray of shape (n,)

    Examples
    --------
    >>> like_first({"real": np.array([0, 1]), "synthetic": np.array(["1", "0"])})["synthetic"].tolist()
    [1, 0]
    """
    classes = np.unique(next(iter(labels.values())))
    return {name: same_labels(values, classes) for name, values in labels.items()}


def shared_classes(labels: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Classes that every side holds.

    Parameters
    ----------
    labels : mapping of str to ndarray of shape (n,)
        Labels of each side under its name, which messages use.

    Returns
    -------
    ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        For a class that is missing on one side.

    Examples
    --------
    >>> shared_classes({"real": np.array(["b", "a"]), "synthetic": np.array(["a", "b", "a"])}).tolist()
    ['a', 'b']
    """
    found = {name: set(values.tolist()) for name, values in labels.items()}
    for name, there in found.items():
        for other, classes in found.items():
            if lacking := sorted(map(repr, classes - there)):
                raise ValueError(
                    f"class {lacking[0]} occurs among the {other} samples but not among the {name} ones; "
                    f"add {name} samples of it, or leave the class out"
                )
    return np.unique(next(iter(labels.values())))


def matched_samples(
    sides: Mapping[str, NDArray[Any]],
    classes: NDArray[Any],
    *,
    at_least: int,
    reason: str,
    randomness: np.random.Generator,
) -> list[list[NDArray[np.int64]]]:
    """Choose as many samples of each class from every side, at random.

    Distances between sets depend on their sizes and on the shares of their classes; after this they differ in neither.

    Parameters
    ----------
    sides : mapping of str to ndarray of shape (n,)
        Labels of each side under its name.
    classes : ndarray of shape (n_classes,)
    at_least : int
        Samples that a class must have on each side.
    reason : str
        Why, for messages.
    randomness : Generator

    Returns
    -------
    list of list of ndarray of int64
        For each side and class the indices of the chosen samples, ascending.

    Raises
    ------
    ValueError
        For a class with fewer samples.

    Examples
    --------
    >>> sides = {"real": np.array([0, 1, 1]), "synthetic": np.array([1, 0, 0])}
    >>> randomness = np.random.default_rng(0)
    >>> real, synthetic = matched_samples(sides, np.array([0, 1]), at_least=1, reason="this", randomness=randomness)
    >>> [len(chosen) for chosen in real], [len(chosen) for chosen in synthetic]
    ([1, 1], [1, 1])
    """
    chosen: list[list[NDArray[np.int64]]] = [[] for _ in sides]
    for label in classes.tolist():
        members: Sequence[NDArray[np.int64]] = [np.flatnonzero(labels == label) for labels in sides.values()]
        n = min(map(len, members))
        if n < at_least:
            name = min(zip(map(len, members), sides, strict=True))[1]
            raise ValueError(
                f"class {label!r} has {n} {name} samples, and {reason} needs at least {at_least}; add samples or leave "
                "the class out"
            )
        for side, own in zip(chosen, members, strict=True):
            side.append(np.sort(randomness.choice(own, n, replace=False)))
    return chosen
