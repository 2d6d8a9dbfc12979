import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import AugmentedDataset, ImageGAN, labelled_images
from ganaug.curation import GateDecision, ImageGateDecision, NoCopies
from ganaug.transforms import gated


@pytest.fixture
def tensors(digits):
    return TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))


def deciding(monkeypatch, ratio, keep=()):
    """Let the gate decide by a script; returns what it was asked."""
    asked = []

    def decide(gan, images, **options):
        asked.append((gan, images, options))
        decision = GateDecision(ratio, ratio, 0.1, 0.01, "scripted")
        ratios = dict.fromkeys(images.classes.tolist(), ratio)
        ratios[images.classes.tolist()[0]] = 0.0
        return ImageGateDecision(ratio, keep, ratios, decision, ("nothing",), (), 30)

    monkeypatch.setattr(gated, "choose_ratio", decide)
    return asked


def test_as_many_are_added_as_the_gate_says(tensors, gan, digits, monkeypatch):
    asked = deciding(monkeypatch, 0.5)
    dataset = AugmentedDataset(tensors, gan, "auto", random_state=3, gate={"cv": 2})
    counts = np.bincount(digits.labels)
    assert np.bincount(dataset.targets[100:], minlength=10).tolist() == [0, *(round(0.5 * n) for n in counts[1:])]
    assert [int(dataset[i][1]) for i in range(100, len(dataset))] == dataset.targets[100:]
    assert dataset[100][0].dtype == torch.uint8
    assert dataset.decision.reason == "scripted"
    ((gate_gan, images, options),) = asked
    assert gate_gan is gan
    assert np.array_equal(images.images, digits.images)
    assert options == {"random_state": 3, "cv": 2}


def test_nothing_may_be_added(tensors, gan, monkeypatch):
    deciding(monkeypatch, 0.0)
    dataset = AugmentedDataset(tensors, gan, "auto", random_state=0)
    assert len(dataset) == 100
    assert dataset.decision.ratio == 0
    assert torch.equal(dataset[5][0], tensors[5][0])


def test_a_gan_that_is_not_fitted_is_left_so_and_a_clone_is_fitted_on_all_images(tensors, monkeypatch):
    fitted_on = []
    fit = ImageGAN.fit

    def recording(self, X, y=None):
        fitted_on.append(len(X))
        return fit(self, X, y)

    monkeypatch.setattr(ImageGAN, "fit", recording)
    deciding(monkeypatch, 1.0)
    gan = ImageGAN(steps=2, device="cpu", verbose=False)
    dataset = AugmentedDataset(tensors, gan, "auto", random_state=0)
    assert fitted_on == [100]
    assert not hasattr(gan, "generator_")
    assert dataset.is_synthetic(len(dataset) - 1)
    again = AugmentedDataset(tensors, gan, "auto", random_state=0)
    assert torch.equal(dataset[150][0], again[150][0])


def test_images_pass_the_filters_that_were_chosen(tensors, gan, monkeypatch):
    class Recording(NoCopies):
        calls = 0

        def accepts(self, images, position):
            Recording.calls += 1
            return np.arange(len(images)) % 2 == 0

    deciding(monkeypatch, 1.0, (Recording(),))
    AugmentedDataset(tensors, gan, "auto", random_state=0)
    assert Recording.calls >= 9


def test_folders_are_matched_by_name_and_resized(tmp_path, monkeypatch):
    randomness = np.random.default_rng(0)
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        for number in range(4):
            pixels = randomness.integers(256, size=(16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    real = ImageFolder(tmp_path, transform=v2.Compose([v2.Resize(12), v2.ToImage()]))
    gan = ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(labelled_images(tmp_path, size=8))
    assert gan.classes_.tolist() == ["cat", "dog"]
    asked = deciding(monkeypatch, 1.0)
    dataset = AugmentedDataset(Subset(real, [0, 1, 4, 5, 6]), gan, "auto", random_state=0)
    assert asked[0][1].image_shape == (3, 8, 8)
    assert dataset.targets == [0, 0, 1, 1, 1, 1, 1, 1]  # the scripted gate adds none of the first class
    assert dataset[6][0].shape == (3, 12, 12)


def test_a_whole_gate_runs(tensors):
    gan = ImageGAN(steps=2, device="cpu", verbose=False)
    dataset = AugmentedDataset(
        tensors, gan, "auto", random_state=0, gate={"ratios": [0, 1], "filters": [()], "starts": 1}
    )
    assert dataset.decision.candidates == ("nothing", "ratio 1")
    assert (len(dataset) > 100) == (dataset.decision.ratio > 0)


def test_bad_input_is_refused(tensors, pool, gan):
    with pytest.raises(
        TypeError,
        match="source must be a generator, got a SyntheticPool without fit and sample; per_class='auto' trains",
    ):
        AugmentedDataset(tensors, pool, "auto")
    with pytest.raises(ValueError, match="takes one dataset or a subset of it"):
        AugmentedDataset(ConcatDataset([tensors, tensors]), gan, "auto")
    unlabelled = TensorDataset(tensors.tensors[0], torch.where(torch.arange(len(tensors)) < 3, -1, tensors.tensors[1]))
    with pytest.raises(ValueError, match="per_class 'auto' validates with labels, which 3 images lack; pass a number"):
        AugmentedDataset(unlabelled, gan, "auto")
    with pytest.raises(ValueError, match="gate holds arguments for per_class='auto' only"):
        AugmentedDataset(tensors, gan, 5, gate={"cv": 2})
