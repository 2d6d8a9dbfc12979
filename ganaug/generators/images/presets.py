"""Sizes of networks and lengths of training that are known to work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug.data.json_values import distinct
from ganaug.engine.config import TrainingConfig
from ganaug.engine.devices import auto_precision
from ganaug.generators.images.auto import FEW_CLASSES, given, times_for_classes
from ganaug.generators.images.networks import ImageArchitecture
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.marginals import Marginals

__all__ = ["PRESETS", "ImageGANConfig", "resolve_image_config", "too_short"]

# Of the images that "auto" shows. A training of 60 characters of Omniglot (8x8, 10 a class) that had been shown so many
# drew the class asked for a fifth as often as real images were recognised.
MIN_SHARE = 0.25


@dataclass(frozen=True)
class _Preset:
    widths: tuple[int, ...]  # coarsest stage first
    blocks: int
    expansion: float
    group_width: int
    patch: int
    batch_size: int
    learning_rate: float
    gamma: float  # for 28x28
    penalty_every: int
    images: int  # shown in training, for 28x28 and larger


PRESETS = {
    "tiny": _Preset((96, 48), 1, 1.0, 0, 2, 32, 1e-3, 1.0, 8, 96_000),
    "small": _Preset((256, 192, 128, 96), 1, 2.0, 16, 1, 64, 2e-4, 1.0, 4, 1_000_000),
    "base": _Preset((384, 384, 256, 128), 2, 2.0, 32, 1, 128, 2e-4, 1.0, 4, 4_000_000),
}


@dataclass(frozen=True)
class ImageGANConfig:
    """Everything that training an :class:`ImageGAN` depends on beside the data and the seed.

    Attributes
    ----------
    preset : str
    architecture : ImageArchitecture
    training : TrainingConfig
    objective : AdversarialConfig
    operations : tuple of str
        Augmentations in front of the discriminator.
    """

    preset: str
    architecture: ImageArchitecture
    training: TrainingConfig
    objective: AdversarialConfig
    operations: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageGANConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        return cls(
            preset=str(values["preset"]),
            architecture=ImageArchitecture.from_dict(values["architecture"]),
            training=TrainingConfig.from_dict(values["training"]),
            objective=AdversarialConfig.from_dict(values["objective"]),
            operations=tuple(map(str, distinct(values["operations"], "operations"))),
        )


def _auto_preset(side: int, n_images: int, device: torch.device) -> str:
    if device.type == "cpu":
        return "tiny"
    return "base" if side >= 32 and n_images >= 5000 else "small"


def _images_shown(preset: _Preset, side: float, n_classes: int) -> float:
    """Real images that a training is shown in all."""
    # Smaller images are learnt from fewer; from 28x28 on the whole budget is used.
    images = preset.images * min(1.0, side / 28)
    return images * times_for_classes(n_classes)


def too_short(config: ImageGANConfig) -> str | None:
    """Say in one sentence that a training of many classes ends before samples follow the class, if it does.

    Parameters
    ----------
    config : ImageGANConfig

    Returns
    -------
    str or None
        None for a training that may be long enough, and of few classes, which any length teaches something.

    Examples
    --------
    >>> from ganaug import ImageGAN
    >>> images, labels = np.zeros((366, 28, 28), np.uint8), np.repeat(np.arange(183), 2)
    >>> gan = ImageGAN(preset="tiny", device="cpu")
    >>> config = gan.resolve(images, labels)
    >>> config.training.steps, too_short(config)
    (54900, None)
    >>> print(too_short(gan.set_params(steps=3000).resolve(images, labels)))
    steps=3000 of 32 images show each of the 183 classes 525 times, which is too few for samples to follow the class \
asked for; take about 54900 steps, as steps='auto' does, or fewer classes
    """
    arch, training = config.architecture, config.training
    if arch.n_classes <= FEW_CLASSES:
        return None
    side = math.sqrt(arch.image_shape[1] * arch.image_shape[2])
    auto = _images_shown(PRESETS[config.preset], side, arch.n_classes)
    shown = training.steps * training.batch_size
    if shown >= MIN_SHARE * auto:
        return None
    return (
        f"steps={training.steps} of {training.batch_size} images show each of the {arch.n_classes} classes "
        f"{shown / arch.n_classes:,.0f} times, which is too few for samples to follow the class asked for; take about "
        f"{math.ceil(auto / training.batch_size)} steps, as steps='auto' does, or fewer classes"
    )


def _auto_augment_p(images_per_class: float) -> float:
    # Measured at 20 a class, on splits of MNIST that no published figure comes from: +.5 points over .3.
    if images_per_class < 100:
        return 0.5
    return 0.3 if images_per_class < 1000 else 0.15


def resolve_image_config(
    params: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    counts: NDArray[np.integer] | NDArray[np.floating],
    device: torch.device,
    *,
    pictures: bool = True,
    n_groups: int = 0,
) -> ImageGANConfig:
    """Replace every "auto" among the parameters of an :class:`ImageGAN`.

    Parameters
    ----------
    params : mapping
        The GAN's parameters.
    image_shape : tuple of int
        Channels, height, width.
    counts : ndarray of shape (n_classes,)
        Images of each class.
    device : torch.device
    pictures : bool
        Whether three channels are colours.
    n_groups : int
        Groups that images are conditioned on beside their class; 0 for none.

    Returns
    -------
    ImageGANConfig
    """
    chosen = given(params)
    channels, height, width = image_shape
    side = math.sqrt(height * width)
    name = chosen.get("preset", _auto_preset(round(side), int(counts.sum()), device))
    preset = PRESETS[name]
    batch_size = int(chosen.get("batch_size", preset.batch_size))
    images = _images_shown(preset, side, len(counts))
    learning_rate = float(chosen.get("learning_rate", preset.learning_rate))
    # R3GAN's weight of the penalty grows with the number of pixels.
    gamma = float(chosen.get("gamma", preset.gamma * (side / 28) ** 2))
    operations = ("translation", "cutout", "color") if channels == 3 and pictures else ("translation", "cutout")
    return ImageGANConfig(
        preset=name,
        architecture=ImageArchitecture(
            image_shape=image_shape,
            n_classes=len(counts),
            n_groups=n_groups,
            widths=preset.widths,
            blocks=preset.blocks,
            expansion=preset.expansion,
            group_width=preset.group_width,
            patch=preset.patch,
        ),
        training=TrainingConfig(
            steps=int(chosen.get("steps", max(1, round(images / batch_size)))),
            batch_size=batch_size,
            learning_rate=learning_rate,
            final_learning_rate=learning_rate / 10,
            label_temperature=float(params["label_temperature"]),
            validation_fraction=float(params["validation_fraction"]),
            precision=chosen.get("precision", auto_precision(device)),
        ),
        objective=AdversarialConfig(
            gamma=gamma,
            final_gamma=gamma / 10,
            penalty_every=preset.penalty_every,
            augment_p=float(chosen.get("augment_p", _auto_augment_p(counts.mean()))),
            latent_dim=64,
            marginals=Marginals.of_share(
                float(params["marginal_share"]), len(counts), n_groups, float(params["label_temperature"])
            ),
        ),
        operations=tuple(chosen.get("augment", operations)),
    )
