"""The budget of a training grows with the classes, and one that is too short for them says so before and after."""

import warnings

import numpy as np
import pytest

from ganaug import ImageGAN

QUICK = {"batch_size": 8, "device": "cpu", "verbose": False, "random_state": 0}


def classes(n, each=2):
    """Black images with one bright square, at a place of its own for each class."""
    images = np.random.default_rng(0).integers(0, 30, (n * each, 8, 8), dtype=np.uint8)
    labels = np.repeat(np.arange(n), each)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 7)
        image[row : row + 2, column : column + 2] = 255
    return images, labels


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_steps_are_those_of_the_preset_up_to_ten_classes_and_grow_with_more(preset):
    gan = ImageGAN(preset=preset, device="cpu")
    few, ten, forty = (gan.resolve(*classes(n)) for n in (2, 10, 40))
    assert few.training == ten.training
    assert forty.training.steps == pytest.approx(4 * ten.training.steps, abs=2)


def test_too_few_steps_for_many_classes_are_a_warning_before_training():
    gan = ImageGAN(steps=2, **QUICK)
    with pytest.warns(UserWarning, match=r"steps=2 of 8 images show each of the 11 classes 1 times.*; take about \d+"):
        gan.fit(*classes(11))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan.fit(*classes(10))


def test_a_training_that_was_too_short_says_so_in_health():
    gan = ImageGAN(steps=200, **QUICK)
    with pytest.warns(UserWarning, match="too few for samples to follow"):
        gan.fit(*classes(40))
    (found,) = [f for f in gan.health_ if f["finding"] == "class_inconsistency"]
    assert len(found["classes"]) == 40
    assert found["value"] < found["threshold"] < 0.6
    assert found["value"] == pytest.approx(np.mean(list(found["classes"].values())))
