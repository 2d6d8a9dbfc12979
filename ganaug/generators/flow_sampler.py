"""From the velocity of a flow to samples and log-likelihoods: a solver, and the module that draws by it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import torch
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ganaug.generators.base import NeuralGenerator

__all__ = ["FLOW_CONSTRAINTS", "FlowSampler", "FlowSampling", "integrate", "log_likelihood"]

FLOW_CONSTRAINTS: dict[str, list[Any]] = {
    "guidance": [Interval(Real, 0, None, closed="left")],
    "sampling_steps": [Interval(Integral, 1, None, closed="left")],
    "label_dropout": [Interval(Real, 0, 0.3, closed="left")],
}


def integrate(
    velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int, start: float = 0.0, end: float = 1.0
) -> Tensor:
    """Follow dx/dt = velocity(x, t) by the midpoint method, of second order, in steps that are short near t = 1.

    They are equal in the square root of 1 - t. A direction in which samples vary little, by s, gets its spread between
    t = 1 - s and 1: of s = 0.05 four steps of one length keep half, and these keep 0.94.

    Parameters
    ----------
    velocity : callable
        Takes x and times of shape (n,), returns what x has the shape of; called twice a step.
    x : Tensor of shape (n, d)
        Where it begins.
    steps : int
    start, end : float
        Times.

    Returns
    -------
    Tensor of shape (n, d)

    Examples
    --------
    >>> round(integrate(lambda x, t: x, torch.ones(1, 1), 100).item(), 4)
    2.7182
    """
    first, last = math.sqrt(1 - start), math.sqrt(1 - end)
    times = [1 - (first + (last - first) * step / steps) ** 2 for step in range(steps + 1)]
    for begin, until in pairwise(times):
        length = until - begin
        t = x.new_full(x.shape[:1], begin)  # len(x) would be a constant in an exported program
        middle = x + length / 2 * velocity(x, t)
        x = x + length * velocity(middle, t + length / 2)
    return x


def log_likelihood(velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int, probes: Tensor) -> Tensor:
    """Log-density at the end of a flow from standard normal numbers, by the instantaneous change of variables.

    log p(x at t = 1) = log N(x at t = 0) - integral of div v dt along the way (Chen et al., "Neural Ordinary
    Differential Equations", NeurIPS 2018, theorem 1). The divergence is the sum of z' J z over the probes z, where J is
    the Jacobian of the velocity: exact where they are the rows of the identity, otherwise the estimate of Hutchinson.

    Parameters
    ----------
    velocity, steps
        As for :func:`integrate`.
    x : Tensor of shape (n, d)
    probes : Tensor of shape (n_probes, d)
        Rows of the identity, or random signs divided by the square root of their number.

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    A flow that doubles every number:

    >>> found = log_likelihood(lambda x, t: math.log(2) * x, torch.tensor([[2.0]]), 50, torch.eye(1))
    >>> round(found.item(), 3), round(-0.5 - 0.5 * math.log(2 * math.pi) - math.log(2), 3)
    (-2.112, -2.112)
    """

    def both(state: Tensor, t: Tensor) -> Tensor:
        with torch.enable_grad():
            place = state[:, :-1].detach().requires_grad_()
            v = velocity(place, t)
            divergence = torch.zeros_like(t)
            for probe in probes:
                (product,) = torch.autograd.grad(v, place, probe.expand_as(v), retain_graph=True)
                divergence = divergence + product @ probe
        return torch.cat([v.detach(), divergence[:, None]], 1)

    *start, change = integrate(both, torch.cat([x, x.new_zeros(len(x), 1)], 1), steps, 1.0, 0.0).unbind(1)
    noise = torch.stack(start, 1)
    return -0.5 * (noise.square() + math.log(2 * math.pi)).sum(1) + change


class FlowSampler(nn.Module):
    """Noise and conditions in, samples out.

    Parameters
    ----------
    velocity : Module
        As for :class:`FlowMatchingObjective`; its ``decode(x, conditions)`` makes samples of what the flow ends at.
    arch : object
        With `sampling_steps` and `guidance`.

    Notes
    -----
    ``forward(noise, conditions)`` calls the velocity twice a step, and with guidance four times: that is then v(none) +
    guidance (v(conditions) - v(none)), where v(none) has its conditions left out.
    """

    def __init__(self, velocity: Any, arch: Any) -> None:
        super().__init__()
        self.velocity = velocity
        self.arch = arch

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw samples; shapes are in the notes of the class."""
        x = integrate(lambda x, t: self._guided(x, t, conditions), noise, self.arch.sampling_steps)
        return self.velocity.decode(x, conditions)

    def translated(self, x: Tensor, before: Tensor, after: Tensor, steps: int, turn: float) -> Tensor:
        """Follow what the flow of some conditions ends at back to the time `turn`, and forward that of other ones."""
        x = integrate(lambda x, t: self.velocity(x, t, before), x, steps, 1.0, turn)
        return integrate(lambda x, t: self.velocity(x, t, after), x, steps, turn, 1.0)

    def _guided(self, x: Tensor, t: Tensor, conditions: Tensor) -> Tensor:
        asked = self.velocity(x, t, conditions)
        if self.arch.guidance == 1:
            return asked
        return torch.lerp(self.velocity(x, t, torch.full_like(conditions, -1)), asked, self.arch.guidance)

    def with_architecture(self, arch: Any) -> Self:
        """The same weights with another way to sample."""
        other = copy.copy(self)
        other.arch = arch
        return other


class FlowSampling(NeuralGenerator):
    """The part of flows that images and tables share: how they are sampled may be changed once they are fitted."""

    network_names: ClassVar[tuple[str, ...]] = ("generator",)
    generator_: FlowSampler
    guidance: float
    sampling_steps: int
    label_dropout: float

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.guidance != 1 and self.label_dropout == 0:
            raise ValueError(
                f"guidance must be 1 where label_dropout is 0, got {self.guidance:g}: nothing was learnt without the "
                "class; train with a label_dropout of 0.1"
            )

    def with_sampling(self, *, guidance: float | None = None, sampling_steps: int | None = None) -> Self:
        """Return this flow with another guidance or number of steps, without training it again.

        Parameters
        ----------
        guidance : float, optional
        sampling_steps : int, optional
            By default both stay as they are.

        Returns
        -------
        NeuralGenerator
            Fitted, with the same weights, which the two share.

        Raises
        ------
        ValueError
            For a value that is out of range, and guidance of a flow that was trained with ``label_dropout=0``.
        """
        check_is_fitted(self)
        asked = {"guidance": guidance, "sampling_steps": sampling_steps}
        other = copy.copy(self)
        other.set_params(**{name: value for name, value in asked.items() if value is not None})
        other._validate_params()
        arch = replace(
            self.config_.architecture, guidance=float(other.guidance), sampling_steps=int(other.sampling_steps)
        )
        other.config_ = replace(self.config_, architecture=arch)
        other.generator_ = self.generator_.with_architecture(arch)
        return other
