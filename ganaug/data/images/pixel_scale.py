"""Between the values of images and those that networks see and draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PixelScale"]


@dataclass(frozen=True)
class PixelScale:
    """Maps images to [-1, 1] and back: pixels by 0 and 255, floats by the range of each channel.

    Attributes
    ----------
    low, high : tuple of float
        Range of each channel of float32 images; empty for pixels, uint8. A channel of one value becomes -1.

    Examples
    --------
    >>> scale = PixelScale.of(np.float32([[[[-80.0, 0.0]]], [[[-40.0, -20.0]]]]))
    >>> scale.to_network(torch.tensor([[[[-40.0]]]])).item(), scale.from_network(torch.tensor([[[[1.0]]]])).item()
    (0.0, 0.0)
    >>> PixelScale().from_network(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def of(cls, images: NDArray[Any]) -> PixelScale:
        """The scale of training images, uint8 or float32 of shape (n, channels, height, width).

        Raises
        ------
        ValueError
            For NaN and infinite values, and a range that float32 cannot hold.
        """
        if images.dtype == np.uint8:
            return cls()
        low, high = (np.asarray(edge(images, axis=(0, 2, 3)), np.float64) for edge in (np.min, np.max))
        if not np.isfinite([low, high]).all():
            raise ValueError("images contain NaN or infinite pixels; remove or fill them first")
        if (high - low).max() > np.finfo(np.float32).max:
            raise ValueError(f"images must span a range that float32 holds, got {low.min():g} to {high.max():g}")
        return cls(tuple(low.tolist()), tuple(high.tolist()))

    @property
    def dtype(self) -> str:
        """Of the images: "uint8" or "float32"."""
        return "float32" if self.low else "uint8"

    def to_network(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) as float32; those of training lie in [-1, 1]."""
        if not self.low:
            return images.float() / 127.5 - 1
        low, high = self._edges(images)
        span = torch.where(high > low, high - low, torch.ones_like(low))
        return (images.float() - low) / span * 2 - 1

    def from_network(self, drawn: Tensor) -> Tensor:
        """What a generator draws, in [-1, 1], as images of :attr:`dtype` within the range of training."""
        if not self.low:
            return ((drawn + 1) * 127.5).round().to(torch.uint8)
        low, high = self._edges(drawn)
        return torch.minimum(torch.maximum((drawn + 1) / 2 * (high - low) + low, low), high)

    def _edges(self, like: Tensor) -> tuple[Tensor, Tensor]:
        low, high = (torch.tensor(edge, dtype=torch.float32, device=like.device) for edge in (self.low, self.high))
        return low[:, None, None], high[:, None, None]

    def to_dict(self) -> dict[str, Any]:
        """JSON values for a saved model; none for pixels."""
        return {"pixel_scale": {"low": list(self.low), "high": list(self.high)}} if self.low else {}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], channels: int) -> PixelScale:
        """Inverse of :meth:`to_dict`, after a trip through JSON; other keys are not read.

        Raises
        ------
        ValueError
            For ranges that are not those of so many channels.
        """
        if "pixel_scale" not in values:
            return cls()
        edges = [tuple(float(value) for value in values["pixel_scale"][name]) for name in ("low", "high")]
        low, high = map(np.array, edges)
        if low.shape != (channels,) or high.shape != (channels,) or not (np.isfinite(high - low) & (low <= high)).all():
            raise ValueError(f"pixel_scale must hold the range of each of {channels} channels")
        return cls(*edges)
