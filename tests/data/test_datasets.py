import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature
from PIL import Image
from torch.utils.data import TensorDataset
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor

from ganaug.data.images.datasets import is_hugging_face, read_hugging_face, read_map_dataset

FEATURES = Features({"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog"])})


class Pairs:
    """A map-style dataset that is no torch class."""

    def __init__(self, images, labels):
        self.pairs = list(zip(images, labels, strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def greys(n=4):
    return [Image.new("L", (9, 8), 10 * i) for i in range(n)]


def hf(images=None, labels=(0, 1, 0, 1), features=FEATURES, **columns):
    return Dataset.from_dict({"image": images or greys(), "label": list(labels), **columns}, features=features)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_tensor_dataset_is_read_channels_first(channels):
    images = torch.arange(4 * channels * 72, dtype=torch.int64).remainder(251).to(torch.uint8)
    images = images.reshape(4, channels, 8, 9)
    data = read_map_dataset(TensorDataset(images, torch.tensor([3, 1, 3, 1])))
    np.testing.assert_array_equal(data.images, images.numpy())
    assert data.labels.tolist() == [3, 1, 3, 1]
    assert data.class_names == {}


def test_items_as_arrays_are_channels_last_and_labels_may_be_strings():
    image = np.random.default_rng(0).random((8, 9, 3))
    data = read_map_dataset(Pairs([image, image], ["b", "a"]))
    np.testing.assert_array_equal(data.images[0], np.rint(image * 255).transpose(2, 0, 1))
    assert data.labels.tolist() == ["b", "a"]


def test_items_as_grey_tensors_without_channels():
    data = read_map_dataset(Pairs(torch.ones(2, 8, 9), [0, 1]))
    assert data.image_shape == (1, 8, 9)
    assert (data.images == 255).all()


def test_torchvision_fake_data():
    data = read_map_dataset(FakeData(size=6, image_size=(3, 8, 9), num_classes=2))
    assert data.images.shape == (6, 3, 8, 9)
    np.testing.assert_array_equal(data.images[2], pil_to_tensor(FakeData(6, (3, 8, 9), 2)[2][0]).numpy())
    assert set(data.labels.tolist()) <= {0, 1}


def test_image_folder_gives_integer_labels_and_class_names(make_folder):
    root = make_folder({f"{name}/{i}.png": np.full((8, 8), i, np.uint8) for name in ("owl", "ape") for i in range(2)})
    data = read_map_dataset(ImageFolder(root))
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert [data.name(label) for label in data.classes] == ["ape", "owl"]
    assert data.image_shape == (3, 8, 8)  # ImageFolder's own loader makes RGB of everything
    assert read_map_dataset(ImageFolder(root), size=(10, 12)).image_shape == (3, 10, 12)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Pairs([], []), ValueError, "dataset is empty"),
        (TensorDataset(torch.zeros(2, 1, 8, 8)), TypeError, r"\(image, label\) pairs"),
        ([1, 2], TypeError, r"\(image, label\) pairs, got int at index 0"),
        (Pairs(["x.png", "y.png"], [0, 1]), TypeError, "PIL images, tensors or arrays, got str"),
        (Pairs([torch.zeros(1, 8, 8), torch.zeros(1, 9, 8)], [0, 1]), ValueError, "same size"),
        (Pairs(torch.full((2, 1, 8, 8), torch.nan), [0, 1]), ValueError, "NaN"),
        (Pairs(torch.zeros(2, 1, 8, 8) - 1, [0, 1]), ValueError, "undo the normalisation"),
        (TensorDataset(torch.zeros(2, 1, 8, 8), torch.eye(2)), ValueError, "one-hot"),
        (Pairs(torch.zeros(2, 1, 8, 8), [0, None]), ValueError, "missing"),
        (pd.DataFrame({"a": [1]}), TypeError, "a DataFrame without item 0"),
    ],
)
def test_bad_datasets_are_refused(dataset, error, message):
    with pytest.raises(error, match=message) as caught:
        read_map_dataset(dataset)
    assert "\n" not in str(caught.value)


def test_size_beside_tensors_is_refused():
    with pytest.raises(ValueError, match="size applies to"):
        read_map_dataset(Pairs(torch.zeros(2, 1, 8, 8), [0, 1]), size=16)


def test_hugging_face_images_labels_and_names():
    data = read_hugging_face(hf())
    assert data.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    assert data.image_shape == (1, 8, 9)
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert data.class_names == {0: "cat", 1: "dog"}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.with_format("torch"),
        lambda d: d.cast_column("image", ImageFeature(decode=False)),
        lambda d: d.rename_columns({"image": "picture", "label": "animal"}),
        lambda d: d.add_column("note", ["x"] * 4),
        lambda d: d.with_transform(lambda batch: {"image": [None] * len(batch["image"])}),
    ],
)
def test_hugging_face_formats_and_column_names_do_not_matter(change):
    data = read_hugging_face(change(hf()))
    np.testing.assert_array_equal(data.images, read_hugging_face(hf()).images)


def test_rows_labelled_minus_one_are_unlabelled_as_in_arrays():
    data = read_hugging_face(hf(labels=(0, -1, 0, 1)))
    assert data.labels.tolist() == [0, -1, 0, 1]
    assert data.has_label.tolist() == [True, False, True, True]
    assert data.class_names == {0: "cat", 1: "dog"}


def test_hugging_face_selection_and_size():
    data = read_hugging_face(hf().select([3, 0]), size=(10, 12))
    assert data.labels.tolist() == [1, 0]
    assert data.images[:, 0, 0, 0].tolist() == [30, 0]
    assert data.image_shape == (1, 10, 12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DatasetDict(train=hf()), TypeError, r"got DatasetDict; choose one split, such as dataset\['train'\]"),
        (lambda: hf().to_iterable_dataset(), TypeError, "got IterableDataset; load it without streaming"),
        (lambda: hf().remove_columns("label"), ValueError, r"one ClassLabel column, got none among \['image'\]"),
        (lambda: hf().cast_column("label", Value("int64")), ValueError, "class_encode_column"),
        (
            lambda: hf(features=Features({**FEATURES, "again": ImageFeature()}), again=greys()),
            ValueError,
            "exactly one Image column",
        ),
        (lambda: hf().select([]), ValueError, "dataset is empty"),
        (lambda: hf(labels=(0, None, 0, 1)), ValueError, "missing"),
        (lambda: hf([*greys(3), None]), ValueError, "row 3 of column 'image' holds no image"),
        (lambda: hf([*greys(3), Image.new("L", (8, 8))]), ValueError, "same size"),
        (lambda: hf([*greys(3), Image.new("I", (9, 8), -1)]), ValueError, "at most 16 bits per channel"),
    ],
)
def test_bad_hugging_face_datasets_are_refused(make, error, message):
    with pytest.raises(error, match=message) as caught:
        read_hugging_face(make())
    assert "\n" not in str(caught.value)


def test_unreadable_hugging_face_images_are_refused_by_row(noise_png, bomb_png):
    for content in (b"no image", b"", noise_png[:-30], bomb_png):
        rows = [{"bytes": noise_png, "path": None}, {"bytes": content, "path": None}]
        with pytest.raises(ValueError, match="row 1 of column 'image'"):
            read_hugging_face(hf(rows, labels=(0, 1)))


def test_only_hugging_face_classes_count_as_hugging_face():
    # Many projects keep their own torch datasets in a module of that name.
    own = type("Own", (TensorDataset,), {"__module__": "datasets"})
    assert not is_hugging_face(own(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1])))
    assert is_hugging_face(hf())
    assert is_hugging_face(type("Derived", (DatasetDict,), {})())
