import pytest
import torch
from torch import nn

from ganaug.engine.layers import Linear, initialise
from ganaug.generators.images.networks import ImageArchitecture, ImageDiscriminator, ImageGenerator


def test_global_state_plays_no_part():
    before = torch.get_rng_state()
    first, second = Linear(4, 4), Linear(4, 4)
    for network in (first, second):
        initialise(network, torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.weight, second.weight)


def test_residual_branches_start_at_zero():
    arch = ImageArchitecture((1, 8, 8), 2, widths=(16,), patch=2)
    for network in (ImageGenerator(arch), ImageDiscriminator(arch)):
        initialise(network, torch.Generator().manual_seed(0))
        x = torch.randn(2, 16, 4, 4)
        assert torch.equal(network.stages[0](x), x)


def test_layers_it_does_not_know_are_refused():
    with pytest.raises(TypeError, match="BatchNorm2d"):
        initialise(nn.BatchNorm2d(3), torch.Generator())
