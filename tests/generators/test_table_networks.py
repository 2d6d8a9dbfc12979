"""Networks for encoded rows, conditioned on classes and groups."""

import json

import numpy as np
import pytest
import torch

from ganaug.data.tables.layout import RowLayout
from ganaug.engine.layers import initialise
from ganaug.generators.tables.networks import TableArchitecture, build_networks

LAYOUT = RowLayout(2, blocks=(2, 3), gates=(-1, 0))
PAIRS = torch.cartesian_prod(torch.arange(-1, 3), torch.arange(-1, 2))  # of 3 classes and 2 groups, -1 for unknown


def networks(n_groups, members=1):
    pair = build_networks(TableArchitecture(LAYOUT, n_classes=3, n_groups=n_groups, members=members, width=8))
    for network in pair:
        initialise(network, torch.Generator().manual_seed(0))
    return pair


def table(cells):
    """Encoded rows of pairs of class and group, whose numbers are 10 times the class plus the group."""
    rows = np.zeros((len(cells), LAYOUT.width), np.float32)
    rows[:, :2] = (cells @ [10, 1])[:, None]
    rows[:, 2] = rows[np.arange(len(cells)), 4 + cells[:, 1]] = 1
    rows[::5, 1:4] = 0, 0, 1  # every fifth row lacks the second number
    return rows


@pytest.mark.parametrize("members", [1, 2])
def test_the_discriminator_sums_what_class_and_group_add(members):
    discriminator = networks(2, members)[1]
    rows = torch.randn(len(PAIRS), LAYOUT.width, generator=torch.Generator().manual_seed(1))[:1].expand(24, -1)
    # Each member sees every pair.
    logits = discriminator(rows, PAIRS.repeat_interleave(2, 0)).unflatten(0, (-1, 2))[:, 0].reshape(4, 3)
    assert torch.allclose(logits - logits[:1] - logits[:, :1] + logits[0, 0], torch.zeros(4, 3), atol=1e-5)
    assert len(set(logits.flatten().tolist())) == 12


def test_what_is_unknown_contributes_nothing():
    generator, discriminator = networks(2)
    noise = torch.randn(1, generator.arch.noise_dim, generator=torch.Generator().manual_seed(1)).expand(len(PAIRS), -1)
    rows = generator(noise, PAIRS)
    logits = discriminator(rows, PAIRS)
    latent, width = generator.arch.latent_dim, generator.arch.layout.width
    with torch.no_grad():
        for start, n, column in ((0, 3, 0), (3, 2, 1)):
            unknown = PAIRS[:, column] < 0
            generator.hidden[0].weight[:, latent + start : latent + start + n].normal_()
            discriminator.out.weight[:, :, 1 + start : 1 + start + n].normal_()
            other = generator(noise, PAIRS)
            same = (other[:, :2] == rows[:, :2]).all(1)
            assert same[unknown].all()
            assert not same[~unknown].any()
            changed = discriminator(rows, PAIRS)
            assert torch.equal(changed[unknown], logits[unknown])
            rows, logits = other, discriminator(other, PAIRS)
    assert rows.shape == (len(PAIRS), width)
    assert (rows[:, 2:4].sum(1) == 1).all()


def test_known_classes_alone_are_pairs_with_an_unknown_group():
    generator, discriminator = networks(2)
    classes = torch.tensor([2, 0, 1])
    pairs = torch.stack([classes, torch.full((3,), -1)], 1)
    noise = torch.randn(3, generator.arch.noise_dim, generator=torch.Generator().manual_seed(1))
    assert torch.equal(generator(noise, classes), generator(noise, pairs))
    rows = generator(noise, classes)
    assert torch.equal(discriminator(rows, classes), discriminator(rows, pairs))


def test_without_groups_there_is_nothing_of_them():
    for plain, grouped, added in zip(
        networks(0), networks(2), ({"group_centre", "group_level_logits"}, set()), strict=True
    ):
        assert grouped.state_dict().keys() - plain.state_dict().keys() == added
        assert plain.state_dict().keys() <= grouped.state_dict().keys()


def test_the_generator_starts_from_sums_of_class_and_group():
    """The last class never occurs in the second group, yet starts from where both say."""
    generator = networks(2)[0]
    cells = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]], 10, axis=0)
    generator.set_statistics(table(cells), *cells.T)
    with torch.no_grad():
        generator.out.weight.zero_()
    noise = torch.randn(2000, generator.arch.noise_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        drawn = generator(noise, torch.tensor([[2, 1]]).expand(2000, -1)).numpy()
    there = LAYOUT.present(drawn)
    assert there[:, 0].all()
    assert there[:, 1].mean() == pytest.approx(0.8, abs=0.05)
    assert drawn[:, :2][there] == pytest.approx(21, abs=0.01)
    assert drawn[:, 5].mean() > 0.8  # the level of the group, which no row of the class has


@pytest.mark.parametrize("n_groups", [0, 2])
def test_architectures_survive_json(n_groups):
    arch = networks(n_groups)[0].arch
    values = json.loads(json.dumps(arch.to_dict()))
    assert TableArchitecture.from_dict(values) == arch
    assert values["blocks"] == [2, 3]
    if n_groups == 0:  # as models of before were saved
        assert TableArchitecture.from_dict({k: v for k, v in values.items() if k != "n_groups"}) == arch
    with pytest.raises(ValueError, match="n_groups must"):
        TableArchitecture.from_dict({**values, "n_groups": -1})
