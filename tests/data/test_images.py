import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug.data import LabelledImages
from ganaug.data.images.labelled import MAX_SIDE, images_from_array
from ganaug.data.labels import class_positions, label_matches, labels_from_array


def ramp(*shape):
    """Different uint8 values all over."""
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_numpy_channels_come_last_and_torch_channels_first(channels):
    images = ramp(4, 8, 11, channels)
    from_numpy = images_from_array(images)
    from_torch = images_from_array(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    assert from_numpy.shape == (4, channels, 8, 11)
    assert from_numpy[3, channels - 1, 7, 2] == images[3, 7, 2, channels - 1]
    np.testing.assert_array_equal(from_numpy, from_torch)


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy])
def test_images_without_a_channel_axis_are_grey(wrap):
    images = ramp(4, 8, 9)
    np.testing.assert_array_equal(images_from_array(wrap(images)), images[:, None])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_uint8_survives_the_trip_through_floats(dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(images_from_array((levels / 255).astype(dtype))[:, 0], levels)


def test_bool_becomes_black_and_white():
    images = images_from_array(np.eye(8, dtype=bool)[None])
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[0, 0], np.eye(8) * 255)


def test_tensors_with_gradient_and_of_bfloat16_are_read():
    images = torch.ones(2, 3, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    assert (images_from_array(images) == 255).all()


def test_object_array_of_equal_images_is_stacked():
    images = np.empty(3, dtype=object)
    images[:] = list(ramp(3, 8, 9))
    np.testing.assert_array_equal(images_from_array(images)[:, 0], ramp(3, 8, 9))


def ragged():
    images = np.empty(2, dtype=object)
    images[:] = [np.zeros((8, 8), np.uint8), np.zeros((9, 8), np.uint8)]
    return images


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.full((2, 8, 8), np.nan), ValueError, "NaN"),
        (np.full((2, 8, 8), np.inf), ValueError, "infinite"),
        (np.full((2, 8, 8), 1.5), ValueError, r"\[0, 1\], got \[1.5, 1.5\]"),
        (np.full((2, 8, 8), -0.5), ValueError, r"got \[-0.5, -0.5\]"),
        (np.full((2, 8, 8), 200.0), ValueError, "convert to uint8"),
        (np.zeros((2, 8, 8), np.int64), TypeError, "got int64"),
        (np.zeros((2, 8, 8), complex), TypeError, "got complex128"),
        (np.zeros((8, 8)), ValueError, r"got \(8, 8\)"),
        (np.zeros((2, 1, 1, 8, 8)), ValueError, r"got \(2, 1, 1, 8, 8\)"),
        (np.zeros((0, 8, 8)), ValueError, "at least one image"),
        (np.zeros((2, 8, 8, 0)), ValueError, "at least one pixel"),
        (np.zeros((2, 3, 8, 8)), ValueError, "channels last"),
        (torch.zeros(8, 8), ValueError, r"\(n, channels, height, width\), got \(8, 8\)"),
        (ragged(), ValueError, "same size"),
    ],
)
def test_bad_images_are_refused_in_one_sentence(images, error, message):
    with pytest.raises(error, match=message) as caught:
        images_from_array(images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([2, 0, 2], np.int64),
        (["b", "a", "b"], "<U1"),
        ([True, False, True], bool),
        (np.array([2, 0, 2], np.int8), np.int8),
        (np.array(["b", "a", "b"], object), object),
        ([1.0, 3.0, 1.0], np.float64),
    ],
)
def test_labels_stay_as_they_are(labels, dtype):
    found = labels_from_array(labels, 3)
    assert found.dtype == dtype
    assert found.tolist() == list(labels)


def test_labels_from_tensors_columns_and_pandas():
    assert labels_from_array(torch.tensor([1, 0]), 2).tolist() == [1, 0]
    assert labels_from_array([[1], [0]], 2).tolist() == [1, 0]
    assert labels_from_array(pd.Series(["b", "a"], index=[7, 7], dtype="category"), 2).tolist() == ["b", "a"]
    assert labels_from_array(pd.Series([1, 0], dtype="Int64"), 2).tolist() == [1, 0]


def test_labels_in_object_arrays_become_plain_values():
    labels = np.array([np.int64(3), np.int64(4)], dtype=object)
    assert {type(label) for label in labels_from_array(labels, 2).tolist()} == {int}


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (None, ValueError, "got None"),
        ([0, 1], ValueError, "3 images and 2 labels"),
        ([0, 1, 0, 1], ValueError, "3 images and 4 labels"),
        (np.eye(3), ValueError, "one-hot"),
        ([0, None, 1], ValueError, "missing"),
        ([0, float("nan"), 1], ValueError, "missing"),
        (["a", float("nan"), "b"], ValueError, "missing"),
        (["a", None, "b"], ValueError, "missing"),
        (pd.Series(["a", None, "b"], dtype="string"), ValueError, "missing"),
        (pd.Series([1, None, 0], dtype="Int64"), ValueError, "missing"),
        (np.array(["2020", "NaT", "2021"], "datetime64[D]"), ValueError, "missing"),
        ([0.1, 0.2, 0.3], ValueError, "continuous"),
        ([0, "cat", 0], TypeError, "one type, got int, str"),
        (np.array([0, "cat", 0], object), TypeError, "one type, got int, str"),
        ([b"a", b"b", b"a"], TypeError, "got bytes"),
        (np.array(["2020", "2020", "2021"], "datetime64[D]"), TypeError, "got date"),
    ],
)
def test_bad_labels_are_refused_in_one_sentence(labels, error, message):
    with pytest.raises(error, match=message) as caught:
        labels_from_array(labels, 3)
    assert "\n" not in str(caught.value)


def data_of(counts, side=(8, 8), names=None):
    labels = np.repeat(np.arange(len(counts)), counts)
    return LabelledImages(ramp(len(labels), 1, *side), labels, names or {})


def test_trainable_data_pass():
    data_of([2, 2]).check_trainable()
    data_of([2, 5], side=(8, MAX_SIDE)).check_trainable()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (data_of([4]), "only class '0' \\(4 images\\)"),
        (data_of([3, 1]), "class '1' has 1"),
        (data_of([3, 1], names={1: "owl"}), "class 'owl' has 1"),
        (data_of([2, 2], side=(7, 8)), "got 7 x 8"),
        (data_of([2, 2], side=(8, MAX_SIDE + 1)), f"got 8 x {MAX_SIDE + 1}"),
    ],
)
def test_untrainable_data_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        data.check_trainable()


def test_subset_keeps_order_labels_and_names():
    data = data_of([2, 2], names={0: "cat", 1: "dog"})
    part = data.subset([3, 0])
    np.testing.assert_array_equal(part.images, data.images[[3, 0]])
    assert part.labels.tolist() == [1, 0]
    assert [part.name(label) for label in part.labels] == ["dog", "cat"]
    assert data_of([1]).name(0) == "0"


def test_fingerprint_depends_on_every_pixel_label_and_shape():
    data = data_of([2, 2])
    changed = data.images.copy()
    changed[-1, -1, -1, -1] ^= 1
    others = [
        LabelledImages(changed, data.labels),
        LabelledImages(data.images, data.labels[::-1]),
        LabelledImages(data.images.reshape(4, 1, 4, 16), data.labels),
    ]
    assert data_of([2, 2]).fingerprint() == data.fingerprint()
    assert len({data.fingerprint(), *(other.fingerprint() for other in others)}) == 4
    assert len(data.fingerprint()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 1, 8, 8)), np.zeros(2), "must be uint8"),
        (np.zeros((2, 8, 8), np.uint8), np.zeros(2), "must be uint8 or float32 of shape"),
        (np.zeros((2, 1, 8, 8), np.uint8), np.zeros(3), "the length of images, got shape .3,. beside 2"),
        ([[0]], np.zeros(1), "images must be a numpy array, got list"),
        (np.zeros((2, 1, 8, 8), np.uint8), [0, 1], "labels must be a numpy array, got list"),
    ],
)
def test_labelled_images_hold_together(images, labels, message):
    with pytest.raises((ValueError, TypeError), match=message):
        LabelledImages(images, labels)


def test_tensors_with_channels_last_are_refused_with_a_hint():
    with pytest.raises(ValueError, match=r"channels first.*permute"):
        images_from_array(torch.zeros(2, 32, 32, 3))


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (["0", "1"], [0, 1], [0, 1]),
        ([1, 0], ["0", "1"], [1, 0]),
        (["00", "07", "10"], [0, 7, 10], [0, 1, 2]),
        (["1.0", "0.0"], [0, 1], [1, 0]),
        (["2", "1"], [1.0, 2.0], [1, 0]),
        (np.array([1, 0], np.uint8), ["0", "1"], [1, 0]),
        (np.array([1.0, 0.0]), ["0", "1"], [1, 0]),
        ([True, False], ["False", "True"], [1, 0]),
        (["true", "false"], [False, True], [1, 0]),
        (["1", "0"], [False, True], [1, 0]),
        ([True, False], [0, 1], [1, 0]),
        (["1", "2"], ["01", "02"], [0, 1]),
        (["10"], ["10", "2"], [0]),
        ([10], ["10", "2"], [0]),
    ],
)
def test_a_number_and_its_text_are_the_same_class(labels, classes, expected):
    assert class_positions(labels, np.array(classes), "there are").tolist() == expected


def test_display_names_are_labels_too_and_go_before_numbers():
    names = {0: "cat", 1: "dog"}
    assert class_positions(["dog", "cat"], np.array([0, 1]), "there are", names).tolist() == [1, 0]
    assert class_positions(["1", "0"], np.array([0, 1]), "there are", {0: "1", 1: "0"}).tolist() == [0, 1]
    assert label_matches([0, 1], ["cat", "dog"], label_names=names) == {0: "cat", 1: "dog"}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["0", "two"], [0, 1]),
        (["0", "2"], [0, 1]),
        (["1", "01"], [0, 1]),
        ([0, 1], ["1", "01"]),
        ([1], ["1", "1.0"]),
        ([0, 1], ["cat", "dog"]),
        ([-1], ["1", "-1"]),
        ([None], [0, 1]),
        (["\u00b2"], [2, 3]),
        ([5, "6"], ["5", "7"]),
    ],
)
def test_what_cannot_be_told_is_not_guessed(labels, classes):
    with pytest.raises(ValueError, match="cannot sample class"):
        class_positions(np.array(labels, object), np.array(classes), "there are the classes")


def test_images_get_the_labels_of_a_model_and_those_without_one_stay_so():
    images = ramp(3, 1, 8, 8)
    named = LabelledImages(images, np.array([1, -1, 0]), {0: "cat", 1: "dog"})
    found = named.relabelled(np.array([3, 4]), {3: "dog", 4: "cat"})
    assert (found.labels.tolist(), found.class_names) == ([3, -1, 4], {3: "dog", 4: "cat"})
    assert named.relabelled(np.array(["cat", "dog"]), {}) is named  # -1 could not be written
    assert named.relabelled(np.array([0, 1]), {0: "cat", 1: "dog"}) is named
    folder = LabelledImages(images, np.array(["1", "0", "1"]))
    assert folder.relabelled(np.array([0, 1]), {}).labels.tolist() == [1, 0, 1]
    assert folder.relabelled(np.array([0, 2]), {}) is folder
