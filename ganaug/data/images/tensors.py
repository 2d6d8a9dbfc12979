"""Arrays of images as tensors."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["shared_tensor"]


def shared_tensor(array: NDArray[Any]) -> Tensor:
    """Tensor that shares the memory of an array, to be read only: torch warns where the array cannot be written to.

    Arrays are read-only that ``numpy.load`` has mapped into memory, or that are views of a data frame.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    Tensor
        Of the array's shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((2, 1, 8, 8), np.uint8)
    >>> images.flags.writeable = False
    >>> shared_tensor(images).dtype
    torch.uint8
    """
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)
