"""Images that come one after the other, as one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.images.memory import TooLittleMemory, check_memory

__all__ = ["RESIZE", "stack_images"]

RESIZE = "resize them, files with labelled_images(path, size=(height, width)) or --size"


def stack_images(
    images: Iterable[NDArray[Any]], n: int, where: Callable[[int], str] = lambda index: f"at {index}"
) -> NDArray[Any]:
    """Gather images of one size in one array, without holding them twice.

    Where grey and colour images are mixed, the grey ones get three equal channels.

    Parameters
    ----------
    images : iterable of ndarray of shape (channels, height, width)
        The result has the dtype of the first.
    n : int
        How many there are at most.
    where : callable
        Says of an index where that image is, for messages.

    Returns
    -------
    ndarray of shape (n_images, channels, height, width)
        Without any image n_images is 0.

    Raises
    ------
    ValueError
        Once the first image shows that there is too little memory for `n` of them, and for the first image of another
        size, or of another number of channels.

    Examples
    --------
    >>> stack_images([np.zeros((1, 8, 9), np.uint8), np.zeros((3, 8, 9), np.uint8)], 2).shape
    (2, 3, 8, 9)
    """
    stack = np.empty((0, 1, 0, 0), np.uint8)
    count = 0
    try:
        for count, image in enumerate(images, 1):
            if count == 1:
                stack = _allocated(n, image.shape, image.dtype)
            elif image.shape[1:] != stack.shape[2:]:
                first, other = (f"{height} x {width}" for height, width in (stack.shape[2:], image.shape[1:]))
                raise ValueError(
                    f"all images must have the same size, got {first} pixels {where(0)} and {other} "
                    f"{where(count - 1)}; {RESIZE}"
                )
            if len(image) != stack.shape[1]:
                found = {stack.shape[1], len(image)}
                if found != {1, 3}:
                    raise ValueError(f"all images must have the same number of channels, got {sorted(found)}")
                if len(image) == 3:
                    coloured = _allocated(n, image.shape, stack.dtype)
                    coloured[: count - 1] = stack[: count - 1]
                    stack = coloured
            stack[count - 1] = image
    except MemoryError:
        raise TooLittleMemory(f"the memory ran out while {n:,} images were read; {RESIZE}") from None
    return stack[:count]


def _allocated(n: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    channels, height, width = shape
    check_memory(
        n * channels * height * width * dtype.itemsize, f"the {n:,} images of {height} x {width} pixels", RESIZE
    )
    return np.empty((n, *shape), dtype)
