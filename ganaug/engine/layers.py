"""Layers that are born without weights, and the function that draws these from a generator of one's own.

torch's own layers draw their initial weights from the global random state, which estimators must leave alone.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

__all__ = ["Conv2d", "Embedding", "Linear", "ParallelLinear", "initialise"]


class _Blank:
    """Leaves memory uninitialised, and keeps the factor that :func:`initialise` applies."""

    init_gain: float

    def __init__(self, *args: Any, init_gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self)["init_gain"] = init_gain

    def reset_parameters(self) -> None:
        """Do nothing: the weights wait for :func:`initialise`."""


class Conv2d(_Blank, nn.Conv2d):
    """``torch.nn.Conv2d`` without initial weights."""


class Linear(_Blank, nn.Linear):
    """``torch.nn.Linear`` without initial weights."""


class Embedding(_Blank, nn.Embedding):
    """``torch.nn.Embedding`` without initial weights."""


class ParallelLinear(nn.Module):
    """Linear layers side by side; row ``i`` of a batch goes through that of member ``i % members``.

    Several small networks are trained in the time of one: most of that is the overhead of each operation.

    Parameters
    ----------
    members, in_features, out_features : int
    init_gain : float
        Factor of the initial weights.

    Notes
    -----
    ``forward(x)`` takes and returns (batch, features); `batch` is a multiple of `members`.
    """

    def __init__(self, members: int, in_features: int, out_features: int, *, init_gain: float = 1.0) -> None:
        super().__init__()
        self.init_gain = init_gain
        self.weight = nn.Parameter(torch.empty(members, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(members, 1, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each member's layer to its rows."""
        members, _, width = self.weight.shape
        if members == 1:
            return torch.addmm(self.bias[0], x, self.weight[0])
        rows = x.unflatten(0, (-1, members)).transpose(0, 1)
        return torch.baddbmm(self.bias, rows, self.weight).transpose(0, 1).reshape(-1, width)


@torch.no_grad()
def initialise(network: nn.Module, generator: Generator, *, slope: float = 0.2) -> None:
    """Draw a network's weights from `generator`; torch's global state plays no part.

    Convolutions and linear layers get He-normal weights (He et al., ICCV 2015) for leaky ReLUs, and embeddings
    standard normal ones, multiplied by the layer's ``init_gain``; biases are zero.

    Parameters
    ----------
    network : Module
        On the CPU; changed in place. All its weights must sit in layers of this module.
    generator : torch.Generator
        On the CPU.
    slope : float
        Of the leaky ReLUs; 0 for ReLUs.

    Examples
    --------
    >>> layer = Linear(100, 100)
    >>> initialise(layer, Generator().manual_seed(0), slope=1.0)
    >>> round(layer.weight.std().item(), 2)
    0.1
    """
    gain = math.sqrt(2 / (1 + slope**2))
    for module in network.modules():
        if isinstance(module, Conv2d | Linear):
            scale = gain * module.init_gain / math.sqrt(module.weight[0].numel())
            module.weight.normal_(generator=generator).mul_(scale)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, ParallelLinear):
            scale = gain * module.init_gain / math.sqrt(module.weight.shape[1])
            module.weight.normal_(generator=generator).mul_(scale)
            module.bias.zero_()
        elif isinstance(module, Embedding):
            module.weight.normal_(generator=generator).mul_(module.init_gain)
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"do not know how to initialise a {type(module).__name__}; use the layers of this module")
