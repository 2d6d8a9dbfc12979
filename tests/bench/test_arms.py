import numpy as np
import pytest
import torch

from ganaug.bench.methods.arms import TRANSFORMS, arm_batches, find_transform
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import ImageArm as Arm

LABELS = np.array([0, 0, 0, 1])
REAL = np.full((4, 1, 8, 8), 10, np.uint8) + LABELS[:, None, None, None].astype(np.uint8), LABELS
SYNTHETIC_LABELS = np.repeat([1, 0], 5)
SYNTHETIC = (
    np.full((10, 1, 8, 8), 200, np.uint8) + SYNTHETIC_LABELS[:, None, None, None].astype(np.uint8),
    SYNTHETIC_LABELS,
)


def batch(arm, n=4000, seed=0):
    images, labels = arm_batches(arm, REAL, SYNTHETIC, torch.Generator().manual_seed(seed))(n)
    return (images * 255).round(), labels


def test_every_image_keeps_its_label_and_the_share_is_as_asked():
    images, labels = batch(Arm("gan", synthetic=0.3))
    pixels = images[:, 0, 0, 0]
    synthetic = pixels >= 200
    assert torch.equal(pixels - torch.where(synthetic, 200, 10), labels.float())
    assert abs(synthetic.float().mean() - 0.3) < 0.03
    # Replacing keeps the balance of the classes.
    assert abs(labels[synthetic].float().mean() - 0.25) < 0.04


def test_without_synthetic_images_only_real_ones_are_shown():
    images, labels = batch(Arm("real"))
    assert set(images.unique().tolist()) == {10.0, 11.0}
    assert abs(labels.float().mean() - 0.25) < 0.03


def test_transform_differs_from_image_to_image():
    torch.manual_seed(0)
    images, _ = batch(Arm("classical", transform="affine"), n=50)
    assert len({image.numpy().tobytes() for image in images}) > 25
    torch.manual_seed(0)
    again, _ = batch(Arm("classical", transform="affine"), n=50)
    assert torch.equal(images, again)


def test_crop_and_flip_keeps_the_size():
    images, _ = batch(Arm("classical", transform="crop+flip"), n=20)
    assert images.shape == (20, 1, 8, 8)
    assert len({image.numpy().tobytes() for image in images}) > 5


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_transform_takes_grey_and_colour_and_stays_in_range(name):
    torch.manual_seed(0)
    transform = find_transform(name)
    for channels in (1, 3):
        images = torch.rand(30, channels, 8, 8)
        changed = torch.stack([transform(image) for image in images])
        assert changed.shape == images.shape
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert (changed != images).any() == (name != "none")


def test_transforms_by_import_path():
    flipped, _ = batch(Arm("flip", transform="torchvision.transforms.v2.RandomVerticalFlip"), n=5)
    assert flipped.shape == (5, 1, 8, 8)
    rotation = Plugin("turn", "torchvision.transforms.v2.RandomRotation", {"degrees": 40})
    turned, _ = batch(Arm("turned", transform=rotation), n=50)
    assert (turned == 0).any()  # corners that nothing was turned into
    assert not (flipped == 0).any()
    with pytest.raises(ValueError, match=r"cannot import 'torchvision\.transforms\.v2\.Nothing'"):
        find_transform("torchvision.transforms.v2.Nothing")


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixes_make_labels_soft_and_come_last(mix):
    torch.manual_seed(0)
    images, labels = batch(Arm("mixed", synthetic=0.5, mix=mix), n=200)
    assert labels.shape == (200, 2)
    torch.testing.assert_close(labels.sum(1), torch.ones(200))
    assert len(images.unique()) > 2


def test_synthetic_images_alone():
    images, _ = batch(Arm("synthetic only", synthetic=1.0))
    assert set(images.unique().tolist()) == {200.0, 201.0}


def test_balanced_arms_show_the_classes_equally_often():
    images, labels = batch(Arm("duplicated", balanced=True))
    assert abs(labels.float().mean() - 0.5) < 0.03
    assert torch.equal(images[:, 0, 0, 0] - 10, labels.float())


def test_transforms_that_need_arguments_are_refused():
    with pytest.raises(ValueError, match=r"transform 'torchvision.transforms.v2.RandomCrop' cannot be made: .*'size'"):
        find_transform("torchvision.transforms.v2.RandomCrop")
