import itertools
import json

import pytest
import torch

from ganaug.engine.layers import initialise
from ganaug.generators.images.drawing import tensor_grid
from ganaug.generators.images.networks import (
    ImageArchitecture,
    ImageDiscriminator,
    ImageGenerator,
    build_networks,
    stage_sizes,
)

SHAPES = [(1, 8, 8), (3, 28, 28), (1, 9, 20), (2, 15, 64), (5, 32, 8), (3, 128, 128), (1, 127, 33)]


@pytest.mark.parametrize("side", range(8, 129))
def test_base_side_is_between_3_and_7_and_doubles_up_to_the_image(side):
    sizes = [height for height, _ in stage_sizes(side, side)]
    assert 3 <= sizes[0] <= 7
    assert all(after == 2 * before for before, after in itertools.pairwise(sizes))
    assert side <= sizes[-1] < side + 2 ** (len(sizes) - 1)


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_goes_in_and_comes_out(shape, patch):
    arch = ImageArchitecture(shape, 3, widths=(16, 8), patch=patch, latent_dim=4, embedding_dim=4)
    generator, discriminator = ImageGenerator(arch), ImageDiscriminator(arch)
    for network in (generator, discriminator):
        initialise(network, torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2])
    images = generator(torch.randn(2, 4), labels)
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images, labels).shape == (2,)


def test_label_and_noise_both_change_the_image():
    arch = ImageArchitecture((1, 8, 8), 2, widths=(16,), patch=2)
    generator = ImageGenerator(arch)
    initialise(generator, torch.Generator().manual_seed(0))
    z = torch.randn(2, 64)
    zero, one = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert not torch.allclose(generator(z, zero), generator(z, one), atol=1e-3)
    assert not torch.allclose(generator(z, zero)[0], generator(z, zero)[1], atol=1e-3)


def test_discriminator_sees_every_pixel():
    """Also in sizes that are padded: no pixel may be cut off."""
    arch = ImageArchitecture((1, 9, 11), 2, widths=(16,), patch=2)
    discriminator = ImageDiscriminator(arch)
    initialise(discriminator, torch.Generator().manual_seed(0))
    images = torch.rand(1, 1, 9, 11, requires_grad=True)
    discriminator(images, torch.tensor([0])).backward()
    assert (images.grad != 0).all()


def test_architecture_survives_json():
    arch = ImageArchitecture((3, 32, 48), 7, widths=(8, 4), blocks=2, n_groups=3)
    assert ImageArchitecture.from_dict(json.loads(json.dumps(arch.to_dict()))) == arch


def test_class_and_group_add_up_in_both_networks():
    """Pairs that data lack are made of what is known of each side; what is left out has no part in it."""
    arch = ImageArchitecture((1, 8, 8), 2, widths=(16,), patch=2, n_groups=3)
    generator, discriminator = build_networks(arch)
    for network in (generator, discriminator):
        initialise(network, torch.Generator().manual_seed(0))
    pairs = torch.tensor([[1, 2], [1, -1], [-1, 2], [-1, -1]])
    z = torch.randn(1, 64, generator=torch.Generator().manual_seed(1)).expand(4, -1)
    images = generator(z, pairs)
    assert len(images.unique(dim=0)) == 4
    torch.testing.assert_close(images[1], generator(z[:1], torch.tensor([1]))[0])
    both, by_class, by_group, neither = discriminator(images[:1].expand(4, -1, -1, -1), pairs).tolist()
    assert len({both, by_class, by_group, neither}) == 4
    assert both == pytest.approx(by_class + by_group - neither, abs=1e-5)


def test_the_grid_shows_the_groups_in_turn():
    generator, _ = build_networks(ImageArchitecture((1, 8, 8), 2, widths=(16,), patch=2, n_groups=2))
    initialise(generator, torch.Generator().manual_seed(0))
    with torch.no_grad():
        generator.embedding.groups.weight *= 1e3
    shown = tensor_grid(generator, ["a", "b"], per_class=4)
    with torch.no_grad():
        generator.embedding.groups.weight[1] = generator.embedding.groups.weight[0]
    changed = (tensor_grid(generator, ["a", "b"], per_class=4) != shown).any(0).any(0)
    blocks = changed.nonzero().flatten()
    assert shown.shape[0] == 3
    assert 0 < len(blocks) < shown.shape[2] / 2
