"""The variational objective against distributions whose likelihood is known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import logistic as scipy_logistic
from scipy.stats import multivariate_normal

from ganaug.engine.config import TrainingConfig
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.loop import train
from ganaug.engine.objective import Batch
from ganaug.objectives.likelihoods import FAR, discretised_logistic, gaussian, logistic, logistic_between
from ganaug.objectives.variational import VariationalConfig, VariationalObjective, evidence, evidence_terms

# x = W z + b + noise, with z and noise normal: what is known in closed form of x, and of z given x.
W = torch.tensor([[1.0, 0.3], [-0.5, 0.8], [0.2, -1.1]])
B, NOISE = torch.tensor([0.5, -1.0, 0.2]), 0.4
COVARIANCE = W @ W.T + NOISE**2 * torch.eye(3)


class Decoder(torch.nn.Module):
    """Linear in z, with one standard deviation for all numbers."""

    def __init__(self, noise=NOISE):
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(W.clone()), torch.nn.Parameter(B.clone())
        self.log_std = torch.nn.Parameter(torch.tensor(math.log(noise)))

    def forward(self, noise, conditions):
        return noise @ self.weight.T + self.bias

    def log_likelihood(self, samples, latents, conditions):
        return gaussian(samples, self(latents, conditions), self.log_std).sum(1)


class Posterior(torch.nn.Module):
    """Linear in x; its deviations are those of independent numbers."""

    def __init__(self, precise=True):
        super().__init__()
        precision = torch.eye(2) + W.T @ W / NOISE**2
        gain = torch.linalg.solve(precision, W.T / NOISE**2) if precise else torch.zeros(2, 3)
        self.gain, self.shift = torch.nn.Parameter(gain), torch.nn.Parameter(-gain @ B)
        self.log_std = torch.nn.Parameter(-0.5 * precision.diagonal().log() if precise else torch.zeros(2))

    def forward(self, samples, conditions):
        mean = samples @ self.gain.T + self.shift
        return mean, self.log_std.expand_as(mean)


def drawn(n, seed=0):
    normal = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return normal[:, :2] @ W.T + B + NOISE * normal[:, 2:]


@torch.no_grad()
def test_the_bound_is_that_of_the_closed_form():
    x, classes, decoder, posterior = drawn(50), torch.zeros(50, dtype=torch.int64), Decoder(), Posterior()
    log_density = torch.tensor(multivariate_normal(B, COVARIANCE).logpdf(x), dtype=torch.float32)
    # ELBO = log p(x) - KL(q(z|x) || p(z|x)); the posterior is normal, and q only lacks its correlation.
    precision = torch.eye(2) + W.T @ W / NOISE**2
    gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    assert gap > 0.01
    bounds = evidence(posterior, decoder, x, classes, latent_dim=2, draws=2000)
    assert (bounds - (log_density - gap)).abs().max() < 0.1
    few = evidence(posterior, decoder, x, classes, latent_dim=2)
    # The few have unit variance, so that they are not systematically above: they were by a tenth.
    assert (few - bounds).mean() == pytest.approx(0, abs=0.03)
    assert (few - bounds).abs().max() < 1
    torch.testing.assert_close(evidence(posterior, decoder, x[7:9], classes[:2], latent_dim=2), few[7:9])


@torch.no_grad()
def test_the_divergence_is_that_of_normal_distributions():
    x, classes, posterior = drawn(20), torch.zeros(20, dtype=torch.int64), Posterior()
    mean, log_std = posterior(x, classes)
    q = torch.distributions.Normal(mean, log_std.exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    _, divergence = evidence_terms(posterior, Decoder(), x, classes, torch.zeros(20, 2))
    torch.testing.assert_close(divergence, expected)


def test_trained_it_finds_the_distribution_and_a_decoder_that_needs_no_latents_collapses():
    x = drawn(4000)
    config = TrainingConfig(400, 64, 0.1, 1e-2, 0.0)

    def trained(samples):
        objective = VariationalObjective(Posterior(precise=False), Decoder(1.0), VariationalConfig(2, 0.2), noise_dim=2)
        sampler = ClassBalancedSampler(np.zeros(len(samples), np.int64), 0.0)
        state = train(objective, config, sampler, lambda rows: samples[rows], torch.Generator().manual_seed(0))
        return objective, state

    objective, state = trained(x)
    decoder = objective.networks["generator"]
    covariance = decoder.weight @ decoder.weight.T + (2 * decoder.log_std).exp() * torch.eye(3)
    assert (covariance - COVARIANCE).abs().max() < 0.3
    assert state.history[-1]["divergence"] > 1
    assert objective.findings(state.history, []) == []

    objective, state = trained(torch.randn(4000, 3, generator=torch.Generator().manual_seed(2)) + B)
    (finding,) = objective.findings(state.history, [])
    assert finding["finding"] == "posterior_collapse"
    assert finding["step"] == 400
    assert finding["value"] < finding["threshold"]
    assert objective.findings(state.history, [finding]) == []
    assert objective.answer("mode_collapse") is None
    assert objective.answer("posterior_collapse") == "divergence times 0.5"
    again = VariationalObjective(Posterior(), Decoder(), VariationalConfig(2, 0.0), noise_dim=2)
    again.load_state_dict(objective.state_dict())
    batch = Batch(x[:4], *[torch.zeros(4, dtype=torch.int64)] * 2, lambda: x[:4])
    assert again.draw(batch, 0, 0.0, torch.Generator())[1][-1] == 0.5


def test_warm_up_and_what_is_left_out_of_conditions():
    objective = VariationalObjective(Posterior(), Decoder(), VariationalConfig(2, 0.5, dropped=0.2), noise_dim=2)
    conditions = torch.ones(5000, 2, dtype=torch.int64)
    batch = Batch(x := torch.zeros(5000, 3), conditions, conditions, lambda: x)
    weights = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        _, (_, given, _, weight) = objective.draw(batch, 0, progress, torch.Generator().manual_seed(0))
        weights.append(weight.item())
    assert weights == [0.0, 0.5, 1.0, 1.0]
    shares = [(given == torch.tensor(kept)).all(1).float().mean().item() for kept in ([1, 1], [-1, 1], [1, -1])]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)


@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -1.0), (-1.0, -4.0), (0.97, -7.0), (0.3, 2.0)])
def test_a_discretised_logistic_distribution_sums_to_one(mean, log_scale):
    edges = (np.arange(255) + 0.5) / 127.5 - 1
    cumulative = np.concatenate([[0], scipy_logistic(mean, math.exp(log_scale)).cdf(edges), [1]])
    pixels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    found = discretised_logistic(pixels, torch.tensor(mean), torch.tensor(log_scale)).exp()
    assert found.sum().item() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found, np.diff(cumulative), atol=1e-5)


def test_probabilities_between_two_numbers_are_those_of_scipy():
    bounds = torch.tensor([-FAR, -40.0, -0.3, -0.2, 1.5, 60.0, FAR], dtype=torch.float64)
    mean, log_scale = torch.tensor(0.5).requires_grad_(), torch.tensor(0.3).log().requires_grad_()
    found = logistic_between(bounds[:-1], bounds[1:], mean, log_scale)
    expected = np.diff(scipy_logistic(0.5, 0.3).cdf(bounds))
    np.testing.assert_allclose(found.exp().detach(), expected, atol=1e-7)
    found.sum().backward()
    assert torch.isfinite(torch.stack([mean.grad, log_scale.grad])).all()


def test_densities_are_those_of_scipy():
    x = torch.linspace(-3, 3, 7)
    for density, expected in ((logistic, scipy_logistic(0.5, 0.3)), (gaussian, multivariate_normal(0.5, 0.09))):
        found = density(x, torch.tensor(0.5), torch.tensor(0.3).log())
        np.testing.assert_allclose(found, expected.logpdf(x), rtol=1e-5)
