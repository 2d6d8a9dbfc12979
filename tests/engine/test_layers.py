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


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(3))


class RandomShift(Shift):
    def reset_parameters(self):
        noise = torch.randn(3) + torch.rand(3).exponential_() + torch.randperm(3)
        self.shift.copy_(noise + nn.init.orthogonal_(torch.empty(3, 3))[0])


LAYERS = [
    lambda: nn.Linear(3, 4),
    lambda: nn.ConvTranspose2d(3, 4, 3),
    lambda: nn.BatchNorm2d(3),
    lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    lambda: nn.GroupNorm(1, 3),
    nn.PReLU,
    lambda: nn.Bilinear(2, 3, 4),
    lambda: nn.Embedding(5, 4, padding_idx=0),
    lambda: nn.TransformerEncoderLayer(8, 2, dim_feedforward=8),
]


@pytest.mark.parametrize("make", LAYERS)
def test_layers_of_torch_are_initialised_by_its_own_law_from_the_generator(make):
    """As a new one, if the generator were the global one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = make().state_dict()
    layer = make()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.fill_(float("nan"))
    before = torch.get_rng_state()
    initialise(layer, torch.Generator().manual_seed(5))
    assert torch.equal(before, torch.get_rng_state())
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_whatever_draws_within_a_layer_draws_from_the_generator():
    layers, before = (RandomShift(), RandomShift()), torch.get_rng_state()
    for layer in layers:
        initialise(layer, torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(layers[0].shift, layers[1].shift)


def test_a_layer_that_cannot_be_initialised_is_refused():
    said = r"a Shift has parameters of its own \(shift\) but no reset_parameters .*; give it that method"
    with pytest.raises(TypeError, match=said):
        initialise(nn.Sequential(nn.Linear(2, 3), Shift()), torch.Generator())
    with pytest.raises(TypeError, match="ParametrizationList has parameters"):
        initialise(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), torch.Generator())
