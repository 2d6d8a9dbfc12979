"""Synthetic pixels in the form of the images they join: type, dtype, range, size, device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from ganaug.data.pictures import picture

__all__ = ["Pixels"]

MODES = {1: ("L", "1"), 3: ("RGB",)}  # of PIL images, by the number of channels
CONVERT = "convert them first, or train the GAN on this dataset"


class Pixels:
    """Turns uint8 images into the kind that a pipeline uses.

    Parameters
    ----------
    mean, std : sequence of float, optional
        Of each channel, on pixels in [0, 1]: what images were normalised with.
    resize : bool
        Resize synthetic images whose size differs, in place of an error.
    """

    def __init__(self, mean: Any = None, std: Any = None, *, resize: bool = False) -> None:
        if (mean is None) != (std is None):
            raise ValueError("mean and std belong together; pass both, or neither for images in [0, 1]")
        self.mean = None if mean is None else tuple(float(v) for v in _sequence(mean))
        self.std = None if std is None else tuple(float(v) for v in _sequence(std))
        if self.mean is not None and self.std is not None:
            if len(self.mean) != len(self.std):
                raise ValueError(f"mean and std must be of one length, got {len(self.mean)} and {len(self.std)}")
            if min(self.std) <= 0:
                raise ValueError(f"std must be positive, got {self.std}")
        self.resize = resize

    def check(self, images: Tensor, shape: tuple[int, ...], *, same_size: bool = True) -> None:
        """Raise unless images (..., channels, height, width) can be joined by synthetic ones of `shape`."""
        channels = shape[0]
        if images.shape[-3] != channels:
            raise ValueError(f"images have {images.shape[-3]} channels, synthetic ones {channels}; {CONVERT}")
        self._check_size((images.shape[-2], images.shape[-1]), shape, same_size)
        if self.mean is not None and len(self.mean) not in (1, channels):
            raise ValueError(f"mean and std must have 1 or {channels} values, got {len(self.mean)}")
        if images.dtype == torch.uint8:
            if self.mean is not None:
                raise ValueError("images are uint8 and mean and std were given; normalise first, or leave these out")
        elif not images.is_floating_point():
            raise TypeError(f"images must be uint8 or floating point, got {images.dtype}; convert them first")
        elif self.mean is None and images.numel():
            low, high = torch.stack(images.detach().aminmax()).tolist()  # a single wait for a GPU
            # Interpolation and 16-bit floats overshoot a little.
            if not (low >= -0.01 and high <= 1.01):
                raise ValueError(
                    f"floating-point images must have values in [0, 1], got [{low:g}, {high:g}]; for normalised images "
                    "pass mean= and std="
                )

    def _check_size(self, size: tuple[int, int], shape: tuple[int, ...], same_size: bool) -> None:
        if same_size and not self.resize and size != shape[1:]:
            raise ValueError(
                f"images measure {size[0]} x {size[1]}, synthetic ones {shape[1]} x {shape[2]}; place the transform "
                "before what resizes or crops, or pass resize=True"
            )

    def like(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Turn uint8 (n, channels, height, width) into the dtype, range and device of `images`; if asked to, resize."""
        drawn = drawn.to(images.device)
        if self.resize and drawn.shape[-2:] != images.shape[-2:]:
            drawn = F.resize(drawn, list(images.shape[-2:]), antialias=True)
        if images.dtype == torch.uint8:
            return drawn
        drawn = drawn.to(torch.float32).div_(255)
        if self.mean is not None and self.std is not None:
            mean, std = (
                torch.tensor(v, dtype=torch.float32, device=drawn.device).view(-1, 1, 1) for v in (self.mean, self.std)
            )
            drawn = drawn.sub_(mean).div_(std)
        return drawn.to(images.dtype)

    def one_like(self, drawn: Tensor, image: Any, *, same_size: bool = True) -> Any:
        """Turn uint8 (channels, height, width) into an image like `image`: PIL, tv_tensor or tensor.

        Without `same_size` it keeps its size, whatever that of `image`.
        """
        shape = tuple(drawn.shape)
        if isinstance(image, Image.Image):
            if image.mode not in MODES.get(shape[0], ()):
                raise ValueError(f"the image has mode {image.mode!r}, synthetic ones {shape[0]} channels; {CONVERT}")
            self._check_size((image.height, image.width), shape, same_size)
            result: Any = picture(drawn.numpy())
            if self.resize and result.size != image.size:
                result = result.resize(image.size, Image.Resampling.BICUBIC)
            return result if result.mode == image.mode else result.convert(image.mode)
        if not isinstance(image, Tensor) or image.ndim != 3:
            found = f"a tensor of shape {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(f"an image must be a PIL image or a tensor (channels, height, width), got {found}")
        self.check(image, shape, same_size=same_size)
        result = self.like(drawn[None], image)[0]
        return tv_tensors.wrap(result, like=image) if isinstance(image, tv_tensors.Image) else result


def _sequence(values: Any) -> Sequence[float]:
    return values if isinstance(values, Sequence) else torch.as_tensor(values, device="cpu").reshape(-1).tolist()
