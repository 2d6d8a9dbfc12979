"""Cells of class and group in arms of images: what lacks in them, and batches in which they are filled or balanced."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.bench.methods.arms import find_mix, make_transform
from ganaug.bench.suite.schema import ImageArm
from ganaug.classifiers.batches import transformed
from ganaug.classifiers.pixel_range import PixelRange

__all__ = ["Grouped", "cell_batches", "lacking_samples"]


class Grouped(NamedTuple):
    """Images with class and group indices.

    Attributes
    ----------
    images : ndarray of shape (n, channels, height, width)
    labels, groups : ndarray of shape (n,), integer
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    groups: NDArray[np.integer]


def lacking_samples(counts: NDArray[np.integer], cells: str, amount: float = 1.0) -> NDArray[np.int64]:
    """How many samples each cell is filled up with.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups), integer
        Training samples of each cell. A group without any is none that could be filled.
    cells : {"empty", "balance"}
        Whether empty cells are filled, or all that have fewer samples than the largest.
    amount : float in [0, 1]
        How far: one is as many samples as the largest cell has.

    Returns
    -------
    ndarray of shape (n_classes, n_groups), int64

    Examples
    --------
    >>> lacking_samples(np.array([[8, 4], [0, 8]]), "empty").tolist()
    [[0, 0], [8, 0]]
    >>> lacking_samples(np.array([[8, 4], [0, 8]]), "balance", 0.75).tolist()
    [[0, 2], [6, 0]]
    """
    lacking = np.maximum(0, round(amount * int(counts.max())) - counts)
    asked = (counts == 0) if cells == "empty" else np.ones_like(counts, dtype=bool)
    return np.where(asked & (counts.sum(0) > 0), lacking, 0).astype(np.int64)


def cell_batches(
    arm: ImageArm, real: Grouped, synthetic: Grouped | None, generator: Generator, n_classes: int
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Make the function that draws the batches of an arm that fills, balances or weighs cells.

    All samples of a cell that its arm fills, real and synthetic, are drawn as often as if there were as many synthetic
    ones as it lacks, however many have been drawn; ``balanced = "cells"`` then draws all cells equally often, and
    ``balanced = true`` all classes.

    Parameters
    ----------
    arm : ImageArm
    real : Grouped
    synthetic : Grouped or None
        Of cells that the arm fills.
    generator : torch.Generator
        Draws which images; transforms draw from torch's global generator.
    n_classes : int

    Returns
    -------
    callable
        Takes a batch size; returns float images in [0, 1], and int64 labels; or class probabilities where they are
        mixed, or multiplied by the weight of their cell in the loss.
    """
    n_groups = int(max(part.groups.max() for part in (real, synthetic) if part is not None)) + 1
    shape = (n_classes, n_groups)
    counts = _counts(real, shape)
    mass = counts.astype(float)
    images, labels, groups = real
    each = np.ones(len(labels))
    if synthetic is not None:
        assert arm.cells is not None
        lacking, drawn = lacking_samples(counts, arm.cells, arm.synthetic), _counts(synthetic, shape)
        mass += lacking
        of_cell = lacking[synthetic.labels, synthetic.groups] / drawn[synthetic.labels, synthetic.groups]
        each = np.concatenate([each, of_cell])
        images, labels, groups = (np.concatenate(parts) for parts in zip(real, synthetic, strict=True))
    if arm.balanced == "cells":
        each = each / mass[labels, groups]
    elif arm.balanced:
        each = each / mass.sum(1)[labels]
    chances, pixels, targets = torch.from_numpy(each), torch.from_numpy(images), torch.from_numpy(labels).long()
    weights = None
    if arm.class_weight == "cells":
        weights = torch.from_numpy(mass.sum() / ((mass > 0).sum() * mass[labels, groups])).float()
    elif arm.class_weight:
        of_classes = mass.sum(1)
        weights = torch.from_numpy(mass.sum() / (n_classes * of_classes[labels])).float()
    scale, transform = PixelRange.of(real.images), make_transform(arm)
    mix = None if arm.mix is None else find_mix(arm.mix, n_classes)

    def draw(batch_size: int) -> tuple[Tensor, Tensor]:
        chosen = torch.multinomial(chances, batch_size, replacement=True, generator=generator)
        batch, of_batch = scale.unit(pixels[chosen]), targets[chosen]
        if transform is not None:
            batch = transformed(batch, transform)
        if weights is not None:
            # The cross-entropy with a multiple of a one-hot vector is that multiple of the cross-entropy.
            return batch, weights[chosen][:, None] * F.one_hot(of_batch, n_classes)
        return (batch, of_batch) if mix is None else mix(batch, of_batch)

    return draw


def _counts(samples: Grouped, shape: tuple[int, int]) -> NDArray[np.int64]:
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (samples.labels, samples.groups), 1)
    return counts
