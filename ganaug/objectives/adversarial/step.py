"""One adversarial update: the algorithm, without the engine around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganaug.engine.convolutions import second_derivatives
from ganaug.objectives.adversarial.losses import fake_slopes, gradient_penalty, relativistic_losses

__all__ = ["AdversarialNetworks", "adversarial_step"]


@dataclass
class AdversarialNetworks:
    """The two networks and their optimisers.

    Attributes
    ----------
    generator : Module
        Called as ``generator(latents, conditions)``; returns samples.
    discriminator : Module
        Called as ``discriminator(samples, conditions)``; returns logits of shape (batch,). It must treat
        each sample on its own (no batch normalisation): the penalties and the generator's gradient rely on it.
    generator_optimizer, discriminator_optimizer : Optimizer
        Over all parameters of the network they are named after.
    """

    generator: nn.Module
    discriminator: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer


def adversarial_step(
    networks: AdversarialNetworks,
    real: Tensor,
    conditions: Tensor,
    latents: Tensor,
    augment: Callable[[Tensor], Tensor],
    gamma: float | Tensor | None,
    discriminator_conditions: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Update both networks once, from one shared forward pass.

    Sample ``i`` of the real half is compared with sample ``i`` of the fake half, given the same conditions. Both
    gradients are taken at the same weights before either network moves (a simultaneous update), from one pass
    through the discriminator forward and one backward; the usual alternation takes two of each.

    Parameters
    ----------
    networks : AdversarialNetworks
        With their optimisers; changed in place.
    real : Tensor of shape (batch, ...)
        Real samples, scaled as the generator's output.
    conditions : Tensor of shape (batch,) or (batch, 2), int64
        What the generator is asked for: class indices, or class and group indices.
    latents : Tensor of shape (batch, latent_dim)
        Noise for the generator.
    augment : callable
        Applied to what the discriminator sees, real and fake alike, to each sample on its own. Penalties are taken
        with respect to the samples before it.
    gamma : float, Tensor of shape () or None
        Weight of (R1 + R2) / 2; None leaves the penalties out of this step.
    discriminator_conditions : Tensor of the same shape, int64, optional
        What the discriminator is given for real and fake sample alike: `conditions`, with -1 for what the real sample
        does not have or what is left out.
    dtype : torch.dtype
        What both networks compute in, by ``torch.autocast``; losses, penalties and weights stay float32.

    Returns
    -------
    Tensor of shape (4,)
        Discriminator loss, generator loss, mean of ``D(real) - D(fake)``, and the gradient penalty
        (0 where it was left out); detached, on the networks' device.
    """
    g_weights = list(networks.generator.parameters())
    d_weights = list(networks.discriminator.parameters())
    for weight in g_weights + d_weights:
        weight.grad = None  # whose memory serves this step

    # Not every device knows autocast, nor float32 in it. Kept casts would outlive the weights' update where the caller
    # is in autocast too.
    plain = dtype is torch.float32
    autocast = nullcontext() if plain else torch.autocast(real.device.type, dtype, cache_enabled=False)
    with autocast:
        fake = networks.generator(latents, conditions).float()
    samples = torch.cat([real, fake.detach()]).requires_grad_()
    given = conditions if discriminator_conditions is None else discriminator_conditions
    seen, known = augment(samples), torch.cat([given, given])
    with autocast, second_derivatives(gamma is not None):
        logits = networks.discriminator(seen, known).float()
    real_logits, fake_logits = logits.chunk(2)
    d_loss, g_loss = relativistic_losses(real_logits, fake_logits)

    # No sample takes part in the logit of another. The gradient of any weighting of the logits, which the
    # discriminator's own pass gives, is therefore that of every other one but for a factor for each sample: the
    # generator needs no pass through the discriminator of its own.
    d_slopes, g_slopes = fake_slopes(real_logits.detach(), fake_logits.detach())
    if gamma is not None:
        penalty, gradients = gradient_penalty(logits, samples)
        # The mean over both halves is (R1 + R2) / 2.
        d_gradients = torch.autograd.grad(d_loss + gamma * penalty, d_weights)
        factors = g_slopes
    else:
        penalty = torch.zeros_like(d_loss)
        gradients, *rest = torch.autograd.grad(d_loss, [samples, *d_weights])
        d_gradients = tuple(rest)
        factors = g_slopes / d_slopes
    towards_real = gradients.detach().chunk(2)[1] * factors.view(-1, *[1] * (fake.ndim - 1))
    g_gradients = torch.autograd.grad(fake, g_weights, towards_real)

    _set_gradients(g_weights, g_gradients)
    _set_gradients(d_weights, d_gradients)
    networks.generator_optimizer.step()
    networks.discriminator_optimizer.step()
    gap = (real_logits - fake_logits).mean()
    return torch.stack([d_loss, g_loss, gap, penalty]).detach()


def _set_gradients(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    # Double backward returns other memory layouts than the weights', and torch's fused optimisers pair weights with
    # gradients by their place in memory, whatever the strides.
    for weight, gradient in zip(weights, gradients, strict=True):
        same = gradient.stride() == weight.stride()
        weight.grad = gradient if same else torch.empty_like(weight).copy_(gradient)
