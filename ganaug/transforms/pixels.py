"""Synthetic pixels in the form of the images they join: type, dtype, range, size, device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from ganaug.data.images.decoding import DEEP_MODES, GREY_MODES, array_from_image
from ganaug.data.images.pictures import picture

__all__ = ["CONVERT", "Pixels", "as_fitted", "channels_of", "is_grey"]

MODES: dict[int, tuple[str, ...]] = {1: ("L", "1"), 3: ("RGB",)}  # of PIL images, by the number of channels
FLOAT_MODES: dict[int, tuple[str, ...]] = {1: ("F",)}
CONVERT = "convert them first, or train the GAN on this dataset"


def is_grey(image: Any) -> bool:
    """Whether an image becomes one of a single channel when a GAN is fitted on it."""
    if isinstance(image, Image.Image):
        return image.mode in GREY_MODES or image.mode.startswith(DEEP_MODES)
    return channels_of(image) == 1


def channels_of(image: Any) -> int | None:
    """Channels of a PIL image, a tensor (channels, height, width) or an array (height, width[, channels])."""
    if isinstance(image, Image.Image):
        return next((n for n, modes in MODES.items() if image.mode in modes), None)
    if isinstance(image, np.ndarray) and image.ndim in (2, 3):
        return 1 if image.ndim == 2 else image.shape[2]
    return len(image) if isinstance(image, Tensor) and image.ndim == 3 else None


def as_fitted(image: Any, channels: int, dtype: str = "uint8") -> Any:
    """Return a real image as ``fit`` sees it, in the type that it came in.

    PIL images are turned upright; palettes, transparency and other modes become RGB, or grey; grey images among colour
    ones get three equal channels. What needs no change comes back itself.

    Parameters
    ----------
    image : PIL image, Tensor, array or any other object, which comes back unchanged
    channels : int
        Of the GAN's images.
    dtype : {"uint8", "float32"}
        Of the GAN's images. Beside floats only PIL images of mode F can stand.

    Raises
    ------
    ValueError
        For a PIL image that ``fit`` does not turn into one of so many channels.
    """
    if isinstance(image, Image.Image):
        modes = _modes(dtype)
        if image.mode in modes.get(channels, ()) and image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image
        if dtype != "uint8" and image.mode in modes.get(channels, ()):
            return ImageOps.exif_transpose(image)
        if channels not in modes or dtype != "uint8" or (channels == 1 and not is_grey(image)):
            raise ValueError(_other_mode(image.mode, channels, dtype))
        return picture(array_from_image(image, channels=channels))
    if channels != 3 or channels_of(image) != 1:
        return image
    if isinstance(image, np.ndarray):
        return np.repeat(image.reshape(*image.shape[:2], 1), channels, axis=2)
    wide = image.repeat(channels, 1, 1)
    return tv_tensors.wrap(wide, like=image) if isinstance(image, tv_tensors.Image) else wide


def _modes(dtype: str) -> dict[int, tuple[str, ...]]:
    return MODES if dtype == "uint8" else FLOAT_MODES


def _other_mode(mode: str, channels: int, dtype: str) -> str:
    kind = "" if dtype == "uint8" else f" of {dtype}"
    return f"the image has mode {mode!r}, synthetic ones {channels} channels{kind}; {CONVERT}"


class Pixels:
    """Turns synthetic images into the kind that a pipeline uses.

    Parameters
    ----------
    mean, std : sequence of float, optional
        Of each channel, what images were normalised with: pixels of uint8 in [0, 1], others by their values.
    resize : bool
        Resize synthetic images whose size differs, in place of an error.
    dtype : {"uint8", "float32"}
        Of the synthetic images. The values of floats are left as they are.
    """

    def __init__(self, mean: Any = None, std: Any = None, *, resize: bool = False, dtype: str = "uint8") -> None:
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
        self.dtype = dtype

    def check(self, images: Tensor, shape: tuple[int, ...], *, same_size: bool = True) -> None:
        """Raise unless images (..., channels, height, width) can be joined by synthetic ones of `shape`."""
        channels = shape[0]
        if images.shape[-3] != channels:
            raise ValueError(f"images have {images.shape[-3]} channels, synthetic ones {channels}; {CONVERT}")
        self._check_size((images.shape[-2], images.shape[-1]), shape, same_size)
        if self.mean is not None and len(self.mean) not in (1, channels):
            raise ValueError(f"mean and std must have 1 or {channels} values, got {len(self.mean)}")
        if self.dtype != "uint8":
            if not images.is_floating_point():
                found = str(images.dtype).removeprefix("torch.")
                raise ValueError(
                    f"images are {found}, synthetic ones {self.dtype}, whose values are not of one scale; convert "
                    "images as those that the generator was trained on"
                )
        elif images.dtype == torch.uint8:
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
        """Turn drawn (n, channels, height, width) into the dtype, range and device of `images`; if asked to, resize."""
        drawn = drawn.to(images.device)
        if self.resize and drawn.shape[-2:] != images.shape[-2:]:
            drawn = F.resize(drawn, list(images.shape[-2:]), antialias=True)
        if images.dtype == torch.uint8:
            return drawn
        if self.dtype == "uint8":
            drawn = drawn.to(torch.float32).div_(255)
        if self.mean is not None and self.std is not None:
            mean, std = (
                torch.tensor(v, dtype=torch.float32, device=drawn.device).view(-1, 1, 1) for v in (self.mean, self.std)
            )
            drawn = drawn.sub(mean).div_(std)
        return drawn.to(images.dtype)

    def one_like(self, drawn: Tensor, image: Any, *, same_size: bool = True) -> Any:
        """Turn drawn (channels, height, width) into an image like `image`: PIL, tv_tensor, tensor or array.

        Without `same_size` it keeps its size, whatever that of `image`. A real image comes as :func:`as_fitted` returns
        it.
        """
        shape = tuple(drawn.shape)
        if isinstance(image, Image.Image):
            if image.mode not in _modes(self.dtype).get(shape[0], ()):
                raise ValueError(_other_mode(image.mode, shape[0], self.dtype))
            self._check_size((image.height, image.width), shape, same_size)
            result: Any = picture(drawn.numpy()) if self.dtype == "uint8" else Image.fromarray(drawn[0].numpy())
            if self.resize and result.size != image.size:
                result = result.resize(image.size, Image.Resampling.BICUBIC)
            return result if result.mode == image.mode else result.convert(image.mode)
        if isinstance(image, np.ndarray) and image.ndim in (2, 3):
            first = torch.from_numpy(np.array(image, ndmin=2)).reshape(*image.shape[:2], -1).permute(2, 0, 1)
            array = self.one_like(drawn, first, same_size=same_size).permute(1, 2, 0).numpy()
            return array if image.ndim == 3 else array[..., 0]
        if not isinstance(image, Tensor) or image.ndim != 3:
            found = f"a tensor of shape {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(
                f"an image must be a PIL image, a tensor (channels, height, width) or an array (height, width[, "
                f"channels]), got {found}"
            )
        self.check(image, shape, same_size=same_size)
        result = self.like(drawn[None], image)[0]
        return tv_tensors.wrap(result, like=image) if isinstance(image, tv_tensors.Image) else result


def _sequence(values: Any) -> Sequence[float]:
    return values if isinstance(values, Sequence) else torch.as_tensor(values, device="cpu").reshape(-1).tolist()
