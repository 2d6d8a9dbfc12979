"""Which values of pixels a network sees as 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BYTES", "PixelRange"]


@dataclass(frozen=True)
class PixelRange:
    """How images are scaled for a network: all of uint8 alike, others by the images that it is trained on.

    Attributes
    ----------
    low, high : float
        Values that become 0 and 1. Values beyond them are not clipped.
    dtype : str
        Of the images.

    Examples
    --------
    >>> import numpy as np
    >>> PixelRange.of(np.array([-80, 0, 20], np.float32)).unit(torch.tensor([-80.0, 20.0, 120.0])).tolist()
    [0.0, 1.0, 2.0]
    >>> PixelRange.of(np.zeros(3, np.uint8))
    PixelRange(low=0.0, high=255.0, dtype='uint8')
    """

    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"

    @classmethod
    def of(cls, images: NDArray[Any]) -> PixelRange:
        """The range of training images, uint8 or float32."""
        if images.dtype == "uint8":
            return cls()
        low, high = float(images.min()), float(images.max())
        return cls(low, high if high > low else low + 1.0, str(images.dtype))

    def unit(self, images: Tensor) -> Tensor:
        """Images as float32, the range of the training images as [0, 1].

        Raises
        ------
        ValueError
            For another dtype, whose values have another meaning.
        """
        if images.dtype != getattr(torch, self.dtype):
            found = str(images.dtype).removeprefix("torch.")
            raise ValueError(
                f"images must be {self.dtype}, as those that the network was trained on, got {found}; convert them in "
                "the same way"
            )
        return images.float() / 255 if self.dtype == "uint8" else (images.float() - self.low) / (self.high - self.low)


BYTES = PixelRange()  # of uint8 images
