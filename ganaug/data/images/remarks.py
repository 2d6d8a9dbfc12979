"""What a user must know of images that were read, and would not see in the pixels."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug.data.images.decoding import UNREADABLE

__all__ = ["Remarks"]

DARK = 64  # of 256 levels


class Remarks:
    """Gathers them image by image."""

    def __init__(self) -> None:
        self._animated: list[str] = []
        self._deep: list[str] = []
        self._brightest = 0

    def add(self, image: Any, array: NDArray[Any], where: str, file: Path | BinaryIO | None = None) -> None:
        """Look at an image.

        Parameters
        ----------
        image : PIL image
            As it was opened.
        array : ndarray of uint8 or float32
            What was made of it.
        where : str
        file : Path or file, optional
            What it was opened from.
        """
        if _has_more_frames(image, file):
            self._animated.append(where)
        if image.mode.startswith("I") and array.dtype == np.uint8:
            self._deep.append(where)
            self._brightest = max(self._brightest, int(array.max(initial=0)))

    def warn(self, source: Any) -> None:
        """Say it, in a ``UserWarning`` each."""
        if self._animated:
            warnings.warn(
                f"only the first frame was read of {len(self._animated):,} images with several in {source}, the first "
                f"being {self._animated[0]}; write the frames to files of their own to use them",
                UserWarning,
                stacklevel=3,
            )
        if self._deep and self._brightest < DARK:
            warnings.warn(
                f"{len(self._deep):,} images in {source} have 16 bits per channel and became dark, none "
                f"brighter than {self._brightest} of 255, since they use a small part of the range; the first is "
                f"{self._deep[0]}; spread their values over the whole range first",
                UserWarning,
                stacklevel=3,
            )


def _has_more_frames(image: Any, file: Path | BinaryIO | None) -> bool:
    if image.format == "GIF" and file is not None:
        # Pillow only knows while a GIF is open, and loses its first frame when it is asked.
        with contextlib.suppress(*UNREADABLE), Image.open(file, formats=("GIF",)) as again:
            return bool(getattr(again, "is_animated", False))
    # Phones write a second picture, such as a map of depths, behind a photograph.
    with contextlib.suppress(*UNREADABLE):
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    return False
