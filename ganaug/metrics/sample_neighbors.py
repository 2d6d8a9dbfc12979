"""Which real image is nearest to a synthetic one, and how near."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.data.host_states import plain_states
from ganaug.data.images.tensors import shared_tensor

__all__ = ["nearest", "nearest_other"]

CHUNK = 2**24  # distances in memory at once: 64 MiB


@plain_states()
def nearest(queries: NDArray[Any], images: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the image closest to each query by Euclidean distance of pixels.

    Parameters
    ----------
    queries, images : ndarray of shape (n, channels, height, width), uint8 or float32

    Returns
    -------
    indices : ndarray of shape (n_queries,), int64
    distances : ndarray of shape (n_queries,), float32
        On values as they are, of uint8 in [0, 255].

    Examples
    --------
    >>> images = np.zeros((2, 1, 8, 8), np.uint8)
    >>> images[1] = 9
    >>> nearest(images[1:], images)[0].tolist()
    [1]
    """
    return _search(_flat(queries), _flat(images), exclude_self=False)


@plain_states()
def nearest_other(images: NDArray[Any]) -> NDArray[np.float32]:
    """Distance of each image to the closest of the others; infinite for a single image.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32

    Returns
    -------
    ndarray of shape (n,), float32
        On values as they are, of uint8 in [0, 255].

    Examples
    --------
    >>> images = np.zeros((3, 1, 8, 8), np.uint8)
    >>> images[2] = 1
    >>> nearest_other(images).tolist()
    [0.0, 0.0, 8.0]
    """
    if len(images) < 2:
        return np.full(len(images), np.inf, dtype=np.float32)
    flat = _flat(images)
    return _search(flat, flat, exclude_self=True)[1]


def _flat(images: NDArray[Any]) -> Tensor:
    return shared_tensor(np.ascontiguousarray(images)).flatten(1).float()


def _search(queries: Tensor, images: Tensor, *, exclude_self: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    # Inner products of centred images are smaller, and so are their rounding errors.
    centre = images.mean(0)
    queries, images = queries - centre, images - centre
    indices = torch.empty(len(queries), dtype=torch.int64)
    least = torch.empty(len(queries))
    squares = images.square().sum(1)
    rows = max(1, CHUNK // max(1, len(images), images.shape[1]))
    for start in range(0, len(queries), rows):
        part = queries[start : start + rows]
        # Up to the query's own square, which changes nothing about the order.
        distances = torch.addmm(squares, part, images.T, alpha=-2)
        if exclude_self:
            distances.diagonal(start).fill_(torch.inf)
        found = distances.argmin(1)
        indices[start : start + rows] = found
        # The expansion into inner products rounds, so that copies would look a little apart: measured once more.
        least[start : start + rows] = (part - images[found]).norm(dim=1)
    return indices.numpy(), least.numpy()
