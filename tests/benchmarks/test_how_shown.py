"""Ways to show synthetic images, at toy size."""

from argparse import Namespace

import numpy as np
import pytest
import torch

from ganaug import labelled_images
from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba


@pytest.fixture(scope="module")
def how_shown(script):
    return script("how_shown")


def bars(upper, lower):
    """Images that are bright in one half, by two levels."""
    images = np.zeros((40, 1, 8, 8), np.uint8)
    images[::2, :, :4], images[1::2, :, 4:] = upper, lower
    return images


def test_training_images_are_disjoint_and_not_tested_on(how_shown):
    data = labelled_images("digits")
    found = how_shown.parts(data, 20, 8)
    assert len(np.unique(np.concatenate([train for train, _ in found]))) == 8 * 200
    for train, test in found:
        assert np.bincount(data.labels[train]).tolist() == [20] * 10
        assert sorted(np.concatenate([train, test])) == list(range(len(data)))
    with pytest.raises(SystemExit, match="--splits must be at most 8 for 20 images a class, got 9"):
        how_shown.parts(data, 20, 9)


def test_images_are_moved_a_little(how_shown):
    images = torch.from_numpy(bars(200, 200)).float() / 255
    found = how_shown.moved(images, torch.Generator().manual_seed(0))
    assert not found.equal(images)
    assert ((found[::2, :, :3].mean() > 0.7), (found[::2, :, 5:].mean() < 0.1)) == (True, True)


def test_ways_show_what_they_say(how_shown):
    """Real and synthetic images contradict each other, so that a classifier tells which of them it was shown last."""
    labels = torch.eye(2).repeat(20, 1)
    real = how_shown.Told(bars(200, 200), labels)
    synthetic = how_shown.Told(real.images, labels.flip(1))
    ways = how_shown.ways(real, synthetic, ClassifierConfig(steps=60, batch_size=32), seed=0)
    shares = {name: [round(way.share(moment), 2) for moment in (0.0, 0.25, 0.5)] for name, way in ways.items()}
    assert shares.pop("real images") == shares.pop("real images, told by a teacher") == [0, 0, 0]
    assert shares.pop("fewer and fewer") == [0.6, 0.45, 0.3]
    assert shares.pop("first synthetic, then real") == [1, 1, 0]
    assert list(map(tuple, shares.values())) == [(0.3, 0.3, 0.3)] * 4
    assert ways["three of ten, half as heavy"].synthetic.targets.equal(labels.flip(1) / 2)
    taught = ways["three of ten, told by a teacher"]
    assert taught.real.targets.equal(labels)
    assert taught.synthetic.targets.argmax(1).equal(labels.argmax(1))  # as the real ones were labelled
    assert taught.synthetic.targets.sum(1).allclose(torch.ones(40))
    config = ClassifierConfig(steps=60, batch_size=32)
    for way, share_right in (("real images", 1), ("first synthetic, then real", 1)):
        network = how_shown.trained(ways[way], config, seed=1)
        assert (predict_proba(network, real.images).argmax(1) == labels.argmax(1).numpy()).mean() == share_right
    network = how_shown.trained(how_shown.Way(real, synthetic, lambda moment: 1.0), config, seed=1)
    assert (predict_proba(network, real.images).argmax(1) == labels.argmax(1).numpy()).mean() == 0


def test_accuracies_become_a_table(how_shown):
    data = labelled_images("digits")
    args = Namespace(generator="image-vae:2", steps=2, starts=1)
    found = [how_shown.measured(data, train, test[:50], args, 0) for train, test in how_shown.parts(data, 5, 2)]
    lines = how_shown.table("digits:5", found)
    assert lines[0] == "digits, 5 images a class, 2 splits:"
    assert len(lines) == 4 + 8 + 1
    assert [line.count("|") for line in lines[2:-1]] == [5] * 10
