"""Images that cannot be written to, such as those of a file that numpy has mapped into memory, are as any other."""

import numpy as np
import pytest
import torch

from ganaug import AugmentedDataset, ImageGAN, ImageVAE, labelled_images
from ganaug.curation import AdditiveTransfer, SyntheticPool
from ganaug.curation.image_filters import NoCopies
from ganaug.data import LabelledImages
from ganaug.metrics import ClassifierConfig, image_report

QUICK = {"steps": 2, "batch_size": 8, "random_state": 0, "verbose": False, "device": "cpu"}
CLASSIFIER = ClassifierConfig(steps=2, batch_size=8)


@pytest.fixture
def data(tmp_path):
    images = np.repeat([20, 200], 30)[:, None, None, None] + np.random.default_rng(0).integers(50, size=(60, 8, 8, 1))
    np.save(tmp_path / "images.npy", images.astype(np.uint8))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    warns = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # otherwise once in a program, which may be in another test
    yield labelled_images(mapped, np.repeat([0, 1], 30), groups=np.arange(60) % 2)
    torch.set_warn_always(warns)


def test_they_are_learnt_filtered_measured_and_augmented_without_a_warning(data, tmp_path):
    assert not data.images.flags.writeable
    gan = ImageGAN(**QUICK).fit(data)
    known = LabelledImages(data.images, np.where(np.arange(60) % 3, data.labels, -1))
    ImageVAE(**QUICK).fit(known)  # the others get labels by likeness
    options = {"per_class": 2, "real": data, "keep": [NoCopies()], "random_state": 0}
    augmented = AugmentedDataset(data, SyntheticPool.build(gan, tmp_path / "pool", **options), per_class=2)
    image, _ = augmented[0]
    image += 1  # as a transform may do it
    assert np.array_equal(augmented[0][0].numpy() + 1, image)
    assert AdditiveTransfer().fit(data).sample([0, 1], [1, 0], random_state=0).shape == (2, 1, 8, 8)
    report = image_report(data, data, classifier=CLASSIFIER, device="cpu")
    assert report.overall["CAS"] > 0
