"""Networks of two published image GANs at 32x32 pixels, written anew from their papers, for rivals.py.

R3GAN: Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024 (arXiv:2501.05441):
stages at 4x4 to 32x32 of one width, two residual blocks each (1x1 to twice the width, 3x3 in groups of 16, 1x1 back),
leaky ReLUs, no normalisation, bilinear resampling; published at a width of 768 for CIFAR-10.

BigGAN: Brock, Donahue, Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", ICLR 2019, with
the hyperparameters of StudioGAN's CIFAR-10 benchmark (Kang, Shin, Park, TPAMI 2023): noise of 80 numbers in four parts,
a shared embedding of 128, spectral normalisation of both networks, class-conditional batch normalisation,
self-attention at 16x16, projection discriminator; published at a base width of 96, four times that in the generator and
twice in the discriminator.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["BigGANDiscriminator", "BigGANGenerator", "R3GANDiscriminator", "R3GANGenerator"]

CHANNELS, CLASSES = 3, 10
COARSEST, STAGES = 4, 4
SLOPE, GROUP_WIDTH, EXPANSION, BLOCKS = 0.2, 16, 2, 2
CHUNK, SHARED = 20, 128


class _R3GANBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = EXPANSION * width
        self.reduce = nn.Conv2d(width, hidden, 1)
        self.spatial = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden // GROUP_WIDTH)
        self.restore = nn.Conv2d(hidden, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.reduce(x), SLOPE)
        return x + self.restore(F.leaky_relu(self.spatial(h), SLOPE))


def _r3gan_stages(width: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Sequential(*(_R3GANBlock(width) for _ in range(BLOCKS))) for _ in range(STAGES))


class R3GANGenerator(nn.Module):
    """Noise of 64 numbers and classes in, images out; `width` is a multiple of 8."""

    latent_dim = 64

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(CLASSES, self.latent_dim, bias=False)
        self.project = nn.Linear(2 * self.latent_dim, width, bias=False)
        self.basis = nn.Parameter(torch.randn(width, COARSEST, COARSEST))
        self.stages = _r3gan_stages(width)
        self.to_image = nn.Conv2d(width, CHANNELS, 1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Generate images."""
        code = torch.cat([latents, self.embedding(F.one_hot(labels, CLASSES).float())], 1)
        x = self.stages[0](self.project(code)[:, :, None, None] * self.basis)
        for stage in self.stages[1:]:
            x = stage(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.to_image(x)


class R3GANDiscriminator(nn.Module):
    """Images and classes in, logits out; `width` is a multiple of 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_image = nn.Conv2d(CHANNELS, width, 1)
        self.stages = _r3gan_stages(width)
        self.basis = nn.Conv2d(width, width, COARSEST, groups=width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.embedding = nn.Linear(CLASSES, width, bias=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute logits."""
        x = self.stages[0](self.from_image(images))
        for stage in self.stages[1:]:
            x = stage(F.avg_pool2d(x, 2))
        x = self.project(self.basis(x).flatten(1))
        wanted = self.embedding(F.one_hot(labels, CLASSES).float())
        return (x * wanted).sum(1) / math.sqrt(x.shape[1])


def _conv(inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias))


class _Attention(nn.Module):
    """Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019."""

    def __init__(self, width: int) -> None:
        super().__init__()
        few, half = max(1, width // 8), max(1, width // 2)
        self.query, self.key = _conv(width, few, 1, bias=False), _conv(width, few, 1, bias=False)
        self.value, self.restore = _conv(width, half, 1, bias=False), _conv(half, width, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2)
        key, value = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (self.key, self.value))
        weights = torch.softmax(query.transpose(1, 2) @ key, -1)
        seen = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gain * self.restore(seen)


class _ConditionalNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gain, self.bias = (spectral_norm(nn.Linear(SHARED + CHUNK, width, bias=False)) for _ in range(2))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.norm(x) * (1 + self.gain(code))[:, :, None, None] + self.bias(code)[:, :, None, None]


class _GeneratorBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(_ConditionalNorm(width) for _ in range(2))
        self.convs = nn.ModuleList(_conv(width, width, 3) for _ in range(2))
        self.skip = _conv(width, width, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = self.convs[0](F.interpolate(F.relu(self.norms[0](x, code)), scale_factor=2))
        h = self.convs[1](F.relu(self.norms[1](h, code)))
        return h + self.skip(F.interpolate(x, scale_factor=2))


class BigGANGenerator(nn.Module):
    """Noise of 80 numbers and classes in, images out."""

    latent_dim = 4 * CHUNK

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 4 * width
        self.shared = nn.Embedding(CLASSES, SHARED)
        self.head = spectral_norm(nn.Linear(CHUNK, wide * COARSEST**2))
        self.blocks = nn.ModuleList(_GeneratorBlock(wide) for _ in range(3))
        self.attention = _Attention(wide)
        self.norm = nn.BatchNorm2d(wide)
        self.to_image = _conv(wide, CHANNELS, 3)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Generate images."""
        first, *chunks = latents.split(CHUNK, 1)
        shared = self.shared(labels)
        x = self.head(first).unflatten(1, (-1, COARSEST, COARSEST))
        for place, (block, chunk) in enumerate(zip(self.blocks, chunks, strict=True)):
            x = block(x, torch.cat([shared, chunk], 1))
            if place == 1:
                x = self.attention(x)
        return torch.tanh(self.to_image(F.relu(self.norm(x))))


class _DiscriminatorBlock(nn.Module):
    def __init__(self, inputs: int, width: int, *, halved: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList([_conv(inputs, width, 3), _conv(width, width, 3)])
        self.first, self.halved = inputs == CHANNELS, halved
        self.skip = _conv(inputs, width, 1) if halved else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.convs[1](F.relu(self.convs[0](x if self.first else F.relu(x))))
        if not self.halved:
            return h + x
        # Of the first block the paper averages the image before the 1x1 convolution, which is the same, for less.
        return F.avg_pool2d(h, 2) + self.skip(F.avg_pool2d(x, 2))


class BigGANDiscriminator(nn.Module):
    """Images and classes in, logits out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 2 * width
        first, *rest = (_DiscriminatorBlock(wide if k else CHANNELS, wide, halved=k < 2) for k in range(4))
        self.blocks = nn.Sequential(first, _Attention(wide), *rest)
        self.linear = spectral_norm(nn.Linear(wide, 1))
        self.projection = spectral_norm(nn.Embedding(CLASSES, wide))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute logits."""
        x = F.relu(self.blocks(images)).sum((2, 3))
        return self.linear(x).squeeze(1) + (x * self.projection(labels)).sum(1)
