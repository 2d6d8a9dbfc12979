"""Encoder and decoder of a variational autoencoder of images, on the networks that the GAN has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.json_values import number, short
from ganaug.engine.conditioning import ConditionEmbedding
from ganaug.engine.layers import Linear
from ganaug.generators.images.networks import SLOPE, ImageArchitecture, ImageBody, ImageGenerator
from ganaug.objectives.latent_prior import LatentPrior
from ganaug.objectives.likelihoods import discretised_logistic, logistic

__all__ = ["ImageDecoder", "ImageEncoder", "ImageVAEArchitecture", "build_vae_networks"]

# Logarithm of the scale of a pixel, where [-1, 1] is the range of pixels: at the start, and the least, for a density
# over values that repeat would have none. Also of the standard deviations of latent numbers.
START, LEAST, MOST = -2.0, -7.0, 3.0
SPEED = 10.0  # of learning it: scales of black borders and of strokes differ by more than weights do
TAIL = 1e-6  # beyond which no decoder noise is drawn


@dataclass(frozen=True)
class ImageVAEArchitecture:
    """What both networks need to know to be built.

    Attributes
    ----------
    network : ImageArchitecture
        Of decoder and encoder; its noise vector is the latent vector.
    pixels : bool
        Whether images are pixels, 0 to 255, and not floats.
    decoder_noise : bool
        Whether the noise of the decoder is drawn.
    temperature : float
        Factor of the latent vector when it is drawn.
    """

    network: ImageArchitecture
    pixels: bool = True
    decoder_noise: bool = False
    temperature: float = 1.0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width in pixels."""
        return self.network.image_shape

    @property
    def n_classes(self) -> int:
        """Classes that the networks know."""
        return self.network.n_classes

    @property
    def n_groups(self) -> int:
        """Groups that they know."""
        return self.network.n_groups

    @property
    def largest_map(self) -> int:
        """Numbers in the largest feature map of one image."""
        return self.network.largest_map

    @property
    def n_pixels(self) -> int:
        """Numbers in an image."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def latent_dim(self) -> int:
        """Standard normal numbers that an image is drawn from."""
        return self.network.latent_dim + (self.n_pixels if self.decoder_noise else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``; those of the networks stand beside the others."""
        values = asdict(self)
        return values.pop("network") | values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageVAEArchitecture:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        own = {name: values[name] for name in ("pixels", "decoder_noise", "temperature")}
        network = {name: value for name, value in values.items() if name not in own}
        for name in ("pixels", "decoder_noise"):
            if not isinstance(own[name], bool):
                raise ValueError(f"{name} must be true or false, got {short(own[name])}")
        number(own["temperature"], "temperature", least=0)
        return cls(ImageArchitecture.from_dict(network), **own)


class ImageDecoder(nn.Module):
    """Noise and conditions in, images out.

    Parameters
    ----------
    arch : ImageVAEArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (batch, ``arch.latent_dim``), which are the
    latent vector and, where that is drawn, the noise of each pixel, and returns (batch, channels, height, width) in
    [-1, 1]. Pixels are independent given the latent vector, with a logistic distribution around what the network puts
    out; its scale is learnt for each place and channel.
    """

    def __init__(self, arch: ImageVAEArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.network = ImageGenerator(arch.network)
        self.scale = _LogScale(arch.image_shape)
        self.prior = LatentPrior(arch.n_classes, arch.n_groups, arch.network.latent_dim)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw images; shapes are in the notes of the class."""
        arch = self.arch
        latents = self.prior(arch.temperature * noise[:, : arch.network.latent_dim], conditions)
        images = self.network.unbounded(latents, conditions)
        if arch.decoder_noise:
            uniform = torch.special.ndtr(noise[:, arch.network.latent_dim :]).clamp(TAIL, 1 - TAIL)
            images = images + self.scale().exp() * torch.logit(uniform).unflatten(1, arch.image_shape)
        return images.clamp(-1, 1)

    def log_likelihood(self, images: Tensor, latents: Tensor, conditions: Tensor) -> Tensor:
        """Give log p(x|z,c) of each image in nats; of float images that of the density in the scale of the networks."""
        of_numbers = discretised_logistic if self.arch.pixels else logistic
        return of_numbers(images, self.network.unbounded(latents, conditions), self.scale()).flatten(1).sum(1)


class _LogScale(nn.Module):
    """Logarithms of the scale of each number in an image."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.empty(shape))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.values)

    def forward(self) -> Tensor:
        return (START + SPEED * self.values).clamp(LEAST, MOST)


class ImageEncoder(ImageBody):
    """Images and their conditions in, mean and logarithm of the standard deviation of their latent vectors out.

    Parameters
    ----------
    arch : ImageArchitecture

    Notes
    -----
    ``forward(images, conditions)`` takes (batch, channels, height, width) and conditions as :class:`ConditionEmbedding`
    does, and returns two tensors of shape (batch, ``arch.latent_dim``).
    """

    def __init__(self, arch: ImageArchitecture) -> None:
        super().__init__(arch)
        self.features = Linear(arch.width(0), arch.embedding_dim)
        self.embedding = ConditionEmbedding(arch.n_classes, arch.embedding_dim, arch.n_groups)
        self.out = Linear(arch.embedding_dim, 2 * arch.latent_dim, init_gain=0.1)

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images; shapes are in the notes of the class."""
        hidden = F.leaky_relu(self.features(self.pooled(images)) + self.embedding(conditions), SLOPE)
        mean, log_std = self.out(hidden).chunk(2, dim=1)
        return mean, log_std.clamp(LEAST, MOST)


def build_vae_networks(arch: ImageVAEArchitecture) -> tuple[ImageDecoder, ImageEncoder]:
    """Build both networks, without weights, in the memory layout that convolutions like best."""
    return (
        ImageDecoder(arch).to(memory_format=torch.channels_last),
        ImageEncoder(arch.network).to(memory_format=torch.channels_last),
    )
