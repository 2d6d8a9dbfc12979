"""What the gate for images compares, and on which images: candidates, inner splits, and what users pass for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from torch import nn

from ganaug.classifiers.networks import NETWORKS
from ganaug.curation.consistency import FOLDS
from ganaug.curation.image_filters import ImageConsistency, ImageFilter, default_filters
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import check_generator, is_generator

__all__ = [
    "Candidate",
    "alternative_filters",
    "candidates",
    "gan_factory",
    "inner_folds",
    "inner_split",
    "network_maker",
]

VALIDATION_PARTS = 3  # a split validates on one of so many

Filters = Sequence[ImageFilter]


def inner_split(labels: NDArray[Any], random_state: Any = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Set a third of each class aside for validation; classes of fewer than three samples are only trained on.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    random_state : int, RandomState, Generator or None

    Returns
    -------
    train, test : ndarray of int64
        Sorted indices.

    Examples
    --------
    >>> train, test = inner_split(np.repeat(["a", "b"], [6, 2]), 0)
    >>> len(train), len(test)
    (6, 2)
    """
    randomness = np.random.default_rng(seed_from(random_state))
    test = [
        randomness.permutation(members)[: len(members) // VALIDATION_PARTS]
        for members in (np.flatnonzero(labels == c) for c in np.unique(labels))
    ]
    held_out = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


@dataclass(frozen=True)
class Candidate:
    """Nothing, or a ratio with its filters."""

    ratio: float
    keep: tuple[ImageFilter, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        if self.ratio == 0:
            return "nothing"
        return f"ratio {self.ratio:g}" + (f" through {', '.join(step.name for step in self.keep)}" if self.keep else "")


def candidates(ratios: Iterable[float], alternatives: Sequence[Filters]) -> list[Candidate]:
    """Check ratios and filters; the first candidate is nothing, the most cautious of the others come first."""
    values = list(ratios)
    if not all(isinstance(r, Real) and math.isfinite(r) and r >= 0 for r in values):
        raise ValueError(f"ratios must be numbers of at least 0, synthetic images per real one, got {values}")
    if not alternatives:
        raise ValueError("filters must hold at least one alternative, such as () for no filter")
    positive = sorted({float(r) for r in values} - {0.0})
    # The stricter filters come first: they are the more cautious choice.
    ordered = sorted((tuple(keep) for keep in alternatives), key=len, reverse=True)
    return [Candidate(0.0), *(Candidate(ratio, keep) for ratio in positive for keep in ordered)]


def alternative_filters(smallest: int, gan: Any) -> Sequence[Filters]:
    """No filter, and those that the images of the smallest class are enough for, and that the generator can serve."""
    known = gan if is_generator(gan) else None
    offered = default_filters(known)
    return (), offered if smallest >= FOLDS else [step for step in offered if not isinstance(step, ImageConsistency)]


def gan_factory(gan: Any) -> Callable[[], Any]:
    """Return a function that makes a generator to fit."""
    if is_generator(gan):
        check_generator(gan, kind="images", fitted=False)
        # Its checkpoints and its log are those of the generator that will be used.
        of_a_run = [name for name in gan.get_params() if name.rpartition("__")[2] in ("checkpoint_dir", "log_dir")]
        return lambda: clone(gan).set_params(**dict.fromkeys(of_a_run))
    if not callable(gan) or isinstance(gan, type):
        raise TypeError(f"gan must be a generator of images or a function that returns one, got {gan!r}")
    return gan


def network_maker(classifier: Any) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """Find a function that makes a classifier by its name, or check that it is one."""
    if isinstance(classifier, str):
        if classifier not in NETWORKS:
            raise ValueError(f"classifier must be one of {sorted(NETWORKS)} or a function, got {classifier!r}")
        return NETWORKS[classifier]
    if isinstance(classifier, nn.Module) or not callable(classifier):
        raise TypeError(
            f"classifier must be a function of image shape and number of classes that returns a new module, "
            f"got {type(classifier).__name__}"
        )
    return classifier


def inner_folds(labels: NDArray[Any], cv: Any, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Indices of training and validation images, checked."""
    if isinstance(cv, str):
        if cv != "split":
            raise ValueError(f"cv must be 'split', a number of folds or pairs of index arrays, got {cv!r}")
        return [inner_split(labels, seed)]
    if isinstance(cv, int | np.integer):
        fewest = int(np.unique(labels, return_counts=True)[1].min())
        if not 2 <= cv <= fewest:
            raise ValueError(
                f"cv must be a number of folds from 2 to {fewest}, the images of the smallest class, got {cv}"
            )
        folds = StratifiedKFold(int(cv), shuffle=True, random_state=seed).split(labels, labels)
    else:
        folds = cv
    pairs = _index_pairs(folds, cv)
    for train, test in pairs:
        for part in (train, test):
            if part.ndim != 1 or not len(part) or part.dtype.kind not in "iu":
                raise ValueError(
                    f"cv must hold arrays of indices, at least one in each, got {part.dtype} of shape {part.shape}"
                )
            if part.min() < 0 or part.max() >= len(labels):
                raise ValueError(
                    f"cv must hold indices of the {len(labels)} images, 0 to {len(labels) - 1}, got {part.min()} to "
                    f"{part.max()}"
                )
        if np.isin(test, train).any():
            raise ValueError("cv validates on images that it trains on; pass pairs of disjoint index arrays")
        if missing := sorted(set(labels.tolist()) - set(labels[train].tolist())):
            raise ValueError(
                f"cv trains on no image of class {missing[0]!r}; every class must be in each training part"
            )
    if not pairs:
        raise ValueError("cv must hold at least one pair of index arrays, got none")
    return pairs


def _index_pairs(folds: Any, cv: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    try:
        return [(np.asarray(train), np.asarray(test)) for train, test in folds]
    except (TypeError, ValueError):
        raise ValueError(f"cv must be 'split', a number of folds or pairs of index arrays, got {cv!r}") from None
