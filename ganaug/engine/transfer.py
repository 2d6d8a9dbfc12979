"""How data reach the device: without waiting for it, and only as much of them as it can hold."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["Rows", "to_device"]

RESIDENT_SHARE = 0.5  # of the free memory of a GPU; the rest is for networks, optimisers and activations


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU to a device; to a GPU without waiting for what it has still to do.

    Copies out of memory that may be paged wait for all earlier work of the GPU, those out of pinned memory join its
    queue.

    Examples
    --------
    >>> to_device(torch.arange(3), torch.device("cpu"))
    tensor([0, 1, 2])
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Rows:
    """Rows to choose from on a device: kept there if they fit into half of its free memory, else sent when chosen.

    Parameters
    ----------
    rows : Tensor of shape (n, ...)
        On the CPU.
    device : torch.device

    Attributes
    ----------
    resident : bool
        Whether all rows are on the device.

    Examples
    --------
    >>> rows = Rows(torch.eye(3), torch.device("cpu"))
    >>> rows[torch.tensor([2, 0])]
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """

    def __init__(self, rows: Tensor, device: torch.device) -> None:
        self._device = device
        self.resident = rows.nbytes <= RESIDENT_SHARE * _free_memory(device)
        self._rows = rows.to(device) if self.resident else rows

    def __getitem__(self, chosen: Tensor) -> Tensor:
        """Rows at positions, int64 of shape (k,) on the CPU."""
        if self.resident:
            return self._rows[to_device(chosen, self._device)]
        return to_device(self._rows[chosen], self._device)


def _free_memory(device: torch.device) -> float:
    """Bytes that a GPU can still give; without limit for a CPU, which holds the rows already."""
    if device.type != "cuda":
        return math.inf
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for what comes next
    return torch.cuda.mem_get_info(device)[0] + kept
