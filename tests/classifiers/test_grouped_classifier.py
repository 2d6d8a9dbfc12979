"""Classifiers of images that come in groups, some of which lack classes."""

import numpy as np
import pytest

from ganaug.bench.inputs.datasets import grouped_digits
from ganaug.bench.inputs.group_splits import cell_splits
from ganaug.classifiers.image_classifier import ClassifierConfig, DynamicsClassifier, ImageClassifier


def test_no_group_misleads_about_the_classes_that_it_lacks():
    data = grouped_digits()
    splits = cell_splits(data.labels, data.groups, 1, 0, n_per_cell=20)
    train, test = splits.training[0], splits.test[0][splits.unseen[0]]
    groups = np.unique(data.groups, return_inverse=True)[1]
    right = []
    for of_groups in ((), (groups[train],)):
        model = ImageClassifier(10, 0, ClassifierConfig(steps=150)).fit(
            data.images[train], data.labels[train], *of_groups
        )
        right.append((model.predict_proba(data.images[test]).argmax(1) == data.labels[test]).mean())
    assert right[1] > right[0] + 0.15


@pytest.mark.parametrize("cls", [ImageClassifier, DynamicsClassifier])
def test_images_of_unknown_groups_and_classes_that_share_none_are_told_apart(cls):
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1, 2], 20), np.repeat([0, -1, 1], 20)
    images = (rng.integers(0, 40, (60, 1, 8, 8)) + 80 * labels[:, None, None, None]).astype(np.uint8)
    model = cls(3, 0, ClassifierConfig(steps=40, batch_size=32)).fit(images, labels, groups)
    assert (model.predict_proba(images).argmax(1) == labels).mean() > 0.9
