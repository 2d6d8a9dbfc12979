import numpy as np
import pytest
import torch

from ganaug.engine.label_embedding import ClassBalancedSampler

LABELS = np.repeat([0, 1, 2], [80, 15, 5])


@pytest.mark.parametrize(
    ("temperature", "expected"), [(0.0, [1 / 3, 1 / 3, 1 / 3]), (1.0, [0.80, 0.15, 0.05]), (0.5, [0.589, 0.255, 0.147])]
)
def test_temperature_runs_from_balanced_to_natural(temperature, expected):
    sampler = ClassBalancedSampler(LABELS, temperature)
    weights = np.array([80, 15, 5.0]) ** temperature
    assert sampler.probabilities.numpy() == pytest.approx(weights / weights.sum())
    drawn = sampler.draw_labels(20_000, torch.Generator().manual_seed(0))
    assert np.bincount(drawn, minlength=3) / 20_000 == pytest.approx(expected, abs=0.02)


def test_indices_are_of_the_class_asked_for_and_reach_every_sample():
    shuffled = np.random.default_rng(0).permutation(LABELS)
    sampler = ClassBalancedSampler(shuffled)
    labels = sampler.draw_labels(5000, torch.Generator().manual_seed(0))
    indices = sampler.draw_indices(labels, torch.Generator().manual_seed(1))
    assert np.array_equal(shuffled[indices], labels)
    assert set(indices.tolist()) == set(range(100))
