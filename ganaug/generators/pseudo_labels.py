"""Labels for images that have none, guessed from those that have one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

from ganaug.data import LabelledImages
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.images.pixel_scale import PixelScale
from ganaug.data.images.tensors import shared_tensor

__all__ = ["guessed_indices", "labelled_part", "pseudo_labels"]

COMPONENTS = 50
NEIGHBOURS = 7
HIDDEN_PARTS = 5  # in which known labels are hidden
CLAMPING = 0.5  # how far neighbours may overrule a label
ITERATIONS = 100


def labelled_part(data: LabelledImages) -> LabelledImages:
    """The images that have a label: integer labels of -1 mark those that have none, as in scikit-learn.

    Raises
    ------
    ValueError
        If a class-conditional GAN cannot be trained on these.

    Examples
    --------
    >>> images = np.zeros((5, 1, 8, 8), np.uint8)
    >>> labelled_part(LabelledImages(images, np.array([0, 0, -1, 1, 1]))).labels.tolist()
    [0, 0, 1, 1]
    """
    unlabelled = ~data.has_label
    if not unlabelled.any():
        data.check_trainable()
        return data
    if len(np.unique(data.labels)) < 3:
        raise ValueError(
            f"label -1 marks images without a label, as in scikit-learn, {unlabelled.sum()} here, and the others are "
            "not of two classes; rename the class if -1 is one"
        )
    known = data.subset(np.flatnonzero(~unlabelled))
    known.check_trainable()
    return known


def guessed_indices(
    data: LabelledImages, known: LabelledImages, confidence: float | None
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Class indices of all images, guessed where there is no label.

    Parameters
    ----------
    data, known : LabelledImages
        All images, and their labelled part.
    confidence
        As for :func:`pseudo_labels`; with None nothing is guessed.

    Returns
    -------
    indices : ndarray of shape (n,), int64
        Positions in the sorted classes of `known`, -1 where there is neither a label nor a guess.
    counts : dict
        Images without a label and those of them with a guess; empty if all have labels.

    Examples
    --------
    >>> data = LabelledImages(np.zeros((5, 1, 8, 8), np.uint8), np.array([3, 3, -1, 7, 7]))
    >>> indices, counts = guessed_indices(data, labelled_part(data), None)
    >>> indices.tolist(), counts
    ([0, 0, -1, 1, 1], {'n_unlabelled': 1, 'n_pseudo_labelled': 0})
    """
    places = np.searchsorted(known.classes, data.labels)
    if len(known) == len(data):
        return places, {}
    indices = np.where(data.labels == UNLABELLED, UNLABELLED, places)
    if confidence is not None:
        indices = pseudo_labels(data.images, indices, confidence)
    n_guessed = int((indices != UNLABELLED).sum()) - len(known)
    return indices, {"n_unlabelled": len(data) - len(known), "n_pseudo_labelled": n_guessed}


def pseudo_labels(images: NDArray[Any], indices: NDArray[np.int64], confidence: float) -> NDArray[np.int64]:
    """Spread class indices over a graph of neighbours, and keep those that are confident, and rightly so.

    Where classes overlap such a graph is surer than it is right. So labels are hidden, a fifth of each class at a time,
    and guessed as if they were not known: a guess counts from the confidence on at which as large a share of these is
    right as is asked for, with one more right one, if there is any.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32
    indices : ndarray of shape (n,), int64
        Class indices, -1 for images without a label.
    confidence : float in [0, 1]
        Least probability of the class of a guess, and least share of right ones among guesses at hidden labels.

    Returns
    -------
    ndarray of shape (n,), int64
        As `indices`, with confident guesses in the place of -1.

    References
    ----------
    Zhou et al., "Learning with Local and Global Consistency", NeurIPS 2003.

    Examples
    --------
    >>> level = np.repeat([50, 150], 30)[:, None, None, None]
    >>> images = (level + np.random.default_rng(0).integers(50, size=(60, 1, 8, 8))).astype(np.uint8)
    >>> known = np.full(60, -1)
    >>> known[:5], known[-5:] = 0, 1
    >>> pseudo_labels(images, known, 0.9)[[10, 40]].tolist()
    [0, 1]
    """
    unknown = indices == UNLABELLED
    if not unknown.any():
        return indices
    if images.dtype == np.uint8:
        rows = images.reshape(len(images), -1).astype(np.float32) / 255
    else:  # so that no channel outweighs the others by its units
        rows = PixelScale.of(images).to_network(shared_tensor(images)).flatten(1).numpy()
    width = min(COMPONENTS, *rows.shape)
    # The same for the same data whatever the seed, so that a run that is resumed has the guesses it was started with.
    rows = PCA(width, svd_solver="randomized", random_state=0).fit_transform(rows)
    # The graph is made once; it is what LabelSpreading makes of "knn".
    graph = kneighbors_graph(rows, min(NEIGHBOURS, len(rows) - 1), mode="connectivity", include_self=True)
    model = LabelSpreading(kernel=lambda *_: graph, alpha=CLAMPING, max_iter=ITERATIONS)
    guessed, certainty = _spread(model, rows, indices)
    least = _least_certainty(model, rows, indices, confidence)
    return np.where(unknown & (certainty >= least), guessed, indices)


def _spread(
    model: LabelSpreading, rows: NDArray[Any], indices: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Guess a class for each image, with its probability, 0 for one that no label reaches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Images that no label reaches divide zero by zero.
        warnings.simplefilter("ignore", RuntimeWarning)
        model.fit(rows, indices)
    certainty = np.nan_to_num(model.label_distributions_)
    return model.classes_[certainty.argmax(1)], certainty.max(1)


def _least_certainty(model: LabelSpreading, rows: NDArray[Any], indices: NDArray[np.int64], confidence: float) -> float:
    """From which probability on guesses are right as often as `confidence` says; infinite where that is never so."""
    known = np.flatnonzero(indices != UNLABELLED)
    # In turn within each class, so that parts have as much of each, and all but one of a class are never hidden.
    known = known[np.bincount(indices[known])[indices[known]] > 1]
    order = known[np.argsort(indices[known], kind="stable")]
    place = np.arange(len(order)) - np.searchsorted(indices[order], indices[order])
    found = []
    for part in range(HIDDEN_PARTS):
        hidden = order[place % HIDDEN_PARTS == part]
        if not len(hidden):
            continue
        rest = indices.copy()
        rest[hidden] = UNLABELLED
        guessed, certainty = _spread(model, rows, rest)
        found.append((certainty[hidden], guessed[hidden] == indices[hidden]))
    if not found:
        return np.inf
    certainty, right = (np.concatenate(parts) for parts in zip(*found, strict=True))
    for least in np.unique([confidence, *certainty[certainty > confidence]]):
        among = right[certainty >= least]
        if len(among) and (among.sum() + 1) / (len(among) + 1) >= confidence:
            return float(least)
    return np.inf
