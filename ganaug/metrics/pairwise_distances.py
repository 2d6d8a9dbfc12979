"""How alike two samples are, also when one is a changed copy of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from ganaug.data.images.tensors import shared_tensor
from ganaug.engine.devices import resolve_device

__all__ = ["Measure", "image_distances", "image_points", "in_parts", "row_distances"]

REACH = 1  # pixels by which a copy may be shifted, in each direction
SIDE = 32  # pixels that larger images are averaged down to
PAIRS = 2**22  # distances in memory at once: 16 MiB

Measure = Callable[[NDArray, NDArray], NDArray]


def image_points(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images as they are compared: averaged down to at most 32 pixels a side.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width), uint8 or float32

    Returns
    -------
    ndarray of shape (n, channels, height, width), float32
        Values as they are, of uint8 in [0, 255]; smaller height and width where one of them was above 32.
    """
    height, width = images.shape[2:]
    factor = -(-max(height, width) // SIDE)
    pixels = shared_tensor(np.ascontiguousarray(images)).float()
    if factor > 1:
        pixels = F.adaptive_avg_pool2d(pixels, (-(-height // factor), -(-width // factor)))
    return pixels.numpy()


def image_distances(
    queries: NDArray[np.float32],
    targets: NDArray[np.float32],
    device: str | torch.device = "cpu",
    *,
    mirrored: bool = True,
) -> NDArray[np.float32]:
    """Least distance of each query to each target over shifts by a pixel and the mirror image.

    Distances are root mean squares over the pixels that both have after the shift, so that it does not matter what
    was filled in at the border.

    Parameters
    ----------
    queries, targets : ndarray of shape (n, channels, height, width), float32
        As :func:`image_points` returns them.
    device : str or device
    mirrored : bool
        Whether a mirror image counts as a copy: not where the columns are times, as in spectrograms.

    Returns
    -------
    ndarray of shape (n_queries, n_targets), float32
        In the units of the values, for images of uint8 grey levels from 0 to 255.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(256, size=(1, 1, 8, 8)).astype(np.float32)
    >>> copies = np.concatenate([np.roll(image, 1, axis=3), image[..., ::-1]])
    >>> bool((image_distances(copies, image) < 0.1).all())
    True
    """
    on = resolve_device(device)
    # Inner products of centred images are smaller, and so are their rounding errors.
    centre = targets.mean() if len(targets) else 0.0
    asked, known = (torch.from_numpy(np.ascontiguousarray(part - centre)).to(on) for part in (queries, targets))
    least = torch.full((len(asked), len(known)), torch.inf, device=on)
    down, across = (min(REACH, side // 4) for side in queries.shape[2:])
    for seen in (asked, asked.flip(-1)) if mirrored else (asked,):
        for dy in range(-down, down + 1):
            for dx in range(-across, across + 1):
                left, right = _overlap(seen, dy, dx), _overlap(known, -dy, -dx)
                distances = torch.cdist(left, right, compute_mode="use_mm_for_euclid_dist")
                torch.minimum(least, distances / left.shape[1] ** 0.5, out=least)
    return least.cpu().numpy()


def _overlap(images: Tensor, dy: int, dx: int) -> Tensor:
    """The part that is left inside after a shift, one row per image."""
    height, width = images.shape[-2:]
    rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
    return images[..., rows, columns].flatten(1)


def row_distances(queries: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distance of each query to each target.

    Not by way of inner products, whose rounding would part rows that are equally far.

    Parameters
    ----------
    queries, targets : ndarray of shape (n, width)

    Returns
    -------
    ndarray of shape (n_queries, n_targets), float64
    """
    return cdist(queries, targets)


def in_parts(measure: Measure, queries: NDArray, targets: NDArray) -> Iterator[tuple[slice, NDArray]]:
    """Yield the distances of some queries at a time to all targets, so that they fit into memory."""
    rows = max(1, PAIRS // max(1, len(targets)))
    for start in range(0, len(queries), rows):
        part = slice(start, min(start + rows, len(queries)))
        yield part, measure(queries[part], targets)
