"""Trainings of published GANs that ImageGAN's is measured beside, at toy size."""

import pytest
import torch


@pytest.fixture(scope="module")
def rivals(script):
    return script("rivals")


@pytest.fixture(scope="module")
def trainings(rivals):
    torch.manual_seed(0)
    task = rivals.Task(torch.rand(2, *rivals.SHAPE) * 2 - 1, torch.arange(2), torch.float32)
    return rivals.cycles("tiny", task)


@pytest.mark.parametrize("name", ["ganaug", "R3GAN's step", "R3GAN", "StudioGAN's BigGAN"])
def test_all_train_all_weights_of_as_many(rivals, trainings, name):
    training = trainings[name]
    assert rivals.size(*training.networks) == pytest.approx(rivals.size(*trainings["ganaug"].networks), rel=0.03)
    before = [[weight.detach().clone() for weight in network.parameters()] for network in training.networks]
    training.run(0)
    for network, weights in zip(training.networks, before, strict=True):
        for weight, old in zip(network.parameters(), weights, strict=True):
            assert weight.isfinite().all()
            assert not weight.grad.any() or not weight.equal(old)


def test_operations_are_those_of_all_passes(rivals):
    x, weight = torch.ones(2, 4, 8, 8), torch.ones(6, 2, 3, 3, requires_grad=True)
    with rivals.Operations() as operations:
        torch.conv2d(x, weight, padding=1, groups=2).sum().backward()
    assert operations.counted == 2 * (2 * 2 * 6 * 8 * 8 * 2 * 9)
