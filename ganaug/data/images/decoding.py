"""One image, whatever it comes as, as the array that every reader and ``fit`` make of it."""

from __future__ import annotations

import contextlib
import importlib.util
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ganaug.data.images.array_files import DAMAGED
from ganaug.data.images.labelled import images_from_array

__all__ = ["FORMATS", "UNREADABLE", "array_from_image", "array_from_pil", "header", "open_image"]

# What Pillow decodes by itself, the frequent ones first. Left out are EPS, which runs another program, films, formats
# that Pillow only knows the headers of, and those without a signature that identifies their files.
FORMATS = (
    *("PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP", "TIFF", "JPEG2000"),
    *(("AVIF",) if importlib.util.find_spec("PIL.AvifImagePlugin") else ()),
    *("DIB", "ICO", "PCX", "SGI", "QOI", "DDS", "TGA"),
)
DEEP_MODES = ("I", "F")
GREY_MODES = frozenset({"1", "L", "LA"})
ORIENTATION, UPRIGHT = 0x0112, 1  # of EXIF
UNSOUND = (*DAMAGED, struct.error)
UNREADABLE = (*UNSOUND, Image.DecompressionBombError, Image.DecompressionBombWarning)


def array_from_image(
    image: Any, size: int | tuple[int, int] | None = None, *, channels: int | None = None, dtype: str = "uint8"
) -> NDArray[Any]:
    """Convert one image to the array that ``fit`` sees of it.

    Parameters
    ----------
    image : PIL image, Tensor of shape ([channels,] height, width) or array of shape (height, width[, channels])
        A PIL image is turned upright as its EXIF data say; black-and-white and grey modes become one channel, all
        others RGB, without transparency. Tensors and arrays are uint8 or floating point.
    size : int or (height, width), optional
        Resize a PIL image to this size.
    channels : int, optional
        Of the images that this one joins: a grey one becomes three equal channels among images of three, and one of
        three equal channels becomes grey among grey ones.
    dtype : {"uint8", "float32", "auto"}
        As for :func:`images_from_array`.

    Returns
    -------
    ndarray of shape (channels, height, width), uint8 or float32

    Raises
    ------
    TypeError
        For what is no image, and for another dtype.
    ValueError
        For a shape, values or channels that do not fit.

    Examples
    --------
    >>> array_from_image(Image.new("P", (9, 8))).shape, array_from_image(Image.new("L", (9, 8)), channels=3).shape
    ((3, 8, 9), (3, 8, 9))
    """
    if isinstance(image, Image.Image):
        array = np.ascontiguousarray(array_from_pil(image, size, dtype))
    else:
        if not isinstance(image, torch.Tensor | np.ndarray) and hasattr(image, "__array__"):
            image = np.asarray(image)
        if not isinstance(image, torch.Tensor | np.ndarray):
            raise TypeError(f"images must be PIL images, tensors or arrays, got {type(image).__name__}")
        if size is not None:
            raise ValueError(
                "size applies to files and datasets of PIL images, got tensors or arrays; resize them first"
            )
        array = images_from_array(image[None], dtype)[0]
    if channels is None or len(array) == channels:
        return array
    if len(array) == 1 and channels == 3:
        return np.repeat(array, 3, axis=0)
    if channels == 1 and len(array) == 3 and (array == array[:1]).all():
        return array[:1]
    raise ValueError(f"the image has {len(array)} channels, the images that it joins {channels}; convert it first")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Pillow's warnings of what is damaged beside the pixels."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield


def open_image(file: Path | BinaryIO) -> Image.Image:
    """Decode an image that may come from anyone: only formats with sound decoders, and no decompression bombs.

    Raises one of ``UNREADABLE`` for anything else.
    """
    with _quiet():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=FORMATS) as image:
            image.load()
    return image


def header(file: Path | BinaryIO) -> tuple[int, int, int]:
    """Channels, height and width of an image, without decoding it.

    Raises one of ``UNREADABLE`` as :func:`open_image`, though not for all that is damaged.
    """
    with _quiet(), Image.open(file, formats=FORMATS) as image:
        return 1 if image.mode in GREY_MODES or image.mode.startswith(DEEP_MODES) else 3, image.height, image.width


def array_from_pil(image: Any, size: int | tuple[int, int] | None = None, dtype: str = "uint8") -> NDArray[Any]:
    """Convert a PIL image to an array of shape (1, height, width) if grey, (3, height, width) otherwise.

    For pixels, the upper eight of 16 bits are kept, as Pillow does with colour images, and floats must be in [0, 1].
    As float32 all values are kept; "auto" keeps those of float images that leave [0, 1].

    Raises
    ------
    ValueError
        For floats elsewhere, and for 32-bit integers beyond 16 bits, unless they are kept.
    """
    mode = image.mode
    with _quiet():
        upright = _upright(image)
        if mode.startswith(DEEP_MODES):
            upright = _plain_depth(upright, dtype, _where(image))
        wanted = upright.mode if upright.mode == "F" else "L" if upright.mode in GREY_MODES else "RGB"
        try:
            upright = upright if upright.mode == wanted else upright.convert(wanted)
        except ValueError:
            raise ValueError(
                f"images of mode {mode!r} cannot be turned into {wanted}, got one{_where(image)}; convert it first"
            ) from None
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        upright = upright.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(upright, dtype=np.float32 if dtype == "float32" else None)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _plain_depth(image: Image.Image, dtype: str, where: str) -> Image.Image:
    """An image of mode "L" or, where values are kept, "F" in place of one with more than eight bits."""
    pixels = np.asarray(image)
    if image.mode == "F" or dtype == "float32":
        try:
            return Image.fromarray(images_from_array(pixels[None], dtype)[0, 0])
        except ValueError as error:
            raise ValueError(f"{error}, got such an image{where}") from None
    if pixels.size and not 0 <= int(pixels.min()) <= int(pixels.max()) < 2**16:
        raise ValueError(
            f"images must have at most 16 bits per channel, got one with values from {pixels.min()} to {pixels.max()}"
            f"{where}; convert it first"
        )
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _where(image: Any) -> str:
    return f" in {image.filename}" if getattr(image, "filename", "") else ""


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation, unless the EXIF data are damaged: the pixels are sound nonetheless."""
    try:
        turned = image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT
        return ImageOps.exif_transpose(image) if turned else image
    except UNSOUND:
        return image
