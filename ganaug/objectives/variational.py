"""The variational objective: the evidence lower bound of a conditional variational autoencoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.objective import Batch, Objective
from ganaug.objectives.latent_prior import LatentPrior

__all__ = ["DROPPED", "VariationalConfig", "VariationalObjective", "evidence", "evidence_terms"]

DROPPED = 0.1  # of classes, and of groups, where there are groups
MIN_DIVERGENCE, READINGS = 0.1, 3  # nats a sample, in so many readings one after the other
LEAST_WEIGHT = 1 / 8  # of the divergence


@dataclass(frozen=True)
class VariationalConfig:
    """What the variational objective adds to a :class:`TrainingConfig`.

    Attributes
    ----------
    latent_dim : int
        Length of the latent vector.
    warm_up : float
        Share of the training in which the weight of the divergence rises from 0 to 1.
    dropped : float
        With groups, the share of samples whose class is left out, and of those whose group is.
    """

    latent_dim: int
    warm_up: float
    dropped: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VariationalConfig:
        """Inverse of ``asdict``, also after a trip through JSON; ``ValueError`` for what cannot be."""
        config = cls(**values)
        whole(config.latent_dim, "latent_dim", 1, 2**24)
        number(config.warm_up, "warm_up", least=0, most=1)
        number(config.dropped, "dropped", least=0, most=0.5)
        return config


def evidence_terms(
    encoder: nn.Module, generator: Any, samples: Tensor, conditions: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Both terms of the evidence lower bound, log p(x|c) >= E_q[log p(x|z,c)] - KL(q(z|x,c) || p(z)), for each sample.

    q(z|x,c) is a normal distribution of independent numbers, p(z) the standard one; the expectation is estimated by one
    draw of z = mean + standard deviation * noise. Divergence: Kingma and Welling 2014, appendix B.

    Parameters
    ----------
    encoder : Module
        Called as ``encoder(samples, conditions)``; returns mean and logarithm of the standard deviation of q.
    generator : Module
        ``generator.log_likelihood(samples, latents, conditions)`` gives log p(x|z,c), of shape (n,).
    samples : Tensor of shape (n, ...)
    conditions : Tensor of shape (n,) or (n, 2), int64
    noise : Tensor of shape (n, latent_dim)

    Returns
    -------
    log_likelihood, divergence : Tensor of shape (n,)
        In nats.
    """
    mean, log_std = (part.float() for part in encoder(samples, conditions))
    latents = mean + log_std.exp() * noise
    return generator.log_likelihood(samples, latents, conditions), _divergence(mean, log_std)


def evidence(
    encoder: nn.Module,
    generator: Any,
    samples: Tensor,
    conditions: Tensor,
    latent_dim: int,
    draws: int = 8,
    prior: LatentPrior | None = None,
) -> Tensor:
    """The evidence lower bound of each sample in nats, the mean over draws that are the same for all samples.

    Parameters
    ----------
    encoder, generator, samples, conditions
        As for :func:`evidence_terms`.
    latent_dim : int
    draws : int
        Even: every draw of noise is taken with both signs, and all are scaled to unit variance.
    prior : LatentPrior, optional
        By default the standard normal distribution.

    Returns
    -------
    Tensor of shape (n,)
    """
    noise = torch.randn(draws // 2, latent_dim, generator=Generator().manual_seed(0))
    # So few draws would otherwise have another variance, and their mean would not be below the log-likelihood.
    noise = (noise / noise.square().mean(0).sqrt()).to(samples.device)
    mean, log_std = (part.float() for part in encoder(samples, conditions))
    of_draws = [
        generator.log_likelihood(samples, mean + log_std.exp() * draw, conditions)
        for draw in torch.cat([noise, -noise])
    ]
    divergence = _divergence(mean, log_std) if prior is None else prior.divergence(mean, log_std, conditions)
    return torch.stack(of_draws).mean(0) - divergence


def _divergence(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) of each sample, (n,), in nats."""
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1).sum(1) - log_std.sum(1)


class VariationalObjective(Objective):
    """Encoder and decoder that maximise the evidence lower bound; see :class:`Objective` for what all objectives have.

    Against posterior collapse, where the decoder learns to ignore the latent vector because the divergence is paid for
    before it says anything, the weight of the divergence rises linearly over the first part of the training (Bowman et
    al. 2016; Sønderby et al. 2016). After it the bound is maximised as it is.

    Parameters
    ----------
    latent_encoder, generator : Module
        On their device; see :func:`evidence_terms`. ``generator(noise, conditions)`` draws samples from its `prior`, a
        :class:`LatentPrior`, which is standard normal in the training and fitted after it.
    config : VariationalConfig
    noise_dim : int
        Length of the noise that samples are drawn from.
    dtype : torch.dtype
        What both networks compute in.
    processes : DistributedContext, optional
    recorded : bool, default=False
    complete : callable, optional
        As for :class:`AdversarialObjective`.

    References
    ----------
    Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; Sohn, Lee and Yan, "Learning Structured Output
    Representation using Deep Conditional Generative Models", NeurIPS 2015.

    Examples
    --------
    >>> config = VariationalConfig(latent_dim=2, warm_up=0.5)
    >>> objective = VariationalObjective(nn.Linear(2, 4), nn.Linear(2, 2), config, noise_dim=2)
    >>> [objective.answer("posterior_collapse") for _ in range(4)]
    ['divergence times 0.5', 'divergence times 0.25', 'divergence times 0.125', 'none left']
    """

    loss_names: Sequence[str] = ("log_likelihood", "divergence")

    def __init__(
        self,
        latent_encoder: nn.Module,
        generator: nn.Module,
        config: VariationalConfig,
        noise_dim: int,
        *,
        dtype: torch.dtype = torch.float32,
        processes: DistributedContext = ALONE,
        recorded: bool = False,
        complete: Callable[[Tensor, Generator], Tensor] | None = None,
    ) -> None:
        self.networks = {"generator": generator, "latent_encoder": latent_encoder}
        self.ema = {name: copy.deepcopy(network).requires_grad_(False) for name, network in self.networks.items()}
        weights = [weight for network in self.networks.values() for weight in network.parameters()]
        rate = torch.zeros((), device=weights[0].device) if recorded else 0.0
        self.optimizers = {"both": torch.optim.Adam(weights, lr=rate, fused=True, capturable=recorded)}
        self._config, self._noise_dim, self._dtype = config, noise_dim, dtype
        self._processes, self._complete = processes, complete
        self._weight = 1.0
        self._warm_until = 0

    def draw(self, batch: Batch, step: int, progress: float, randomness: Generator) -> tuple[str, list[Tensor]]:
        """Draw the noise of the latent vectors, and what is left out of the conditions."""
        config, conditions = self._config, batch.known_labels
        noise = torch.randn(len(conditions), config.latent_dim, generator=randomness)
        if conditions.ndim > 1 and config.dropped:
            place = torch.rand(len(conditions), 1, generator=randomness)
            left_out = torch.cat([place < config.dropped, place >= 1 - config.dropped], dim=1)
            conditions = conditions.masked_fill(left_out, -1)
        weight = self._weight * (min(1.0, progress / config.warm_up) if config.warm_up else 1.0)
        self._warm_until = round(config.warm_up * step / progress) if progress else 0
        parts = (self._processes.share(part) for part in (conditions, noise))
        return "only", [batch.samples, *parts, torch.tensor(weight)]

    def step(self, kind: str, *tensors: Tensor) -> Tensor:
        """Update both networks once."""
        samples, conditions, noise, weight = tensors
        plain = self._dtype is torch.float32
        with nullcontext() if plain else torch.autocast(samples.device.type, self._dtype, cache_enabled=False):
            generator, encoder = self.networks.values()
            terms = evidence_terms(encoder, generator, samples, conditions, noise)
        log_likelihood, divergence = (term.mean() for term in terms)
        (optimizer,) = self.optimizers.values()
        optimizer.zero_grad()
        # Divided by the numbers in a sample, so that Adam's epsilon counts as little for small ones as for large ones.
        ((weight * divergence - log_likelihood) / samples[0].numel()).backward()
        optimizer.step()
        return torch.stack([log_likelihood, divergence]).detach()

    def samples(self, labels: Tensor, batch_size: int, randomness: Generator) -> Tensor:
        """Draw from the averaged decoder."""
        average = self.ema["generator"]
        device = next(average.parameters()).device
        conditions = labels if self._complete is None else self._complete(labels, randomness)
        noise = torch.randn(len(labels), self._noise_dim, generator=randomness)
        parts = zip(noise.split(batch_size), conditions.split(batch_size), strict=True)
        return torch.cat([average(z.to(device), asked.to(device)).flatten(1) for z, asked in parts])

    def before_drawing(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Fit the prior to the latent vectors of the training samples, by the averaged encoder."""
        generator: Any = self.ema["generator"]
        encoder, found = self.ema["latent_encoder"], []
        for samples, conditions in batches:
            with torch.no_grad():
                found.append((*(part.float() for part in encoder(samples, conditions)), conditions))
        generator.prior.fit(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        # In the training it says nothing; without it the average would move back towards the standard normal one.
        trained: Any = self.networks["generator"]
        trained.prior.load_state_dict(generator.prior.state_dict())

    def findings(
        self, history: Sequence[Mapping[str, float]], found: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Find a latent vector that says nothing of the samples, so that those of a class differ by noise alone.

        Found once the weight of the divergence has risen, and again where it was lowered in answer.
        """
        reported = [f["step"] for f in found if f["finding"] == "posterior_collapse"]
        first = max([self._warm_until, *reported])
        since = [e["divergence"] for e in history if e["step"] > first][-READINGS:]
        if len(reported) > -math.log2(self._weight) or len(since) < READINGS or max(since) >= MIN_DIVERGENCE:
            return []
        step = history[-1]["step"]
        return [{"finding": "posterior_collapse", "step": step, "value": since[-1], "threshold": MIN_DIVERGENCE}]

    def answer(self, finding: str) -> str | None:
        """A smaller weight of the divergence against posterior collapse."""
        if finding != "posterior_collapse":
            return None
        if self._weight <= LEAST_WEIGHT:
            return "none left"
        self._weight /= 2
        return f"divergence times {self._weight:g}"

    def state_dict(self) -> dict[str, Any]:
        """Factor of the weight of the divergence."""
        return {"weight": self._weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        number(state["weight"], "weight", least=LEAST_WEIGHT, most=1)
        self._weight = state["weight"]
