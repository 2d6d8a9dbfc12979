"""The velocity of a flow of images: a small U-Net that knows the time, the class and the group."""

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
from ganaug.generators.flow_sampler import FlowSampler
from ganaug.generators.images.networks import stage_sizes
from ganaug.objectives.flow_matching import gaussian_velocity

__all__ = ["ImageFlowArchitecture", "ImageVelocity", "build_sampler"]

COARSER = {2: 1, 4: 2}  # by the side of a patch, how often the image is halved before the finest stage
FREQUENCIES = 16
SPREAD = 0.5  # of pixels in [-1, 1] around the mean of their class, roughly
RATE = 4.0  # of how fast that mean and the straight path are learnt, against weights
MOST, MOST_BLOCKS = 2**24, 64  # in descriptions out of files


@dataclass(frozen=True)
class ImageFlowArchitecture:
    """What the network needs to know to be built, and how it is sampled.

    Attributes
    ----------
    image_shape : tuple of int
        Channels, height and width in pixels.
    n_classes, n_groups : int
        0 groups for a network that is conditioned on the class alone.
    widths : tuple of int
        Channels of the stages, coarsest first; the last entry is repeated if there are more stages.
    blocks : int
        Residual blocks of a stage on the way down, and as many on the way up.
    embedding_dim : int
        Length of the embedding of time, class and group.
    sampling_steps : int
        Of the solver, of two calls each.
    guidance : float
        1 draws from what was learnt of the conditions, more exaggerates what distinguishes them.
    patch : {2, 4}
        Pixels of a side that are read and written as channels of one place.
    """

    image_shape: tuple[int, int, int]
    n_classes: int
    n_groups: int = 0
    widths: tuple[int, ...] = (64,)
    blocks: int = 1
    embedding_dim: int = 128
    sampling_steps: int = 4
    guidance: float = 1.0
    patch: int = 2

    @property
    def latent_dim(self) -> int:
        """Numbers in an image, and so in its noise."""
        return math.prod(self.image_shape)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Sizes of the stages, coarsest first; the finest has a place for each patch of the image."""
        return stage_sizes(*self.image_shape[1:])[: -COARSER[self.patch]]

    @property
    def largest_map(self) -> int:
        """Numbers in the largest feature map of one image: what the memory of a batch grows with."""
        return max(self.width(stage) * h * w for stage, (h, w) in enumerate(self.sizes))

    def width(self, stage: int) -> int:
        """Channels of a stage, counted from the coarsest."""
        return self.widths[min(stage, len(self.widths) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageFlowArchitecture:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        arch = cls(**{**values, "image_shape": tuple(values["image_shape"]), "widths": tuple(values["widths"])})
        channels, height, width = arch.image_shape
        for side in (height, width):
            whole(side, "a side of images", MIN_SIDE, MAX_SIDE)
        for size in (channels, *arch.widths, arch.n_classes, arch.embedding_dim):
            whole(size, "a size of the network", 1, MOST)
        whole(len(arch.widths), "the number of widths", 1, MOST_BLOCKS)
        whole(arch.blocks, "blocks", 1, MOST_BLOCKS)
        whole(arch.n_groups, "n_groups", 0, MOST)
        whole(arch.sampling_steps, "sampling_steps", 1, MOST)
        number(arch.guidance, "guidance", 0, MOST)
        if whole(arch.patch, "patch", 2, 4) not in COARSER or min(height, width) < MIN_SIDE * arch.patch // 2:
            raise ValueError(f"patch must be 2, or 4 for sides of at least {2 * MIN_SIDE}, got {arch.patch}")
        return arch


class _Block(nn.Module):
    """Two 3x3 convolutions, scaled and shifted between them by time and conditions, added to their input."""

    def __init__(self, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.modulation = Linear(embedding_dim, 2 * width, init_gain=0.5)
        self.second = Conv2d(width, width, 3, padding=1, init_gain=0.0)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        scale, shift = self.modulation(code)[:, :, None, None].chunk(2, 1)
        h = self.first(F.silu(x)) * (1 + scale) + shift
        return x + self.second(F.silu(h))


class _Straight(nn.Module):
    """A linear map of each patch, with parts that time scales.

    Most of a velocity is the noise that is to be removed, and all numbers of a patch have their own, 48 in 4x4 pixels
    of RGB: more than what the channels of the network carry beside the image, halved as they are by an activation.
    """

    def __init__(self, pixels: int, embedding_dim: int) -> None:
        super().__init__()
        self.first = Conv2d(pixels, pixels, 1)
        self.modulation = Linear(embedding_dim, pixels)
        self.second = Conv2d(pixels, pixels, 1, init_gain=0.0)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return RATE * self.second(self.first(x) * (1 + self.modulation(time)[:, :, None, None]))


class ImageVelocity(nn.Module):
    """Images on their way from noise, the time and conditions in, velocities out.

    Parameters
    ----------
    arch : ImageFlowArchitecture

    Notes
    -----
    ``forward(x, t, conditions)`` takes (batch, latent_dim), times of shape (batch,) and conditions as
    :class:`ConditionEmbedding` does, and returns (batch, latent_dim), relative to what :func:`gaussian_velocity` says
    of pixels around the sum of an image of the class and one of the group, which are learnt, too. The network goes
    down through the stages and up again, where each stage adds what it had on the way down. With patches of 4x4 pixels
    a linear map of each patch is added to what comes out.
    """

    def __init__(self, arch: ImageFlowArchitecture) -> None:
        super().__init__()
        self.arch = arch
        stages, pixels, dim = range(len(arch.sizes)), arch.image_shape[0] * arch.patch**2, arch.embedding_dim
        self.time = nn.Sequential(Linear(FREQUENCIES, dim), nn.SiLU(), Linear(dim, dim))
        self.embedding = ConditionEmbedding(arch.n_classes, dim, arch.n_groups)
        # An image for each class and group, which the network draws around.
        self.mean = ConditionEmbedding(arch.n_classes, arch.latent_dim, arch.n_groups)
        for part in (self.mean, self.mean.groups):
            if part is not None:
                part.init_gain = 0.0
        self.from_image = Conv2d(pixels, arch.width(stages[-1]), 3, padding=1)
        self.down = nn.ModuleList(self._blocks(stage) for stage in stages)
        self.up = nn.ModuleList(self._blocks(stage) for stage in stages)
        self.narrow = nn.ModuleList(Conv2d(arch.width(s), arch.width(s - 1), 1) for s in stages[1:])
        self.widen = nn.ModuleList(Conv2d(arch.width(s - 1), arch.width(s), 1) for s in stages[1:])
        self.to_image = Conv2d(arch.width(stages[-1]), pixels, 3, padding=1, init_gain=0.0)
        self.straight = _Straight(pixels, dim) if arch.patch > 2 else None

    def _blocks(self, stage: int) -> nn.ModuleList:
        return nn.ModuleList(_Block(self.arch.width(stage), self.arch.embedding_dim) for _ in range(self.arch.blocks))

    def forward(self, x: Tensor, t: Tensor, conditions: Tensor) -> Tensor:
        """Compute velocities; shapes are in the notes of the class."""
        time, mean = t[:, None], RATE * self.mean(conditions)
        known, spread = gaussian_velocity(x, time, mean, SPREAD)
        return known + spread * self._learnt(x - time * mean, t, conditions).float()

    def _learnt(self, x: Tensor, t: Tensor, conditions: Tensor) -> Tensor:
        arch = self.arch
        angles = t[:, None] * torch.arange(1, FREQUENCIES + 1, device=t.device) * (math.pi / 2)
        time = F.silu(self.time(angles.cos()))
        code = time + self.embedding(conditions)
        sizes, down, up = arch.sizes, list[Any](self.down), list[Any](self.up)
        left, right, top, bottom = self._margins()
        images = F.pad(x.unflatten(1, arch.image_shape), (left, right, top, bottom))
        patches = _folded(images, arch.patch)
        h = self.from_image(patches)
        kept = []
        for stage in range(len(sizes) - 1, -1, -1):
            for block in down[stage]:
                h = block(h, code)
            if stage:
                kept.append(h)
                kernel = (sizes[stage][0] // sizes[stage - 1][0], sizes[stage][1] // sizes[stage - 1][1])
                h = self.narrow[stage - 1](F.avg_pool2d(h, kernel))
        for stage in range(len(sizes)):
            if stage:
                h = F.interpolate(self.widen[stage - 1](h), size=sizes[stage], mode="nearest") + kept.pop()
            for block in up[stage]:
                h = block(h, code)
        out = self.to_image(F.silu(h))
        if self.straight is not None:
            out = out + self.straight(patches, time)
        images = _unfolded(out, arch.patch)
        height, width = arch.image_shape[1:]
        return images[:, :, top : top + height, left : left + width].flatten(1)

    def _margins(self) -> tuple[int, int, int, int]:
        """What is added to images so that they can be halved: left, right, top, bottom."""
        missing = [
            self.arch.patch * size - side
            for size, side in zip(self.arch.sizes[-1], self.arch.image_shape[1:], strict=True)
        ]
        top, left = missing[0] // 2, missing[1] // 2
        return left, missing[1] - left, top, missing[0] - top

    def encode(self, images: Tensor, conditions: Tensor) -> Tensor:
        """Images as the flow ends at them: their pixels."""
        return images.flatten(1)

    def decode(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Images of what the flow ended at."""
        return x.unflatten(1, self.arch.image_shape).clamp(-1, 1)


def _folded(images: Tensor, patch: int) -> Tensor:
    """``F.pixel_unshuffle``, which leaves an empty batch as it is."""
    return images.unflatten(3, (-1, patch)).unflatten(2, (-1, patch)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def _unfolded(maps: Tensor, patch: int) -> Tensor:
    """Inverse of :func:`_folded`."""
    return maps.unflatten(1, (-1, patch, patch)).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)


def build_sampler(arch: ImageFlowArchitecture) -> FlowSampler:
    """Build the network inside of what samples it, without weights, in the layout that convolutions like best."""
    return FlowSampler(ImageVelocity(arch).to(memory_format=torch.channels_last), arch)
