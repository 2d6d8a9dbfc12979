"""Images without their labels: in lists, columns of tables and datasets, and arrays of other libraries."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganaug.data.images.decoding import UNREADABLE, array_from_image, open_image
from ganaug.data.images.labelled import images_from_array
from ganaug.data.images.remarks import Remarks
from ganaug.data.images.stacking import stack_images
from ganaug.data.json_values import clip, short

__all__ = ["holds_pairs", "images_from_sequence", "is_array"]

VALUES = "biufc"  # kinds of arrays that hold numbers


def is_array(source: Any) -> bool:
    """Whether a source is one array of numbers, or a tensor, and so has neither files nor PIL images to resize."""
    return isinstance(source, torch.Tensor) or (isinstance(source, np.ndarray) and source.dtype.kind in VALUES)


def images_from_sequence(source: Any, size: int | tuple[int, int] | None = None, dtype: str = "uint8") -> NDArray[Any]:
    """Convert images of one size to an array of shape (n_images, channels, height, width).

    Parameters
    ----------
    source : sequence of images
        A list, a tuple, a pandas Series, a column of a Hugging Face dataset, or whatever else has a length and an
        order; or an array of another library, by its ``__array__``, channels last. Each image is a PIL image, an array
        (height, width[, channels]), a tensor ([channels,] height, width), the path of a file, the bytes of one, or a
        mapping that holds these, as Hugging Face writes them in tables. Kinds may be mixed.
    size : int or (height, width), optional
        Resize PIL images and files to this size.
    dtype : {"uint8", "float32", "auto"}
        As for :func:`ganaug.labelled_images`.

    Returns
    -------
    ndarray of shape (n_images, channels, height, width), uint8 or float32

    Raises
    ------
    TypeError
        For what has no length or no order, and for what is no image.
    ValueError
        For a source that is empty, images that differ in size, and files that cannot be read.

    Examples
    --------
    >>> images_from_sequence([Image.new("L", (9, 8)), np.zeros((8, 9, 3), np.uint8)]).shape
    (2, 3, 8, 9)
    """
    array = _as_array(source)
    if array is not None:
        if size is not None:
            raise ValueError("size applies to files and datasets of PIL images; resize arrays before passing them")
        return images_from_array(array, dtype)
    if not hasattr(source, "__len__") or isinstance(source, Mapping | set | frozenset | str | bytes):
        raise TypeError(
            f"images must be an array or a sequence with a length, got a {type(source).__name__}; pass a list of images"
        )
    if len(source) == 0:
        raise ValueError(f"images must hold at least one image, got an empty {type(source).__name__}")
    remarks = Remarks()

    def arrays() -> Iterator[NDArray[Any]]:
        kept = dtype
        for index, item in enumerate(_items(source)):
            image, file = _opened(item, index)
            array = array_from_image(image, size, dtype=kept)
            kept = str(array.dtype)  # the first image decides on all
            if isinstance(image, Image.Image):
                remarks.add(image, array, f"at index {index}", file)
            yield array

    images = stack_images(arrays(), len(source), lambda index: f"at index {index}")
    remarks.warn("the images given")
    return images


def _as_array(source: Any) -> Any:
    """The one array or tensor of numbers that a source is, or can be made of at once."""
    if isinstance(source, list | tuple) or (isinstance(source, np.ndarray) and source.dtype == object):
        first = source[0] if len(source) else None
        for kind, stack in ((np.ndarray, np.stack), (torch.Tensor, torch.stack)):
            if isinstance(first, kind) and all(
                isinstance(image, kind) and image.shape == first.shape and image.dtype == first.dtype
                for image in source
            ):
                return stack(list(source))
        return None
    if is_array(source):
        return source
    if hasattr(source, "__array__") and not isinstance(source, np.ndarray):
        try:
            array = np.asarray(source)
        except Exception as error:
            raise TypeError(
                f"the {type(source).__name__} of images cannot be turned into an array ({clip(str(error), 200)}); pass "
                "numpy arrays"
            ) from error
        return array if array.dtype.kind in VALUES else None
    return None


def _items(source: Any) -> Iterable[Any]:
    # A Series is iterated, since its index may be anything; a torch dataset counts from 0.
    return source if isinstance(source, Iterable) else (source[index] for index in range(len(source)))


def _opened(item: Any, index: int) -> tuple[Any, Any]:
    """An image, and the file that it comes from, if any."""
    if isinstance(item, Mapping):
        content = item.get("bytes")
        item = content if content is not None else item.get("path", item)
    if isinstance(item, str | Path):
        file: Any = Path(item).expanduser()
        if not file.is_file():  # a pipe would never end
            raise ValueError(f"the image {short(str(item), 200)} at index {index} is no file; check the path")
    elif isinstance(item, bytes | bytearray | memoryview):
        file = io.BytesIO(item)
    else:
        return item, None
    try:
        return open_image(file), file
    except UNREADABLE as error:
        shown = "" if isinstance(file, io.BytesIO) else f" {short(str(item), 200)}"
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"the image{shown} at index {index} cannot be read ({reason}); remove it") from None


def holds_pairs(source: Any) -> bool:
    """Whether a source is made of ``(image, label)`` pairs, and so carries labels of its own.

    Examples
    --------
    >>> holds_pairs([(Image.new("L", (8, 8)), 0)]), holds_pairs([Image.new("L", (8, 8))])
    (True, False)
    """
    if hasattr(source, "__array__") or not hasattr(source, "__len__") or len(source) == 0:
        return False
    first = next(iter(_items(source)), None)
    return isinstance(first, tuple) and len(first) == 2
