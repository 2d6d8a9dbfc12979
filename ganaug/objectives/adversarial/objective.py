"""The adversarial objective as the engine asks for it: schedules, random numbers, readings and remedies of a GAN."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ganaug.data.json_values import number
from ganaug.engine.config import cosine
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.objective import Batch, Objective
from ganaug.objectives.adversarial.augment import Augmentation
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.step import AdversarialNetworks, adversarial_step

__all__ = ["MAX_GAP", "AdversarialObjective"]

ADAM_EPSILON = 1e-8
AUGMENT_RAMP = 0.2  # share of the training over which augmentation reaches its probability

MAX_GAP, GAP_READINGS = 6.0, 3  # mean of D(real) - D(fake), in so many readings one after the other
AUGMENT_STEP, AUGMENT_MOST = 0.1, 0.8
MOST_PENALTY = 8  # times gamma

PLAIN, PENALISED = "plain", "penalised"  # kinds of steps


class AdversarialObjective(Objective):
    """A generator against a discriminator; see :class:`Objective` for what all objectives have.

    Parameters
    ----------
    generator, discriminator : Module
        On their device; see :class:`AdversarialNetworks`.
    config : AdversarialConfig
    augment : Augmentation
        In front of the discriminator.
    dtype : torch.dtype
        What both networks compute in.
    processes : DistributedContext, optional
        Those that share each batch.
    recorded : bool, default=False
        Whether steps are recorded; the optimisers then keep their learning rates in memory of the device.
    complete : callable, optional
        Adds groups to the classes that :meth:`samples` is asked for, such as :meth:`TrainedGroups.complete`, where the
        networks are conditioned on both.

    Examples
    --------
    >>> import torch
    >>> config = AdversarialConfig(gamma=1.0, final_gamma=0.1, penalty_every=4, augment_p=0.5, latent_dim=2)
    >>> objective = AdversarialObjective(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1), config, augment=None)
    >>> [objective.answer("mode_collapse") for _ in range(4)]
    ['gamma times 2', 'gamma times 4', 'gamma times 8', 'none left']
    >>> objective.state_dict()
    {'penalty_factor': 8.0, 'augment_extra': 0.0}
    """

    loss_names: Sequence[str] = ("discriminator_loss", "generator_loss", "logit_gap", "gradient_penalty")
    remedies: Sequence[str] = ("a larger gamma",)

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        config: AdversarialConfig,
        augment: Augmentation,
        *,
        dtype: torch.dtype = torch.float32,
        processes: DistributedContext = ALONE,
        recorded: bool = False,
        complete: Callable[[Tensor, Generator], Tensor] | None = None,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        self.optimizers: dict[str, Optimizer] = {name: _adam(n, recorded) for name, n in self.networks.items()}
        self.ema: dict[str, nn.Module] = {"generator": copy.deepcopy(generator).requires_grad_(False)}
        self.period = config.penalty_every
        self._pair = AdversarialNetworks(generator, discriminator, *self.optimizers.values())
        self._config = config
        self._augment = augment
        self._dtype = dtype
        self._processes = processes
        self._complete = complete
        self._penalty_factor = 1.0
        self._augment_extra = 0.0

    def draw(self, batch: Batch, step: int, progress: float, randomness: Generator) -> tuple[str, list[Tensor]]:
        """Draw what is asked for, noise and augmentation; the weight of the penalty goes with them."""
        config = self._config
        asked, given = batch.labels, batch.known_labels
        if config.marginals is not None:
            asked, given = config.marginals.draw(asked, given, randomness)
        penalised = config.gamma > 0 and step % config.penalty_every == 0
        gamma = self._penalty_factor * cosine(config.gamma, config.final_gamma, progress) * config.penalty_every
        p = (config.augment_p + self._augment_extra) * min(1.0, progress / AUGMENT_RAMP)

        latents = torch.randn(len(asked), config.latent_dim, generator=randomness)
        parts = (self._processes.share(part) for part in (asked, latents, given))
        tensors = [batch.samples, *parts, torch.tensor(gamma), *self._augment.draw(2 * len(batch.samples), p)]
        return PENALISED if penalised else PLAIN, tensors

    def step(self, kind: str, *tensors: Tensor) -> Tensor:
        """Update both networks once."""
        real, conditions, latents, discriminator_conditions, gamma, *numbers = tensors
        return adversarial_step(
            self._pair,
            real,
            conditions,
            latents,
            lambda samples: self._augment.apply(samples, numbers),
            gamma if kind == PENALISED else None,
            discriminator_conditions,
            self._dtype,
        )

    def means(self, sums: Tensor, kinds: Mapping[str, int]) -> dict[str, float]:
        """Means over all steps; of the penalty over those that took it."""
        taken = sum(kinds.values())
        means = dict(zip(self.loss_names, (sums / taken).tolist(), strict=True))
        means["gradient_penalty"] *= taken
        means["gradient_penalty"] /= max(1, kinds.get(PENALISED, 0))
        return means

    def summary(self, means: Mapping[str, float]) -> str:
        """Losses of discriminator and generator."""
        return f"D {means['discriminator_loss']:.3f}  G {means['generator_loss']:.3f}"

    def samples(self, labels: Tensor, batch_size: int, randomness: Generator) -> Tensor:
        """Draw from the averaged generator."""
        average, device = self.ema["generator"], next(self.networks["generator"].parameters()).device
        conditions = labels if self._complete is None else self._complete(labels, randomness)
        latents = torch.randn(len(labels), self._config.latent_dim, generator=randomness)
        parts = zip(latents.split(batch_size), conditions.split(batch_size), strict=True)
        return torch.cat([average(z.to(device), asked.to(device)).flatten(1) for z, asked in parts])

    def findings(
        self, history: Sequence[Mapping[str, float]], found: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Find a discriminator that has nothing left to learn: real and generated samples have logits far apart.

        Only differences of logits have a meaning under the relativistic loss, so the gap is what is read.
        """
        reported = [f["step"] for f in found if f["finding"] == "discriminator_collapse"]
        since = [e["logit_gap"] for e in history if e["step"] > max(reported, default=0)][-GAP_READINGS:]
        if len(since) < GAP_READINGS or min(since) <= MAX_GAP:
            return []
        step = history[-1]["step"]
        return [{"finding": "discriminator_collapse", "step": step, "value": since[-1], "threshold": MAX_GAP}]

    def answer(self, finding: str) -> str | None:
        """A larger penalty against mode collapse, more augmentation against all else, where there is any."""
        if finding == "mode_collapse":
            if self._penalty_factor >= MOST_PENALTY:
                return "none left"
            self._penalty_factor *= 2
            return f"gamma times {self._penalty_factor:g}"
        asked = self._config.augment_p
        if 0 < asked < AUGMENT_MOST:
            extra = min(self._augment_extra + AUGMENT_STEP, AUGMENT_MOST - asked)
            if extra > self._augment_extra:
                self._augment_extra = extra
                return f"augment_p {asked + extra:.2g}"
        return None

    def state_dict(self) -> dict[str, Any]:
        """Factor of gamma, and what is added to the probability of augmentation."""
        return {"penalty_factor": self._penalty_factor, "augment_extra": self._augment_extra}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        for name in ("penalty_factor", "augment_extra"):
            number(state[name], name, least=0)
        self._penalty_factor, self._augment_extra = state["penalty_factor"], state["augment_extra"]


def _adam(network: nn.Module, recorded: bool) -> Optimizer:
    weights = list(network.parameters())
    rate = torch.zeros((), device=weights[0].device) if recorded else 0.0
    return torch.optim.Adam(weights, lr=rate, betas=(0.0, 0.9), eps=ADAM_EPSILON, fused=True, capturable=recorded)
