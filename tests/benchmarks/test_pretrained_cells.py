"""A pretrained network beside generators of unseen cells, at toy size."""

import numpy as np
import pytest

from ganaug import LabelledImages
from ganaug.bench.inputs.group_splits import cell_splits
from ganaug.classifiers.image_classifier import ClassifierConfig


@pytest.fixture(scope="module")
def pretrained_cells(script):
    return script("pretrained_cells")


def made():
    """Three classes, bright in different rows, by four groups of different brightness and size."""
    labels, groups = np.repeat([0, 1, 2], 80), np.tile(["a", "b", "c", "d"], 60)
    images = np.random.default_rng(0).integers(0, 60, (240, 1, 8, 8)).astype(np.uint8)
    for label in range(3):
        images[labels == label, :, 2 * label + 1 : 2 * label + 3] += 100
    for place, group in enumerate("abcd"):
        images[groups == group] += np.uint8(25 * place)
    kept = np.arange(240) % 40 < np.select([groups == group for group in "abcd"], [24, 28, 32, 40])
    return LabelledImages(images[kept], labels[kept], groups=groups[kept])


def described(images):
    return images.reshape(len(images), -1).astype(np.float32)


def test_cells_count_alike_and_what_is_asked_for_is_what_is_withheld(pretrained_cells):
    data = made()
    splits = cell_splits(data.labels, data.groups, 2, 0, n_per_cell=6)
    split = pretrained_cells.Split(data, described(data.images), splits, 0)
    withheld = set(map(tuple, np.argwhere(splits.withheld[0])))
    assert set(zip(*split.asked, strict=True)) == set(zip(*split.test_cells, strict=True)) == withheld
    assert not withheld & set(zip(*split.cells, strict=True))
    classes, groups = split.test_cells
    assert len(set(np.unique(groups, return_counts=True)[1].tolist())) > 1
    wrong = (classes == classes[0]) & (groups == groups[0])
    assert split.accuracy(np.where(wrong, -1, classes)) == pytest.approx(100 * (1 - 1 / len(withheld)))
    assert split.accuracy(classes) == 100


def test_each_arm_is_measured(pretrained_cells, monkeypatch):
    monkeypatch.setattr(pretrained_cells, "TRAINING", ClassifierConfig(steps=60))
    data = made()
    splits = cell_splits(data.labels, data.groups, 2, 0, n_per_cell=6)
    found = pretrained_cells.Split(data, described(data.images), splits, 0).measure("image-vae:2", described)
    assert len(found) == 7
    assert all(0 <= value <= 100 for value in found.values())
    assert found["EfficientNet-lite0: transfer of images"] > 60
