"""What each arm shows the classifier in a training batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.bench.methods.augmentation_policies import RandAugment, TrivialAugment
from ganaug.bench.methods.batch_transforms import Crop, CropFlip, Flip, Identity, RandomAffine, SpecAugment
from ganaug.bench.suite.plugins import Plugin, checked, resolve
from ganaug.bench.suite.schema import ImageArm
from ganaug.classifiers.batches import batch_drawer
from ganaug.curation.image_filters import FILTERS, ImageFilter
from ganaug.data.json_values import short

__all__ = [
    "MIXES",
    "TRANSFORMS",
    "arm_batches",
    "find_filter",
    "find_mix",
    "find_transform",
    "make_transform",
    "transform_name",
]


def _affine() -> Callable[[Tensor], Tensor]:
    # Chosen on other splits of MNIST: the strongest simple baseline at 5 to 20 images a class.
    return RandomAffine(degrees=15, translate=(0.1, 0.1), scale=(0.85, 1.15))


def _augmix() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    return v2.AugMix(interpolation=v2.InterpolationMode.BILINEAR)


def _style() -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    # What scanners differ in: sharpness, brightness and contrast, and size.
    return v2.Compose(
        [
            v2.RandomApply([v2.GaussianBlur(3, sigma=(0.1, 1.5))], p=0.5),
            v2.ColorJitter(brightness=0.4, contrast=0.4),
            v2.RandomAffine(degrees=0, scale=(0.75, 1.25), interpolation=v2.InterpolationMode.BILINEAR),
        ]
    )


TRANSFORMS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "none": Identity,
    "affine": _affine,
    "crop": Crop,
    "flip": Flip,
    "crop+flip": CropFlip,
    "trivialaugment": TrivialAugment,
    "randaugment": RandAugment,
    "augmix": _augmix,
    "style": _style,
    "specaugment": SpecAugment,
}
MIXES = {"mixup": "MixUp", "cutmix": "CutMix"}  # classes of torchvision.transforms.v2


def find_transform(named: str | Plugin) -> Callable[[Tensor], Tensor]:
    """Make a transform by its name in ``TRANSFORMS``, or by the import path of a class, with its arguments.

    Raises
    ------
    ValueError
        If it is not there, or cannot be made.
    """
    plugin = named if isinstance(named, Plugin) else Plugin(named, named)
    what = f"transform {short(plugin.target)}"
    transform = checked(what, resolve("transforms", plugin.target, TRANSFORMS), plugin.params)
    if not callable(transform):
        raise ValueError(f"{what} must make something callable, got {type(transform).__name__}")
    return transform


def make_transform(arm: ImageArm) -> Callable[[Tensor], Tensor] | None:
    """The transform of an arm that has one at most; one of several is to be chosen first."""
    if isinstance(arm.transform, tuple):
        raise ValueError(f"arm {arm.name!r} names several transforms; choose one of them first")
    return None if arm.transform is None else find_transform(arm.transform)


def transform_name(transform: str | Plugin) -> str:
    """What reports call a transform."""
    return transform.name if isinstance(transform, Plugin) else transform


def find_filter(named: str | Plugin) -> ImageFilter:
    """Make a filter for synthetic images by its name, or by the import path of a class, with its arguments.

    Raises
    ------
    ValueError
        If it is not there, cannot be made, or is no filter.
    """
    plugin = named if isinstance(named, Plugin) else Plugin(named, named)
    made = checked(f"filter {plugin.target!r}", resolve("filters", plugin.target, FILTERS), plugin.params)
    if not isinstance(made, ImageFilter):
        raise ValueError(
            f"{plugin.target!r} is no filter for images: it lacks fit, accepts, describe, name or needs_real"
        )
    return made


def find_mix(name: str, n_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Make what mixes the images of a batch and their labels, by its name in ``MIXES``."""
    from torchvision.transforms import v2

    return getattr(v2, MIXES[name])(num_classes=n_classes)


def arm_batches(
    arm: ImageArm,
    real: tuple[NDArray[np.uint8], NDArray[np.integer]],
    synthetic: tuple[NDArray[np.uint8], NDArray[np.integer]] | None,
    generator: Generator,
    share: NDArray[np.floating] | None = None,
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Make the function that draws an arm's training batches.

    See :func:`ganaug.classifiers.batches.batch_drawer`; the arm's mix is applied to the batch last, and makes labels
    soft. As all arms train for the same number of steps, real images that are merely repeated change nothing.

    Parameters
    ----------
    arm : ImageArm
    real, synthetic : tuple of (images, labels)
        uint8 (n, channels, height, width) and class indices.
    generator : torch.Generator
        Draws which images; transforms draw from torch's global generator, as torchvision's do.
    share : ndarray of shape (n_classes,), optional
        Of synthetic images of each class, in place of the arm's.

    Returns
    -------
    callable
        Takes a batch size; returns float images in [0, 1], and int64 labels or, mixed, class probabilities.
    """
    draw = batch_drawer(
        real,
        generator,
        synthetic=synthetic,
        share=arm.synthetic if share is None else share,
        balanced=bool(arm.balanced),
        transform=make_transform(arm),
    )
    if arm.mix is None:
        return draw
    mix = find_mix(arm.mix, int(real[1].max()) + 1)
    return lambda batch_size: mix(*draw(batch_size))
