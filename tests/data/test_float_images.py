import numpy as np
import pytest
import torch
from datasets import Array2D, Array3D, ClassLabel, Dataset, Features
from PIL import Image

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.images.pixel_scale import PixelScale

LABELS = [0, 1, 0, 1]
VALUES = np.random.default_rng(0).normal(-40, 30, (4, 8, 9)).astype(np.float32)
SHADES = np.random.default_rng(0).random((4, 8, 9)).astype(np.float32)
CHANNELS = np.stack([VALUES, VALUES * 10, SHADES], 1)


def saved(folder, name, **arrays):
    np.savez(folder / name, **arrays)
    return folder / name


def npy(folder, values):
    np.save(folder / "x.npy", values)
    return folder / "x.npy"


def hugging_face(feature, values):
    features = Features({"spectrum": feature, "label": ClassLabel(names=["cat", "dog"])})
    return Dataset.from_dict({"spectrum": list(values), "label": LABELS}, features=features)


def tiffs(folder, values):
    """The first half in one class, the others in another, read in this order."""
    for i, image in enumerate(values):
        (folder / f"{i // 2}").mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{i // 2}" / f"{i}.tiff")
    return folder


@pytest.mark.parametrize("dtype", ["float32", "auto"])
@pytest.mark.parametrize(
    "given",
    [
        lambda _: (VALUES, LABELS),
        lambda _: (VALUES.astype(np.float64), LABELS),
        lambda _: (torch.from_numpy(VALUES), LABELS),
        lambda _: (list(VALUES), LABELS),
        lambda _: ([VALUES[0], torch.from_numpy(VALUES[1]), *map(Image.fromarray, VALUES[2:])], LABELS),
        lambda _: (list(zip(VALUES, LABELS, strict=True)),),
        lambda _: (hugging_face(Array2D((8, 9), "float32"), VALUES),),
        lambda folder: (saved(folder, "x.npz", images=VALUES, labels=LABELS),),
        lambda folder: (npy(folder, VALUES), LABELS),
        lambda folder: (tiffs(folder, VALUES),),
    ],
)
def test_floats_that_are_no_pictures_keep_their_values(given, dtype, tmp_path):
    data = labelled_images(*given(tmp_path), dtype=dtype)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images[:, 0], VALUES)
    assert data.subset([2, 0]).images.dtype == np.float32


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)])
def test_columns_of_arrays_have_channels_first_or_last(order):
    arrays = CHANNELS.transpose(0, *(axis + 1 for axis in order))
    column = hugging_face(Array3D(arrays.shape[1:], "float32"), arrays)
    np.testing.assert_array_equal(labelled_images(column, dtype="float32").images, CHANNELS)


def test_without_being_asked_for_floats_become_pixels_as_ever():
    whole = np.rint(SHADES * 255).astype(np.uint8)[:, None]
    for dtype in ("uint8", "auto"):
        np.testing.assert_array_equal(labelled_images(SHADES, LABELS, dtype=dtype).images, whole)
    assert labelled_images(whole[:, 0], LABELS, dtype="auto").images.dtype == np.uint8
    with pytest.raises(ValueError, match=r"undo the normalisation, .*dtype='float32'"):
        labelled_images(VALUES, LABELS)


def test_floats_that_pixels_would_lose_are_kept():
    """Such as a raw sensor scaled by its full range: 0.5 to 0.52 would be six grey levels."""
    faint = (0.5 + 0.02 * SHADES).astype(np.float32)
    data = labelled_images(faint, LABELS, dtype="auto")
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images[:, 0], faint)
    assert labelled_images(faint, LABELS).images.dtype == np.uint8  # where pixels are asked for
    flat = np.stack([SHADES, np.full_like(SHADES, 0.4321)], axis=-1)  # a channel without differences has none to lose
    few = np.rint(9 * SHADES) / 255  # ten of the values of pixels
    for kept_as_pixels in (flat, few):
        assert labelled_images(kept_as_pixels, LABELS, dtype="auto").images.dtype == np.uint8
    one = np.stack([SHADES, faint], axis=-1)
    assert labelled_images(one, LABELS, dtype="auto").images.dtype == np.float32


def test_all_numbers_are_kept_where_that_is_asked_for(tmp_path):
    np.testing.assert_array_equal(labelled_images(SHADES, LABELS, dtype="float32").images[:, 0], SHADES)
    assert labelled_images("digits", dtype="float32").images.max() == 255
    deep = np.arange(4 * 72).reshape(4, 8, 9).astype(np.uint16) * 200
    np.testing.assert_array_equal(labelled_images(deep, LABELS, dtype="float32").images[:, 0], deep)
    np.testing.assert_array_equal(labelled_images(tiffs(tmp_path, deep), dtype="float32").images[:, 0], deep)


@pytest.mark.parametrize(
    ("images", "dtype", "message"),
    [
        (np.full((4, 8, 9), np.nan), "float32", "NaN or infinite"),
        (np.full((4, 8, 9), -np.inf), "auto", "NaN or infinite"),
        (np.full((4, 8, 9), 1e300), "float32", "NaN or infinite"),
        ([SHADES[0], torch.from_numpy(VALUES[1]), *SHADES[2:]], "auto", r"dtype='float32'"),
        (VALUES.astype(complex), "float32", "must be real numbers, got complex128"),
        (SHADES, "float16", "dtype must be one of 'uint8', 'float32', 'auto', got 'float16'"),
    ],
)
def test_bad_floats_are_refused_in_one_sentence(images, dtype, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        labelled_images(images, LABELS, dtype=dtype)
    assert "\n" not in str(caught.value)


def test_fingerprints_know_the_dtype():
    zeros = np.zeros((2, 1, 8, 8))
    prints = {LabelledImages(zeros.astype(kind), np.array([0, 1])).fingerprint() for kind in (np.uint8, np.float32)}
    assert len(prints) == 2


def test_memory_is_estimated_by_the_dtype(tmp_path, monkeypatch):
    images = list(VALUES)
    monkeypatch.setattr("ganaug.data.images.memory.available_memory", lambda: 1000)
    pairs = [(Image.fromarray(np.uint8(image > 0)), label) for image, label in zip(images, LABELS, strict=True)]
    assert len(labelled_images(pairs)) == 4  # 288 bytes
    with pytest.raises(ValueError, match="4 images of 8 x 9 pixels need 1152 bytes"):
        labelled_images(pairs, dtype="float32")


@pytest.mark.parametrize("images", [CHANNELS, np.float32([[[[5, 5]]], [[[5, 5]]]]), np.uint8([[[[0, 255]]]])])
def test_scales_go_to_the_network_and_back(images):
    scale = PixelScale.of(images)
    inside = scale.to_network(torch.from_numpy(images))
    assert inside.dtype == torch.float32
    assert inside.abs().max() <= 1 + 1e-6
    back = scale.from_network(inside)
    assert str(back.dtype) == f"torch.{scale.dtype}"
    np.testing.assert_allclose(back, images, atol=1e-4 * np.ptp(images))
    assert PixelScale.from_dict(scale.to_dict(), images.shape[1]) == scale


def test_scales_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="each of 2 channels"):
        PixelScale.from_dict(PixelScale.of(CHANNELS).to_dict(), 2)
