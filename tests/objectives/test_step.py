import copy

import pytest
import torch
from torch import nn

from ganaug.engine.layers import Conv2d, Embedding, Linear, initialise
from ganaug.generators.images.networks import ImageArchitecture, build_networks
from ganaug.objectives.adversarial.augment import ImageAugmentation
from ganaug.objectives.adversarial.losses import gradient_penalty, relativistic_losses
from ganaug.objectives.adversarial.step import AdversarialNetworks, adversarial_step


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.embedding = Linear(3, 4), Embedding(2, 4)

    def forward(self, latents, labels):
        return torch.tanh(self.layer(latents) + self.embedding(labels)).view(-1, 1, 2, 2)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.embedding = Linear(4, 4), Embedding(2, 4)

    def forward(self, images, labels):
        return (torch.tanh(self.layer(images.flatten(1))) * self.embedding(labels)).sum(1)


def networks_with_optimizers():
    networks = [Generator(), Discriminator()]
    for network in networks:
        initialise(network, torch.Generator().manual_seed(1))
    optimizers = [torch.optim.SGD(network.parameters(), lr=1.0) for network in networks]
    return AdversarialNetworks(*networks, *optimizers)


@pytest.mark.parametrize("gamma", [None, 0.7])
@pytest.mark.parametrize("lead", [1.0, 20.0])
def test_a_step_moves_both_networks_along_their_own_gradient(gamma, lead):
    """One shared pass gives the gradients that separate ones would, also where the logits are far apart."""
    p = networks_with_optimizers()
    with torch.no_grad():
        p.discriminator.embedding.weight *= lead
    g0, d0 = copy.deepcopy(p.generator), copy.deepcopy(p.discriminator)
    random = torch.Generator().manual_seed(2)
    real, latents = torch.rand(6, 1, 2, 2, generator=random), torch.randn(6, 3, generator=random)
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    adversarial_step(p, real, labels, latents, lambda x: 0.5 * x, gamma=gamma)

    fake = g0(latents, labels)
    _, g_loss = relativistic_losses(d0(0.5 * real, labels), d0(0.5 * fake, labels))
    for before, after, gradient in zip(
        g0.parameters(), p.generator.parameters(), torch.autograd.grad(g_loss, list(g0.parameters())), strict=True
    ):
        torch.testing.assert_close(after, before - gradient, rtol=1e-5, atol=1e-6)

    r, f = real.clone().requires_grad_(), g0(latents, labels).detach().requires_grad_()
    real_logits, fake_logits = d0(0.5 * r, labels), d0(0.5 * f, labels)
    d_loss, _ = relativistic_losses(real_logits, fake_logits)
    assert (real_logits - fake_logits).abs().max() > lead / 2
    d_loss = d_loss + (gamma or 0) / 2 * (gradient_penalty(real_logits, r)[0] + gradient_penalty(fake_logits, f)[0])
    for before, after, gradient in zip(
        d0.parameters(), p.discriminator.parameters(), torch.autograd.grad(d_loss, list(d0.parameters())), strict=True
    ):
        torch.testing.assert_close(after, before - gradient, rtol=1e-5, atol=1e-6)


def test_without_penalty_the_reading_says_zero():
    p = networks_with_optimizers()
    losses = adversarial_step(
        p, torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), torch.randn(2, 3), lambda x: x, gamma=None
    )
    assert losses[3] == 0
    assert losses.isfinite().all()
    assert not losses.requires_grad


def test_penalty_goes_through_the_augmentation():
    p = networks_with_optimizers()
    random = torch.Generator().manual_seed(0)
    real = torch.rand(4, 1, 2, 2, generator=random)
    augmentation = ImageAugmentation(["translation", "cutout", "color"], (1, 2, 2), random)
    numbers = augmentation.draw(8, 0.5)
    losses = adversarial_step(
        p,
        real,
        torch.tensor([0, 1, 0, 1]),
        torch.randn(4, 3, generator=random),
        lambda x: augmentation.apply(x, numbers),
        gamma=1.0,
    )
    assert losses.isfinite().all()
    assert losses[3] > 0


def with_convolutions_of_torch(network):
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, Conv2d):
            module.__class__ = nn.Conv2d
    return network


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_gradients_reach_their_own_weights_whatever_their_memory_layout(fused, own):
    """Fused optimisers go by memory, and double backward returns other layouts than channels_last weights have."""
    arch = ImageArchitecture(image_shape=(1, 8, 8), n_classes=2, widths=(8,), patch=2, latent_dim=4, embedding_dim=4)
    generator, discriminator = build_networks(arch)
    random = torch.Generator().manual_seed(0)
    for network in (generator, discriminator):
        initialise(network, random)
    for weight in discriminator.parameters():  # no zero-initialised layer hides another
        weight.data.normal_(generator=random)
    torchs = with_convolutions_of_torch(discriminator)
    discriminator = discriminator if own else copy.deepcopy(torchs)
    before = [weight.detach().clone() for weight in discriminator.parameters()]
    optimizers = [torch.optim.SGD(n.parameters(), lr=1.0, fused=fused) for n in (generator, discriminator)]
    p = AdversarialNetworks(generator, discriminator, *optimizers)
    real, latents = torch.rand(6, 1, 8, 8, generator=random), torch.randn(6, 4, generator=random)
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    with torch.no_grad():
        fake = generator(latents, labels)
    samples = torch.cat([real, fake]).requires_grad_()
    logits = torchs(samples, labels.repeat(2))
    loss = relativistic_losses(*logits.chunk(2))[0] + 0.7 * gradient_penalty(logits, samples)[0]
    expected = torch.autograd.grad(loss, list(torchs.parameters()))
    assert any(g.stride() != w.stride() for g, w in zip(expected, before, strict=True)), "no layout differs"

    adversarial_step(p, real, labels, latents, lambda x: x, gamma=0.7)
    for old, new, gradient in zip(before, discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(new.detach(), old - gradient, rtol=1e-4, atol=1e-4)


def test_bf16_gives_nearly_the_same_step_and_keeps_weights_and_losses_in_float32():
    arch = ImageArchitecture(image_shape=(1, 8, 8), n_classes=2, widths=(16,), patch=2)
    random = torch.Generator().manual_seed(0)
    networks = build_networks(arch)
    for network in networks:
        initialise(network, random)
    for weight in networks[1].parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=random)
    real, latents = torch.rand(64, 1, 8, 8, generator=random), torch.randn(64, 64, generator=random)
    moved, losses = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        g, d = copy.deepcopy(networks)
        optimizers = [torch.optim.SGD(network.parameters(), lr=1.0) for network in (g, d)]
        labels = torch.arange(64) % 2
        losses[dtype] = adversarial_step(
            AdversarialNetworks(g, d, *optimizers), real, labels, latents, lambda x: x, 0.5, None, dtype
        )
        assert all(w.dtype == torch.float32 for w in [*g.parameters(), *d.parameters()])
        moved[dtype] = [
            torch.cat(
                [(w - old).detach().flatten() for w, old in zip(new.parameters(), before.parameters(), strict=True)]
            )
            for new, before in zip((g, d), networks, strict=True)
        ]
    assert losses[torch.bfloat16].dtype == torch.float32
    torch.testing.assert_close(losses[torch.bfloat16], losses[torch.float32], rtol=0.03, atol=0.01)
    for exact, near in zip(*moved.values(), strict=True):
        assert not torch.equal(exact, near), "nothing was computed in bf16"
        assert torch.cosine_similarity(exact, near, dim=0) > 0.99
