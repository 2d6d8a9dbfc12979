"""Transforms of a whole batch of images at a time, each image by random numbers of its own.

They do what torchvision's transforms of the same name do, which change all images of a batch alike.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

__all__ = [
    "BatchTransform",
    "Crop",
    "CropFlip",
    "Flip",
    "Identity",
    "RandomAffine",
    "SpecAugment",
    "affine",
    "rotations",
    "warp",
]


class BatchTransform(nn.Module):
    """Base: takes an image (channels, height, width), or a batch of them as :func:`transformed` does.

    Random numbers are torch's global generator's, as torchvision's are.
    """

    of_batches = True

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Transform an image, or each of a batch by random numbers of its own."""
        return self._of_batch(images) if images.ndim == 4 else self._of_batch(images[None])[0]

    @abstractmethod
    def _of_batch(self, images: Tensor) -> Tensor:
        """Of shape (n, channels, height, width)."""


class Identity(BatchTransform):
    """Images as they are."""

    def _of_batch(self, images: Tensor) -> Tensor:
        return images


class RandomAffine(BatchTransform):
    """Turned, moved and enlarged, bilinear, with zeros around: ``torchvision.transforms.v2.RandomAffine``.

    Parameters
    ----------
    degrees : float
        Largest angle to either side.
    translate : tuple of float
        Largest move, as shares of width and height; by whole pixels.
    scale : tuple of float
        Smallest and largest factor.

    Examples
    --------
    >>> torch.manual_seed(0).initial_seed()
    0
    >>> RandomAffine(15, (0.1, 0.1), (0.85, 1.15))(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(self, degrees: float, translate: tuple[float, float], scale: tuple[float, float]) -> None:
        super().__init__()
        self.degrees, self.translate, self.scale = degrees, translate, scale

    def _of_batch(self, images: Tensor) -> Tensor:
        n, (height, width) = len(images), images.shape[2:]
        signs = torch.rand(3, n) * 2 - 1
        farthest = torch.tensor(self.translate) * torch.tensor([width, height])
        low, high = self.scale
        scales = low + (high - low) * torch.rand(n)
        return affine(images, signs[0] * self.degrees, (signs[1:].T * farthest).round(), scales)


def affine(images: Tensor, angles: Tensor, moves: Tensor, scales: Tensor) -> Tensor:
    """Turn images clockwise around their middle, enlarge and move them.

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
    angles : Tensor of shape (n,)
        In degrees.
    moves : Tensor of shape (n, 2)
        Pixels to the right and down.
    scales : Tensor of shape (n,)
        Above 0.

    Returns
    -------
    Tensor of the shape of `images`
        Bilinear, with zeros around.

    Examples
    --------
    >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> affine(image, torch.zeros(1), torch.tensor([[1.0, 0.0]]), torch.ones(1)).tolist()
    [[[[0.0, 0.0], [0.0, 2.0]]]]
    """
    inverse = rotations(angles) / scales[:, None, None]
    # As with torchvision, pixels partly beyond the edge are multiplied by their part within it once more.
    framed = torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
    moved = warp(framed, inverse, -(inverse @ moves[:, :, None])[:, :, 0])
    return moved[:, :-1] * moved[:, -1:]


def rotations(angles: Tensor) -> Tensor:
    """Matrices (n, 2, 2) for :func:`warp` that turn images clockwise by angles in degrees, (n,)."""
    cosine, sine = torch.cos(angles * math.pi / 180), torch.sin(angles * math.pi / 180)
    return torch.stack([torch.stack([cosine, sine], dim=1), torch.stack([-sine, cosine], dim=1)], dim=1)


def warp(images: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    """Take each pixel from another place of its image, bilinear, with zeros around.

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
    matrices : Tensor of shape (n, 2, 2)
    offsets : Tensor of shape (n, 2)
        The pixel at (x, y) is taken from ``matrix @ (x, y) + offset``, both counted from the middle of the image.

    Returns
    -------
    Tensor of the shape of `images`
    """
    half = torch.tensor([images.shape[3], images.shape[2]]) / 2
    theta = torch.cat([matrices * half / half[:, None], (offsets / half)[:, :, None]], dim=2)
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class Crop(BatchTransform):
    """A part of the size of the image of that image with an eighth more on each side, in zeros."""

    def _of_batch(self, images: Tensor) -> Tensor:
        n, (height, width) = len(images), images.shape[2:]
        down, right = max(1, height // 8), max(1, width // 8)
        padded = F.pad(images, (right, right, down, down)).permute(0, 2, 3, 1)
        rows = torch.randint(2 * down + 1, (n, 1)) + torch.arange(height)
        columns = torch.randint(2 * right + 1, (n, 1)) + torch.arange(width)
        each = torch.arange(n)[:, None, None]
        return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


class Flip(BatchTransform):
    """Every other one mirrored: ``torchvision.transforms.v2.RandomHorizontalFlip``."""

    def _of_batch(self, images: Tensor) -> Tensor:
        return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)


class CropFlip(BatchTransform):
    """Both."""

    def __init__(self) -> None:
        super().__init__()
        self._crop, self._flip = Crop(), Flip()

    def _of_batch(self, images: Tensor) -> Tensor:
        return self._flip(self._crop(images))


class SpecAugment(BatchTransform):
    """One band of rows (frequencies) and one of columns (times) become the least value, each of up to a fifth.

    The masks of Park et al., "SpecAugment: A Simple Data Augmentation Method for ASR", Interspeech 2019.
    """

    def _of_batch(self, images: Tensor) -> Tensor:
        masked, least = images, images.amin((1, 2, 3), keepdim=True)
        for side in (2, 3):
            size = images.shape[side]
            width = torch.randint(max(1, size // 5) + 1, (len(images), 1))
            start = (torch.rand(len(images), 1) * (size - width + 1)).floor()
            place = torch.arange(size)
            hidden = (place >= start) & (place < start + width)
            masked = torch.where(hidden[:, None, :, None] if side == 2 else hidden[:, None, None, :], least, masked)
        return masked
