"""Adaptive batch normalisation: the statistics of each test group, without its labels.

It is AdaBN of Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ganaug.classifiers.image_classifier import PREDICTION_BATCH, predict_proba, prediction_batch

__all__ = ["adapted_proba", "has_batch_norm"]

BatchNorm = nn.modules.batchnorm._BatchNorm  # what those of all dimensions derive from


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a network keeps statistics of batches that could be adapted.

    Examples
    --------
    >>> has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))), has_batch_norm(nn.Linear(2, 2))
    (True, False)
    """
    return any(isinstance(layer, BatchNorm) and layer.track_running_stats for layer in network.modules())


def adapted_proba(network: nn.Module, images: NDArray[np.uint8], groups: NDArray[np.integer]) -> NDArray[np.float32]:
    """Class probabilities by a network whose batch normalisation takes its statistics from the images of each group.

    No label is used: only the means and variances of what a group's images become within the network.

    Parameters
    ----------
    network : Module
        In evaluation mode; it is not changed.
    images : ndarray of shape (n, channels, height, width)
    groups : ndarray of shape (n,), integer

    Returns
    -------
    ndarray of shape (n, n_classes), float32
    """
    found: NDArray[np.float32] | None = None
    for group in np.unique(groups):
        mine = groups == group
        adapted = copy.deepcopy(network)
        layers = [layer for layer in adapted.modules() if isinstance(layer, BatchNorm) and layer.track_running_stats]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all batches
            layer.train()
        own = images[mine]
        # Many at a time, so that the variance between batches is small; but images that are made larger take memory.
        at_once = prediction_batch(adapted, own) if getattr(adapted, "side", None) else PREDICTION_BATCH
        # Batches of one size, each from all over the group: images often come in the order of their classes.
        n_batches = -(-len(own) // at_once)
        for first in range(n_batches):
            predict_proba(adapted, own[first::n_batches], batch_size=at_once)
        probabilities = predict_proba(adapted.eval(), own)
        if found is None:
            found = np.empty((len(images), probabilities.shape[1]), np.float32)
        found[mine] = probabilities
    assert found is not None
    return found
