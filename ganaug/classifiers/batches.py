"""Training batches of a classifier: real images, some of them replaced by synthetic ones of their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor

from ganaug.classifiers.pixel_range import PixelRange
from ganaug.data.images.tensors import shared_tensor
from ganaug.engine.label_embedding import ClassBalancedSampler

__all__ = ["Labelled", "batch_drawer", "cell_drawer", "transformed"]

Labelled = tuple[NDArray[Any], NDArray[np.integer]]


def transformed(images: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
    """Images (n, channels, height, width), each transformed by random numbers of its own.

    A transform with a true attribute ``of_batches`` does so itself, when it is called with a batch; others are called
    with each image.
    """
    if getattr(transform, "of_batches", False):
        return transform(images)
    return torch.stack([transform(image) for image in images])


def batch_drawer(
    real: Labelled,
    generator: Generator,
    *,
    synthetic: Labelled | None = None,
    share: ArrayLike = 0.0,
    balanced: bool = False,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Make a function that draws training batches.

    A batch is drawn from the real images with replacement. Each image is then replaced, with the probability `share`,
    by a random synthetic one of its class, so that classes are seen as often with synthetic images as without. Last,
    the transform is applied to each image on its own.

    Parameters
    ----------
    real, synthetic : tuple of (images, labels)
        uint8 or float32 (n, channels, height, width), both the same, and class indices.
    generator : torch.Generator
        Draws which images; transforms draw from torch's global generator, as torchvision's do.
    share : float in [0, 1] or array-like of shape (n_classes,)
        Of synthetic images; 0 for a class of which there are none.
    balanced : bool
        Draw all classes equally often, as if the images of rare classes were duplicated.
    transform : callable, optional
        Takes a float image (channels, height, width) and returns one, or a batch of them (:func:`transformed`); [0, 1]
        is the range of uint8, or that of the values of real images of float32.

    Returns
    -------
    callable
        Takes a batch size; returns float images in that range and int64 labels.

    Raises
    ------
    ValueError
        If there are no synthetic images of a class with a share of them, or synthetic and real dtypes differ.

    Examples
    --------
    >>> dark, light = (np.full((4, 1, 8, 8), level, np.uint8) for level in (0, 255))
    >>> labels = np.arange(4) % 2
    >>> draw = batch_drawer((dark, labels), torch.Generator(), synthetic=(light, labels), share=[0, 1])
    >>> images, labels = draw(10)
    >>> bool((images.amax((1, 2, 3)) == labels).all())
    True
    """
    images, labels = shared_tensor(np.ascontiguousarray(real[0])), torch.from_numpy(real[1]).long()
    n_classes = int(labels.max()) + 1
    shares = torch.from_numpy(np.broadcast_to(np.asarray(share, dtype=np.float32), (n_classes,)).copy())
    pools = _pools(synthetic, n_classes, shares) if bool((shares > 0).any()) else None
    if pools is not None and pools.dtype != images.dtype:
        raise ValueError(f"synthetic images must be {images.dtype}, as the real ones, got {pools.dtype}; convert one")
    scale = PixelRange.of(real[0])
    sampler = ClassBalancedSampler(labels.numpy(), temperature=0.0) if balanced else None

    def draw(batch_size: int) -> tuple[Tensor, Tensor]:
        if sampler is None:
            chosen = torch.randint(len(images), (batch_size,), generator=generator)
        else:
            chosen = sampler.draw_indices(sampler.draw_labels(batch_size, generator), generator)
        batch, targets = images[chosen], labels[chosen]
        if pools is not None:
            which = torch.randint(pools.shape[1], (batch_size,), generator=generator)
            replaced = torch.rand(batch_size, generator=generator) < shares[targets]
            batch = torch.where(replaced[:, None, None, None], pools[targets, which], batch)
        batch = scale.unit(batch)
        if transform is not None:
            batch = transformed(batch, transform)
        return batch, targets

    return draw


def cell_drawer(
    real: Labelled, groups: NDArray[np.integer], n_classes: int, generator: Generator
) -> Callable[[int], tuple[Tensor, Tensor, Tensor]]:
    """Make a function that draws batches in which all cells of class and group are equally frequent.

    Parameters
    ----------
    real : tuple of (images, labels)
        As for :func:`batch_drawer`.
    groups : ndarray of shape (n,), integer
        Group indices; negative ones of unknown groups, which are drawn as often as one group.
    n_classes : int
    generator : torch.Generator

    Returns
    -------
    callable
        Takes a batch size; returns images and labels as that of :func:`batch_drawer`, and the classes that each image
        is to be told from, bool of shape (batch, n_classes): those that its group has, and those that its own class has
        no group in common with. Images of an unknown group are told from all.

    Examples
    --------
    >>> labels, groups = np.array([0, 0, 1, 0, 2]), np.array([0, 0, 0, 1, 1])
    >>> draw = cell_drawer((np.zeros((5, 1, 8, 8), np.uint8), labels), groups, 3, torch.Generator().manual_seed(0))
    >>> _, labels, among = draw(100)
    >>> sorted({(int(label), tuple(told.tolist())) for label, told in zip(labels, among)})[2]
    (1, (True, True, True))
    """
    images, labels = shared_tensor(np.ascontiguousarray(real[0])), torch.from_numpy(real[1]).long()
    known = groups - min(0, int(groups.min()))  # an unknown group comes first
    counts = np.zeros((n_classes, int(known.max()) + 1), dtype=np.int64)
    np.add.at(counts, (real[1], known), 1)
    chances = torch.from_numpy(1 / counts[real[1], known])
    there = counts > 0
    meet = there.astype(int) @ there.T > 0
    told = there.T[known] | ~meet[real[1]] | (groups < 0)[:, None]
    among, scale = torch.from_numpy(told), PixelRange.of(real[0])

    def draw(batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
        chosen = torch.multinomial(chances, batch_size, replacement=True, generator=generator)
        return scale.unit(images[chosen]), labels[chosen], among[chosen]

    return draw


def _pools(synthetic: Labelled | None, n_classes: int, shares: Tensor) -> Tensor:
    """Synthetic images of each class, repeated in classes of which there are fewer: (n_classes, n, ...)."""
    if synthetic is None:
        raise ValueError("synthetic images are asked for, but there are none; pass synthetic")
    images, labels = synthetic
    counts = np.bincount(labels, minlength=n_classes)
    if missing := [c for c in range(n_classes) if shares[c] > 0 and counts[c] == 0]:
        raise ValueError(f"there is no synthetic image of class {missing[0]}; give it a share of 0")
    most = int(counts.max())
    members = [np.flatnonzero(labels == c) if counts[c] else np.zeros(1, dtype=int) for c in range(n_classes)]
    return torch.from_numpy(images[np.stack([np.resize(places, most) for places in members])])
