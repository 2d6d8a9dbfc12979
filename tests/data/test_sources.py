import collections
import io
import pathlib
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image
from torch.utils.data import IterableDataset, TensorDataset

from ganaug.data import LabelledImages, labelled_images

LABELS = [0, 1, 0, 1]


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture
def parquet(tmp_path):
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog"])})
    images = [Image.fromarray(image) for image in pixels(4, 8, 9, 3)]
    path = tmp_path / "images.parquet"
    Dataset.from_dict({"image": images, "label": LABELS}, features=features).to_parquet(str(path))
    return path


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "images.npz"
    np.savez_compressed(path, images=pixels(4, 8, 9, 3), labels=["a", "b", "a", "b"])
    return path


def test_arrays_tensors_and_lists_give_the_same():
    images = pixels(4, 8, 9, 3)
    channels_first = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    sources = [images, channels_first, list(images), list(channels_first), [Image.fromarray(image) for image in images]]
    for source in sources:
        data = labelled_images(source, LABELS)
        np.testing.assert_array_equal(data.images, channels_first.numpy())
        assert data.labels.tolist() == LABELS


class Arraylike:
    """An array of another library, such as TensorFlow or JAX."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def png_bytes(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def column(images, **options):
    features = Features({"image": ImageFeature(**options), "label": ClassLabel(names=["cat", "dog"])})
    return Dataset.from_dict({"image": images, "label": LABELS}, features=features)


def mixed(images):
    return [
        Image.fromarray(images[0]),
        images[1],
        torch.from_numpy(images[2].transpose(2, 0, 1).copy()),
        images[3] / 255,
    ]


@pytest.mark.parametrize(
    "source",
    [
        Arraylike,
        lambda images: [Arraylike(image) for image in images],
        lambda images: tuple(map(Image.fromarray, images)),
        mixed,
        lambda images: collections.deque(mixed(images)),
        lambda images: pd.Series(mixed(images), index=[7, 7, 5, 0]),
        lambda images: pd.Series(list(map(Image.fromarray, images)), index=list("abcd")).to_numpy(),
        lambda images: pd.Series(list(map(png_bytes, images))),
        lambda images: column(list(map(Image.fromarray, images)))["image"],
        lambda images: column(list(map(Image.fromarray, images)), decode=False)["image"],
        lambda images: column(list(map(Image.fromarray, images))).with_format("torch")["image"],
        lambda images: column(list(map(Image.fromarray, images))).to_pandas()["image"],
    ],
)
def test_images_are_the_same_whatever_holds_them(source):
    images = pixels(4, 8, 9, 3)
    labels = column(list(map(Image.fromarray, images)))["label"]
    data = labelled_images(source(images), labels)
    np.testing.assert_array_equal(data.images, images.transpose(0, 3, 1, 2))
    assert data.labels.tolist() == LABELS
    assert data.labels.dtype == np.int64


@pytest.mark.parametrize("of", [list, np.array, pd.Series, lambda paths: [pathlib.Path(path) for path in paths]])
def test_images_may_be_named_by_their_files(make_folder, of):
    images = pixels(4, 8, 9, 3)
    root = make_folder({f"{i}.png": image for i, image in enumerate(images)})
    paths = of([str(root / f"{i}.png") for i in range(4)])
    np.testing.assert_array_equal(labelled_images(paths, LABELS).images, images.transpose(0, 3, 1, 2))
    assert labelled_images(paths, LABELS, size=10).image_shape == (3, 10, 10)


def test_labels_of_minus_one_are_unlabelled_whatever_holds_them(tmp_path):
    labels = [0, -1, 1, -1]
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog"])})
    images = pixels(4, 8, 9, 3)
    dataset = Dataset.from_dict({"image": list(map(Image.fromarray, images)), "label": labels}, features=features)
    dataset.to_parquet(str(tmp_path / "x.parquet"))
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    pairs = list(zip(map(Image.fromarray, images), labels, strict=True))
    for given in [
        (images, labels),
        (images, torch.tensor(labels)),
        (images, np.array(labels, dtype=object)),
        (list(images), pd.Series(labels)),
        (dataset,),
        (dataset["image"], dataset["label"]),
        (tmp_path / "x.parquet",),
        (tmp_path / "x.npz",),
        (pairs,),
    ]:
        data = labelled_images(*given)
        assert data.has_label.tolist() == [True, False, True, False]
        assert data.labelled().classes.tolist() == [0, 1]


def test_parquet_keeps_pixels_and_class_names(parquet):
    data = labelled_images(parquet)
    np.testing.assert_array_equal(data.images, pixels(4, 8, 9, 3).transpose(0, 3, 1, 2))
    assert data.labels.tolist() == LABELS
    assert data.class_names == {0: "cat", 1: "dog"}
    assert labelled_images(str(parquet), size=10).image_shape == (3, 10, 10)


def test_npz_keeps_pixels_and_labels(npz):
    data = labelled_images(str(npz))
    np.testing.assert_array_equal(data.images, pixels(4, 8, 9, 3).transpose(0, 3, 1, 2))
    assert data.labels.tolist() == ["a", "b", "a", "b"]


def test_folder_path_as_string(make_folder):
    root = make_folder({"a/0.png": pixels(8, 8), "b/0.png": pixels(8, 8)})
    assert labelled_images(str(root)).labels.tolist() == ["a", "b"]


def test_labelled_images_pass_through_unchanged():
    data = LabelledImages(pixels(4, 1, 8, 8), np.array(LABELS))
    assert labelled_images(data) is data


def test_digits_are_grey_levels_of_ten_classes():
    data = labelled_images("digits")
    assert data.images.max() == 255
    assert data.classes.tolist() == list(range(10))


def test_a_folder_can_be_told_from_an_embedded_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        labelled_images("./digits")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "overwritten", "empty"])
def test_damaged_parquet_is_refused(parquet, damage):
    content = bytearray(parquet.read_bytes())
    if damage == "overwritten":
        content[20:200] = b"\xff" * 180
    parquet.write_bytes(
        {"truncated": content[: len(content) // 2], "garbage": b"x" * 99, "empty": b""}.get(damage, content)
    )
    with pytest.raises(ValueError, match=r"images\.parquet cannot be read as parquet") as caught:
        labelled_images(parquet)
    assert "\n" not in str(caught.value)


def test_parquet_without_images_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    Dataset.from_dict({"x": [1, 2]}).to_parquet(str(path))
    with pytest.raises(ValueError, match=r"exactly one Image column, got none among \['x'\]"):
        labelled_images(path)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "overwritten", "empty", "npy"])
def test_damaged_npz_is_refused(npz, damage):
    content = bytearray(npz.read_bytes())
    if damage == "overwritten":
        content[150:250] = b"\xff" * 100
    if damage == "npy":
        with npz.open("wb") as file:
            np.save(file, pixels(4, 8, 8))
    else:
        npz.write_bytes({"truncated": content[:200], "garbage": b"x" * 99, "empty": b""}.get(damage, content))
    with pytest.raises(ValueError, match=r"images\.npz") as caught:
        labelled_images(npz)
    assert "\n" not in str(caught.value)
    assert "pickle.load" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": pixels(4, 8, 8)}, r"arrays 'images' and 'labels', got \['images'\]"),
        ({"x": pixels(4, 8, 8), "y": LABELS}, r"got \['x', 'y'\]"),
        ({"images": pixels(4, 8, 8), "labels": [0, 1]}, "4 images and 2 labels"),
        ({"images": pixels(4, 8), "labels": LABELS}, r"got \(4, 8\)"),
    ],
)
def test_npz_with_the_wrong_arrays_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        labelled_images(tmp_path / "x.npz")


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_npz_with_pickles_runs_no_code(tmp_path):
    mark = tmp_path / "executed"
    payload = np.array([Payload(mark)] * 4, dtype=object)
    np.savez(tmp_path / "labels.npz", images=pixels(4, 8, 8), labels=payload)
    np.savez(tmp_path / "images.npz", images=payload, labels=LABELS)
    payload.dump(tmp_path / "bare.npz")
    with zipfile.ZipFile(tmp_path / "member.npz", "w") as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", payload.dumps())
    for path in sorted(tmp_path.glob("*.npz")):
        with pytest.raises((ValueError, TypeError)):
            labelled_images(path)
    assert not mark.exists()
    np.load(tmp_path / "labels.npz", allow_pickle=True)["labels"]
    assert mark.exists()  # the payload does work where pickles are allowed


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(1, 8, 8), 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((pixels(4, 8, 8),), ValueError, "got None; pass y"),
        ((pixels(4, 8, 8), [0, 1]), ValueError, "4 images and 2 labels"),
        (([np.zeros((8, 8)), np.zeros((9, 8))], [0, 1]), ValueError, "8 x 8 pixels at index 0 and 9 x 8 at index 1"),
        ((iter(pixels(4, 8, 8)), LABELS), TypeError, "sequence with a length, got a .*iterator; pass a list"),
        (((image for image in pixels(4, 8, 8)), LABELS), TypeError, "got a generator; pass a list"),
        ((column([None] * 4).to_iterable_dataset()["image"], LABELS), TypeError, "got a IterableColumn; pass a list"),
        ((set("abcd"), LABELS), TypeError, "got a set; pass a list"),
        (([], []), ValueError, "at least one image, got an empty list"),
        ((["cat.png", "dog.png"], [0, 1]), ValueError, r"image 'cat\.png' at index 0 is no file"),
        ((["/dev/zero", "/dev/zero"], [0, 1]), ValueError, "image '/dev/zero' at index 0 is no file"),
        (([__file__, __file__], [0, 1]), ValueError, r"image '.*test_sources\.py' at index 0 cannot be read"),
        (([b"no image", b"either"], [0, 1]), ValueError, "the image at index 0 cannot be read"),
        ((column([None] * 4)["image"], LABELS), TypeError, "got NoneType"),
        ((pd.Series([pixels(8, 8)] * 4),), ValueError, "labels are needed beside a Series"),
        (([(pixels(8, 8), 0), (pixels(8, 8), 1)], [0, 1]), ValueError, "a list, which carries its own"),
        ((np.array(["a", "b"]),), ValueError, "labels are needed"),
        ((TensorDataset(torch.zeros(4, 1, 8, 8), torch.tensor(LABELS)), LABELS), ValueError, "carries its own"),
        (("digits", LABELS), ValueError, "a str, which carries its own"),
        ((None,), TypeError, "from a NoneType"),
        ((5,), TypeError, "from a int"),
        (({"a": 1},), TypeError, "a dict without item 0"),
        ((Stream(),), TypeError, "from a Stream"),
        ((LabelledImages,), TypeError, "from a type"),
    ],
)
def test_bad_sources_are_refused(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        labelled_images(*arguments)
    assert "\n" not in str(caught.value)


def test_missing_path_and_foreign_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none does not exist; .*\['digits', 'mnist5k'\]"):
        labelled_images(tmp_path / "none")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"a\.csv is not a folder"):
        labelled_images(tmp_path / "a.csv")


@pytest.mark.parametrize("size", [0, -1, 7, 129, (0, 8), (8, 8, 8), 8.5, "32", (8,)])
def test_bad_sizes_are_refused(make_folder, size):
    root = make_folder({"a/0.png": pixels(8, 8), "b/0.png": pixels(8, 8)})
    with pytest.raises(ValueError, match="size must be 8 to 128 pixels"):
        labelled_images(root, size=size)


@pytest.mark.parametrize("source", ["parquet", "npz", "dataset", "pairs", "sequence"])
def test_images_that_do_not_fit_into_the_memory_are_refused_before_they_are_read(
    parquet, npz, tmp_path, monkeypatch, source
):
    images = list(map(Image.fromarray, pixels(4, 8, 9, 3)))
    pairs = list(zip(images, LABELS, strict=True))
    given = {
        "parquet": (parquet,),
        "npz": (npz,),
        "dataset": (column(images),),
        "pairs": (pairs,),
        "sequence": (images, LABELS),
    }[source]
    assert len(labelled_images(*given)) == 4
    monkeypatch.setattr("ganaug.data.images.memory.available_memory", lambda: 500)
    with pytest.raises(
        ValueError, match=r"need .* of memory, and three quarters .* 375 bytes; (resize|write)"
    ) as caught:
        labelled_images(*given)
    assert "\n" not in str(caught.value)


def test_running_out_of_memory_is_one_sentence_too():
    class Endless:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            raise MemoryError

    with pytest.raises(ValueError, match="memory ran out"):
        labelled_images(Endless())


def test_size_may_be_a_numpy_integer(make_folder):
    root = make_folder({"a/0.png": pixels(8, 8), "b/0.png": pixels(8, 8)})
    assert labelled_images(root, size=np.int64(10)).image_shape == (1, 10, 10)


def test_size_is_never_ignored(npz):
    for source in (npz, "digits", LabelledImages(pixels(4, 1, 8, 8), np.array(LABELS))):
        with pytest.raises(ValueError, match="size applies to"):
            labelled_images(source, size=16)
    with pytest.raises(ValueError, match="size applies to"):
        labelled_images(pixels(4, 8, 8), LABELS, size=16)


def test_train_checks_what_a_gan_needs():
    images = pixels(4, 8, 8)
    assert len(labelled_images(images, [0, 0, 0, 1])) == 4
    with pytest.raises(ValueError, match="class '1' has 1"):
        labelled_images(images, [0, 0, 0, 1], train=True)
    with pytest.raises(ValueError, match="at least two classes"):
        labelled_images(images, [7] * 4, train=True)
    with pytest.raises(ValueError, match="got 8 x 4"):
        labelled_images(images[:, :, :4], LABELS, train=True)
