"""Images out of a generator: in batches that fit into memory, one by one or as a grid."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor

from ganaug.data.images.pictures import class_grid
from ganaug.engine.devices import random_generator
from ganaug.engine.transfer import to_device
from ganaug.generators.images.networks import ImageGenerator

__all__ = ["SAMPLING_BATCH", "draw", "generate", "tensor_grid", "to_pixels"]

SAMPLING_BATCH = 500
GPU_SAMPLING_BATCH = 4096  # so many that starting the operations takes less time than they do
SAMPLING_MEMORY = 2**25  # numbers in the largest feature map of a batch: 128 MiB
GPU_SAMPLING_SHARE = 1 / 32  # of the memory of a GPU for that map; free or not, or chance would decide the batch size
RESULT_MEMORY = 2**27  # bytes of images that wait on a GPU: fetching them waits until all are drawn


def to_pixels(images: Tensor) -> Tensor:
    """What a generator returns, in [-1, 1], as uint8.

    Examples
    --------
    >>> to_pixels(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """
    return ((images + 1) * 127.5).round().to(torch.uint8)


def draw(
    network: ImageGenerator, labels: Tensor, randomness: Generator, result_on: str | torch.device = "cpu"
) -> Tensor:
    """Generate one uint8 image per class index."""
    return generate(network, torch.randn(len(labels), network.arch.latent_dim, generator=randomness), labels, result_on)


@torch.no_grad()
def generate(network: ImageGenerator, latents: Tensor, labels: Tensor, result_on: str | torch.device = "cpu") -> Tensor:
    """Generate one uint8 image per noise vector, in batches that fit into memory; the CPU holds the inputs."""
    device = next(network.parameters()).device
    images = torch.empty((len(labels), *network.arch.image_shape), dtype=torch.uint8, device=result_on)
    batch = _batch_size(network.arch.largest_map, device)
    fetched = batch * max(1, RESULT_MEMORY // (batch * math.prod(network.arch.image_shape)))
    for target, noise, classes in zip(
        images.split(fetched), latents.split(fetched), labels.split(fetched), strict=True
    ):
        parts = zip(noise.split(batch), classes.split(batch), strict=True)
        drawn = [to_pixels(network(to_device(z, device), to_device(y, device))) for z, y in parts]
        target.copy_(torch.cat(drawn))
    return images


def _batch_size(largest_map: int, device: torch.device) -> int:
    """Images that are drawn at a time, by the numbers in a feature map."""
    most, memory = SAMPLING_BATCH, float(SAMPLING_MEMORY)
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        most, memory = GPU_SAMPLING_BATCH, max(memory, GPU_SAMPLING_SHARE * whole / 4)
    return max(1, min(most, int(memory / largest_map)))


def tensor_grid(average: ImageGenerator, names: list[str], per_class: int = 8) -> Tensor:
    """Grid of fixed-noise samples, (3, height, width) uint8: a row for each class, with the groups in turn."""
    labels = torch.arange(len(names)).repeat_interleave(per_class)
    if average.arch.n_groups:
        groups = torch.arange(per_class) % average.arch.n_groups
        labels = torch.stack([labels, groups.repeat(len(names))], dim=1)
    images = draw(average, labels, random_generator(0, "grid")).numpy()
    grid = class_grid(list(zip(names, np.split(images, len(names)), strict=True)))
    return torch.from_numpy(np.asarray(grid).copy()).permute(2, 0, 1)
