import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from ganaug.objectives import latent_prior
from ganaug.objectives.latent_prior import LatentPrior

ROOT = torch.tensor([[1.0, 0.0], [0.8, 0.6]])


def drawn(n, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def fitted(n=4000, n_groups=0):
    """Class 0 around (3, -1) with covariance ROOT ROOT', class 1 around 0, a tenth as wide; variances of 0.04."""
    classes = torch.arange(2).repeat_interleave(n)
    mean = torch.cat([torch.tensor([3.0, -1.0]) + drawn(n) @ ROOT.T, 0.1 * drawn(n, 1) @ ROOT.T])
    prior = LatentPrior(2, n_groups, 2)
    prior.fit(mean, torch.full_like(mean, 0.2).log(), classes)
    return prior, mean, classes


def test_latent_vectors_have_the_mean_and_covariance_of_those_of_their_class():
    prior, *_ = fitted()
    assert not list(prior.parameters())
    for which, (centre, size) in enumerate([((3.0, -1.0), 1.0), ((0.0, 0.0), 0.1)]):
        found = prior(drawn(20_000, 2), torch.full((20_000,), which))
        torch.testing.assert_close(found.mean(0), torch.tensor(centre), atol=0.06, rtol=0)
        expected = size**2 * ROOT @ ROOT.T + 0.04 * torch.eye(2)
        torch.testing.assert_close(torch.cov(found.T), expected, atol=0.05, rtol=0.06)


def test_the_divergence_is_that_of_normal_distributions():
    prior, mean, classes = fitted(300)
    log_std = torch.linspace(-2, 0.3, mean.numel()).reshape(mean.shape)
    for conditions in (classes, torch.full_like(classes, -1), torch.where(classes == 0, 1, -1)):
        found = prior.divergence(mean, log_std, conditions)
        place = torch.where(conditions < 0, 2, conditions)
        posterior = MultivariateNormal(mean, scale_tril=torch.diag_embed(log_std.exp()))
        expected = kl_divergence(posterior, MultivariateNormal(prior.centre[place, 0], scale_tril=prior.root[place]))
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_without_a_class_and_before_it_is_fitted_it_is_standard_normal():
    mean, log_std = drawn(5, 3), drawn(5, 4)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(1)
    for prior, conditions in (
        (fitted()[0], torch.full((5,), -1)),
        (LatentPrior(2, 3, 2), torch.tensor([[0, 1], [1, 2], [1, -1], [-1, 0], [-1, -1]])),
    ):
        torch.testing.assert_close(prior(mean, conditions), mean)
        torch.testing.assert_close(prior.divergence(mean, log_std, conditions), expected)


def test_the_mean_of_a_class_in_a_group_that_it_lacks_is_the_sum_of_both_parts():
    of_class, of_group = torch.tensor([[0.0, 4.0], [2.0, -2.0]]), torch.tensor([[1.0, 0.0], [-3.0, 1.0], [5.0, 5.0]])
    sizes = {(0, 0): 50, (0, 1): 5, (0, 2): 100, (1, 0): 20, (1, 1): 300}  # no samples of class 1 in group 2
    conditions = torch.tensor([cell for cell, n in sizes.items() for _ in range(n)])
    mean = of_class[conditions[:, 0]] + of_group[conditions[:, 1]] + 0.1 * drawn(len(conditions))
    prior = LatentPrior(2, 3, 2)
    prior.fit(mean, torch.full_like(mean, -3.0), conditions)
    for cell in ((1, 2), *sizes):
        expected = of_class[cell[0]] + of_group[cell[1]]
        torch.testing.assert_close(prior.centre[cell], expected, atol=0.1, rtol=0)
    torch.testing.assert_close(prior.centre[0, -1], mean[conditions[:, 0] == 0].mean(0))
    # An interaction of class and group counts where samples show it.
    mean[conditions.eq(torch.tensor([1, 1])).all(1)] += 7
    prior.fit(mean, torch.full_like(mean, -3.0), conditions)
    torch.testing.assert_close(prior.centre[1, 1], of_class[1] + of_group[1] + 7, atol=0.2, rtol=0)
    torch.testing.assert_close(
        torch.cov((prior(drawn(5000), torch.tensor([[1, 1]]))).T), 0.013 * torch.eye(2), atol=0.01, rtol=0
    )


def test_the_covariance_of_a_few_samples_is_close_to_that_within_all_classes():
    mean = torch.cat([drawn(500), torch.tensor([[9.0, 9.0]])])
    prior = LatentPrior(3, 0, 2)
    prior.fit(mean, torch.full_like(mean, -3.0), torch.cat([torch.zeros(500, dtype=torch.int64), torch.tensor([1])]))
    torch.testing.assert_close(prior.root[1] @ prior.root[1].T, 2 / 3 * torch.eye(2), atol=0.15, rtol=0)
    torch.testing.assert_close(prior.root[2], torch.eye(2))  # a class that does not occur
    assert prior.centre[2].abs().max() == 0


def test_many_classes_share_a_covariance(monkeypatch):
    monkeypatch.setattr(latent_prior, "MOST_NUMBERS", 7)
    prior, mean, classes = fitted()
    assert prior.root.shape == (2, 2, 2)
    torch.testing.assert_close(
        prior.root[0] @ prior.root[0].T, 0.505 * ROOT @ ROOT.T + 0.04 * torch.eye(2), atol=0.05, rtol=0
    )
    found = prior.divergence(mean, torch.full_like(mean, -1.0), classes)
    posterior = MultivariateNormal(mean, scale_tril=torch.tensor(-1.0).exp() * torch.eye(2))
    expected = kl_divergence(posterior, MultivariateNormal(prior.centre[classes, 0], scale_tril=prior.root[0]))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_the_divergence_is_lower_in_the_mean_than_that_from_the_standard_normal_distribution():
    prior, mean, classes = fitted()
    log_std = torch.full_like(mean, 0.2).log()
    standard = LatentPrior(2, 0, 2).divergence(mean, log_std, classes)
    assert prior.divergence(mean, log_std, classes).mean() < standard.mean() - 2
    # Of normal distributions the fitted one is nearest: any other mean or scale is further away.
    best = prior.divergence(mean, log_std, classes).mean().item()
    for factor, shift in ((1.1, 0.0), (0.9, 0.0), (1.0, 0.1)):
        prior.root.mul_(factor)
        prior.centre.add_(shift)
        assert prior.divergence(mean, log_std, classes).mean().item() > best
        prior.root.div_(factor)
        prior.centre.sub_(shift)
    assert prior.divergence(mean, log_std, classes).mean().item() == pytest.approx(best, abs=1e-3)
