"""Reading images for something that holds pixels of a certain dtype, without turning the one into the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ganaug.data.images.labelled import LabelledImages
from ganaug.data.images.sources import labelled_images

__all__ = ["images_like"]


def images_like(source: Any, labels: Any = None, *, dtype: str | None = None, **options: Any) -> LabelledImages:
    """Read labelled images as :func:`ganaug.labelled_images` does, and keep the values of floats for float32.

    Parameters
    ----------
    source, labels, **options
        As for :func:`ganaug.labelled_images`.
    dtype : str, optional
        Of the images that they are compared with, or that a generator draws; any but "float32" changes nothing.

    Returns
    -------
    LabelledImages
        Arrays of uint8 stay so: whoever compares says that they do not fit.

    Examples
    --------
    >>> images_like(np.ones((2, 8, 8)), [0, 1]).images.max()
    np.uint8(255)
    """
    pixels = isinstance(source, np.ndarray | torch.Tensor) and str(source.dtype).endswith("uint8")
    if dtype != "float32" or pixels or isinstance(source, LabelledImages):
        return labelled_images(source, labels, **options)
    return labelled_images(source, labels, **{**options, "dtype": dtype})
