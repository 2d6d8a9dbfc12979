"""Embeddings of class and group, and networks with them that the engine trains."""

import numpy as np
import pytest
import torch
from torch import nn
from unchanged import Unchanged

from ganaug.engine import TrainingConfig, train
from ganaug.engine.callbacks.health import Health
from ganaug.engine.callbacks.validation import Selection, held_out
from ganaug.engine.conditioning import ConditionEmbedding, TrainedGroups
from ganaug.engine.label_embedding import CellBalancedSampler
from ganaug.engine.layers import Embedding, Linear, initialise
from ganaug.engine.memory import try_batch
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.marginals import Marginals
from ganaug.objectives.adversarial.objective import AdversarialObjective

CELLS = np.array([[0, 0], [0, 1], [1, 0]])
CONDITIONS = CELLS.repeat(20, 0)
REAL = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)) + 4 * torch.from_numpy(CONDITIONS)
CONFIG = TrainingConfig(200, 4, 1e-2, 1e-3, 0.0, validation_fraction=0.2)


def seeded(network):
    initialise(network, torch.Generator().manual_seed(0))
    return network


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.layer = ConditionEmbedding(2, 2, 2), Linear(2, 2)

    def forward(self, latents, conditions):
        return self.layer(latents) + self.embedding(conditions)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection, self.square = ConditionEmbedding(2, 2, 2), Linear(2, 1, bias=False)

    def forward(self, samples, conditions):
        return (samples * self.projection(conditions)).sum(1) + self.square(samples.square()).squeeze(1)


def objective(marginals=None):
    config = AdversarialConfig(0.1, 0.1, 2, 0.0, 2, marginals)
    complete = TrainedGroups(np.array([[20, 20], [20, 0]])).complete
    return AdversarialObjective(seeded(Generator()), seeded(Discriminator()), config, Unchanged(), complete=complete)


def test_without_groups_it_is_an_embedding_of_the_class():
    embedding, plain = seeded(ConditionEmbedding(3, 4)), seeded(Embedding(3, 4))
    assert embedding.state_dict().keys() == plain.state_dict().keys()
    labels = torch.tensor([2, 0])
    assert torch.equal(embedding(labels), plain(labels))
    assert embedding(torch.tensor([-1])).abs().max() == 0
    with pytest.raises(ValueError, match=r"conditions must be classes of shape \(n,\), got shape \(1, 2\)"):
        embedding(torch.tensor([[1, 0]]))


def test_what_is_left_out_is_not_trained():
    embedding = seeded(ConditionEmbedding(2, 3, 2))
    embedding(torch.tensor([[0, -1], [-1, 1], [-1, -1]])).sum().backward()
    assert embedding.weight.grad.tolist() == [[1.0] * 3, [0.0] * 3]
    assert embedding.groups.weight.grad.tolist() == [[0.0] * 3, [1.0] * 3]


@pytest.mark.parametrize(("temperature", "shares"), [(0, [0.5, 0.5, 0]), (1, [0.1, 0.9, 0])])
def test_groups_are_added_as_in_training(temperature, shares):
    groups = TrainedGroups(np.array([[2, 18, 0], [0, 0, 5]]), temperature)
    drawn = groups.complete(torch.arange(4000) % 2, torch.Generator().manual_seed(0))
    assert drawn[:, 0].tolist() == [0, 1] * 2000
    found = np.bincount(drawn[::2, 1], minlength=3) / 2000
    assert found == pytest.approx(shares, abs=0.03)
    assert set(drawn[1::2, 1].tolist()) == {2}
    assert groups.complete(torch.empty(0, dtype=torch.int64), torch.Generator()).shape == (0, 2)


def test_training_on_cells_is_measured_class_by_class():
    labels, names = CONDITIONS[:, 0], ["cat", "dog"]
    kept = held_out(labels, CONFIG.validation_fraction)
    health = Health(labels, names, REAL.__getitem__, CONFIG)
    selection = Selection(kept, labels, names, REAL.__getitem__, CONFIG)
    sampler, randomness = CellBalancedSampler(CONDITIONS, without=kept), torch.Generator().manual_seed(1)

    before = randomness.get_state()
    try_batch(lambda: objective(Marginals(2, 2)), CONFIG, sampler, REAL.__getitem__, randomness)
    assert torch.equal(randomness.get_state(), before)

    trained = objective(Marginals(2, 2))
    state = train(trained, CONFIG, sampler, REAL.__getitem__, randomness, callbacks=[health, selection])
    assert all(np.isfinite(list(entry.values())).all() for entry in state.history)
    assert [list(look["classes"]) for look in health.looks] == [names] * 3
    assert list(selection.readings[-1]["classes"]) == names
    # Samples of a class are of the groups that it was trained with.
    drawn = trained.samples(torch.ones(8, dtype=torch.int64), 8, torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(0)
    conditions = TrainedGroups(np.array([[20, 20], [20, 0]])).complete(torch.ones(8, dtype=torch.int64), noise)
    assert set(conditions[:, 1].tolist()) == {0}
    with torch.no_grad():
        expected = trained.ema["generator"](torch.randn(8, 2, generator=noise), conditions)
    assert torch.equal(drawn, expected)
