"""Whether samples are of the class that was asked for, by the class of the real sample that each is nearest to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["MIN_CONSISTENCY", "ClassConsistency", "nearest_class_shares"]

MIN_CONSISTENCY = 0.5  # of what real samples have beyond chance
STANDARD_ERRORS = 3  # that a share has to lie below that


def nearest_class_shares(samples: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor, n_classes: int) -> Tensor:
    """Share of each class's samples whose nearest real sample is of that class too.

    Parameters
    ----------
    samples : Tensor of shape (n, numbers)
    labels : Tensor of shape (n,), int64
        Each class from 0 to `n_classes` - 1 occurs.
    real : Tensor of shape (m, numbers)
        `samples` itself for real samples, which are then compared with all others.
    real_labels : Tensor of shape (m,), int64
    n_classes : int

    Returns
    -------
    Tensor of shape (n_classes,), float64
        In [0, 1], on the CPU.

    Examples
    --------
    >>> real = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> nearest_class_shares(torch.tensor([[0.2], [0.9], [0.8], [0.1]]), labels, real, labels, 2).tolist()
    [0.5, 0.5]
    >>> nearest_class_shares(real, labels, real, labels, 2).tolist()
    [1.0, 1.0]
    """
    apart = torch.cdist(samples.float(), real.float())
    if samples is real:
        apart.fill_diagonal_(torch.inf)
    hits = real_labels[apart.argmin(1).cpu()] == labels
    return torch.bincount(labels, hits.double(), n_classes) / torch.bincount(labels, minlength=n_classes)


@dataclass(frozen=True)
class ClassConsistency:
    """Shares of samples and of real ones that are nearest to a real sample of their own class.

    Samples are compared with what real ones reach, since classes may lie close to each other, or labels may say nothing
    of what samples look like.

    Attributes
    ----------
    classes : dict of str to float
        Of the samples of each class, by its name.
    real : float
        Mean over classes, of real samples among all others.
    n_samples, n_real : int
        How many were compared.

    Examples
    --------
    >>> learnt = ClassConsistency({"a": 0.9, "b": 0.8}, real=0.9, n_samples=200, n_real=100)
    >>> round(learnt.share, 2), round(learnt.threshold, 2), learnt.failed
    (0.85, 0.7, False)
    >>> ClassConsistency({"a": 0.9, "b": 0.2}, real=0.9, n_samples=200, n_real=100).failed
    True
    >>> ClassConsistency({"a": 0.45, "b": 0.45}, real=0.55, n_samples=200, n_real=100).failed  # by chance
    False
    """

    classes: dict[str, float]
    real: float
    n_samples: int
    n_real: int

    @property
    def share(self) -> float:
        """Mean over classes."""
        return sum(self.classes.values()) / len(self.classes)

    @property
    def threshold(self) -> float:
        """Half-way from chance to the share of real samples."""
        chance = 1 / len(self.classes)
        return chance + MIN_CONSISTENCY * (self.real - chance)

    @property
    def failed(self) -> bool:
        """Whether the share lies clearly below the threshold."""
        variance = _variance(self.share, self.n_samples) + MIN_CONSISTENCY**2 * _variance(self.real, self.n_real)
        return self.share + STANDARD_ERRORS * math.sqrt(variance) < self.threshold


def _variance(share: float, n: int) -> float:
    """Of a share of `n`, which is not taken to be nearer to 0 or 1 than one of them."""
    share = min(max(share, 1 / n), 1 - 1 / n)
    return share * (1 - share) / n
