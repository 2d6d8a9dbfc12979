"""Initial weights, drawn from a generator of one's own."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn

__all__ = ["initialise"]


@torch.no_grad()
def initialise(network: nn.Module, generator: Generator, *, slope: float = 0.2) -> None:
    """Draw a network's weights from `generator`; torch's global state plays no part.

    Convolutions and linear layers get He-normal weights (He et al., ICCV 2015) for leaky ReLUs, multiplied by the
    layer's attribute ``init_gain`` where it has one; embeddings are standard normal; biases are zero.

    Parameters
    ----------
    network : Module
        On the CPU; changed in place. Layers with weights of another kind are refused.
    generator : torch.Generator
        On the CPU.
    slope : float
        Of the leaky ReLUs; 0 for ReLUs.

    Examples
    --------
    >>> layer = nn.Linear(100, 100)
    >>> initialise(layer, Generator().manual_seed(0), slope=1.0)
    >>> round(layer.weight.std().item(), 2)
    0.1
    """
    gain = math.sqrt(2 / (1 + slope**2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            scale = gain * getattr(module, "init_gain", 1.0) / math.sqrt(module.weight[0].numel())
            module.weight.normal_(generator=generator).mul_(scale)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(generator=generator)
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"do not know how to initialise a {type(module).__name__}")
