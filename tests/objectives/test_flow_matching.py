"""Flow matching against flows that are known."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from ganaug import TableFlow
from ganaug.engine.objective import Batch
from ganaug.generators.flow_sampler import FlowSampler, integrate, log_likelihood
from ganaug.objectives.flow_matching import (
    FlowMatchingConfig,
    FlowMatchingObjective,
    gaussian_velocity,
    paired,
    without_conditions,
)

MEAN, SCALE = 1.5, 0.4


def known(x, t):
    return gaussian_velocity(x, t[:, None], MEAN, SCALE)[0]


def drawn(n, d=1, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_times_do_not_depend_on_the_place_in_the_batch():
    """Noise is handed to equal samples in the order of the batch: were times, too, one would tell of the other."""
    objective = FlowMatchingObjective(FlowSampler(Velocity(), Arch()), FlowMatchingConfig(latent_dim=1))
    labels = torch.zeros(64, dtype=torch.int64)
    batch, randomness = Batch(x := torch.ones(64, 1), labels, labels, x.clone), torch.Generator().manual_seed(0)
    found = []
    for step in range(200):
        _, (_, _, _, noise, times) = objective.draw(batch, step, 0.5, randomness)
        np.testing.assert_allclose(np.diff(times.sort().values), 1 / 64, atol=1e-6)
        found.append(np.corrcoef(noise[:, 0], times)[0, 1])
    assert abs(np.mean(found)) < 4 / (64 * 200) ** 0.5


def test_the_velocity_of_normal_numbers_is_the_mean_of_what_passes_there():
    """E[x1 - x0 | x_t = x] and the spread around it, by regression over many pairs."""
    x0, x1, t = drawn(200_000), MEAN + SCALE * drawn(200_000, seed=1), 0.7
    x, target = (1 - t) * x0 + t * x1, x1 - x0
    slope, start = np.polyfit(x.flatten(), target.flatten(), 1)
    found, spread = gaussian_velocity(torch.tensor([[0.0], [1.0]]), torch.full((2, 1), t), MEAN, SCALE)
    np.testing.assert_allclose(found.flatten(), [start, start + slope], atol=0.02)
    residual = target - known(x, torch.full((len(x),), t))
    np.testing.assert_allclose(spread.item() if spread.numel() == 1 else spread[0].item(), residual.std(), rtol=0.01)


def test_the_solver_is_of_second_order():
    """On dx/dt = x cos t, whose solution is x exp(sin t)."""
    x = torch.ones(1, 1, dtype=torch.float64)
    right = torch.tensor(1.0, dtype=torch.float64).sin().exp()
    errors = [(integrate(lambda x, t: x * t.cos()[:, None], x, n) - right).abs().item() for n in (16, 32, 64)]
    for coarse, fine in itertools.pairwise(errors):
        assert 3.5 < coarse / fine < 4.5


def test_the_known_velocity_leads_to_the_known_distribution():
    noise = drawn(50)
    torch.testing.assert_close(integrate(known, noise, 16), MEAN + SCALE * noise, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("scale", "steps"), [(0.05, 4), (0.02, 8), (0.3, 4), (1.5, 4)])
def test_a_few_steps_keep_the_spread_of_directions_in_which_samples_vary_little(scale, steps):
    start = torch.ones(1, 1, dtype=torch.float64)
    ends = integrate(lambda x, t: gaussian_velocity(x, t[:, None], 0.0, scale)[0], start, steps)
    assert ends.item() / scale == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize("probes", [torch.eye(2), torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5])
def test_the_likelihood_is_the_known_density(probes):
    x = MEAN + SCALE * drawn(20, 2)
    expected = torch.distributions.Normal(MEAN, SCALE).log_prob(x).sum(1)
    torch.testing.assert_close(log_likelihood(known, x, 64, probes), expected, atol=0.02, rtol=0)


class Velocity(nn.Module):
    """Relative to that of standard normal numbers, of class or none."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 1))

    def forward(self, x, t, conditions):
        base, spread = gaussian_velocity(x, t[:, None], 0.0, 1.0)
        code = torch.stack([t, conditions == 0, conditions == 1], 1).float()
        return base + spread * self.layers(torch.cat([x, code], 1))

    def encode(self, samples, conditions):
        return samples

    def decode(self, x, conditions):
        return x


class Arch:
    sampling_steps, guidance = 10, 1.0


@pytest.fixture(scope="module")
def trained():
    """Of class 0, two narrow heaps at -1 and 1, the second three times as high; of class 1, one around 0.5."""
    randomness = torch.Generator().manual_seed(0)
    network = FlowSampler(Velocity(), Arch())
    for weight in network.parameters():
        nn.init.normal_(weight, std=weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1, generator=randomness)
    objective = FlowMatchingObjective(network, FlowMatchingConfig(latent_dim=1, label_dropout=0.2))
    objective.optimizers["generator"].param_groups[0]["lr"] = 5e-3
    for step in range(400):
        labels = torch.randint(2, (128,), generator=randomness)
        heap = torch.where(torch.rand(128, 1, generator=randomness) < 0.25, -1.0, 1.0)
        x = torch.where(labels[:, None] == 0, heap, 0.5) + 0.1 * torch.randn(128, 1, generator=randomness)
        kind, tensors = objective.draw(Batch(x, labels, labels, x.clone), step, step / 400, randomness)
        loss = objective.step(kind, *tensors)
    assert loss.shape == (1,)
    return network


def test_samples_have_the_moments_of_a_mixture(trained):
    with torch.no_grad():
        x = trained(drawn(2000), torch.zeros(2000, dtype=torch.int64))
    np.testing.assert_allclose([x.mean(), x.square().mean()], [0.5, 1.01], atol=0.12)
    assert abs((x < 0).float().mean() - 0.25) < 0.06
    assert (x.abs() < 0.4).float().mean() < 0.1


def test_guidance_sharpens_the_class_and_none_of_it_leaves_the_class_out(trained):
    """What distinguishes class 0 from both together is that it is farther from 0.5."""

    class Guided(Arch):
        def __init__(self, guidance):
            self.guidance = guidance

    def guided(guidance, label=0):
        with torch.no_grad():
            return trained.with_architecture(Guided(guidance))(drawn(1000), torch.full((1000,), label))

    none, plain, strong = ((guided(g) - 0.5).abs().mean() for g in (0.0, 1.0, 3.0))
    assert none + 0.1 < plain < strong - 0.02
    torch.testing.assert_close(guided(0.0), guided(0.0, label=1))


def test_pairs_stay_within_their_condition_and_are_nearest():
    noise, samples = drawn(12, 3), drawn(12, 3, seed=1)
    conditions = torch.tensor([[0, 0], [0, 1], [1, 0]]).repeat(4, 1)
    found = paired(noise, samples, conditions)
    for cell in torch.unique(conditions, dim=0):
        of_cell = (conditions == cell).all(1)
        assert sorted(found[of_cell].tolist()) == sorted(noise[of_cell].tolist())
    before, after = ((x - samples).square().sum() for x in (noise, found))
    assert after < 0.9 * before


def test_class_and_group_are_left_out_apart_and_together():
    conditions = torch.tensor([[3, 5]] * 4)
    place = torch.tensor([0.05, 0.15, 0.25, 0.35])
    assert without_conditions(conditions, place, 0.1).tolist() == [[-1, -1], [-1, 5], [3, -1], [3, 5]]
    assert without_conditions(conditions[:, 0], place, 0.1).tolist() == [-1, 3, 3, 3]


@pytest.mark.parametrize("wrong", [{"guidance": -1.0}, {"sampling_steps": 0}, {"label_dropout": 0.4}])
def test_what_no_flow_can_do_is_refused_before_training(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        TableFlow(**wrong).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
