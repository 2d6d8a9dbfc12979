"""How good a classifier is for each group, and for cells of class and group that it was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUP_METRICS", "group_scores"]

#: Names of the metrics, and whether more is better.
GROUP_METRICS = {"unseen cells": True, "seen cells": True, "worst group": True, "balanced over cells": True}


def group_scores(
    targets: NDArray[np.integer],
    predicted: NDArray[np.integer],
    groups: NDArray[np.integer],
    unseen: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Score decisions by every metric in ``GROUP_METRICS``; each weighs all cells that it is about alike.

    Parameters
    ----------
    targets, predicted : ndarray of shape (n,), integer
        Class indices.
    groups : ndarray of shape (n,), integer
        Group indices.
    unseen : ndarray of shape (n,), bool, optional
        Samples of cells that were not trained on.

    Returns
    -------
    dict
        "balanced over cells" is the mean of the cells' accuracies; "worst group" the least of the groups' means over
        their cells (Sagawa et al., ICLR 2020, take the least accuracy of a group); "unseen cells" the mean over the
        cells that were not trained on, only where there are any, and "seen cells" that over the others.

    Examples
    --------
    >>> targets, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> group_scores(targets, np.array([0, 0, 1, 0]), groups, unseen=np.array([False, False, False, True]))
    {'balanced over cells': 0.75, 'worst group': 0.5, 'unseen cells': 0.0, 'seen cells': 1.0}
    """
    cells, cell_of = np.unique(np.stack([groups, targets], 1), axis=0, return_inverse=True)
    accuracies = np.bincount(cell_of.reshape(-1), predicted == targets) / np.bincount(cell_of.reshape(-1))
    of_groups = [accuracies[cells[:, 0] == group].mean() for group in np.unique(groups)]
    found = {"balanced over cells": float(accuracies.mean()), "worst group": float(min(of_groups))}
    if unseen is not None and unseen.any():
        is_unseen = np.isin(np.arange(len(cells)), cell_of.reshape(-1)[unseen])
        found["unseen cells"] = float(accuracies[is_unseen].mean())
        if not is_unseen.all():
            found["seen cells"] = float(accuracies[~is_unseen].mean())
    return found
