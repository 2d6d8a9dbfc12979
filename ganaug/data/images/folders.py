"""Labelled images from a folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.files import user_path
from ganaug.data.images.decoding import UNREADABLE, array_from_pil, header, open_image
from ganaug.data.images.labelled import LabelledImages
from ganaug.data.images.layouts import IMAGES, check_all_read, class_folders, warn_of_skipped
from ganaug.data.images.memory import check_memory
from ganaug.data.images.remarks import Remarks
from ganaug.data.images.stacking import RESIZE, stack_images

__all__ = ["read_image_folder"]

DECODED = 8  # bytes of memory that a pixel takes while it is decoded


def read_image_folder(
    root: str | Path, *, size: int | tuple[int, int] | None = None, dtype: str = "uint8"
) -> LabelledImages:
    """Read a folder that holds one folder of images per class.

    A class is all that lies in its folder and in the folders inside it, as for torchvision's ``ImageFolder``. Every
    file that Pillow reads counts, whatever it is called. Images that are all grey become one channel, otherwise all
    become RGB; transparency is dropped, EXIF rotation is applied, of animations and documents the first frame is taken
    (a ``UserWarning`` says of how many), and of 16 bits the upper eight, unless `dtype` keeps all values. What is left
    out is counted in a ``UserWarning`` and listed in the ``skipped`` attribute of the result: hidden files, what is no
    image, and images that are truncated, damaged or so large that they may be decompression bombs; not what file
    managers leave there, such as .DS_Store.

    Parameters
    ----------
    root : path-like
        Its sub-folders' names become the labels.
    size : int or (height, width), optional
        Resize every image to this size in pixels; without it all must have the same size.
    dtype : {"uint8", "float32", "auto"}
        As for :func:`ganaug.labelled_images`.

    Returns
    -------
    LabelledImages
        With string labels.

    Raises
    ------
    ValueError
        For a folder without images, without class folders, or one level too high, for one that holds splits such as
        train/ and test/, for a class folder without a readable image, for differing sizes, and for more images than
        there is memory for.
    """
    root = user_path(root)
    folders, strays = class_folders(root, IMAGES)
    files = [(path, folder.path.name) for folder in folders for path in folder.files]
    _check_memory(files, size, 4 if dtype == "float32" else 1)
    skipped = [(path, "beside the class folders") for path in strays]
    skipped += [other for folder in folders for other in folder.others]
    read: list[tuple[Path, str]] = []
    remarks = Remarks()

    def arrays() -> Iterator[NDArray[Any]]:
        kept = dtype
        for path, label in files:
            try:
                image = open_image(path)
            except UNREADABLE:
                skipped.append((path, path.suffix or "without an extension"))
                continue
            array = array_from_pil(image, size, kept)
            kept = str(array.dtype)  # the first image decides on all
            remarks.add(image, array, str(path), path)
            read.append((path, label))
            yield array

    images = stack_images(arrays(), len(files), lambda index: f"in {read[index][0]}")
    labels = [label for _, label in read]
    skipped.sort(key=lambda entry: str(entry[0]))
    check_all_read(root, folders, labels, skipped, IMAGES)
    warn_of_skipped(root, skipped, len(images), IMAGES)
    remarks.warn(root)
    places = tuple(path.relative_to(root).as_posix() for path, _ in read)
    return LabelledImages(images, np.array(labels), skipped=tuple(str(path) for path, _ in skipped), files=places)


def _check_memory(files: list[tuple[Path, str]], size: int | tuple[int, int] | None, itemsize: int) -> None:
    """Find out from the header of the first image whether there is memory to decode it, and to hold all of its size."""
    for path, _ in files:
        try:
            channels, height, width = header(path)
        except UNREADABLE:
            continue
        n = 1 if size is not None else len(files)
        needed = n * channels * height * width * itemsize + DECODED * height * width
        check_memory(needed, f"the {n:,} images of {height} x {width} pixels", RESIZE)
        return
