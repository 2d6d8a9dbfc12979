"""What latent vectors of a variational autoencoder are drawn from: a normal distribution for each class and group."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganaug.engine.conditioning import split_conditions

__all__ = ["LatentPrior"]

SHRINKAGE = 2.0  # samples of a class, or of a class in a group, that what is common to all counts as
MOST_NUMBERS = 2**22  # in the covariances of all classes; where these would have more, they share one
ROUNDS = 20  # in which the parts of class and group are found in turn


class LatentPrior(nn.Module):
    """Normal distributions of latent vectors, one for each class and group; standard normal until they are fitted.

    Parameters
    ----------
    n_classes, n_groups : int
        No groups stand for none.
    latent_dim : int

    Notes
    -----
    The divergence of a trained encoder from the standard normal distribution is zero in the mean for no data: the
    latent vectors of a class lie in a part of the space, and decoded from elsewhere samples are like none of the class
    ("holes" of the prior: Rosca et al., "Distribution Matching in Variational Inference", 2018). So once encoder and
    decoder are trained, the standard normal distribution is replaced by the normal one that is nearest to the latent
    vectors of the training samples of a class, in the divergence of the bound: with their mean and covariance (compare
    Tomczak and Welling, "VAE with a VampPrior", AISTATS 2018; Ghosh et al., "From Variational to Deterministic
    Autoencoders", ICLR 2020, section 4). The bound holds for any prior, and this one makes it higher.

    Covariances are shrunk towards that within all classes, as in regularised discriminant analysis (Friedman, JASA
    1989), by the weight of two samples; the mean of a class in a group likewise towards the sum of a part of the class
    and one of the group, which is all that there is where a class lacks a group. The covariance is that of the class.

    Examples
    --------
    >>> prior = LatentPrior(n_classes=2, n_groups=0, latent_dim=1)
    >>> noise, classes = torch.tensor([[1.0], [1.0]]), torch.tensor([0, 1])
    >>> prior(noise, classes).tolist()
    [[1.0], [1.0]]
    >>> means = torch.tensor([[3.0], [5.0], [-4.0], [-4.0]])
    >>> prior.fit(means, torch.full((4, 1), -3.0), torch.tensor([0, 0, 1, 1]))
    >>> [round(value, 1) for value in prior(noise, classes).flatten().tolist()]
    [4.9, -3.5]
    """

    centre: Tensor
    root: Tensor

    def __init__(self, n_classes: int, n_groups: int, latent_dim: int) -> None:
        super().__init__()
        covariances = n_classes if n_classes * latent_dim**2 <= MOST_NUMBERS else 1
        # The last row of each is for samples without a class, or a group, whose prior stays as it is.
        self.register_buffer("centre", torch.zeros(n_classes + 1, n_groups + 1, latent_dim))
        self.register_buffer("root", torch.eye(latent_dim).repeat(covariances + 1, 1, 1))

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Latent vectors (n, latent_dim) from standard normal numbers of that shape."""
        root = self.root[self._covariance(split_conditions(conditions)[0])]
        return self._centre(conditions) + torch.einsum("nij,nj->ni", root, noise)

    def divergence(self, mean: Tensor, log_std: Tensor, conditions: Tensor) -> Tensor:
        """KL(N(mean, std^2) || prior) of each sample, (n,), in nats."""
        offset, variance = mean - self._centre(conditions), (2 * log_std).exp()
        place = self._covariance(split_conditions(conditions)[0])
        unit = torch.eye(mean.shape[1], dtype=mean.dtype, device=mean.device)
        found = torch.empty_like(mean[:, 0])
        for which in place.unique().tolist():
            root, mine = self.root[which].to(mean.dtype), place == which
            inverse = torch.linalg.solve_triangular(root, unit, upper=False)
            squares = variance[mine] @ inverse.square().sum(0) + (offset[mine] @ inverse.T).square().sum(1)
            found[mine] = 0.5 * squares + root.diagonal().log().sum()
        return found - log_std.sum(1) - 0.5 * mean.shape[1]

    @torch.no_grad()
    def fit(self, mean: Tensor, log_std: Tensor, conditions: Tensor) -> None:
        """Replace the standard normal distribution by those of latent vectors.

        Parameters
        ----------
        mean, log_std : Tensor of shape (n, latent_dim)
            Of the latent vectors of training samples, as the encoder gives them.
        conditions : Tensor of shape (n,) or (n, 2), int64
            With a class each; classes that do not occur keep the standard normal distribution.
        """
        mean, variance = mean.cpu().double(), (2 * log_std.cpu().double()).exp()
        n_classes, n_places = self.centre.shape[0] - 1, self.centre.shape[1]
        classes, groups = split_conditions(conditions.cpu())
        groups = torch.zeros_like(classes) if groups is None else groups % n_places
        counts, of_class = _means(mean, classes, n_classes)
        known = counts > 0
        centre = of_class[:, None].repeat(1, n_places, 1)
        if n_places > 1:
            part, of_group = of_class, torch.zeros(n_places, mean.shape[1], dtype=mean.dtype)
            for _ in range(ROUNDS):
                of_group = _means(mean - part[classes], groups, n_places)[1]
                part = _means(mean - of_group[groups], classes, n_classes)[1]
            in_cell, of_cell = _means(mean, classes * n_places + groups, n_classes * n_places)
            weight = (in_cell / (in_cell + SHRINKAGE)).reshape(n_classes, n_places, 1)
            centre = torch.lerp(part[:, None] + of_group, of_cell.reshape(centre.shape), weight)
        rest = mean - centre[classes, groups]
        centre[:, -1] = of_class  # without a group
        self.centre[:-1][known.to(self.centre.device)] = centre[known].to(self.centre)

        pooled = rest.T @ rest / len(rest) + variance.mean(0).diag()
        if len(self.root) == 2:
            self.root[0] = torch.linalg.cholesky(pooled).to(self.root)
            return
        for which in torch.nonzero(known).flatten().tolist():
            mine, n = rest[classes == which], counts[which]
            own = mine.T @ mine / n + variance[classes == which].mean(0).diag()
            self.root[which] = torch.linalg.cholesky(torch.lerp(pooled, own, n / (n + SHRINKAGE))).to(self.root)

    def _centre(self, conditions: Tensor) -> Tensor:
        classes, groups = split_conditions(conditions)
        return self.centre[classes, -1] if groups is None else self.centre[classes, groups]

    def _covariance(self, classes: Tensor) -> Tensor:
        """Place of the covariance of each class: the last for those without a class."""
        return torch.where(classes < 0, len(self.root) - 1, classes.clamp(max=len(self.root) - 2))


def _means(values: Tensor, of: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """How many values each of n parts has, and their mean, 0 where there are none."""
    counts = torch.bincount(of, minlength=n).to(values)
    sums = values.new_zeros(n, values.shape[1]).index_add_(0, of, values)
    return counts, sums / counts.clamp(min=1)[:, None]
