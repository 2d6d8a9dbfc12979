"""The adversarial objective: relativistic pairing loss and gradient penalties."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["fake_slopes", "gradient_penalty", "relativistic_losses"]

MAX_DIFFERENCE = 60.0  # between logits; beyond it exp() comes near what float32 can hold


def relativistic_losses(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Relativistic pairing losses of discriminator and generator.

    Each real sample is compared with one fake sample of the same class: the discriminator wants
    ``D(real) > D(fake)``, the generator the reverse. Only differences of logits matter, so the
    logits have no absolute zero.

    Parameters
    ----------
    real_logits, fake_logits : Tensor of shape (batch,)
        Discriminator outputs; entry ``i`` of both belongs to the same class.

    Returns
    -------
    discriminator_loss, generator_loss : Tensor of shape ()
        Means of ``softplus(fake - real)`` and ``softplus(real - fake)``, in nats.

    References
    ----------
    Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024.

    Examples
    --------
    >>> import torch
    >>> d_loss, g_loss = relativistic_losses(torch.tensor([2.0]), torch.tensor([2.0]))
    >>> round(d_loss.item(), 4), round(g_loss.item(), 4)
    (0.6931, 0.6931)
    """
    difference = real_logits - fake_logits
    return F.softplus(-difference).mean(), F.softplus(difference).mean()


def fake_slopes(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of both :func:`relativistic_losses` by the logits of the fake samples.

    Parameters
    ----------
    real_logits, fake_logits : Tensor of shape (batch,)

    Returns
    -------
    discriminator_slopes, generator_slopes : Tensor of shape (batch,)
        Never 0: they are as for a difference of 60 where a real logit is higher by more than that.

    Examples
    --------
    >>> import torch
    >>> fake_slopes(torch.tensor([2.0]), torch.tensor([2.0]))
    (tensor([0.5000]), tensor([-0.5000]))
    """
    difference = (real_logits - fake_logits).clamp(max=MAX_DIFFERENCE)
    return torch.sigmoid(-difference) / len(difference), -torch.sigmoid(difference) / len(difference)


def gradient_penalty(logits: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared norm of the gradient of the logits with respect to their samples.

    On a batch that holds as many real as fake samples, twice this value is R1 + R2.

    Parameters
    ----------
    logits : Tensor of shape (batch,)
        Outputs computed from `samples`, one each: no operation may mix samples.
    samples : Tensor of shape (batch, ...)
        Inputs that take part in the graph of `logits`.

    Returns
    -------
    penalty : Tensor of shape ()
        Differentiable with respect to the discriminator's parameters.
    gradient : Tensor of shape (batch, ...)
        Of each logit with respect to its sample.

    References
    ----------
    Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(4, 3, requires_grad=True)
    >>> penalty, gradient = gradient_penalty((2 * x).sum(1), x)
    >>> penalty.item(), gradient[0].tolist()
    (12.0, [2.0, 2.0, 2.0])
    """
    (gradient,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean(), gradient
