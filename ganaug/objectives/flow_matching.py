"""Conditional flow matching: a velocity that carries noise to data along straight lines.

A network learns the velocity v(x, t | condition) of a flow from standard normal noise at t = 0 to the samples at t = 1.
With noise x0, a sample x1 and x_t = (1 - t) x0 + t x1 what is minimised is

    E || v(x_t, t | condition) - (x1 - x0) ||^2,

whose minimiser is the velocity of the marginal flow (Lipman et al., "Flow Matching for Generative Modeling", ICLR
2023, theorem 2 and equation 23 with sigma_min = 0). Which noise goes with which sample is open as long as both keep
their distribution: the pairing of a batch, within each condition, that makes the lines shortest leaves the flow
straighter (Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal transport",
TMLR 2024). In a share of the batch conditions are left out, for classifier-free guidance (Ho and Salimans, 2022).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.objective import Batch, Objective

__all__ = ["FlowMatchingConfig", "FlowMatchingObjective", "gaussian_velocity", "paired", "without_conditions"]


@dataclass(frozen=True)
class FlowMatchingConfig:
    """What flow matching adds to a :class:`TrainingConfig`.

    Attributes
    ----------
    latent_dim : int
        Numbers in a sample, and so in its noise.
    label_dropout : float in [0, 1)
        Share of a batch whose conditions are left out; with groups two more such shares lose the class, or the group.
    encoding_noise : bool
        Whether samples are encoded with noise of their own.
    """

    latent_dim: int
    label_dropout: float = 0.1
    encoding_noise: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FlowMatchingConfig:
        """Inverse of ``asdict``, also after a trip through JSON; ``ValueError`` for what cannot be."""
        config = cls(**values)
        whole(config.latent_dim, "latent_dim", 1, 2**53)
        number(config.label_dropout, "label_dropout", least=0, most=1)
        if not isinstance(config.encoding_noise, bool):
            raise ValueError(f"encoding_noise must be true or false, got {config.encoding_noise!r}")
        return config


def gaussian_velocity(x: Tensor, t: Tensor, mean: Tensor | float, scale: Tensor | float) -> tuple[Tensor, Tensor]:
    """Velocity of the flow from standard normal noise to independent normal numbers, and what it leaves open.

    It is E[x1 - x0 | x_t = x] = mean + (t scale^2 - (1 - t)) / s^2 (x - t mean), and x1 - x0 spreads around it with
    the standard deviation scale / s, where s^2 = t^2 scale^2 + (1 - t)^2.

    Parameters
    ----------
    x : Tensor of shape (n, d)
    t : Tensor of shape (n, 1)
        Times in [0, 1].
    mean, scale : Tensor of shape (n, d), or float
        Of the normal numbers at t = 1.

    Returns
    -------
    velocity, spread : Tensor of shape (n, d)

    Examples
    --------
    >>> gaussian_velocity(torch.zeros(1, 1), torch.tensor([[0.5]]), 2.0, 1.0)[0].item()
    2.0
    """
    variance = t**2 * scale**2 + (1 - t) ** 2
    return mean + (t * scale**2 - (1 - t)) / variance * (x - t * mean), scale / variance.sqrt()


def paired(noise: Tensor, samples: Tensor, conditions: Tensor) -> Tensor:
    """Reorder noise so that, within each condition, it is as near to the samples as it can be.

    Parameters
    ----------
    noise, samples : Tensor of shape (n, d)
    conditions : Tensor of shape (n,) or (n, 2), int64

    Returns
    -------
    Tensor of shape (n, d)
        The rows of `noise`, of which each stays within its condition.

    Examples
    --------
    >>> noise, samples = torch.tensor([[0.0], [5.0], [1.0]]), torch.tensor([[6.0], [0.0], [9.0]])
    >>> paired(noise, samples, torch.tensor([1, 1, 0])).flatten().tolist()
    [5.0, 0.0, 1.0]
    """
    order = torch.arange(len(noise))
    cells = torch.unique(conditions, dim=0, return_inverse=True)[1]
    for cell in range(int(cells.max()) + 1):
        of_cell = (cells == cell).nonzero().squeeze(1)
        # Squared distances but for what every pairing has in common.
        cost = -samples[of_cell] @ noise[of_cell].T
        order[of_cell] = of_cell[torch.from_numpy(linear_sum_assignment(cost.numpy())[1])]
    return noise[order]


def without_conditions(conditions: Tensor, place: Tensor, share: float) -> Tensor:
    """Leave out (-1) the conditions of a share, and with groups the class of a share and the group of another.

    Parameters
    ----------
    conditions : Tensor of shape (n,) or (n, 2), int64
    place : Tensor of shape (n,)
        Uniform in [0, 1).
    share : float
    """
    if conditions.ndim == 1:
        return conditions.masked_fill(place < share, -1)
    left_out = torch.stack([place < 2 * share, (place < share) | ((place >= 2 * share) & (place < 3 * share))], 1)
    return conditions.masked_fill(left_out, -1)


class FlowMatchingObjective(Objective):
    """Flow matching; see :class:`Objective` for what all objectives have.

    Parameters
    ----------
    sampler : Module
        Called as ``sampler(noise, conditions)`` to draw samples, by integrating ``sampler.velocity``, which is what is
        trained. That is called as ``velocity(x, t, conditions)`` with shapes (n, latent_dim), (n,), and (n,) or (n, 2),
        and its ``velocity.encode(samples, conditions, *noise)`` gives what the flow ends at, (n, latent_dim).
    config : FlowMatchingConfig
    dtype : torch.dtype
        What the network computes in.
    processes : DistributedContext, optional
        Those that share each batch.
    recorded : bool, default=False
        Whether steps are recorded; the optimiser then keeps its learning rate in memory of the device.
    complete : callable, optional
        Adds groups to the classes that :meth:`samples` is asked for.
    """

    loss_names: Sequence[str] = ("flow_loss",)
    remedies: Sequence[str] = ("a smaller width",)

    def __init__(
        self,
        sampler: Any,
        config: FlowMatchingConfig,
        *,
        dtype: torch.dtype = torch.float32,
        processes: DistributedContext = ALONE,
        recorded: bool = False,
        complete: Callable[[Tensor, Generator], Tensor] | None = None,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"generator": sampler}
        self.ema: dict[str, nn.Module] = {"generator": copy.deepcopy(sampler).requires_grad_(False)}
        self._weights = list(sampler.parameters())
        rate = torch.zeros((), device=self._weights[0].device) if recorded else 0.0
        adam = torch.optim.Adam(self._weights, lr=rate, betas=(0.9, 0.99), fused=True, capturable=recorded)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"generator": adam}
        self._sampler, self._config, self._dtype = sampler, config, dtype
        self._processes, self._complete = processes, complete

    def draw(self, batch: Batch, step: int, progress: float, randomness: Generator) -> tuple[str, list[Tensor]]:
        """Draw noise and pair it with the samples, times, and whose conditions are left out."""
        n, dim = len(batch.labels), self._config.latent_dim
        noise = torch.randn(n, dim, generator=randomness)
        # Times are uniform, those of a batch evenly spread, and in an order of their own: among equal samples the noise
        # is paired in the order of the batch, and must not tell the time.
        times = (torch.randperm(n, generator=randomness) + torch.rand((), generator=randomness)) / n
        given = without_conditions(batch.known_labels, torch.rand(n, generator=randomness), self._config.label_dropout)
        own = [torch.randn(n, dim, generator=randomness)] if self._config.encoding_noise else []
        # The lines are as long, whatever share of the batch this process has.
        samples = batch.samples if self._processes.count == 1 else batch.whole()
        noise = paired(noise, samples.flatten(1).float().cpu(), batch.known_labels)
        noise, times, known, given, *own = map(self._processes.share, (noise, times, batch.known_labels, given, *own))
        return "only", [batch.samples, known, given, noise, times, *own]

    def step(self, kind: str, *tensors: Tensor) -> Tensor:
        """Update the network once."""
        samples, known, given, noise, times, *own = tensors
        velocity = self._sampler.velocity
        target = velocity.encode(samples, known, *own)
        x = torch.lerp(noise, target, times[:, None])
        # Kept casts would outlive the weights' update where the caller is in autocast too.
        plain = self._dtype is torch.float32
        with nullcontext() if plain else torch.autocast(samples.device.type, self._dtype, cache_enabled=False):
            found = velocity(x, times, given).float()
        loss = (found - (target - noise)).square().mean()
        for weight, gradient in zip(self._weights, torch.autograd.grad(loss, self._weights), strict=True):
            weight.grad = gradient
        self.optimizers["generator"].step()
        return loss.detach()[None]

    def samples(self, labels: Tensor, batch_size: int, randomness: Generator) -> Tensor:
        """Draw from the averaged flow, as the estimator does."""
        average, device = self.ema["generator"], self._weights[0].device
        conditions = labels if self._complete is None else self._complete(labels, randomness)
        noise = torch.randn(len(labels), self._config.latent_dim, generator=randomness)
        parts = zip(noise.split(batch_size), conditions.split(batch_size), strict=True)
        return torch.cat([average(z.to(device), asked.to(device)).flatten(1) for z, asked in parts])
