"""Images out of a generator: in batches that fit into memory, one by one or as a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from ganaug.data.images.pictures import class_grid
from ganaug.data.images.pixel_scale import PixelScale
from ganaug.engine.devices import random_generator
from ganaug.engine.host import samples_at_once
from ganaug.engine.transfer import to_device

__all__ = ["draw", "generate", "sampling_batch", "tensor_grid"]

SAMPLING_BATCH = 500
GPU_SAMPLING_BATCH = 4096  # so many that starting the operations takes less time than they do
SAMPLING_MEMORY = 2**25  # numbers in the largest feature map of a batch: 128 MiB
GPU_SAMPLING_SHARE = 1 / 32  # of the memory of a GPU for that map; free or not, or chance would decide the batch size
RESULT_MEMORY = 2**27  # bytes of images that wait on a GPU: fetching them waits until all are drawn
PIXELS = PixelScale()


def draw(
    network: Any,
    conditions: Tensor,
    randomness: Generator,
    result_on: str | torch.device = "cpu",
    scale: PixelScale = PIXELS,
) -> Tensor:
    """Generate one image per class index, or per row of class and group index, in the dtype of `scale`."""
    latents = torch.randn(len(conditions), network.arch.latent_dim, generator=randomness)
    return generate(network, latents, conditions, result_on, scale)


@torch.no_grad()
def generate(
    network: Any,
    latents: Tensor,
    conditions: Tensor,
    result_on: str | torch.device = "cpu",
    scale: PixelScale = PIXELS,
) -> Tensor:
    """Generate one image per noise vector, in batches that fit into memory; the CPU holds the inputs."""
    device = next(network.parameters()).device
    shape, dtype = (len(conditions), *network.arch.image_shape), getattr(torch, scale.dtype)
    images = torch.empty(shape, dtype=dtype, device=result_on)
    batch = sampling_batch(network.arch.largest_map, device)
    fetched = batch * max(1, RESULT_MEMORY // (batch * math.prod(network.arch.image_shape) * images.itemsize))
    for target, noise, asked in zip(
        images.split(fetched), latents.split(fetched), conditions.split(fetched), strict=True
    ):
        parts = zip(noise.split(batch), asked.split(batch), strict=True)
        drawn = [scale.from_network(network(to_device(z, device), to_device(y, device))) for z, y in parts]
        target.copy_(torch.cat(drawn))
    return images


def sampling_batch(largest_map: int, device: torch.device) -> int:
    """Images that are drawn at a time, by the numbers in a feature map.

    Examples
    --------
    >>> sampling_batch(32 * 32 * 32, torch.device("cpu"))
    64
    """
    most, memory = SAMPLING_BATCH, float(SAMPLING_MEMORY)
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        most, memory = GPU_SAMPLING_BATCH, max(memory, GPU_SAMPLING_SHARE * whole / 4)
    elif device.type == "cpu":
        most = min(most, samples_at_once(largest_map))
    return max(1, min(most, int(memory / largest_map)))


def tensor_grid(average: Any, names: list[str], per_class: int = 8) -> Tensor:
    """Grid of fixed-noise samples, (3, height, width) uint8: a row for each class, with the groups in turn."""
    conditions = torch.arange(len(names)).repeat_interleave(per_class)
    if average.arch.n_groups:
        groups = torch.arange(per_class) % average.arch.n_groups
        conditions = torch.stack([conditions, groups.repeat(len(names))], dim=1)
    images = draw(average, conditions, random_generator(0, "grid")).numpy()
    grid = class_grid(list(zip(names, np.split(images, len(names)), strict=True)))
    return torch.from_numpy(np.asarray(grid).copy()).permute(2, 0, 1)
