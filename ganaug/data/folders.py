"""Labelled images from a folder per class."""

from __future__ import annotations

import contextlib
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ganaug.data.files import user_path
from ganaug.data.images import LabelledImages

__all__ = ["UNREADABLE", "array_from_pil", "open_image", "read_image_folder", "stack_images"]

# Formats with decoders that are memory-safe in practice and need no outside program.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif"})
GREY_MODES = frozenset({"1", "L", "LA"})
DEEP_MODES = ("I", "F")
# ValueError is what Pillow raises for a decompression bomb in the text of a PNG.
DAMAGED = (OSError, SyntaxError, ValueError, struct.error)
UNREADABLE = (*DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_image_folder(root: str | Path, *, size: int | tuple[int, int] | None = None) -> LabelledImages:
    """Read a folder that holds one folder of images per class.

    Images that are all grey become one channel, otherwise all become RGB; transparency is dropped, EXIF
    rotation is applied. Hidden files and files that are no images are passed over. An image that is
    truncated, damaged or so large that it may be a decompression bomb is skipped; how many were is told
    by a ``UserWarning``, and which by the ``skipped`` attribute of the result.

    Parameters
    ----------
    root : path-like
        Its sub-folders' names become the labels.
    size : int or (height, width), optional
        Resize every image to this size in pixels; without it all must have the same size.

    Returns
    -------
    LabelledImages
        With string labels.

    Raises
    ------
    ValueError
        For a folder without images, without class folders, or one level too high, for a class folder without a
        readable image, and for differing sizes.
    """
    root = user_path(root)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; pass a folder that holds one folder of images per class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        found = next(_image_files(root), None)
        remedy = "put the images of each class into a folder of their own" if found else "it is empty of images"
        raise ValueError(f"{root} holds no class folders: {remedy}")

    images: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    skipped: list[str] = []
    for folder in folders:
        before = len(images) + len(skipped)
        for path in _image_files(folder):
            image = _read_image(path, size)
            if image is None:
                skipped.append(str(path))
            else:
                images.append(image)
                labels.append(folder.name)
        nested = next((p for p in folder.iterdir() if p.is_dir() and next(_image_files(p), None)), None)
        if len(images) + len(skipped) == before and nested is not None:
            raise ValueError(
                f"{root} is one level too high: {folder.name}/ holds no images but folders of images such as "
                f"{nested.name}/; pass {folder} instead"
            )
    empty = [folder.name for folder in folders if folder.name not in set(labels)]
    if images and empty:
        raise ValueError(
            f"the class folder {empty[0]!r} in {root} holds no readable image; expected files ending in "
            f"{', '.join(sorted(SUFFIXES))}; add images or remove the folder"
        )
    if not images:
        raise ValueError(
            f"{root} holds no readable images ({len(skipped)} unreadable) in its {len(folders)} folders; "
            f"expected files ending in {', '.join(sorted(SUFFIXES))}"
        )
    if skipped:
        warnings.warn(
            f"skipped {len(skipped)} of {len(skipped) + len(images)} files in {root} that could not be read as images, "
            f"the first being {skipped[0]}",
            UserWarning,
            stacklevel=2,
        )
    return LabelledImages(stack_images(images), np.array(labels), skipped=tuple(skipped))


def _image_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _read_image(path: Path, size: int | tuple[int, int] | None) -> NDArray[np.uint8] | None:
    """Return (height, width[, channels]) uint8, or None for a file that is no sound image."""
    try:
        image = open_image(path)
    except UNREADABLE:
        return None
    return array_from_pil(image, size)


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


def array_from_pil(image: Any, size: int | tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Convert a PIL image to uint8 of shape (height, width) if grey, (height, width, 3) otherwise.

    Raises
    ------
    ValueError
        For images with more than 8 bits a channel.
    """
    if image.mode.startswith(DEEP_MODES):
        raise ValueError(
            f"images must have 8 bits per channel, got an image of mode {image.mode!r}"
            f"{' in ' + str(image.filename) if getattr(image, 'filename', '') else ''}; convert it first"
        )
    with _quiet():
        image = _upright(image)
        image = image.convert("L" if image.mode in GREY_MODES else "RGB")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation, unless the EXIF data are damaged: the pixels are sound nonetheless."""
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGED:
        return image


def stack_images(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Stack grey or channels-last images to uint8 of shape (n_images, channels, height, width).

    Where grey and colour images are mixed, the grey ones get three equal channels.
    """
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        first, last = (f"{h} x {w}" for h, w in (sizes[0], sizes[-1]))
        raise ValueError(
            f"all images must have the same size, got {len(sizes)} sizes from {first} to {last} pixels; resize "
            "them, files with labelled_images(path, size=(height, width)) or --size"
        )
    if any(image.ndim == 3 for image in images):
        images = [np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image for image in images]
    channels = sorted({image.shape[2] for image in images if image.ndim == 3})
    if len(channels) > 1:
        raise ValueError(f"all images must have the same number of channels, got {channels}")
    stacked = np.stack(images)
    stacked = stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked)
