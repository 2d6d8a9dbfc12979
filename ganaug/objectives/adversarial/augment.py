"""Differentiable augmentation in front of the discriminator.

The same random operations are applied to real and to fake images, so the generator learns the
distribution of the images as they are. That holds as long as an operation leaves a share of the
images untouched (probability below 1) or loses nothing that cannot be inferred from the rest of the
batch: Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020,
section 2.2. Every operation here is linear in the pixels, which keeps double backward (needed by
the gradient penalty) cheap and exact.

All random numbers of a batch are drawn first, on the CPU, so that every device sees the same ones for a seed; what is
done with them then is a function of tensors alone, which a GPU can record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from ganaug.engine.distributed import ALONE, DistributedContext

__all__ = ["OPERATIONS", "Augmentation", "ImageAugmentation"]

MAX_SHIFT = 0.125  # share of the side
CUTOUT_SIDE = 0.5  # share of the side
BRIGHTNESS = 0.5  # added, on images in [-1, 1]
CONTRAST = (0.5, 1.5)
SATURATION = (0.0, 2.0)


class Augmentation(Protocol):
    """Random changes of what the discriminator sees, of each sample on its own."""

    def draw(self, n: int, p: float) -> list[Tensor]:
        """Draw, on the CPU, what `n` samples are changed by with probability `p`: tensors of shape (n, ...)."""

    def apply(self, samples: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """Change samples by what was drawn, which is on their device; differentiable twice."""


@dataclass(frozen=True)
class _Draws:
    """Random numbers for each of so many images, out of those for all processes."""

    generator: Generator
    among: DistributedContext
    n: int

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        u = self.among.draw(lambda n: torch.rand((n, 1, 1, 1), generator=self.generator), self.n)
        return u * (high - low) + low

    def whole(self, low: int, high: int) -> Tensor:
        return self.among.draw(lambda n: torch.randint(low, high + 1, (n, 1), generator=self.generator), self.n)


class Operation(NamedTuple):
    """A random change of images: what it draws for a batch of images of a shape, and what it does with that."""

    draw: Callable[[_Draws, Sequence[int]], Iterable[Tensor]]
    apply: Callable[[Tensor, Iterator[Tensor]], Tensor]


def _draw_shifts(draws: _Draws, shape: Sequence[int]) -> Iterable[Tensor]:
    for side in shape[1:]:
        reach = max(1, round(side * MAX_SHIFT))
        yield draws.whole(-reach, reach)


def _translate(images: Tensor, numbers: Iterator[Tensor]) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side, repeating the border."""
    for dim in (2, 3):
        side = images.shape[dim]
        index = (torch.arange(side, device=images.device) + next(numbers)).clamp(0, side - 1)
        index = index[:, None, :, None] if dim == 2 else index[:, None, None, :]
        images = images.gather(dim, index.expand_as(images))
    return images


def _draw_centres(draws: _Draws, shape: Sequence[int]) -> Iterable[Tensor]:
    for side in shape[1:]:
        yield draws.uniform(0.0, side)


def _cutout(images: Tensor, numbers: Iterator[Tensor]) -> Tensor:
    """Set a rectangle of half the sides, at a random place, to mid-grey."""
    keep = torch.ones((), device=images.device)
    for dim in (2, 3):
        side = images.shape[dim]
        half = max(1, round(side * CUTOUT_SIDE)) / 2
        position = torch.arange(side, dtype=torch.float32, device=images.device) + 0.5
        position = position[:, None] if dim == 2 else position
        inside = (position - next(numbers)).abs() < half
        keep = keep * inside
    return images * (1 - keep)


def _draw_colors(draws: _Draws, shape: Sequence[int]) -> Iterable[Tensor]:
    yield draws.uniform(-BRIGHTNESS, BRIGHTNESS)
    if shape[0] == 3:
        yield draws.uniform(*SATURATION)
    yield draws.uniform(*CONTRAST)


def _color(images: Tensor, numbers: Iterator[Tensor]) -> Tensor:
    """Change brightness, contrast and, where there are three channels, saturation."""
    images = images + next(numbers)
    if images.shape[1] == 3:
        grey = images.mean(1, keepdim=True)
        images = (images - grey) * next(numbers) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * next(numbers) + mean


def _draw_flips(draws: _Draws, shape: Sequence[int]) -> Iterable[Tensor]:
    yield draws.uniform() < 0.5


def _hflip(images: Tensor, numbers: Iterator[Tensor]) -> Tensor:
    """Mirror left and right with probability one half."""
    return torch.where(next(numbers), images.flip(3), images)


OPERATIONS = {
    "translation": Operation(_draw_shifts, _translate),
    "cutout": Operation(_draw_centres, _cutout),
    "color": Operation(_draw_colors, _color),
    "hflip": Operation(_draw_flips, _hflip),
}


class ImageAugmentation:
    """Applies each of some operations to each image with a probability.

    Parameters
    ----------
    operations : iterable of str
        Names out of ``OPERATIONS``, applied in the order given.
    shape : (channels, height, width)
        Of the images.
    generator : torch.Generator
        A generator on the CPU.
    among : DistributedContext, optional
        Where several processes share a batch, the first half of which is real.

    Examples
    --------
    >>> import torch
    >>> augmentation = ImageAugmentation(["translation", "cutout"], (1, 8, 8), torch.Generator().manual_seed(0))
    >>> numbers = augmentation.draw(2, p=0.5)
    >>> augmentation.apply(torch.zeros(2, 1, 8, 8), numbers).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, operations: Iterable[str], shape: Sequence[int], generator: Generator, among: DistributedContext = ALONE
    ) -> None:
        self._operations = [OPERATIONS[name] for name in operations]
        self._shape, self._generator, self._among = shape, generator, among

    def draw(self, n: int, p: float) -> list[Tensor]:
        """Draw what :meth:`apply` needs.

        Parameters
        ----------
        n : int
            Number of images.
        p : float in [0, 1]
            Probability of each operation for each image, drawn independently.

        Returns
        -------
        list of Tensor
            On the CPU, of shape (n, ...) each; none at all if `p` is 0.
        """
        if p <= 0:
            return []
        draws = _Draws(self._generator, self._among, n)
        return [
            numbers
            for operation in self._operations
            for numbers in (draws.uniform() < p, *operation.draw(draws, self._shape))
        ]

    def apply(self, images: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """Change images by what was drawn for them.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            Values nominally in [-1, 1]; the result may leave that range.
        numbers : sequence of Tensor
            From :meth:`draw`, moved to the device of the images.

        Returns
        -------
        Tensor of the same shape
        """
        if not numbers:
            return images
        remaining = iter(numbers)
        for operation in self._operations:
            chosen = next(remaining)
            images = torch.where(chosen, operation.apply(images, remaining), images)
        return images
