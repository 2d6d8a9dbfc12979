"""Log-likelihoods of single numbers under what a decoder puts out, in nats."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["FAR", "discretised_logistic", "gaussian", "logistic", "logistic_between"]

HALF_LEVEL = 1 / 255  # of pixels 0 to 255, which lie in [-1, 1]
FAR = 1e4  # no distribution has anything beyond; infinity would leave no gradient


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of pixels 0 to 255, scaled to [-1, 1], under a logistic distribution that is cut into levels.

    A level has what the density holds within half a level of it, and those at both ends all that is beyond. So the 256
    probabilities sum to 1, black and white cost nothing where the mean is sure of them, and no scale, however small,
    makes the likelihood unbounded, as a density's would be over values that repeat.

    Parameters
    ----------
    x, mean, log_scale : Tensor
        Of shapes that broadcast to one another.

    Returns
    -------
    Tensor

    References
    ----------
    Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other
    Modifications", ICLR 2017.

    Examples
    --------
    >>> pixels = torch.arange(256) / 127.5 - 1
    >>> probabilities = discretised_logistic(pixels, torch.tensor(0.9), torch.tensor(-2.0)).exp()
    >>> round(probabilities.sum().item(), 4)
    1.0
    """
    end = 1 - HALF_LEVEL
    lower, upper = (x - HALF_LEVEL).where(x >= -end, -FAR), (x + HALF_LEVEL).where(x <= end, FAR)
    return logistic_between(lower, upper, mean, log_scale)


def logistic_between(lower: Tensor, upper: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of what lies between two numbers under a logistic distribution.

    Parameters
    ----------
    lower, upper, mean, log_scale : Tensor
        Of shapes that broadcast to one another; bounds of -`FAR` and `FAR` are as good as none.

    Examples
    --------
    >>> logistic_between(torch.tensor(0.0), torch.tensor(FAR), torch.tensor(0.0), torch.tensor(0.0)).exp()
    tensor(0.5000)
    """
    inverse = torch.exp(-log_scale)
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), without the cancellation.
    inside = torch.log(-torch.expm1((lower - upper) * inverse))
    return F.logsigmoid((upper - mean) * inverse) + F.logsigmoid((mean - lower) * inverse) + inside


def logistic(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-density of a logistic distribution.

    Examples
    --------
    >>> logistic(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(0.0)).exp()
    tensor(0.2500)
    """
    away = (x - mean).abs() * torch.exp(-log_scale)
    return -away - 2 * F.softplus(-away) - log_scale


def gaussian(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-density of a normal distribution, whose standard deviation has the logarithm `log_scale`.

    Examples
    --------
    >>> gaussian(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(0.0))
    tensor(-0.9189)
    """
    away = (x - mean) * torch.exp(-log_scale)
    return -0.5 * away.square() - log_scale - 0.5 * math.log(2 * math.pi)
