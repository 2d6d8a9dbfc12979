"""Pairs of images in the loss of a classifier."""

import argparse

import numpy as np
import pytest
import torch

from ganaug import ImageGAN, labelled_images
from ganaug.classifiers.image_classifier import predict_proba


@pytest.fixture(scope="module")
def module(script):
    return script("regulariser")


@pytest.fixture(scope="module")
def digits():
    return labelled_images("digits").subset(range(300))


def test_images_of_a_pair_are_nearer_to_each_other_than_to_others(module, digits, monkeypatch):
    monkeypatch.setattr(module, "PER_CLASS", 20)
    model = ImageGAN(steps=100, random_state=0, verbose=False, device="cpu").fit(digits)
    first, second = (part.flatten(1).float() for part in module.near(model, 10, 0))
    assert len(first) == 200
    apart = torch.cdist(first, second).reshape(10, 20, 10, 20)
    own = torch.stack([apart[c, :, c] for c in range(10)])
    assert own.diagonal(dim1=1, dim2=2).mean() < 0.8 * own.mean()


def test_pairs_change_what_is_learnt_by_their_weight(module, digits):
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)

    def found(pairs, weight):
        network = module.trained(images, labels, 10, pairs, weight, 30, 0)
        with torch.no_grad():
            moved = [module.moved(images / 255, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
            alike = torch.cosine_similarity(*map(network.describe, moved)).mean().item()
        return predict_proba(network, digits.images), alike

    plain, before = found(None, 0.0)
    np.testing.assert_array_equal(found((images, images), 0.0)[0], plain)
    assert found((images, images), 5.0)[1] > before + 0.02


def test_each_way_is_measured_at_each_weight(module, digits, monkeypatch):
    monkeypatch.setattr(module, "PER_CLASS", 5)
    args = argparse.Namespace(generator="image-gan:5", steps=2, starts=1)
    ways = module.measured(digits, np.arange(200), np.arange(200, 300), args, 0)
    assert next(iter(ways)) == "nothing"
    assert len(ways) == 1 + 3 * len(module.WEIGHTS)
    assert all(0 <= accuracy <= 100 for accuracy in ways.values())
