"""Over-sampling of images: arrays of shape (n, height, width, channels), or rows that hold an image each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ganaug.curation.generator_sampler import check_takes_groups
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.images.sources import labelled_images
from ganaug.engine.devices import seeded
from ganaug.generators.images.gan import ImageGAN

__all__ = ["as_images", "fitted_image_gan", "like_images"]


def as_images(X: NDArray[Any], image_shape: Any) -> NDArray[Any]:
    """Images (n, height, width, channels) from such an array or from rows of pixels.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels) or (n, n_pixels)
    image_shape : tuple of int or None
        (height, width) or (height, width, channels) of the images in rows.

    Returns
    -------
    ndarray of shape (n, height, width, channels)
    """
    if X.ndim == 4:
        return X
    shape = tuple(int(side) for side in np.atleast_1d(image_shape))
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"image_shape must be (height, width) or (height, width, channels), got {image_shape!r}")
    if X.ndim != 2 or X.shape[1] != np.prod(shape):
        raise ValueError(f"rows must hold the {np.prod(shape)} values of image_shape {shape}, got shape {X.shape}")
    return X.reshape(len(X), *shape) if len(shape) == 3 else X.reshape(len(X), *shape, 1)


def fitted_image_gan(
    generator: Any, images: NDArray[Any], y: NDArray[Any], seed: int, *, prefit: bool, groups: NDArray[Any] | None
) -> Any:
    """The generator, trained on the images and their groups, if they have any, unless it was before."""
    if groups is not None:
        check_takes_groups(ImageGAN() if generator is None else generator, prefit=prefit)
    if prefit:
        return generator
    if y.dtype.kind == "i" and UNLABELLED in y:
        raise ValueError("class -1 cannot be over-sampled with an ImageGAN, to which it marks images without a label")
    gan = ImageGAN() if generator is None else clone(generator)
    if groups is None:
        return seeded(gan, seed).fit(images, y)
    return seeded(gan, seed).fit(labelled_images(images, y, groups=groups, dtype="auto"))


def like_images(drawn: Any, X: NDArray[Any]) -> NDArray[Any]:
    """Drawn images (n, channels, height, width) with the shape, dtype and range of those in `X`; floats as they are."""
    images = np.asarray(drawn).transpose(0, 2, 3, 1).reshape(-1, *X.shape[1:])
    if images.dtype != np.uint8:
        if X.dtype.kind != "f":
            raise ValueError(f"X holds images of {X.dtype}, the generator draws {images.dtype}; convert X to floats")
        return images.astype(X.dtype)
    return images if X.dtype == np.uint8 else (images / 255).astype(X.dtype)
