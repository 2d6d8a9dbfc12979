import copy
import pickle

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, WeightedRandomSampler
from torchvision.datasets import ImageFolder, wrap_dataset_for_transforms_v2
from torchvision.transforms import v2

from ganaug import AugmentedDataset, ImageGAN, LabelledImages, SyntheticPool, labelled_images


@pytest.fixture
def tensors(digits):
    return TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))


@pytest.fixture
def folder(tmp_path):
    """Cats, dogs and foxes: 6, 3 and 1 pictures of 8x8 in colour."""
    randomness = np.random.default_rng(0)
    for name, n in (("cat", 6), ("dog", 3), ("fox", 1)):
        (tmp_path / name).mkdir()
        for number in range(n):
            pixels = randomness.integers(256, size=(8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


class ToFloat:
    def __call__(self, image):
        return v2.functional.to_dtype(v2.functional.pil_to_tensor(image), torch.float32, scale=True)


def test_real_items_come_first_and_unchanged(tensors, pool):
    dataset = AugmentedDataset(tensors, pool, per_class=2)
    assert len(dataset) == 120
    for index in (0, 50, 99):
        assert torch.equal(dataset[index][0], tensors[index][0])
        assert dataset[index][1] == tensors[index][1]
        assert not dataset.is_synthetic(index)
    assert dataset.is_synthetic(100)
    assert dataset.is_synthetic(-1)


def test_synthetic_items_of_datasets_inside_are_known(tensors, pool):
    inner = AugmentedDataset(tensors, pool, per_class=1)
    for real, flags in (
        (inner, [False] * 100 + [True] * 10),
        (Subset(inner, [105, 3]), [True, False]),
        (ConcatDataset([tensors, inner]), [False] * 200 + [True] * 10),
    ):
        dataset = AugmentedDataset(real, pool, per_class={3: 1})
        assert [dataset.is_synthetic(index) for index in range(len(dataset))] == [*flags, True]


class OneLabelARow(Dataset):
    """Labels in arrays of one, as MedMNIST has them."""

    def __init__(self, digits):
        self.digits, self.labels = digits, digits.labels[:, None]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.from_numpy(self.digits.images[index]), self.labels[index].astype(int)


@pytest.mark.parametrize("written", [np.asarray, list])
def test_labels_in_arrays_of_one(digits, pool, written):
    real = OneLabelARow(digits)
    real.labels = written(real.labels)
    dataset = AugmentedDataset(real, pool, per_class=2)
    assert dataset.targets == [*digits.labels.tolist(), *np.repeat(range(10), 2).tolist()]
    images, labels = next(iter(DataLoader(dataset, len(dataset))))
    assert (images.shape[0], labels.shape, labels.dtype) == (120, (120, 1), torch.int64)
    assert labels[:, 0].tolist() == dataset.targets


def test_synthetic_items_are_the_first_of_the_pool_none_twice(tensors, pool, of_class):
    dataset = AugmentedDataset(tensors, pool, per_class=6)
    items = [dataset[index] for index in range(100, 160)]
    assert len({image.numpy().tobytes() for image, _ in items}) == len({i.numpy().tobytes() for i, _ in pool})
    assert all(image.numpy().tobytes() in of_class[int(label)] for image, label in items)
    assert torch.equal(dataset[100][0], pool[0][0])


def test_targets_are_the_labels_of_all_items(tensors, pool):
    dataset = AugmentedDataset(tensors, pool, per_class={3: 2, 7: 4})
    assert dataset.targets == [int(label) for _, label in dataset]
    assert dataset.targets[100:] == [3, 3, 7, 7, 7, 7]
    counts = np.bincount(dataset.targets)
    sampler = WeightedRandomSampler((1 / counts[dataset.targets]).tolist(), 50)
    assert len(list(sampler)) == 50


def test_a_gan_draws_once_and_by_its_seed(tensors, gan):
    first, again, other = (AugmentedDataset(tensors, gan, per_class=3, random_state=s) for s in (0, 0, 1))
    assert torch.equal(first[110][0], first[110][0])
    assert torch.equal(first[110][0], again[110][0])
    assert not torch.equal(first[110][0], other[110][0])


@pytest.mark.parametrize(
    ("per_class", "added"),
    [
        ("balance", [0, 3, 5]),
        (4, [4, 4, 4]),
        (0.5, [3, 2, 0]),
        (0, [0, 0, 0]),
        ({2: 5}, [0, 0, 5]),
        ({"fox": 5, 0: 1}, [1, 0, 5]),
    ],
)
def test_how_many_are_added(folder, colour_pool, per_class, added):
    real = ImageFolder(folder)
    dataset = AugmentedDataset(real, colour_pool, per_class)
    assert np.bincount(dataset.targets[len(real) :], minlength=3).tolist() == added
    assert len(dataset) == 10 + sum(added)


class Jointly(ImageFolder):
    """Calls its transform by way of the joint one, as some of torchvision's datasets do."""

    def __getitem__(self, index):
        path, label = self.samples[index]
        image = self.loader(path)
        return self.transforms(image, label) if self.transforms is not None else (image, label)


@pytest.mark.parametrize(
    "make",
    [ImageFolder, Jointly, lambda *args, **options: wrap_dataset_for_transforms_v2(ImageFolder(*args, **options))],
)
def test_an_image_folder_with_a_transform(folder, colour_pool, make):
    flip = v2.Compose([ToFloat(), v2.Normalize([0.5] * 3, [0.5] * 3)])
    dataset = AugmentedDataset(make(folder, transform=flip), colour_pool, transform=torch.neg)
    assert dataset.classes == ["cat", "dog", "fox"]
    image, label = dataset[len(dataset) - 1]
    assert label == 2
    pixels = ((1 - image) / 2 * 255).round().to(torch.uint8)
    foxes = {image.numpy().tobytes() for image, name in colour_pool if name == "fox"}
    assert pixels.numpy().tobytes() in foxes


def test_a_folder_without_a_transform_gives_pil_images(folder, colour_pool):
    dataset = AugmentedDataset(ImageFolder(folder), colour_pool)
    assert isinstance(dataset[len(dataset) - 1][0], Image.Image)
    assert dataset[len(dataset) - 1][0].mode == "RGB"


def test_pictures_of_other_sizes_are_resized_by_the_transform(folder, colour_pool):
    Image.new("RGB", (30, 20)).save(folder / "cat" / "0.png")
    resize = v2.Compose([v2.Resize((16, 16)), ToFloat()])
    dataset = AugmentedDataset(ImageFolder(folder, transform=resize), colour_pool)
    assert {tuple(image.shape) for image, _ in dataset} == {(3, 16, 16)}
    with pytest.raises(ValueError, match=r"a real image has shape \(3, 20, 30\) and a synthetic one \(3, 8, 8\)"):
        AugmentedDataset(ImageFolder(folder, transform=ToFloat()), colour_pool)


def test_classes_are_found_by_their_names(folder, colour_pool):
    """The folder of cats is gone, so dogs and foxes count from 0."""
    for path in (folder / "cat").iterdir():
        path.unlink()
    (folder / "cat").rmdir()
    dataset = AugmentedDataset(ImageFolder(folder), colour_pool, per_class=1)
    foxes = [image.permute(1, 2, 0).numpy().tobytes() for image, name in colour_pool if name == "fox"]
    assert dataset.targets[-1] == 1
    assert np.asarray(dataset[len(dataset) - 1][0]).tobytes() in foxes
    (folder / "fox").rename(folder / "wolf")
    with pytest.raises(ValueError, match="the source has no class 'wolf'; its classes are cat, dog, fox"):
        AugmentedDataset(ImageFolder(folder), colour_pool)


def test_integer_classes_with_names_are_found_by_their_names(folder, tmp_path_factory):
    (folder / "fox" / "1.png").write_bytes((folder / "fox" / "0.png").read_bytes())
    gan = ImageGAN(steps=2, device="cpu", verbose=False, random_state=0).fit(ImageFolder(folder))
    assert gan.classes_.tolist() == [0, 1, 2]
    pool = SyntheticPool.build(gan, tmp_path_factory.mktemp("p") / "pool", per_class=2)
    for path in (folder / "cat").iterdir():
        path.unlink()
    (folder / "cat").rmdir()
    dataset = AugmentedDataset(ImageFolder(folder), pool, per_class=1)
    dogs = [image.permute(1, 2, 0).numpy().tobytes() for image, label in pool if label == 1]
    assert dataset.targets[-2:] == [0, 1]
    assert np.asarray(dataset[len(dataset) - 2][0]).tobytes() in dogs


def invert(image):
    return 1 - ToFloat()(image)


@pytest.mark.parametrize("wrap", ["concat", "nested", "subset of concat"])
def test_transforms_of_the_real_images_are_found_inside(folder, colour_pool, wrap):
    inner = ImageFolder(folder, transform=invert)
    real = AugmentedDataset(inner, colour_pool, 1) if wrap == "nested" else ConcatDataset([inner, inner])
    if wrap == "subset of concat":
        real = Subset(real, [0, 12])
    dataset = AugmentedDataset(real, colour_pool, per_class={0: 2})
    cats = {image.numpy().tobytes() for image, name in colour_pool if name == "cat"}
    pixels = ((1 - dataset[len(dataset) - 1][0]) * 255).round().to(torch.uint8)
    assert pixels.numpy().tobytes() in cats


def test_what_synthetic_images_cannot_be_passed_through_is_refused(folder, colour_pool):
    with pytest.raises(ValueError, match="has a target_transform, which synthetic labels would not pass through"):
        AugmentedDataset(ImageFolder(folder, target_transform=int), colour_pool)
    mixed = ConcatDataset([ImageFolder(folder, transform=invert), ImageFolder(folder)])
    with pytest.raises(ValueError, match="have different transforms"):
        AugmentedDataset(mixed, colour_pool)
    joint = ImageFolder(folder)
    joint.transforms = lambda image, label: (image, label)
    with pytest.raises(ValueError, match="has a joint transforms="):
        AugmentedDataset(joint, colour_pool)


def test_a_transform_that_a_dataset_always_calls(digits, pool):
    class Always(Dataset):
        transform = torch.neg

        def __len__(self):
            return 20

        def __getitem__(self, index):
            return self.transform(torch.from_numpy(digits.images[index]).float() / 255), int(digits.labels[index])

    Always.transform = staticmethod(torch.neg)
    dataset = AugmentedDataset(Always(), pool, 1)
    assert dataset[20][0].max() <= 0


def test_wrappers_of_ones_own_give_what_they_give(folder, colour_pool):
    class Wrapper(Dataset):
        def __init__(self, dataset):
            self.dataset = dataset

        def __len__(self):
            return len(self.dataset)

        def __getitem__(self, index):
            image, label = self.dataset[index]
            return ToFloat()(image), label

    dataset = AugmentedDataset(Wrapper(ImageFolder(folder)), colour_pool)
    assert dataset[len(dataset) - 1][0].dtype == torch.float32
    assert dataset.classes == ["cat", "dog", "fox"]
    assert np.bincount(dataset.targets).tolist() == [6, 6, 6]


def test_building_leaves_the_global_random_state_alone(folder, colour_pool):
    flips = v2.Compose([ToFloat(), v2.RandomHorizontalFlip()])
    before = torch.get_rng_state()
    AugmentedDataset(ImageFolder(folder, transform=flips), colour_pool)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_classes_that_get_images_are_needed(tensors, gan, tmp_path):
    rare = SyntheticPool.build(gan, tmp_path / "pool", per_class={9: 3})
    assert len(AugmentedDataset(tensors, rare, {9: 3})) == 103


@pytest.mark.parametrize(
    ("real", "said"),
    [
        ([{"image": 1, "label": 2}], "must hold .image, label. pairs, got items of type dict; for Hugging Face"),
        ([(1, 2, 3)], "must hold .image, label. pairs, got items of type tuple"),
        (iter([1]), "real must be a map-style dataset, got list_iterator"),
        ({"a": (1, 2)}, "must hold .image, label. pairs at 0 to len - 1, got a dict without 0"),
    ],
)
def test_what_is_no_dataset_of_pairs(real, pool, said):
    with pytest.raises(TypeError, match=said):
        AugmentedDataset(real, pool)


def test_later_images_are_looked_at_too(digits, pool):
    images = torch.from_numpy(digits.images).float() / 255
    images[1:] -= 0.5
    with pytest.raises(ValueError, match="for normalised images pass mean= and std="):
        AugmentedDataset(TensorDataset(images, torch.from_numpy(digits.labels)), pool, 1)


def test_subsets(folder, colour_pool):
    real = Subset(ImageFolder(folder, transform=ToFloat()), [0, 1, 6])
    dataset = AugmentedDataset(real, colour_pool)
    assert dataset.targets == [0, 0, 1, 1]
    assert dataset[3][0].shape == (3, 8, 8)
    assert dataset.classes == ["cat", "dog", "fox"]


def test_datasets_that_know_no_targets_are_read_once(pool, digits):
    class Pairs(Dataset):
        def __len__(self):
            return 30

        def __getitem__(self, index):
            return torch.from_numpy(digits.images[index]).float() / 255, digits.labels[index]

    dataset = AugmentedDataset(Pairs(), pool, per_class=1)
    assert dataset.targets[:30] == digits.labels[:30].tolist()
    assert dataset[30][0].dtype == torch.float32


def test_normalised_tensors(tensors, pool, of_class):
    images = (tensors.tensors[0].float() / 255 - 0.5) / 0.25
    with pytest.raises(ValueError, match="for normalised images pass mean= and std="):
        AugmentedDataset(TensorDataset(images, tensors.tensors[1]), pool, per_class=1)
    dataset = AugmentedDataset(TensorDataset(images, tensors.tensors[1]), pool, 1, mean=0.5, std=0.25)
    image, label = dataset[104]
    assert ((image * 0.25 + 0.5) * 255).round().to(torch.uint8).numpy().tobytes() in of_class[int(label)]


def test_it_pickles_and_copies(tensors, pool):
    dataset = AugmentedDataset(tensors, pool, per_class=2)
    for other in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert torch.equal(other[119][0], dataset[119][0])
    assert repr(dataset).startswith("AugmentedDataset(100 real and 20 synthetic images from SyntheticPool(")


@pytest.mark.parametrize(
    ("per_class", "said"),
    [
        (7, "the pool holds 6 images of class '0', 7 are asked for"),
        (-1, "per_class must not be negative"),
        ("equal", "per_class must be a number, a share, 'balance' or a dict, got 'equal'"),
        ({"zero": 1}, "per_class asks for class 'zero', there are 0, 1, 2, 3 and 6 more"),
    ],
)
def test_numbers_that_cannot_be_had(tensors, pool, per_class, said):
    with pytest.raises(ValueError, match=said):
        AugmentedDataset(tensors, pool, per_class)


def test_datasets_that_do_not_fit(tensors, pool, colour_pool, digits):
    with pytest.raises(ValueError, match="integer labels count the 3 classes cat, dog, fox from 0"):
        AugmentedDataset(tensors, colour_pool, 1)
    few = digits.labels < 3
    three = TensorDataset(torch.from_numpy(digits.images[few]), torch.from_numpy(digits.labels[few]))
    with pytest.raises(ValueError, match="images have 1 channels, synthetic ones 3"):
        AugmentedDataset(three, colour_pool, 1)
    with pytest.raises(ValueError, match="cannot sample class 77"):
        AugmentedDataset(TensorDataset(tensors.tensors[0], tensors.tensors[1] + 77), pool, 1)
    with pytest.raises(ValueError, match="the real dataset is empty"):
        AugmentedDataset(TensorDataset(torch.zeros(0, 1, 8, 8), torch.zeros(0)), pool, 1)
    with pytest.raises(IndexError, match="the dataset holds 110 items, got index 110"):
        AugmentedDataset(tensors, pool, 1)[110]


def test_a_gan_of_the_folder_itself(folder):
    (folder / "fox" / "1.png").write_bytes((folder / "fox" / "0.png").read_bytes())
    real = ImageFolder(folder)
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(real)
    assert np.bincount(AugmentedDataset(real, gan).targets).tolist() == [6, 6, 6]


def test_a_pool_of_the_folder_has_its_names(folder, tmp_path_factory):
    (folder / "fox" / "1.png").write_bytes((folder / "fox" / "0.png").read_bytes())
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(str(folder))
    pool = SyntheticPool.build(gan, tmp_path_factory.mktemp("p") / "pool", per_class=4)
    assert np.bincount(AugmentedDataset(ImageFolder(folder), pool).targets).tolist() == [6, 6, 6]


class Pairs(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images, self.targets, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), self.targets[index]


def colours(n):
    randomness = np.random.default_rng(0)
    return [Image.fromarray(randomness.integers(256, size=(8, 8, 3)).astype(np.uint8)) for _ in range(n)]


def turned(image):
    """The same picture as a camera held sideways would store it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = image.transpose(Image.Transpose.ROTATE_90)
    image.info["exif"] = exif.tobytes()
    return image


ODD = {
    "palette": lambda image: image.convert("P"),
    "transparent": lambda image: image.convert("RGBA"),
    "print": lambda image: image.convert("CMYK"),
    "grey": lambda image: image.convert("L"),
    "grey and transparent": lambda image: image.convert("LA"),
    "16 bits": lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) << 8),
    "turned": turned,
    "grey tensor": lambda image: v2.functional.pil_to_tensor(image.convert("L")),
    "grey array": lambda image: np.asarray(image.convert("L")),
}


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("kind", ODD)
def test_real_images_are_handed_out_as_fit_sees_them(colour_pool, kind, row):
    images = colours(6)
    if "tensor" in kind:
        images = [v2.functional.pil_to_tensor(image) for image in images]
        images[row] = ODD[kind](v2.functional.to_pil_image(images[row]))
    else:
        images = [np.asarray(image) for image in images] if "array" in kind else images
        images[row] = ODD[kind](images[row] if isinstance(images[row], Image.Image) else Image.fromarray(images[row]))
    real = Pairs(images, [0, 0, 0, 1, 1, 2])
    dataset = AugmentedDataset(real, colour_pool)
    assert len(dataset) == 9
    fitted = labelled_images(real)
    assert np.array_equal(labelled_images(dataset).images[:6], fitted.images)
    assert len({np.shape(image) for image, _ in dataset}) == 1


def test_a_transform_of_the_dataset_decides_what_is_handed_out(colour_pool):
    grey = Pairs(colours(3), [0, 0, 1], v2.Compose([v2.Grayscale(), v2.PILToTensor()]))
    assert {tuple(image.shape) for image, _ in AugmentedDataset(grey, colour_pool)} == {(1, 8, 8)}


def test_grey_images_alone_do_not_join_a_colour_source(colour_pool):
    grey = Pairs([image.convert("L") for image in colours(40)], [0] * 39 + [1])
    with pytest.raises(ValueError, match="images have 1 channels, synthetic ones 3"):
        AugmentedDataset(grey, colour_pool, 1)
    grey.images[30] = colours(1)[0]
    assert AugmentedDataset(grey, colour_pool, 1)[0][0].mode == "RGB"


def test_items_without_an_image(colour_pool):
    real = Pairs([None, *colours(2), None], [0, 0, 1, 1])
    dataset = AugmentedDataset(real, colour_pool, 1)
    assert [image is None for image, _ in dataset] == [True, False, False, True, False, False]
    with pytest.raises(ValueError, match="none of the 2 items of the real dataset holds an image"):
        AugmentedDataset(Subset(real, [0, 3]), colour_pool, 1)


def as_hugging_face(data):
    from datasets import ClassLabel, Features
    from datasets import Image as ImageFeature

    features = Features({"image": ImageFeature(), "label": ClassLabel(num_classes=10)})
    rows = {"image": [Image.fromarray(image[0]) for image in data.images], "label": data.labels.tolist()}
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize(
    "make",
    [
        lambda data: data,
        lambda data: TensorDataset(torch.from_numpy(data.images), torch.from_numpy(data.labels)),
        as_hugging_face,
        lambda data: as_hugging_face(data).with_format("torch"),
        lambda data: Subset(as_hugging_face(data), list(range(100))),
        lambda data: ConcatDataset([as_hugging_face(data.subset(part)) for part in (range(50), range(50, 100))]),
        lambda data: Pairs(list(data.images[:, 0]), data.labels.tolist()),
        lambda data: Pairs(list(data.images[:, 0] / np.float32(255)), data.labels.tolist()),
    ],
)
def test_whatever_holds_labelled_images_is_a_real_dataset(digits, pool, make):
    dataset = AugmentedDataset(make(digits), pool)
    expected = AugmentedDataset(digits, pool)
    assert dataset.targets == expected.targets
    assert np.array_equal(labelled_images(dataset).images, labelled_images(expected).images)
    assert np.array_equal(labelled_images(expected).images[:100], digits.images)
    kinds = (Image.Image, torch.Tensor, np.ndarray)
    assert [isinstance(dataset[100][0], kind) for kind in kinds] == [isinstance(dataset[0][0], kind) for kind in kinds]


def test_what_is_no_real_dataset_is_refused(digits, pool):
    rows = as_hugging_face(digits)
    with pytest.raises(ValueError, match=r"has a transform of rows, .* pass transform=, or use augment_dataset"):
        AugmentedDataset(rows.with_transform(dict), pool)
    with pytest.raises(TypeError, match=r"got DatasetDict; pass one split, such as dataset.'train'."):
        AugmentedDataset(datasets.DatasetDict(train=rows), pool)
    with pytest.raises(TypeError, match="got IterableDataset; streams go through augment_dataset"):
        AugmentedDataset(rows.to_iterable_dataset(), pool)


def test_labelled_images_are_matched_by_their_names(digits, tmp_path_factory):
    named = LabelledImages(digits.images, digits.labels * 10, {10 * c: f"digit {c}" for c in range(10)})
    gan = ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(named)
    other = LabelledImages(digits.images, digits.labels + 5, {c + 5: f"digit {c}" for c in range(10)})
    dataset = AugmentedDataset(other, gan, {8: 2}, random_state=0)
    assert dataset.targets[100:] == [8, 8]
    assert torch.equal(torch.stack([dataset[100][0], dataset[101][0]]), gan.sample([30, 30], random_state=0))
    words = LabelledImages(digits.images, np.array([f"digit {c}" for c in digits.labels]))
    by_word = AugmentedDataset(words, gan, {"digit 3": 2}, random_state=0)
    assert torch.equal(by_word[101][0], dataset[101][0])


def test_numbers_written_as_names_are_numbers(tmp_path, digits, pool, of_class):
    for name in ("3", "7"):
        (tmp_path / name).mkdir()
        Image.fromarray(digits.images[0, 0]).save(tmp_path / name / "0.png")
    real = ImageFolder(tmp_path, loader=lambda path: Image.open(path).convert("L"))
    dataset = AugmentedDataset(real, pool, 1)
    assert dataset.targets == [0, 1, 0, 1]
    assert np.asarray(dataset[3][0]).tobytes() in of_class[7]


def test_numbers_in_the_order_of_their_names_are_ambiguous(digits, pool):
    real = Pairs([Image.fromarray(image[0]) for image in digits.images[:4]], [0, 0, 1, 1])
    real.classes = ["1", "0"]
    with pytest.raises(ValueError, match="it is unclear whether the label 0 means the class 0 of the source or"):
        AugmentedDataset(real, pool, 1)


def test_images_without_a_label_are_kept_and_get_no_companions(digits, pool):
    labels = np.where(digits.labels == 4, -1, digits.labels)
    dataset = AugmentedDataset(LabelledImages(digits.images, labels), pool)
    assert dataset.targets[:100] == labels.tolist()
    assert set(dataset.targets[100:]) <= set(range(10)) - {4}


def test_classes_that_a_source_lacks_can_be_left_without(tensors, gan, tmp_path):
    rare = SyntheticPool.build(gan, tmp_path / "pool", per_class={9: 3})
    with pytest.raises(
        ValueError, match=r"no images of class .* build the pool again with some, or pass missing='keep'"
    ):
        AugmentedDataset(tensors, rare, 3)
    assert AugmentedDataset(tensors, rare, 3, missing="keep").targets[100:] == [9, 9, 9]
    with pytest.raises(ValueError, match="missing must be 'error' or 'keep', got 'skip'"):
        AugmentedDataset(tensors, rare, 3, missing="skip")


def test_one_class_alone_is_balanced(digits, pool):
    one = digits.subset(digits.labels == 3)
    assert len(AugmentedDataset(one, pool)) == len(one)
    assert AugmentedDataset(one, pool, 2).targets[-2:] == [3, 3]
