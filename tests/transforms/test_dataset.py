import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset, WeightedRandomSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import AugmentedDataset, ImageGAN, SyntheticPool


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
    ],
)
def test_how_many_are_added(folder, colour_pool, per_class, added):
    real = ImageFolder(folder)
    dataset = AugmentedDataset(real, colour_pool, per_class)
    assert np.bincount(dataset.targets[len(real) :], minlength=3).tolist() == added
    assert len(dataset) == 10 + sum(added)


def test_an_image_folder_with_a_transform(folder, colour_pool):
    flip = v2.Compose([ToFloat(), v2.Normalize([0.5] * 3, [0.5] * 3)])
    dataset = AugmentedDataset(ImageFolder(folder, transform=flip), colour_pool, transform=torch.neg)
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
