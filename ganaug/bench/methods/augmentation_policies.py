"""TrivialAugment and RandAugment of a whole batch of images at a time.

They do to each image what torchvision's transforms of the same name do to one: an operation of a list, by a magnitude
that is drawn or given. Images that drew the same operation are transformed together, each by its own magnitude.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaug.bench.methods.batch_transforms import BatchTransform, rotations, warp

__all__ = ["OPERATIONS", "RandAugment", "TrivialAugment"]

LEVELS = 31  # of a magnitude
BLENDS = ("Brightness", "Color", "Contrast", "Sharpness")
Operation = Callable[[Tensor, Tensor], Tensor]


def _sheared(axis: int) -> Operation:
    """Along an axis, 0 or 1, with the upper left corner where it is."""

    def operation(images: Tensor, magnitudes: Tensor) -> Tensor:
        matrix = torch.eye(2).repeat(len(images), 1, 1)
        matrix[:, axis, 1 - axis] = magnitudes
        middle = torch.tensor([images.shape[3], images.shape[2]]) / 2
        return warp(images, matrix, matrix @ middle - middle)

    return operation


def _translated(axis: int) -> Operation:
    def operation(images: Tensor, magnitudes: Tensor) -> Tensor:
        offset = torch.zeros(len(images), 2)
        offset[:, axis] = -magnitudes.trunc()
        return warp(images, torch.eye(2).expand(len(images), 2, 2), offset)

    return operation


def _rotated(images: Tensor, magnitudes: Tensor) -> Tensor:
    return warp(images, rotations(-magnitudes), torch.zeros(len(images), 2))


def _blended(other: Callable[[Tensor], Tensor]) -> Operation:
    """Away from what `other` makes of images, or towards it where the magnitude is negative."""

    def operation(images: Tensor, magnitudes: Tensor) -> Tensor:
        return torch.lerp(other(images), images, 1 + magnitudes[:, None, None, None]).clamp(0, 1)

    return operation


def _grey(images: Tensor) -> Tensor:
    from torchvision.transforms import v2

    return v2.functional.rgb_to_grayscale(images) if images.shape[1] == 3 else images


def _blurred(images: Tensor) -> Tensor:
    if min(images.shape[2:]) <= 2:
        return images
    kernel = torch.full((3, 3), 1 / 13)
    kernel[1, 1] = 5 / 13
    channels = images.shape[1]
    inside = F.conv2d(images, kernel.expand(channels, 1, 3, 3), groups=channels)
    blurred = images.clone()
    blurred[:, :, 1:-1, 1:-1] = inside
    return blurred


def _posterised(images: Tensor, magnitudes: Tensor) -> Tensor:
    levels = 2.0 ** magnitudes.trunc()[:, None, None, None]
    return (images * levels).floor().clamp(min=0).minimum(levels - 1) / levels


def _solarised(images: Tensor, magnitudes: Tensor) -> Tensor:
    return torch.where(images >= magnitudes[:, None, None, None], 1 - images, images)


def _contrasted(images: Tensor, _: Tensor) -> Tensor:
    from torchvision.transforms import v2

    return v2.functional.autocontrast(images)


def _equalised(images: Tensor, _: Tensor) -> Tensor:
    from torchvision.transforms import v2

    return v2.functional.equalize(images)


OPERATIONS: dict[str, Operation] = {
    "Identity": lambda images, _: images,
    "ShearX": _sheared(0),
    "ShearY": _sheared(1),
    "TranslateX": _translated(0),
    "TranslateY": _translated(1),
    "Rotate": _rotated,
    "Brightness": _blended(torch.zeros_like),
    "Color": _blended(_grey),
    "Contrast": _blended(lambda images: _grey(images).mean((1, 2, 3), keepdim=True)),
    "Sharpness": _blended(_blurred),
    "Posterize": _posterised,
    "Solarize": _solarised,
    "AutoContrast": _contrasted,
    "Equalize": _equalised,
}


class _Policy(BatchTransform):
    """Base: operations at random, by magnitudes that rise with a level from 0 to 1.

    Attributes
    ----------
    fewest_bits : int
        Of "Posterize" at level 1; at level 0 there are eight.
    """

    fewest_bits: ClassVar[int]

    def _operated(self, images: Tensor, levels: Tensor, largest: dict[str, float]) -> Tensor:
        """Each image by one operation at its level, of shape (n,); `largest` are magnitudes that have a random sign."""
        chosen = torch.randint(len(OPERATIONS), (len(images),))
        signs = torch.where(torch.rand(len(images)) < 0.5, -1, 1)
        found = images.clone()
        for k, (name, operation) in enumerate(OPERATIONS.items()):
            drawn = (chosen == k).nonzero()[:, 0]
            if len(drawn) == 0:
                continue
            magnitudes = largest.get(name, 0.0) * levels[drawn] * signs[drawn]
            if name == "Posterize":
                magnitudes = (8 - (8 - self.fewest_bits) * levels[drawn]).round()
            elif name == "Solarize":
                magnitudes = 1 - levels[drawn]
            found[drawn] = operation(images[drawn], magnitudes)
        return found


class TrivialAugment(_Policy):
    """One operation on each image, by a random magnitude: ``torchvision.transforms.v2.TrivialAugmentWide``.

    Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021.

    Examples
    --------
    >>> TrivialAugment()(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """

    largest: ClassVar[dict[str, float]] = {
        **{"ShearX": 0.99, "ShearY": 0.99, "TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0},
        **dict.fromkeys(BLENDS, 0.99),
    }
    fewest_bits = 2

    def _of_batch(self, images: Tensor) -> Tensor:
        levels = torch.randint(LEVELS, (len(images),)) / (LEVELS - 1)
        return self._operated(images, levels, self.largest)


class RandAugment(_Policy):
    """Two operations on each image, one after the other, at level 9 of 30: ``torchvision.transforms.v2.RandAugment``.

    Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", NeurIPS 2020.

    Examples
    --------
    >>> RandAugment()(torch.rand(5, 3, 8, 8)).shape
    torch.Size([5, 3, 8, 8])
    """

    largest: ClassVar[dict[str, float]] = {"ShearX": 0.3, "ShearY": 0.3, "Rotate": 30.0, **dict.fromkeys(BLENDS, 0.9)}
    fewest_bits = 4

    def _of_batch(self, images: Tensor) -> Tensor:
        farthest = {"TranslateX": 150 / 331 * images.shape[3], "TranslateY": 150 / 331 * images.shape[2]}
        levels = torch.full((len(images),), 9 / (LEVELS - 1))
        for _ in range(2):
            images = self._operated(images, levels, self.largest | farthest)
        return images
