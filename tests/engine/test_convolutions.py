from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganaug import ImageGAN
from ganaug.engine import convolutions
from ganaug.engine.convolutions import Geometry, convolve, second_derivatives
from ganaug.engine.layers import Conv2d, initialise
from ganaug.generators.images.networks import build_networks
from ganaug.objectives.adversarial.step import AdversarialNetworks, adversarial_step

CASES = {
    "plain": (3, 4, 3, Geometry(padding=(1, 1)), True),
    "1x1 without bias": (3, 5, 1, Geometry(), False),
    "grouped": (4, 6, 3, Geometry(padding=(1, 1), groups=2), True),
    "depthwise": (4, 4, 3, Geometry(groups=4), True),
    "strided": (3, 4, 3, Geometry(stride=(2, 1), padding=(1, 0)), True),
    "dilated": (2, 4, 2, Geometry(dilation=(2, 3), groups=2), False),
}


class Count(TorchDispatchMode):
    """Counts convolutions, and which of their gradients were computed."""

    def __init__(self):
        super().__init__()
        self.convolutions, self.backward = 0, Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.convolution.default:
            self.convolutions += 1
        elif func is torch.ops.aten.convolution_backward.default:
            self.backward.update(name for name, wanted in zip(("x", "weight", "bias"), args[-1], strict=True) if wanted)
        return func(*args, **(kwargs or {}))


def made(name, dtype=torch.float64):
    channels, out, kernel, geometry, with_bias = CASES[name]
    random = torch.Generator().manual_seed(0)
    shapes = [(2, channels, 7, 6), (out, channels // geometry.groups, kernel, kernel)] + [(out,)] * with_bias
    return [torch.randn(shape, generator=random, dtype=dtype, requires_grad=True) for shape in shapes], geometry


def derivatives(convolution, tensors, geometry):
    """Result and derivatives of the first, second and third order by all tensors."""
    bias = tensors[2] if len(tensors) == 3 else None
    value = convolution(tensors[0], tensors[1], bias, geometry).tanh()
    found = [value]
    for _ in range(3):
        gradients = torch.autograd.grad(value.square().sum(), tensors, create_graph=True)
        found += gradients
        value = torch.cat([gradient.flatten() for gradient in gradients])
    return found


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_three_orders_are_those_of_autograd(name):
    tensors, geometry = made(name)
    expected = derivatives(lambda x, w, b, g: F.conv2d(x, w, b, *g), tensors, geometry)
    for found, wanted in zip(derivatives(convolve, tensors, geometry), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_derivatives_are_the_same_where_torch_does_not_say_which_are_wanted(monkeypatch):
    tensors, geometry = made("grouped")
    expected = derivatives(convolve, tensors, geometry)
    monkeypatch.setattr(convolutions, "_runs", None)
    for found, wanted in zip(derivatives(convolve, tensors, geometry), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    value = convolve(*tensors, geometry).square().sum()
    (first,) = torch.autograd.grad(value, tensors[0], create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), tensors[1])
    (slope,) = torch.autograd.grad(F.conv2d(*tensors, *geometry).square().sum(), tensors[0], create_graph=True)
    torch.testing.assert_close(second, torch.autograd.grad(slope.sum(), tensors[1])[0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_only_the_gradients_asked_for_are_computed(create_graph):
    tensors, geometry = made("plain")
    for wanted, names in ((tensors[:1], ["x"]), (tensors[1:2], ["weight"]), (tensors[:2], ["x", "weight"])):
        value = convolve(*tensors, geometry).sum()
        with Count() as count:
            torch.autograd.grad(value, wanted, create_graph=create_graph)
        assert count.backward == Counter(names)


def test_autocast_rounds_as_it_does_for_a_convolution_of_torch():
    tensors, geometry = made("grouped", torch.float32)
    found = []
    for convolution in (convolve, lambda x, w, b, g: F.conv2d(x, w, b, *g)):
        with torch.autocast("cpu", torch.bfloat16):
            value = convolution(*tensors, geometry)
        assert value.dtype == torch.bfloat16
        found.append([value, *torch.autograd.grad(value.float().square().sum(), tensors)])
        assert all(gradient.dtype == torch.float32 for gradient in found[-1][1:])
    for own, torchs in zip(*found, strict=True):
        torch.testing.assert_close(own, torchs, rtol=0, atol=0)


def test_a_backward_pass_within_autocast_is_not_rounded():
    tensors, geometry = made("strided", torch.float32)
    expected = derivatives(convolve, tensors, geometry)
    value = convolve(*tensors, geometry).tanh().square().sum()
    with torch.autocast("cpu", torch.bfloat16):
        first = torch.autograd.grad(value, tensors, create_graph=True)
        total = sum(gradient.square().sum() for gradient in first)
        second = torch.autograd.grad(total, tensors)
    for found, wanted in zip([*first, *second], expected[1:], strict=False):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_the_layer_pads_as_that_of_torch(options):
    layer, x = Conv2d(2, 3, 3, **options), torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    initialise(layer, torch.Generator().manual_seed(0))
    torchs = nn.Conv2d(2, 3, 3, **options)
    torchs.load_state_dict(layer.state_dict())
    with second_derivatives():
        assert torch.equal(layer(x), torchs(x))


def test_the_layer_takes_them_within_the_context_alone():
    layer, x = Conv2d(2, 2, 3, groups=2), torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    initialise(layer, torch.Generator().manual_seed(0))
    with second_derivatives(), second_derivatives(False):
        inside = layer(x)
    outside = layer(x)
    assert torch.equal(inside, outside)
    assert type(inside.grad_fn) is not type(outside.grad_fn)


@pytest.mark.parametrize(("preset", "forward", "backward"), [("tiny", 36, 48), ("small", 48, 64), ("base", 84, 112)])
def test_a_penalised_step_takes_few_convolutions(preset, forward, backward):
    """With those of torch it takes hundreds, one for each group."""
    images, random = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.Generator().manual_seed(0)
    config = ImageGAN(preset=preset, device="cpu").resolve(images, [0, 0, 1, 1])
    networks = build_networks(config.architecture)
    for network in networks:
        initialise(network, random)
    optimizers = [torch.optim.SGD(network.parameters()) for network in networks]
    real, latents = torch.rand(1, 3, 32, 32, generator=random), torch.randn(1, 64, generator=random)
    with Count() as count:
        adversarial_step(
            AdversarialNetworks(*networks, *optimizers), real, torch.tensor([0]), latents, lambda x: x, gamma=1.0
        )
    assert count.convolutions == forward
    assert max(count.backward.values()) <= backward
