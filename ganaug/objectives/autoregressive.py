"""Autoregressive likelihood in any order: each column given others, over random orders of the columns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ganaug.data.json_values import number
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.objective import Batch, Objective

__all__ = ["AnyOrderObjective", "AutoregressiveConfig", "any_order_loss"]


@dataclass(frozen=True)
class AutoregressiveConfig:
    """What the objective adds to a :class:`TrainingConfig`.

    Attributes
    ----------
    weight_decay : float
        Of AdamW.
    marginal_share : float
        With groups, the share of each batch of which the group, or else the class, is left out, one half each.
    """

    weight_decay: float
    marginal_share: float = 0.2

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AutoregressiveConfig:
        """Inverse of ``asdict``, also after a trip through JSON; ``ValueError`` for what cannot be."""
        config = cls(**values)
        number(config.weight_decay, "weight_decay", least=0)
        number(config.marginal_share, "marginal_share", least=0, most=1)
        return config


def any_order_loss(logits: Tensor, levels: Tensor, known: Tensor) -> Tensor:
    r"""Estimate the negative log-likelihood of rows, averaged over all orders of their columns.

    With D columns, of which those in a random set S of s < D columns are known,

    .. math:: L = -\frac{D}{D - s} \sum_{d \notin S} \log p(x_d \mid x_S),

    whose mean over s, drawn evenly from 0 to D - 1, and over S, drawn evenly from the sets of that size, is the mean
    over orders of minus the log-likelihood (Uria, Murray, Larochelle, ICML 2014, eq. 8; Hoogeboom et al., ICLR 2022).

    Parameters
    ----------
    logits : Tensor of shape (n, D, levels)
    levels : Tensor of shape (n, D), int64
        Of the columns; -1 is left out.
    known : Tensor of shape (n, D), bool
        S; each row lacks some column.

    Returns
    -------
    Tensor of shape (n,)
        In nats.

    Examples
    --------
    >>> logits, levels = torch.zeros(1, 2, 4), torch.tensor([[3, 0]])
    >>> loss = any_order_loss(logits, levels, torch.tensor([[True, False]]))
    >>> round(loss.item() / torch.tensor(4.0).log().item(), 4)
    2.0
    """
    wanted = ~known & (levels >= 0)
    of_columns = -logits.log_softmax(2).gather(2, levels.clamp(min=0)[:, :, None])[:, :, 0]
    return (of_columns * wanted).sum(1) * known.shape[1] / (~known).sum(1)


class AnyOrderObjective(Objective):
    """Likelihood of rows under a network that predicts any column from any others; see :class:`Objective`.

    Parameters
    ----------
    network : Module
        With `n_columns`, ``discretise(rows)``, which gives levels, and ``logits(levels, known, conditions)``; it
        draws by ``network(noise, conditions)`` with noise of length `arch.noise_dim`.
    config : AutoregressiveConfig
    dtype : torch.dtype
        What the network computes in.
    processes : DistributedContext, optional
    recorded : bool, default=False
        Whether steps are recorded; the optimiser then keeps its learning rate in memory of the device.
    complete : callable, optional
        Adds groups to the classes that :meth:`samples` is asked for.
    """

    loss_names: Sequence[str] = ("negative_log_likelihood",)
    remedies: Sequence[str] = ()

    def __init__(
        self,
        network: Any,
        config: AutoregressiveConfig,
        *,
        dtype: torch.dtype = torch.float32,
        processes: DistributedContext = ALONE,
        recorded: bool = False,
        complete: Callable[[Tensor, Generator], Tensor] | None = None,
    ) -> None:
        self._network, self._config, self._dtype = network, config, dtype
        self._processes, self._complete = processes, complete
        self._weights = list(network.parameters())
        rate = torch.zeros((), device=self._weights[0].device) if recorded else 0.0
        options: dict[str, Any] = {"weight_decay": config.weight_decay, "fused": True, "capturable": recorded}
        self._optimizer = torch.optim.AdamW(self._weights, lr=rate, betas=(0.9, 0.99), **options)
        self.networks: dict[str, nn.Module] = {"generator": network}
        self.optimizers: dict[str, Optimizer] = {"generator": self._optimizer}
        self.ema: dict[str, nn.Module] = {"generator": copy.deepcopy(network).requires_grad_(False)}

    def draw(self, batch: Batch, step: int, progress: float, randomness: Generator) -> tuple[str, list[Tensor]]:
        """Draw which columns of each row are known, and whose class or group is left out."""
        n, columns, conditions = len(batch.labels), self._network.n_columns, batch.known_labels
        places = torch.rand(n, columns, generator=randomness).argsort(1).argsort(1)
        known = places < torch.randint(columns, (n, 1), generator=randomness)
        if conditions.ndim == 2:
            half, place = self._config.marginal_share / 2, torch.rand(n, generator=randomness)
            conditions = conditions.masked_fill(torch.stack([place < half, place >= 1 - half], 1), -1)
        return "only", [batch.samples, *(self._processes.share(part) for part in (known, conditions))]

    def step(self, kind: str, *tensors: Tensor) -> Tensor:
        """Update the network once."""
        rows, known, conditions = tensors
        levels = self._network.discretise(rows)
        plain = self._dtype is torch.float32
        with nullcontext() if plain else torch.autocast(rows.device.type, self._dtype, cache_enabled=False):
            logits = self._network.logits(levels, known, conditions)
        loss = any_order_loss(logits, levels, known).mean()
        for weight, gradient in zip(self._weights, torch.autograd.grad(loss, self._weights), strict=True):
            weight.grad = gradient
        self._optimizer.step()
        return loss.detach()[None]

    def samples(self, labels: Tensor, batch_size: int, randomness: Generator) -> Tensor:
        """Draw from the moving average."""
        average: Any = self.ema["generator"]
        device = self._weights[0].device
        conditions = labels if self._complete is None else self._complete(labels, randomness)
        noise = torch.randn(len(labels), average.arch.noise_dim, generator=randomness)
        parts = zip(noise.split(batch_size), conditions.split(batch_size), strict=True)
        return torch.cat([average(drawn.to(device), asked.to(device)) for drawn, asked in parts])
