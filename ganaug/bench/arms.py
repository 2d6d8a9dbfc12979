"""What each arm shows the classifier in a training batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.bench.plugins import resolve
from ganaug.bench.suite import ImageArm
from ganaug.training.labels import ClassBalancedSampler

__all__ = ["MIXES", "TRANSFORMS", "batch_drawer", "find_transform"]


def _affine() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    # Chosen on other splits of MNIST: the strongest simple baseline at 5 to 20 images a class.
    return v2.RandomAffine(
        degrees=15, translate=(0.1, 0.1), scale=(0.85, 1.15), interpolation=v2.InterpolationMode.BILINEAR
    )


def _crop_flip() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    class CropFlip(torch.nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            height, width = image.shape[1:]
            padding = [max(1, width // 8), max(1, height // 8)]
            return v2.functional.horizontal_flip(crop(image, padding)) if torch.rand(()) < 0.5 else crop(image, padding)

    def crop(image: Tensor, padding: list[int]) -> Tensor:
        return v2.RandomCrop(image.shape[1:], padding=padding)(image)

    return CropFlip()


def _trivial_augment() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    return v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR)


def _rand_augment() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    return v2.RandAugment(interpolation=v2.InterpolationMode.BILINEAR)


TRANSFORMS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "affine": _affine,
    "crop+flip": _crop_flip,
    "trivialaugment": _trivial_augment,
    "randaugment": _rand_augment,
}
MIXES = {"mixup": "MixUp", "cutmix": "CutMix"}  # classes of torchvision.transforms.v2


def find_transform(name: str) -> Callable[[Tensor], Tensor]:
    """Make a transform by its name in ``TRANSFORMS``, or by the import path of a class that needs no arguments.

    Raises
    ------
    ValueError
        If it is not there, or cannot be made.
    """
    make = resolve("transforms", name, TRANSFORMS)
    try:
        transform = make()
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot make the transform {name!r}: {error}") from None
    if not callable(transform):
        raise ValueError(f"cannot make the transform {name!r}: it is not callable")
    return transform


def _mix(name: str, n_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    from torchvision.transforms import v2

    return getattr(v2, MIXES[name])(num_classes=n_classes)


def batch_drawer(
    arm: ImageArm,
    real: tuple[NDArray[np.uint8], NDArray[np.integer]],
    synthetic: tuple[NDArray[np.uint8], NDArray[np.integer]] | None,
    generator: Generator,
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Make the function that draws an arm's training batches.

    A batch is drawn from the real images with replacement, in balanced arms each class equally often. In arms with
    synthetic images each is then replaced, with the arm's probability, by a random synthetic one of its class, so that
    all arms see the same classes equally often. Then the arm's transform is applied to each image on its own, and its
    mix to the batch, which makes labels soft.
    As all arms train for the same number of steps, real images that are merely repeated change nothing.

    Parameters
    ----------
    arm : ImageArm
    real, synthetic : tuple of (images, labels)
        uint8 (n, channels, height, width) and class indices; `synthetic` holds equally many of each class.
    generator : torch.Generator
        Draws which images; transforms draw from torch's global generator, as torchvision's do.

    Returns
    -------
    callable
        Takes a batch size; returns float images in [0, 1], and int64 labels or, mixed, class probabilities.
    """
    images, labels = (torch.from_numpy(np.ascontiguousarray(array)) for array in real)
    transform = find_transform(arm.transform) if arm.transform else None
    mix = _mix(arm.mix, int(real[1].max()) + 1) if arm.mix else None
    pools: Any = None
    if arm.synthetic > 0:
        if synthetic is None:
            raise ValueError(f"arm {arm.name!r} needs synthetic images")
        drawn, drawn_labels = (torch.from_numpy(array) for array in synthetic)
        pools = torch.stack([drawn[drawn_labels == c] for c in range(int(drawn_labels.max()) + 1)])

    sampler = ClassBalancedSampler(labels.numpy(), temperature=0.0) if arm.balanced else None

    def draw(batch_size: int) -> tuple[Tensor, Tensor]:
        if sampler is None:
            chosen = torch.randint(len(images), (batch_size,), generator=generator)
        else:
            chosen = sampler.draw_indices(sampler.draw_labels(batch_size, generator), generator)
        batch, targets = images[chosen], labels[chosen].long()
        if pools is not None:
            which = torch.randint(pools.shape[1], (batch_size,), generator=generator)
            replaced = torch.rand(batch_size, generator=generator) < arm.synthetic
            batch = torch.where(replaced[:, None, None, None], pools[targets, which], batch)
        batch = batch.float() / 255
        if transform is not None:
            batch = torch.stack([transform(image) for image in batch])
        return mix(batch, targets) if mix is not None else (batch, targets)

    return draw
