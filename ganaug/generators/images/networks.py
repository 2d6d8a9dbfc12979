"""Generator and discriminator for images of any size and number of channels.

A small relative of R3GAN (Huang et al., NeurIPS 2024): residual bottlenecks without normalisation,
zero-initialised at their end, bilinear resampling, embedding of class and group beside the noise in
the generator and projection in the discriminator.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.images.labelled import MAX_SIDE, MIN_SIDE
from ganaug.data.json_values import number, whole
from ganaug.engine.conditioning import ConditionEmbedding
from ganaug.engine.layers import Conv2d, Linear

__all__ = ["ImageArchitecture", "ImageBody", "ImageDiscriminator", "ImageGenerator", "build_networks", "stage_sizes"]

SLOPE = 0.2
MAX_BASE_SIDE = 7
MOST, MOST_BLOCKS = 2**24, 64  # in descriptions out of files


def stage_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of the feature maps, coarsest first, for images of a given size.

    Each side is halved, rounding up, until it is at most 7, so that the coarsest map measures 3 to 7.
    A side that needs fewer halvings keeps its size in the coarsest stages. The last entry is the
    image's size rounded up to what doubling gives: generators crop to the image, discriminators pad.

    Examples
    --------
    >>> stage_sizes(28, 28)
    [(7, 7), (14, 14), (28, 28)]
    >>> stage_sizes(9, 20)
    [(5, 5), (5, 10), (10, 20)]
    """

    def base(side: int) -> tuple[int, int]:
        halvings = 0
        while math.ceil(side / 2**halvings) > MAX_BASE_SIDE:
            halvings += 1
        return math.ceil(side / 2**halvings), halvings

    (base_h, halvings_h), (base_w, halvings_w) = base(height), base(width)
    most = max(halvings_h, halvings_w)
    return [
        (base_h * 2 ** max(0, stage - most + halvings_h), base_w * 2 ** max(0, stage - most + halvings_w))
        for stage in range(most + 1)
    ]


@dataclass(frozen=True)
class ImageArchitecture:
    """What both networks need to know to be built.

    Attributes
    ----------
    image_shape : tuple of int
        Channels, height and width in pixels.
    n_classes : int
    widths : tuple of int
        Channels of the stages, coarsest first; its last entry is repeated if there are more stages.
    blocks : int
        Residual blocks a stage.
    expansion : float
        Channels inside a block as a multiple of those of its stage.
    group_width : int
        Channels per group of the 3x3 convolution; 0 for a dense one.
    patch : int
        1, or 2: the finest stage is left out and 2x2 pixels are read and written as channels of the next one.
    latent_dim, embedding_dim : int
        Lengths of the noise vector and of the class embedding.
    embedding_scale : float
        Of the class embedding beside the unit noise in the generator. Below 1 the noise outweighs the class at the
        start, which keeps the generator from drawing one image per class.
    n_groups : int
        0 for networks that are conditioned on the class alone.
    """

    image_shape: tuple[int, int, int]
    n_classes: int
    widths: tuple[int, ...] = (128, 64)
    blocks: int = 1
    expansion: float = 1.0
    group_width: int = 0
    patch: int = 1
    latent_dim: int = 64
    embedding_dim: int = 64
    embedding_scale: float = 0.25
    n_groups: int = 0

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Sizes of the stages, coarsest first, without the finest where `patch` is 2."""
        sizes = stage_sizes(*self.image_shape[1:])
        return sizes[:-1] if self.patch == 2 else sizes

    @property
    def largest_map(self) -> int:
        """Numbers in the largest feature map of one image: what the memory of a batch grows with."""
        inside = max(1.0, self.expansion)
        return round(max(inside * self.width(stage) * h * w for stage, (h, w) in enumerate(self.sizes)))

    def width(self, stage: int) -> int:
        """Channels of a stage, counted from the coarsest."""
        return self.widths[min(stage, len(self.widths) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageArchitecture:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        arch = cls(**{**values, "image_shape": tuple(values["image_shape"]), "widths": tuple(values["widths"])})
        channels, height, width = arch.image_shape
        for side in (height, width):
            whole(side, "a side of images", MIN_SIDE, MAX_SIDE)
        for size in (channels, *arch.widths, arch.n_classes, arch.latent_dim, arch.embedding_dim):
            whole(size, "a size of the networks", 1, MOST)
        whole(len(arch.widths), "the number of widths", 1, MOST_BLOCKS)
        whole(arch.blocks, "blocks", 0, MOST_BLOCKS)
        whole(arch.group_width, "group_width", 0, MOST)
        whole(arch.patch, "patch", 1, 2)
        whole(arch.n_groups, "n_groups", 0, MOST)
        number(arch.expansion, "expansion", 0, MOST_BLOCKS)
        number(arch.embedding_scale, "embedding_scale")
        return arch


class _Block(nn.Module):
    """1x1, grouped 3x3, 1x1, added to its input; no normalisation."""

    def __init__(self, width: int, expansion: float, group_width: int, n_blocks: int) -> None:
        super().__init__()
        hidden = max(8, int(width * expansion))
        groups = max(1, hidden // group_width) if group_width else 1
        # Zhang, Dauphin, Ma, "Fixup Initialization", ICLR 2019, for three layers a branch.
        gain = n_blocks**-0.25
        self.reduce = Conv2d(width, hidden, 1, init_gain=gain)
        self.spatial = Conv2d(hidden, hidden, 3, padding=1, groups=groups, init_gain=gain)
        self.restore = Conv2d(hidden, width, 1, bias=False, init_gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.reduce(x), SLOPE)
        h = F.leaky_relu(self.spatial(h), SLOPE)
        return x + self.restore(h)


def _stage(arch: ImageArchitecture, stage: int) -> nn.Sequential:
    n_blocks = arch.blocks * len(arch.sizes)
    return nn.Sequential(
        *(_Block(arch.width(stage), arch.expansion, arch.group_width, n_blocks) for _ in range(arch.blocks))
    )


class ImageGenerator(nn.Module):
    """Noise and conditions in, images out.

    Parameters
    ----------
    arch : ImageArchitecture

    Notes
    -----
    ``forward(latents, conditions)`` takes (batch, latent_dim) and conditions as :class:`ConditionEmbedding` does, and
    returns (batch, channels, height, width) in [-1, 1].
    """

    def __init__(self, arch: ImageArchitecture) -> None:
        super().__init__()
        self.arch = arch
        sizes = arch.sizes
        stages = range(len(sizes))
        self.embedding = ConditionEmbedding(arch.n_classes, arch.embedding_dim, arch.n_groups)
        inputs = arch.latent_dim + arch.embedding_dim
        self.head = Linear(inputs, arch.width(0) * sizes[0][0] * sizes[0][1])
        self.stages = nn.ModuleList(_stage(arch, s) for s in stages)
        self.widen = nn.ModuleList(Conv2d(arch.width(s - 1), arch.width(s), 1) for s in stages if s)
        self.to_image = Conv2d(arch.width(len(sizes) - 1), arch.image_shape[0] * arch.patch**2, 3, padding=1)

    def forward(self, latents: Tensor, conditions: Tensor) -> Tensor:
        """Generate images; shapes are in the notes of the class."""
        # Unlike R3GAN: black or white backgrounds, common in small images, are learnt in a fraction of the steps.
        return torch.tanh(self.unbounded(latents, conditions))

    def unbounded(self, latents: Tensor, conditions: Tensor) -> Tensor:
        """Numbers of the images before they are brought into [-1, 1]."""
        sizes = self.arch.sizes
        code = torch.cat([latents, self.arch.embedding_scale * self.embedding(conditions)], dim=1)
        x = self.head(code).unflatten(1, (self.arch.width(0), *sizes[0]))
        x = self.stages[0](x)
        for size, widen, stage in zip(sizes[1:], self.widen, self.stages[1:], strict=True):
            x = F.interpolate(widen(x), size=size, mode="bilinear", align_corners=False)
            x = stage(x)
        x = self.to_image(F.leaky_relu(x, SLOPE))
        if self.arch.patch == 2:
            x = F.pixel_shuffle(x, 2)
        _, height, width = self.arch.image_shape
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        return x.float()[:, :, top : top + height, left : left + width]


class ImageBody(nn.Module):
    """From images to vectors: the part of a network that looks at images, before it is asked anything of them.

    Parameters
    ----------
    arch : ImageArchitecture

    Notes
    -----
    :meth:`pooled` takes (batch, channels, height, width) and returns (batch, ``arch.width(0)``).
    """

    def __init__(self, arch: ImageArchitecture) -> None:
        super().__init__()
        self.arch = arch
        sizes = arch.sizes
        stages = range(len(sizes))
        self.from_image = Conv2d(arch.image_shape[0] * arch.patch**2, arch.width(len(sizes) - 1), 3, padding=1)
        self.stages = nn.ModuleList(_stage(arch, s) for s in stages)
        self.widen = nn.ModuleList(Conv2d(arch.width(s), arch.width(s - 1), 1) for s in stages if s)
        self.pool = Conv2d(arch.width(0), arch.width(0), sizes[0], groups=arch.width(0), bias=False)

    def pooled(self, images: Tensor) -> Tensor:
        """Describe images; shapes are in the notes of the class."""
        sizes = self.arch.sizes
        full = [side * self.arch.patch for side in sizes[-1]]
        missing = [full[0] - images.shape[2], full[1] - images.shape[3]]
        if any(missing):
            top, left = missing[0] // 2, missing[1] // 2
            images = F.pad(images, (left, missing[1] - left, top, missing[0] - top), mode="replicate")
        if self.arch.patch == 2:
            images = F.pixel_unshuffle(images, 2)
        x = self.stages[-1](self.from_image(images))
        for stage in range(len(sizes) - 2, -1, -1):
            kernel = (x.shape[2] // sizes[stage][0], x.shape[3] // sizes[stage][1])
            x = self.stages[stage](self.widen[stage](F.avg_pool2d(x, kernel)))
        # One output to a channel: as a depthwise convolution it would be one tiny convolution for each channel.
        return F.leaky_relu((x * self.pool.weight.squeeze(1)).sum((2, 3)), SLOPE)


class ImageDiscriminator(ImageBody):
    """Images and their conditions in, one logit each out.

    Parameters
    ----------
    arch : ImageArchitecture

    Notes
    -----
    ``forward(images, conditions)`` takes (batch, channels, height, width) and conditions as
    :class:`ConditionEmbedding` does, and returns (batch,). Each logit is the sum of a part shared by all images and of
    the projections on the class and the group (Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018);
    what is -1 has no part in it.
    """

    def __init__(self, arch: ImageArchitecture) -> None:
        super().__init__(arch)
        self.features = Linear(arch.width(0), arch.embedding_dim)
        self.shared = Linear(arch.embedding_dim, 1, bias=False)
        self.projection = ConditionEmbedding(arch.n_classes, arch.embedding_dim, arch.n_groups)

    def forward(self, images: Tensor, conditions: Tensor) -> Tensor:
        """Compute logits; shapes are in the notes of the class."""
        x = self.pooled(images)
        with torch.autocast(x.device.type, enabled=False):  # logits are not rounded to eight bits
            x = self.features(x.float())
            projected = (x * self.projection(conditions)).sum(1) / math.sqrt(self.arch.embedding_dim)
            return self.shared(x).squeeze(1) + projected


def build_networks(arch: ImageArchitecture) -> tuple[ImageGenerator, ImageDiscriminator]:
    """Build both networks, without weights, in the memory layout that convolutions like best."""
    return (
        ImageGenerator(arch).to(memory_format=torch.channels_last),
        ImageDiscriminator(arch).to(memory_format=torch.channels_last),
    )
