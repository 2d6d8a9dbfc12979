"""Pictures that let a person judge samples: real, synthetic, and the real image nearest to each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug.data import LabelledImages
from ganaug.data.images.pictures import class_grid
from ganaug.metrics.sample_neighbors import nearest

__all__ = ["comparison_sheet"]


def comparison_sheet(
    real: LabelledImages, synthetic: NDArray[np.uint8], labels: NDArray[Any], *, columns: int = 6
) -> Image.Image:
    """Draw a row per class: real images | synthetic images | the real image nearest to each synthetic one.

    Parameters
    ----------
    real : LabelledImages
        What the GAN was trained on.
    synthetic : ndarray of shape (n, channels, height, width), uint8
    labels : ndarray of shape (n,)
        Classes the synthetic images were sampled for.
    columns : int
        Images of each kind per class.

    Returns
    -------
    PIL.Image.Image
    """
    rows = []
    for label in real.classes:
        drawn = synthetic[labels == label][:columns]
        close = real.images[nearest(drawn, real.images)[0]]
        rows.append(
            (real.name(label), np.concatenate([_pad(real.images[real.labels == label], columns), drawn, close]))
        )
    return class_grid(rows, breaks=(columns, 2 * columns), heading="real | synthetic | nearest real of any class")


def _pad(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """The first `columns` images, filled up with white where there are fewer."""
    missing = max(0, columns - len(images))
    return np.concatenate([images[:columns], np.full((missing, *images.shape[1:]), 255, np.uint8)])
