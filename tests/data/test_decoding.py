import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.data.images.decoding import array_from_image
from ganaug.data.images.stacking import stack_images

GREY = np.full((8, 9), 7, np.uint8)
COLOUR = np.dstack([GREY, GREY + 1, GREY + 2])
EQUAL = np.dstack([GREY] * 3)


class Arraylike:
    """An image of another library, such as TensorFlow or JAX."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize(
    "image",
    [
        COLOUR,
        COLOUR / 255,
        Arraylike(COLOUR),
        torch.from_numpy(COLOUR.transpose(2, 0, 1).copy()),
        Image.fromarray(COLOUR),
        Image.fromarray(COLOUR).convert("RGBA"),
        Image.fromarray(COLOUR).quantize(),
        Image.merge("CMYK", [Image.fromarray(255 - band) for band in (*COLOUR.transpose(2, 0, 1), 255 + 0 * GREY)]),
    ],
)
def test_a_colour_image_is_the_same_array_whatever_it_comes_as(image):
    for channels in (None, 3):
        found = array_from_image(image, channels=channels)
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "image", [GREY, torch.from_numpy(GREY)[None], Image.fromarray(GREY), Image.fromarray(GREY).convert("LA")]
)
def test_a_grey_image_joins_colour_images_and_a_colour_image_without_colour_grey_ones(image):
    assert array_from_image(image).shape == (1, 8, 9)
    np.testing.assert_array_equal(array_from_image(image, channels=3), EQUAL.transpose(2, 0, 1))
    np.testing.assert_array_equal(array_from_image(Image.fromarray(EQUAL), channels=1), GREY[None])


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (Image.fromarray(COLOUR), {"channels": 1}, ValueError, "has 3 channels, the images that it joins 1"),
        (np.zeros((8, 8, 5)), {"channels": 3}, ValueError, "has 5 channels, the images that it joins 3"),
        (GREY, {"size": 16}, ValueError, "size applies to"),
        (Image.new("La", (8, 8)), {}, ValueError, "mode 'La'"),
        (Image.new("F", (8, 8), 300.0), {}, ValueError, r"\[0, 1\], got \[300, 300\]"),
        ("cat.png", {}, TypeError, "got str"),
        ([[0, 1]], {}, TypeError, "got list"),
    ],
)
def test_what_is_no_such_image_is_refused_in_one_sentence(image, options, error, message):
    with pytest.raises(error, match=message) as caught:
        array_from_image(image, **options)
    assert "\n" not in str(caught.value)


def test_grey_images_before_and_behind_colour_get_three_channels():
    grey, colour = GREY[None], COLOUR.transpose(2, 0, 1)
    stacked = stack_images(iter([grey, colour, grey]), 5)
    np.testing.assert_array_equal(stacked, [EQUAL.transpose(2, 0, 1), colour, EQUAL.transpose(2, 0, 1)])


def test_stacking_refuses_differing_channels():
    with pytest.raises(ValueError, match=r"same number of channels, got \[3, 5\]"):
        stack_images([np.zeros((3, 8, 8), np.uint8), np.zeros((5, 8, 8), np.uint8)], 2)
