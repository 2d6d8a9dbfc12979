"""Which values of pixels a classifier sees as 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BYTES", "PixelRange"]


@dataclass(frozen=True)
class PixelRange:
    """How images are scaled for a classifier: all of uint8 alike, others by the images that it is trained on.

    Attributes
    ----------
    low, high : tuple of float
        Values of each channel that become 0 and 1, those beyond are not clipped; empty for uint8.
    dtype : str
        Of the images.

    Examples
    --------
    >>> import numpy as np
    >>> scale = PixelRange.of(np.float32([[[[-80, 20]], [[3, 5]]]]))
    >>> scale.unit(torch.tensor([[[[20.0]], [[7.0]]]])).flatten().tolist()
    [1.0, 2.0]
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    dtype: str = "uint8"

    @classmethod
    def of(cls, images: NDArray[Any]) -> PixelRange:
        """The range of training images (n, channels, height, width), uint8 or float32."""
        if images.dtype == "uint8":
            return cls()
        low, high = images.min((0, 2, 3)), images.max((0, 2, 3))
        high = high + (high == low).astype(high.dtype)  # a channel of one value becomes 0
        return cls(tuple(low.tolist()), tuple(high.tolist()), str(images.dtype))

    def unit(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) as float32, the range of the training images as [0, 1].

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
        if self.dtype == "uint8":
            return images.float() / 255
        low, high = (torch.tensor(edge, device=images.device).view(-1, 1, 1) for edge in (self.low, self.high))
        return (images - low) / (high - low)


BYTES = PixelRange()  # of uint8 images
