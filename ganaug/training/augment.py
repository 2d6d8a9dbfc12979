"""Differentiable augmentation in front of the discriminator.

The same random operations are applied to real and to fake images, so the generator learns the
distribution of the images as they are. That holds as long as an operation leaves a share of the
images untouched (probability below 1) or loses nothing that cannot be told from the rest of the
batch: Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020,
section 2.2. Every operation here is linear in the pixels, which keeps double backward (needed by
the gradient penalty) cheap and exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Generator, Tensor

from ganaug.training.processes import ALONE, Processes
from ganaug.training.transfer import to_device

__all__ = ["OPERATIONS", "augment"]

MAX_SHIFT = 0.125  # share of the side
CUTOUT_SIDE = 0.5  # share of the side
BRIGHTNESS = 0.5  # added, on images in [-1, 1]
CONTRAST = (0.5, 1.5)
SATURATION = (0.0, 2.0)


def _uniform(images: Tensor, generator: Generator, low: float = 0.0, high: float = 1.0, *, among: Processes) -> Tensor:
    # Drawn on the CPU so that every device sees the same numbers for a seed.
    u = among.draw(lambda n: torch.rand((n, 1, 1, 1), generator=generator), len(images)) * (high - low) + low
    return to_device(u, images.device)


def _shifts(reach: int, generator: Generator, n: int) -> Tensor:
    return torch.randint(-reach, reach + 1, (n, 1), generator=generator)


def translate(images: Tensor, generator: Generator, among: Processes = ALONE) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side, repeating the border."""
    batch, _, height, width = images.shape
    for dim, side in ((2, height), (3, width)):
        reach = max(1, round(side * MAX_SHIFT))
        shift = among.draw(partial(_shifts, reach, generator), batch)
        index = (torch.arange(side, device=images.device) + to_device(shift, images.device)).clamp(0, side - 1)
        index = index[:, None, :, None] if dim == 2 else index[:, None, None, :]
        images = images.gather(dim, index.expand_as(images))
    return images


def cutout(images: Tensor, generator: Generator, among: Processes = ALONE) -> Tensor:
    """Set a rectangle of half the sides, at a random place, to mid-grey."""
    keep = torch.ones((), device=images.device)
    for dim in (2, 3):
        side = images.shape[dim]
        half = max(1, round(side * CUTOUT_SIDE)) / 2
        centre = _uniform(images, generator, 0.0, side, among=among)
        position = torch.arange(side, device=images.device) + 0.5
        position = position[:, None] if dim == 2 else position
        inside = (position - centre).abs() < half
        keep = keep * inside
    return images * (1 - keep)


def color(images: Tensor, generator: Generator, among: Processes = ALONE) -> Tensor:
    """Change brightness, contrast and, where there are three channels, saturation."""
    images = images + _uniform(images, generator, -BRIGHTNESS, BRIGHTNESS, among=among)
    if images.shape[1] == 3:
        grey = images.mean(1, keepdim=True)
        images = (images - grey) * _uniform(images, generator, *SATURATION, among=among) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _uniform(images, generator, *CONTRAST, among=among) + mean


def hflip(images: Tensor, generator: Generator, among: Processes = ALONE) -> Tensor:
    """Mirror left and right with probability one half."""
    return torch.where(_uniform(images, generator, among=among) < 0.5, images.flip(3), images)


OPERATIONS: dict[str, Callable[[Tensor, Generator, Processes], Tensor]] = {
    "translation": translate,
    "cutout": cutout,
    "color": color,
    "hflip": hflip,
}


def augment(
    images: Tensor, operations: Iterable[str], p: float, generator: Generator, among: Processes = ALONE
) -> Tensor:
    """Apply each named operation to each image with probability `p`.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, height, width)
        Values nominally in [-1, 1]; the result may leave that range.
    operations : iterable of str
        Names out of ``OPERATIONS``, applied in the order given.
    p : float in [0, 1]
        Probability of each operation for each image, drawn independently.
    generator : torch.Generator
        A generator on the CPU.
    among : Processes, optional
        Where several processes share a batch, the first half of which is real.

    Returns
    -------
    Tensor of the same shape

    Examples
    --------
    >>> import torch
    >>> x = torch.zeros(2, 1, 8, 8)
    >>> augment(x, ["translation", "cutout"], 0.5, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 8, 8])
    """
    if p <= 0:
        return images
    for name in operations:
        chosen = _uniform(images, generator, among=among) < p
        images = torch.where(chosen, OPERATIONS[name](images, generator, among), images)
    return images
