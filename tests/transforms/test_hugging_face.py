import io

import numpy as np
import PIL.Image
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, IterableDataset, IterableDatasetDict, Value
from torch.utils.data import DataLoader

from ganaug import AugmentedDataset, ImageGAN, SyntheticPool, augment_dataset, labelled_images
from ganaug.curation import AdditiveTransfer
from ganaug.data.images.pictures import picture
from ganaug.transforms import hugging_face

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def from_images(images, labels, names=NAMES, **columns):
    features = {"image": Image(), "label": ClassLabel(names=names)}
    kinds = {str: Value("string"), int: Value("int64")}
    features |= {name: kinds[type(values[0])] for name, values in columns.items()}
    rows = {"image": [picture(image) for image in images], "label": labels, **columns}
    return Dataset.from_dict(rows, features=Features(features))


@pytest.fixture(scope="module")
def dataset(digits):
    """Of class 0 to 9: 11, 9, 10, ... images."""
    return from_images(digits.images[:95], digits.labels[:95])


@pytest.fixture(scope="module")
def counts(digits):
    return np.bincount(digits.labels[:95])


def pixels(image):
    return np.asarray(image).tobytes()


@pytest.fixture(params=["gan", "pool"])
def source(request):
    return request.getfixturevalue(request.param)


def test_classes_are_filled_up_behind_the_originals(dataset, source, counts):
    augmented = augment_dataset(dataset, source)
    assert np.bincount(augmented["label"][:]).tolist() == [counts.max()] * 10
    assert augmented["is_synthetic"][:] == [False] * 95 + [True] * (len(augmented) - 95)
    assert augmented.features == {**dataset.features, "is_synthetic": Value("bool")}
    assert [pixels(image) for image in augmented["image"][:95]] == [pixels(image) for image in dataset["image"][:]]
    assert augmented[len(augmented) - 1]["image"].mode == "L"


def test_images_are_of_their_class(dataset, pool, of_class):
    augmented = augment_dataset(dataset, pool, per_class={"three": 5, 7: 4})
    new = augmented.filter(lambda flag: flag, input_columns="is_synthetic")
    assert set(new["label"][:]) == {3, 7}
    assert all(pixels(row["image"]) in of_class[row["label"]] for row in new)


def test_same_seed_same_images(dataset, gan):
    first, again, other = (augment_dataset(dataset, gan, random_state=seed) for seed in (0, 0, 1))
    images = [[pixels(image) for image in a["image"][95:]] for a in (first, again, other)]
    assert images[0] == images[1] != images[2]


def test_only_train_is_augmented(dataset, pool):
    augmented = augment_dataset(DatasetDict(train=dataset, test=dataset), pool)
    assert list(augmented) == ["train", "test"]
    assert sum(augmented["train"]["is_synthetic"][:]) > 0
    assert sum(augmented["test"]["is_synthetic"][:]) == 0
    assert augmented["train"].features == augmented["test"].features
    with pytest.raises(ValueError, match="only the split 'train' is augmented, there are test; pass one of them"):
        augment_dataset(DatasetDict(test=dataset), pool)


def test_streams(dataset, pool, counts):
    augmented = augment_dataset(dataset.to_iterable_dataset(), pool)
    rows = list(augmented)
    assert [row["is_synthetic"] for row in rows] == [False] * 95 + [True] * (10 * counts.max() - 95)
    assert {type(row["image"]).__name__ for row in rows} == {"PngImageFile"}
    assert np.bincount([row["label"] for row in rows]).tolist() == [counts.max()] * 10
    assert len(list(augmented.shuffle(seed=0, buffer_size=20).take(7))) == 7


@pytest.mark.parametrize("form", ["torch", None])
def test_workers_that_share_a_stream_lose_no_rows(dataset, pool, form):
    rows = augment_dataset(dataset, pool)
    stream = augment_dataset(dataset.to_iterable_dataset().with_format(form), pool)  # a worker has synthetic rows alone
    batches = DataLoader(stream, 8, num_workers=2, collate_fn=list)
    flags = [bool(row["is_synthetic"]) for batch in batches for row in batch]
    assert (len(flags), sum(flags)) == (len(rows), sum(rows["is_synthetic"]))


def test_the_format_is_kept(dataset, pool):
    shown = augment_dataset(dataset.with_format("torch"), pool)[100]
    assert shown["image"].dtype == torch.uint8
    columns = augment_dataset(dataset.with_format("numpy", columns=["label"]), pool).format["columns"]
    assert set(columns) == {"label", "is_synthetic"}


def test_parquet_and_back(dataset, pool, tmp_path):
    augmented = augment_dataset(dataset, pool)
    augmented.to_parquet(tmp_path / "a.parquet")
    read = Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=str(tmp_path))
    assert read.features == augmented.features
    assert [pixels(image) for image in read["image"][:]] == [pixels(image) for image in augmented["image"][:]]
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(read.remove_columns("is_synthetic"))
    assert gan.class_name(3) == "three"


def test_other_columns_need_values(digits, pool, counts):
    dataset = from_images(digits.images[:95], digits.labels[:95], path=[f"{i}.png" for i in range(95)])
    with pytest.raises(ValueError, match="synthetic images have no value for the column 'path'"):
        augment_dataset(dataset, pool)
    augmented = augment_dataset(dataset, pool, fill_values={"path": ""})
    assert augmented["path"][:] == [*dataset["path"][:], *[""] * (counts.max() * 10 - 95)]


def test_labels_may_be_values_and_columns_may_be_named(digits, pool):
    dataset = from_images(digits.images[:40], digits.labels[:40]).cast_column("label", Value("int64"))
    with pytest.raises(ValueError, match="exactly one ClassLabel column"):
        augment_dataset(dataset, pool)
    augmented = augment_dataset(dataset, pool, label_column="label", flag_column="generated")
    assert sum(augmented["generated"][:]) == len(augmented) - 40
    with pytest.raises(ValueError, match="has no column 'target'"):
        augment_dataset(dataset, pool, label_column="target")


def test_names_tie_class_labels_to_classes_that_are_strings(colour_pool):
    images = np.random.default_rng(0).integers(256, size=(5, 3, 8, 8)).astype(np.uint8)
    dataset = from_images(images, [0, 0, 0, 1, 1], names=["fox", "dog"])
    augmented = augment_dataset(dataset, colour_pool)
    dogs = {image.permute(1, 2, 0).numpy().tobytes() for image, name in colour_pool if name == "dog"}
    assert augmented["label"][5:] == [1]
    assert pixels(augmented[5]["image"]) in dogs


def test_names_win_over_numbers(dataset, gan, of_class, pool):
    named = from_images(np.stack([np.asarray(i)[None] for i in dataset["image"][:4]]), [0, 0, 0, 1], ["nine", "two"])
    fitted = ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(dataset)
    assert fitted.class_name(2) == "two"
    augmented = augment_dataset(named, fitted, random_state=0)
    expected = fitted.sample([2, 2], random_state=0)
    assert [pixels(row["image"]) for row in augmented.select([4, 5])] == [i.numpy().tobytes() for i in expected]


def test_nothing_to_add(digits, pool):
    balanced = from_images(digits.images[:3], [1, 2, 3])
    for dataset in (balanced, balanced.to_iterable_dataset()):
        assert [row["is_synthetic"] for row in augment_dataset(dataset, pool)] == [False] * 3


def test_splits_and_all_columns_are_kept(dataset, pool):
    named = Dataset(dataset.data, info=dataset.info, split="train")
    shown = named.with_format("torch", columns=["label"], output_all_columns=True)
    augmented = augment_dataset(shown, pool)
    assert augmented.split == "train"
    assert "image" in augmented[100]


def test_streams_with_splits(dataset, pool):
    streams = IterableDatasetDict(train=dataset.to_iterable_dataset(), test=dataset.to_iterable_dataset())
    augmented = augment_dataset(streams, pool)
    assert type(augmented) is IterableDatasetDict
    assert sum(row["is_synthetic"] for row in augmented["test"]) == 0


def test_splits_that_cannot_be_marked_are_named_before_anything_is_drawn(dataset, pool):
    marked = dataset.add_column("is_synthetic", [False] * len(dataset))
    with pytest.raises(ValueError, match="split 'test': the dataset has a column 'is_synthetic' already; rename"):
        augment_dataset(DatasetDict(train=dataset, test=marked), None)
    stream = IterableDataset.from_generator(lambda: iter(()))
    with pytest.raises(ValueError, match="split 'test': the streaming dataset does not declare its columns"):
        augment_dataset(IterableDatasetDict(train=dataset.to_iterable_dataset(), test=stream), None)


@pytest.mark.parametrize("column", ["label", "image", "pth"])
def test_values_for_other_columns_only(dataset, pool, column):
    with pytest.raises(
        ValueError, match=f"fill_values are for columns beside images, labels and groups, got '{column}'"
    ):
        augment_dataset(dataset, pool, fill_values={column: 0})


def test_labels_are_one_per_image(dataset, pool):
    several = Dataset.from_dict({"image": dataset["image"][:2], "label": [[0, 1], [1, 2]]}).cast_column(
        "image", Image()
    )
    with pytest.raises(ValueError, match="column 'label' must hold one label per image"):
        augment_dataset(several, pool, label_column="label")


def test_images_of_another_size(digits, pool):
    larger = from_images(np.repeat(digits.images[:95], 2, axis=3), digits.labels[:95])
    with pytest.raises(ValueError, match=r"images measure 8 x 16, synthetic ones 8 x 8; .* resize=True"):
        augment_dataset(larger, pool)
    augmented = augment_dataset(larger, pool, resize=True)
    assert augmented[len(augmented) - 1]["image"].size == (16, 8)


def test_what_cannot_be_augmented_is_refused(dataset, pool, gan, tmp_path):
    with pytest.raises(TypeError, match="a dataset of the package datasets is needed, got list"):
        augment_dataset([1, 2], pool)
    with pytest.raises(ValueError, match="has a column 'is_synthetic' already"):
        augment_dataset(augment_dataset(dataset, pool), pool)
    with pytest.raises(ValueError, match="the dataset is empty"):
        augment_dataset(dataset.select([]), pool)
    small = SyntheticPool.build(gan, tmp_path / "small", per_class=1)
    with pytest.raises(ValueError, match=r"the pool holds 1 images of class .*, . are asked for"):
        augment_dataset(dataset, small)
    with pytest.raises(ValueError, match="per_class must not be negative"):
        augment_dataset(dataset, pool, per_class={0: -1})


@pytest.mark.parametrize("none", [-1, None])
@pytest.mark.parametrize("stream", [False, True])
def test_rows_without_a_label_are_kept_and_get_no_companions(digits, pool, none, stream):
    dataset = from_images(digits.images[:4], [none, 0, 0, 1])
    augmented = list(augment_dataset(dataset.to_iterable_dataset() if stream else dataset, pool, per_class=1))
    assert [row["label"] for row in augmented] == [none, 0, 0, 1, 0, 1]


def test_rows_without_a_name_of_a_class_are_kept_beside_groups():
    images = [PIL.Image.fromarray(np.full((8, 8), 10 * k, dtype=np.uint8)) for k in range(5)]
    rows = {"image": images, "label": ["b", None, "a", "a", "b"], "site": ["x", "x", "y", "x", "y"]}
    shown = np.stack([np.asarray(image) for image in images])[[0, 2, 3, 4]]
    transfer = AdditiveTransfer().fit(labelled_images(shown, [*"baab"], groups=[*"xyxy"]))
    augmented = list(
        augment_dataset(Dataset.from_dict(rows), transfer, per_cell=1, label_column="label", group_column="site")
    )
    assert [row["label"] for row in augmented[:5]] == rows["label"]
    new = [(row["label"], row["site"]) for row in augmented[5:]]
    assert sorted(new) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def of_mode(mode, seed=0):
    colours = np.random.default_rng(seed).integers(256, size=(8, 8, 3)).astype(np.uint8)
    image = PIL.Image.fromarray(colours)
    if mode == "I;16":
        return PIL.Image.fromarray((colours[..., 0].astype(np.uint16) << 8) + 255)
    return image.convert("RGB").convert(mode)


ODD_MODES = ["P", "RGBA", "CMYK", "LA", "L", "1", "I;16", "YCbCr"]


def written(image):
    """An image as a file holds it: formats for print do not go into PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if image.mode in ("CMYK", "YCbCr") else "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("row", [0, 5])
@pytest.mark.parametrize("mode", ODD_MODES)
def test_images_of_other_modes_are_what_fit_makes_of_them(colour_pool, mode, row, stream):
    """Whichever row they stand in."""
    images = [of_mode("RGB", seed) for seed in range(7)]
    images[row] = of_mode(mode)
    features = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog", "fox"])})
    dataset = Dataset.from_dict({"image": list(map(written, images)), "label": [0, 0, 0, 1, 1, 2, 2]}, features)
    fitted = labelled_images(dataset).images
    augmented = list(augment_dataset(dataset.to_iterable_dataset() if stream else dataset, colour_pool))
    assert [len(augmented), {entry["image"].mode for entry in augmented}] == [9, {"RGB"}]
    for entry, expected in zip(augmented, fitted, strict=False):
        assert pixels(entry["image"]) == expected.transpose(1, 2, 0).tobytes()
    assert augmented[row - 1 if row else 1]["image"].format == "PNG"


def test_grey_images_do_not_join_a_colour_source_by_mistake(digits, colour_pool):
    with pytest.raises(ValueError, match="images have 1 channels, synthetic ones 3"):
        augment_dataset(from_images(digits.images[:3], [0, 0, 1], ["cat", "dog"]), colour_pool)


def upright(batch):
    return {"pixels": [np.asarray(image).sum() for image in batch["image"]], "target": batch["label"]}


FORMATS = {
    "transform": lambda dataset: dataset.with_transform(upright),
    "transform of a column": lambda dataset: dataset.with_transform(
        lambda batch: {"y": [label + 1 for label in batch["label"]]}, columns=["label"]
    ),
    "torch": lambda dataset: dataset.with_format("torch"),
    "numpy": lambda dataset: dataset.with_format("numpy"),
    "pandas": lambda dataset: dataset.with_format("pandas"),
    "arrow": lambda dataset: dataset.with_format("arrow"),
    "columns": lambda dataset: dataset.with_format("numpy", columns=["label"]),
    "all columns": lambda dataset: dataset.with_format("torch", columns=["label"], output_all_columns=True),
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_formats_and_transforms_are_taken_off_and_put_back(dataset, pool, kind, mapped):
    dataset = dataset.shuffle(0) if mapped else dataset
    shown = FORMATS[kind](dataset)
    splits = augment_dataset(DatasetDict(train=shown, test=shown), pool)
    plain = augment_dataset(dataset, pool)
    assert splits["train"].format["type"] == splits["test"].format["type"] == shown.format["type"]
    assert splits["train"].with_format(None)["label"][:] == plain["label"][:]
    assert splits["test"].with_format(None)["label"][:] == dataset["label"][:]
    assert splits["train"].features == splits["test"].features == plain.features
    as_shown = FORMATS[kind](plain)
    assert type(splits["train"][95:97]) is type(as_shown[95:97])
    if kind.startswith("transform"):
        assert splits["train"][90:100] == as_shown[90:100]


def test_the_format_of_a_stream_is_put_back(dataset, pool):
    rows = list(augment_dataset(dataset.to_iterable_dataset().with_format("numpy"), pool))
    assert {type(row["image"]) for row in rows} == {np.ndarray}
    assert len(rows) == len(augment_dataset(dataset, pool))


def test_undecoded_columns_stay_so(dataset, pool):
    augmented = augment_dataset(dataset.cast_column("image", Image(decode=False)), pool)
    assert augmented.features["image"] == Image(decode=False)
    decoded = augmented.cast_column("image", Image())
    assert [pixels(row["image"]) for row in decoded] == [pixels(row["image"]) for row in augment_dataset(dataset, pool)]


@pytest.mark.parametrize("stream", [False, True])
def test_rows_without_an_image_are_as_any_other(digits, pool, stream):
    rows = {"image": [None, *map(picture, digits.images[:3]), None], "label": [0, 0, 0, 1, 1]}
    dataset = Dataset.from_dict(rows, features=Features({"image": Image(), "label": ClassLabel(names=NAMES)}))
    augmented = list(augment_dataset(dataset.to_iterable_dataset() if stream else dataset, pool))
    assert [row["image"] is None for row in augmented] == [True, False, False, False, True, False]
    with pytest.raises(ValueError, match="no row of column 'image' holds an image"):
        augment_dataset(dataset.select([0, 4]), pool, 1)


def test_jpegs_in_streams_are_not_encoded_anew(colour_pool):
    buffer = io.BytesIO()
    of_mode("RGB").save(buffer, "JPEG")
    features = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": buffer.getvalue(), "path": None}] * 3, "label": [0, 0, 1]}
    dataset = Dataset.from_dict(rows, features=features)
    assert pixels(next(iter(augment_dataset(dataset.to_iterable_dataset(), colour_pool)))["image"]) == pixels(
        dataset[0]["image"]
    )


def test_classes_that_the_source_lacks(digits, gan, tmp_path):
    rare = SyntheticPool.build(gan, tmp_path / "rare", per_class={1: 3})
    dataset = from_images(digits.images[:5], [0, 0, 0, 1, 2])
    with pytest.raises(ValueError, match=r"no images of class '2'; build the pool again .* or pass missing='keep'"):
        augment_dataset(dataset, rare)
    assert augment_dataset(dataset, rare, missing="keep")["label"][5:] == [1, 1]


def test_counts_mean_what_they_mean_elsewhere(dataset, pool, counts):
    for per_class in (2, 0.25, {"three": 2}):
        real = AugmentedDataset(dataset, pool, per_class if per_class != {"three": 2} else {3: 2})
        augmented = augment_dataset(dataset, pool, per_class)
        assert augmented["label"][:] == real.targets


def test_the_gate_decides(dataset, gan, monkeypatch):
    asked = []

    def decide(pairs, source, names, options, random_state, groups):
        asked.append((len(pairs), names, options, random_state))
        return torch.zeros(2, 1, 8, 8, dtype=torch.uint8), np.array([4, 4]), None, None

    monkeypatch.setattr(hugging_face, "gated_images", decide)
    augmented = augment_dataset(dataset.with_format("torch"), gan, "auto", gate={"cv": 2}, random_state=3)
    assert augmented.with_format(None)["label"][95:] == [4, 4]
    assert asked == [(95, NAMES, {"cv": 2}, 3)]
    with pytest.raises(ValueError, match="per_class='auto' takes a Dataset, got a stream"):
        augment_dataset(dataset.to_iterable_dataset(), gan, "auto")
    with pytest.raises(ValueError, match="gate holds arguments for per_class='auto' only"):
        augment_dataset(dataset, gan, 1, gate={"cv": 2})
    for none in (-1, None):
        some = from_images([np.zeros((1, 8, 8), np.uint8)] * 3, [0, none, 1])
        with pytest.raises(ValueError, match="per_class 'auto' validates with labels, which 1 image lacks"):
            augment_dataset(some, gan, "auto")
