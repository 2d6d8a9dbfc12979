import numpy as np
import torch

from ganaug.bench.arms import batch_drawer
from ganaug.bench.suite import Arm

LABELS = np.array([0, 0, 0, 1])
REAL = np.full((4, 1, 8, 8), 10, np.uint8) + LABELS[:, None, None, None].astype(np.uint8), LABELS
SYNTHETIC_LABELS = np.repeat([1, 0], 5)
SYNTHETIC = (
    np.full((10, 1, 8, 8), 200, np.uint8) + SYNTHETIC_LABELS[:, None, None, None].astype(np.uint8),
    SYNTHETIC_LABELS,
)


def batch(arm, n=4000, seed=0):
    images, labels = batch_drawer(arm, REAL, SYNTHETIC, torch.Generator().manual_seed(seed))(n)
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
