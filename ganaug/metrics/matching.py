"""Two sides that can be compared: the same classes, and as many samples of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_synthetic_labels", "matched_samples"]


def check_synthetic_labels(has_label: NDArray[np.bool_]) -> None:
    """Raise ``ValueError`` for synthetic images without a label."""
    if n_unlabelled := int((~has_label).sum()):
        raise ValueError(
            f"synthetic holds {n_unlabelled} images labelled -1, which marks images without a label; pass the classes "
            "that they were made for"
        )


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
