"""Pictures by which a person can judge samples: real, synthetic, and the real image nearest to each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug.data import LabelledImages
from ganaug.data.images.pictures import class_grid
from ganaug.metrics.sample_neighbors import nearest

__all__ = ["as_pixels", "comparison_sheet"]


def as_pixels(*parts: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Images as they are shown: uint8 as they are, and floats by the range of each channel in all of them.

    Parameters
    ----------
    *parts : ndarray of shape (n, channels, height, width), uint8 or float32

    Returns
    -------
    list of ndarray of shape (n, channels, height, width), uint8

    Examples
    --------
    >>> [part.ravel().tolist() for part in as_pixels(np.full((1, 2, 1, 1), -80.0), np.full((1, 2, 1, 1), 20.0))]
    [[0, 0], [255, 255]]
    """
    if all(part.dtype == np.uint8 for part in parts):
        return list(parts)
    together = np.concatenate(parts).astype(np.float64)
    low, high = (edge(together, axis=(0, 2, 3), keepdims=True) for edge in (np.min, np.max))
    scaled = (together - low) / np.where(high > low, high - low, 1) * 255
    return np.split(np.rint(scaled).astype(np.uint8), np.cumsum([len(part) for part in parts])[:-1])


def comparison_sheet(
    real: LabelledImages, synthetic: NDArray[Any], labels: NDArray[Any], *, columns: int = 6
) -> Image.Image:
    """Draw a row per class: real images | synthetic images | the real image nearest to each synthetic one.

    Parameters
    ----------
    real : LabelledImages
        What the GAN was trained on.
    synthetic : ndarray of shape (n, channels, height, width), of the dtype of the real images
        Floats are shown by the range of all images.
    labels : ndarray of shape (n,)
        Classes the synthetic images were sampled for.
    columns : int
        Images of each kind per class.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> labels = digits.labels[:30]
    >>> comparison_sheet(digits, gan.sample(labels, random_state=0).numpy(), labels, columns=3).size
    (498, 522)
    """
    rows = []
    shown, made = as_pixels(real.images, synthetic)
    for label in real.classes:
        own = np.flatnonzero(labels == label)[:columns]
        close = nearest(synthetic[own], real.images)[0]
        parts = [_pad(shown[real.labels == label], columns), made[own], shown[close]]
        rows.append((real.name(label), np.concatenate(parts)))
    return class_grid(rows, breaks=(columns, 2 * columns), heading="real | synthetic | nearest real of any class")


def _pad(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """The first `columns` images, filled up with white where there are fewer."""
    missing = max(0, columns - len(images))
    return np.concatenate([images[:columns], np.full((missing, *images.shape[1:]), 255, np.uint8)])
