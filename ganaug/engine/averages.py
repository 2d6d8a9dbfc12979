"""Moving averages of networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """Keeps a copy of a network at the moving average of its weights, and of its buffers of floating-point numbers.

    Other buffers, such as counters and masks, have no average: they are copied.

    Parameters
    ----------
    average, network : Module
        Of one architecture; `average` is changed in place.

    Examples
    --------
    >>> average, network = (nn.Linear(1, 1, bias=False).requires_grad_(False) for _ in range(2))
    >>> _ = average.weight.fill_(0.0), network.weight.fill_(1.0)
    >>> MovingAverage(average, network).update(0.25)
    >>> average.weight.item()
    0.25
    """

    def __init__(self, average: nn.Module, network: nn.Module) -> None:
        # Walking through all modules in every step would take longer than a small network's average itself.
        self._weights: tuple[list[Tensor], list[Tensor]] = ([*average.parameters()], [*network.parameters()])
        pairs = zip(average.modules(), network.modules(), strict=True)
        self._with_buffers = [pair for pair in pairs if any(True for _ in pair[0].buffers(recurse=False))]

    def update(self, share: float) -> None:
        """Move the average towards the network by a share, in [0, 1], of their difference."""
        torch._foreach_lerp_(*self._weights, share)
        for average, network in self._with_buffers:
            for own, buffer in zip(average.buffers(recurse=False), network.buffers(recurse=False), strict=True):
                own.lerp_(buffer, share) if own.is_floating_point() else own.copy_(buffer)
