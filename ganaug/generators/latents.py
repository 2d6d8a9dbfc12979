"""Paths between the noise vectors that images are drawn from."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["arcs"]


def arcs(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points on the arcs from some noise vectors to others.

    Straight lines would pass nearer to the origin than normal vectors of many dimensions ever lie (White, "Sampling
    Generative Networks", 2016, section 2.1).

    Parameters
    ----------
    start, end : Tensor of shape (n, latent_dim)
    steps : int
        Points on each arc, both ends among them; at least two.

    Returns
    -------
    Tensor of shape (n, steps, latent_dim)

    Examples
    --------
    >>> arcs(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 3)[0, 1].tolist()
    [0.7071067690849304, 0.7071067690849304]
    """
    share = torch.linspace(0, 1, steps)[None, :, None]
    angle = torch.acos(torch.cosine_similarity(start, end).clamp(-1 + 1e-6, 1 - 1e-6))[:, None, None]
    first, second = ((part * angle).sin() / angle.sin() for part in (1 - share, share))
    return first * start[:, None] + second * end[:, None]
