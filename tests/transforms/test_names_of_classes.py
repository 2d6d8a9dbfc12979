"""Classes are matched by name: where names are not those of the labels, or are of several classes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import AugmentedDataset, LabelledImages, SyntheticMix, SyntheticPool, labelled_images
from ganaug.curation import AdditiveTransfer, ImageMixture

LEVELS = {"cat": 50, "dog": 120, "eel": 200}


@pytest.fixture
def folder(tmp_path):
    """A file of each class from each of two rooms, of one level; dogs lie on their side and say so."""
    root = tmp_path / "pets"
    for name, level in LEVELS.items():
        (root / name).mkdir(parents=True)
        for room in ("hall", "yard"):
            pixels = np.full((8, 8), level, np.uint8)
            pixels[:2] = 0
            exif = Image.Exif()
            exif[0x0112] = 6 if name == "dog" else 1
            Image.fromarray(pixels).save(root / name / f"{room}.png", exif=exif)
    return root


def as_it_is(path):
    with Image.open(path) as image:
        return image.copy()


def levels(images):
    return [int(torch.as_tensor(v2.functional.to_image(image)).flatten().float().median()) for image in images]


def rooms(folder):
    return labelled_images(str(folder), groups=r"(\w+)\.png")


class Wrapped(Dataset):
    """The items of another dataset that have some labels, which count on from 0 or stay as they are."""

    def __init__(self, dataset, kept, first):
        self.dataset, self.first = dataset, first
        self.places = [place for place, label in enumerate(dataset.targets) if label in kept]

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        image, label = self.dataset[self.places[index]]
        return image, label - self.first


def test_names_stay_where_labels_do(folder):
    images = ImageFolder(folder, v2.Grayscale())
    for same in (images, Subset(images, [0, 2, 4]), Wrapped(images, {0, 1, 2}, 0)):
        assert labelled_images(same).class_names == dict(enumerate(LEVELS))
    for other in (ImageFolder(folder, v2.Grayscale(), target_transform=abs), Wrapped(images, {1, 2}, 1)):
        assert labelled_images(other).class_names == {}


def test_a_wrapper_with_other_labels_has_no_names_to_be_matched_by(folder, tmp_path):
    pool = SyntheticPool.build(AdditiveTransfer().fit(rooms(folder)), tmp_path / "pool", per_class=2, random_state=0)
    images = ImageFolder(folder, v2.Grayscale())
    dataset = AugmentedDataset(Wrapped(images, {0, 1, 2}, 0), pool, per_class=1)
    assert (dataset.classes, levels(dataset[at][0] for at in (6, 7, 8))) == (list(LEVELS), list(LEVELS.values()))
    unnamed = AugmentedDataset(Wrapped(images, {0, 1}, 0), pool, per_class=1)
    assert not hasattr(unnamed, "classes")


@pytest.mark.parametrize("make", [AdditiveTransfer, lambda: ImageMixture([AdditiveTransfer()] * 2)])
def test_what_moves_images_and_mixtures_know_the_names(folder, tmp_path, make):
    labels, groups = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)
    by_number = LabelledImages(rooms(folder).images, labels, dict(enumerate(LEVELS)), groups=groups)
    model = make().fit(by_number)
    assert model.class_names_ == by_number.class_names
    pool = SyntheticPool.build(model, tmp_path / "pool", per_class=2, random_state=0)
    assert pool.class_names == by_number.class_names
    for source in (model, pool):
        mix = SyntheticMix(source, 1.0, classes=["dog", "eel"])
        images, _ = mix(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]))
        assert levels(images) == [120, 120, 200, 200]


@pytest.fixture
def cranes():
    """Two classes of one name, and another."""
    images = np.repeat(np.array([50, 120, 200], np.uint8), 4)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    names = {0: "crane", 1: "crane", 2: "dog"}
    return LabelledImages(images, np.repeat([0, 1, 2], 4), names, groups=np.tile([0, 1], 6))


def test_classes_of_one_name_are_kept_apart_or_refused(cranes):
    transfer, batch = AdditiveTransfer().fit(cranes), torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    for names in (["crane", "crane", "dog"], ["crane", "crane", "dog", "eel"], None):
        images, _ = SyntheticMix(transfer, 1.0, classes=names, missing="keep")(batch, labels)
        assert levels(images) == [50, 50, 120, 120, 200, 200]
        torch.manual_seed(0)
        balanced = SyntheticMix(transfer, 1.0, classes=names, balance="uniform", missing="keep")
        images, drawn = balanced(batch.repeat(9, 1, 1, 1), labels.repeat(9))
        assert levels(images) == [[50, 120, 200][label] for label in drawn]
        assert set(drawn.tolist()) == {0, 1, 2}
    with pytest.raises(ValueError, match="'crane' is what several are called; name them differently, or train"):
        SyntheticMix(transfer, classes=["dog", "crane", "crane"])


def test_real_images_are_read_as_by_fit_before_their_own_transform(folder):
    """Dogs are turned upright, as those that the generator draws."""
    transfer = AdditiveTransfer().fit(rooms(folder))
    for own, later in ((v2.PILToTensor(), None), (None, v2.PILToTensor())):
        images = ImageFolder(folder, own, loader=as_it_is)
        for real in (images, Subset(images, range(6)), torch.utils.data.ConcatDataset([images, images])):
            dataset = AugmentedDataset(real, transfer, per_class=1, transform=later, random_state=0)
            for place in (2, len(dataset) - 2):  # a real dog, and a synthetic one
                rows = dataset[place][0][0]
                assert (rows[:, -2:] == 0).all()
                assert (rows[:, :-2] > 0).all()


def test_transforms_are_those_that_there_were(folder):
    images = ImageFolder(folder, v2.PILToTensor(), loader=as_it_is)
    dataset = AugmentedDataset(images, AdditiveTransfer().fit(rooms(folder)), per_class=1, random_state=0)
    images.transform = v2.RandomInvert(1.0)
    assert [type(dataset[place][0]) for place in (0, 6)] == [torch.Tensor] * 2


class ByKeyword(ImageFolder):
    def __getitem__(self, index):
        path, label = self.samples[index]
        return self.transform(image=self.loader(path))["image"], label


def test_a_transform_that_is_called_otherwise_is_named(folder):
    with pytest.raises(ValueError, match="calls its transform in a way of its own, not as transform"):
        AugmentedDataset(ByKeyword(folder, lambda image: {"image": image}), AdditiveTransfer().fit(rooms(folder)))
