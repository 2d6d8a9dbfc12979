import copy
import pickle
from collections import UserDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug import ImageGAN, LabelledImages, RandomSynthetic, SyntheticMix, SyntheticPool

MEAN, STD = (0.4,), (0.2,)


def second_of_three(sample):
    return sample[1]


@pytest.fixture(params=["pool", "gan"])
def source(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return images, torch.randint(10, (40,), generator=generator)


def replaced(before, after):
    return (before != after).flatten(1).any(1)


def test_p_zero_replaces_none_and_p_one_all(source, batch):
    assert torch.equal(SyntheticMix(source, p=0.0)(*batch)[0], batch[0])
    images, labels = SyntheticMix(source, p=1.0)(*batch)
    assert replaced(batch[0], images).all()
    assert torch.equal(labels, batch[1])


def test_a_share_p_of_the_images_is_replaced(pool):
    torch.manual_seed(0)
    images = torch.zeros(4000, 1, 8, 8, dtype=torch.uint8)
    mixed, _ = SyntheticMix(pool, p=0.3)(images, torch.zeros(4000, dtype=torch.long))
    assert 0.27 < replaced(images, mixed).float().mean() < 0.33


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    p=st.floats(0, 1),
    balance=st.sampled_from([None, "uniform", (0, 0, 3, 0, 0, 0, 0, 1, 0, 0)]),
    seed=st.integers(0, 1000),
)
def test_a_synthetic_image_never_stands_beside_another_class_label(pool, of_class, labels, p, balance, seed):
    torch.manual_seed(seed)
    before = torch.full((len(labels), 1, 8, 8), 7, dtype=torch.uint8)
    images, new = SyntheticMix(pool, p, balance)(before, torch.tensor(labels))
    for image, label, old in zip(images, new.tolist(), labels, strict=True):
        if torch.equal(image, before[0]):
            assert label == old
        else:
            assert image.numpy().tobytes() in of_class[label]


class Scalars(TorchDispatchMode):
    """Counts the numbers that are fetched one by one from tensors, each of which waits for a GPU."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_numbers_are_not_fetched_one_by_one(pool):
    with Scalars() as scalars:
        SyntheticMix(pool, p=1.0)(torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert scalars.count == 0


def test_the_input_is_not_changed(pool, batch):
    images, labels = batch[0].clone(), batch[1].clone()
    SyntheticMix(pool, 1.0, "uniform")(images, labels)
    assert torch.equal(images, batch[0])
    assert torch.equal(labels, batch[1])


def test_balance_draws_classes_with_the_weights_given(pool):
    torch.manual_seed(0)
    images, labels = torch.zeros(3000, 1, 8, 8), torch.zeros(3000, dtype=torch.long)
    uniform = SyntheticMix(pool, 1.0, "uniform")(images, labels)[1]
    assert torch.bincount(uniform, minlength=10).min() > 220
    weighted = SyntheticMix(pool, 1.0, [0, 1, 3, 0, 0, 0, 0, 0, 0, 0])(images, labels)[1]
    counts = torch.bincount(weighted, minlength=10)
    assert counts[1] + counts[2] == 3000
    assert 2.5 < counts[2] / counts[1] < 3.5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_dtype_and_range_follow_the_input(pool, of_class, dtype):
    images = torch.zeros(10, 1, 8, 8, dtype=dtype)
    mixed, _ = SyntheticMix(pool, 1.0)(images, torch.arange(10))
    assert mixed.dtype == dtype
    if dtype != torch.uint8:
        mixed = (mixed.double() * 255).round().to(torch.uint8)
    if dtype != torch.bfloat16:  # which has 8 bits for the range [0.5, 1)
        assert all(image.numpy().tobytes() in of_class[c] for c, image in enumerate(mixed))


def test_normalised_images_get_normalised_companions(pool, of_class):
    normalise = v2.Normalize(MEAN, STD)
    images = normalise(torch.rand(10, 1, 8, 8))
    mixed, _ = SyntheticMix(pool, 1.0, mean=MEAN, std=STD)(images, torch.arange(10))
    pixels = ((mixed * STD[0] + MEAN[0]) * 255).round().to(torch.uint8)
    assert all(image.numpy().tobytes() in of_class[c] for c, image in enumerate(pixels))
    # After the transform is as good as before it.
    raw = SyntheticMix(pool, 1.0)
    torch.manual_seed(3)
    before = normalise(raw(torch.rand(10, 1, 8, 8), torch.arange(10))[0])
    torch.manual_seed(3)
    torch.rand(10, 1, 8, 8)
    after, _ = SyntheticMix(pool, 1.0, mean=MEAN, std=STD)(images, torch.arange(10))
    torch.testing.assert_close(before, after)


def test_one_hot_rows_may_be_booleans(pool, batch):
    rows = torch.nn.functional.one_hot(batch[1], 10).bool()
    images, after = SyntheticMix(pool, p=1.0)(batch[0], rows)
    assert replaced(batch[0], images).all()
    assert torch.equal(rows, after)


def test_mappings_of_other_packages_are_batches(pool, batch):
    """Those of transformers are a UserDict."""
    given = UserDict(label_name=["a"] * 40, pixel_values=batch[0], label=batch[1])
    mixed = SyntheticMix(pool, p=1.0)(given)
    assert type(mixed) is UserDict
    assert replaced(batch[0], mixed["pixel_values"]).all()
    assert torch.equal(given["pixel_values"], batch[0])
    assert mixed["label_name"] == ["a"] * 40


def test_one_hot_rows_stay_one_hot_rows(pool, batch):
    rows = torch.nn.functional.one_hot(batch[1], 10).float()
    _, same = SyntheticMix(pool, 1.0)(batch[0], rows)
    assert torch.equal(same, rows)
    _, drawn = SyntheticMix(pool, 1.0, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0])(batch[0], rows)
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn.argmax(1), torch.full((40,), 4))
    assert torch.equal(drawn.sum(1), torch.ones(40))


def test_type_of_images_is_kept(pool, batch):
    mixed, _ = SyntheticMix(pool, 1.0)(tv_tensors.Image(batch[0]), batch[1])
    assert type(mixed) is tv_tensors.Image
    assert type(SyntheticMix(pool, 1.0)(*batch)[0]) is torch.Tensor


@pytest.mark.parametrize("keys", [("image", "label"), ("pixel_values", "labels")])
def test_mappings_are_batches_too(pool, batch, keys):
    mapping = {keys[1]: batch[1], "id": torch.arange(40), keys[0]: batch[0]}
    torch.manual_seed(1)
    mixed = SyntheticMix(pool, 1.0, "uniform")(mapping)
    assert list(mixed) == list(mapping)
    assert replaced(batch[0], mixed[keys[0]]).all()
    assert torch.equal(mixed["id"], torch.arange(40))
    assert not torch.equal(mixed[keys[1]], batch[1])


def test_a_pair_may_be_one_argument_and_more_may_follow(pool, batch):
    images, _ = SyntheticMix(pool, 1.0)(batch)
    assert replaced(batch[0], images).all()
    images, _labels, rest = SyntheticMix(pool, 1.0)(*batch, {"weights": torch.ones(40)})
    assert replaced(batch[0], images).all()
    assert torch.equal(rest["weights"], torch.ones(40))


def test_labels_getter_says_where_labels_are(pool, batch):
    mix = SyntheticMix(pool, 1.0, labels_getter=second_of_three)
    extra, labels, images = mix(("name", batch[1], batch[0]))
    assert extra == "name"
    assert torch.equal(labels, batch[1])
    assert replaced(batch[0], images).all()


def test_it_composes_with_torchvision(pool, batch):
    mix = SyntheticMix(pool, 0.5)
    images, soft = v2.Compose([mix, v2.ToDtype(torch.float32, scale=True), v2.CutMix(num_classes=10)])(*batch)
    assert images.dtype == torch.float32
    assert soft.shape == (40, 10)
    images, _ = v2.RandomChoice([mix, v2.MixUp(num_classes=10)])(batch[0].float() / 255, batch[1])
    assert images.shape == batch[0].shape
    loader = DataLoader(TensorDataset(*batch), batch_size=10, collate_fn=lambda samples: mix(*default_collate(samples)))
    assert sum(len(labels) for _, labels in loader) == 40


def test_it_has_no_parameters_and_no_submodules(source):
    mix = SyntheticMix(source)
    assert list(mix.parameters()) == []
    assert list(mix.children()) == []
    mix.to("cpu").train().eval()


@pytest.mark.parametrize("kind", [SyntheticMix, RandomSynthetic])
def test_it_shows_pickles_and_copies(source, batch, kind):
    transform = kind(source, 0.4, mean=MEAN, std=STD)
    shown = repr(transform)
    assert shown.startswith(f"{kind.__name__}(")
    assert "p=0.4" in shown
    assert "mean=(0.4,)" in shown
    for other in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform), v2.Compose([transform])):
        torch.manual_seed(5)
        images = torch.zeros(1, 8, 8) if kind is RandomSynthetic else torch.zeros(40, 1, 8, 8)
        labels = 3 if kind is RandomSynthetic else batch[1]
        expected = transform(images, labels)[0]
        torch.manual_seed(5)
        assert torch.equal(other(images, labels)[0], expected)


def test_a_pickled_transform_is_small(pool):
    assert len(pickle.dumps(SyntheticMix(pool))) < 10_000


def test_resize_is_done_on_request(pool):
    images = torch.zeros(6, 1, 12, 10)
    mixed, _ = SyntheticMix(pool, 1.0, resize=True)(images, torch.arange(6))
    assert mixed.shape == images.shape
    assert replaced(images, mixed).all()


def test_integers_count_classes_that_are_strings(colour_pool):
    images = torch.zeros(6, 3, 8, 8, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    mixed, same = SyntheticMix(colour_pool, 1.0)(images, labels)
    foxes = {image.numpy().tobytes() for image, label in colour_pool if label == "fox"}
    assert mixed[2].numpy().tobytes() in foxes
    assert torch.equal(same, labels)


def test_names_tie_integer_labels_to_classes(colour_pool):
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    mixed, labels = SyntheticMix(colour_pool, 1.0, classes=["fox", "cat"])(images, torch.tensor([0, 1]))
    of_class = {c: {i.numpy().tobytes() for i, name in colour_pool if name == c} for c in ("cat", "fox")}
    assert mixed[0].numpy().tobytes() in of_class["fox"]
    assert mixed[1].numpy().tobytes() in of_class["cat"]
    assert labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="the source has no class 'cow'; its classes are cat, dog, fox"):
        SyntheticMix(colour_pool, 1.0, classes=["cow", "cat"])(images, labels)
    with pytest.raises(ValueError, match="labels must be 0 to 0"):
        SyntheticMix(colour_pool, 1.0, classes=["cat"])(images, labels)


def test_classes_that_are_drawn_get_the_labels_of_the_data(colour_pool):
    images, labels = torch.zeros(90, 3, 8, 8, dtype=torch.uint8), torch.arange(90) % 4
    of = {image.numpy().tobytes(): name for image, name in colour_pool}
    names = ["ant", "cat", "dog", "fox"]  # there are no images of the first
    mix = SyntheticMix(colour_pool, 0.9, "uniform", classes=names, missing="keep")
    mixed, new = mix(images, labels)
    assert all(of.get(image.numpy().tobytes(), names[c]) == names[c] for image, c in zip(mixed, new, strict=True))
    assert set(new[replaced(images, mixed)].tolist()) == {1, 2, 3}
    for source, called, said in (
        (colour_pool, {}, "integer labels count the 3 classes cat, dog, fox from 0, got 0 to 3"),
        (colour_pool, {"classes": names[1:]}, "labels must be 0 to 2"),
    ):
        with pytest.raises(ValueError, match=said):
            SyntheticMix(source, 0.9, "uniform", **called)(images, labels)
    with pytest.raises(ValueError, match="classes has no name of the source's class cat, dog, which balance draws"):
        SyntheticMix(colour_pool, balance="uniform", classes=["fox"])


def test_integers_beside_numbers_in_another_order_are_refused():
    images = LabelledImages(np.zeros((6, 1, 8, 8), np.uint8), np.array(["0", "1", "10"] * 2))
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(images)
    with pytest.raises(ValueError, match="it is unclear whether integer labels mean the classes 0, 1, 10 or their pl"):
        SyntheticMix(gan)(ZEROS, LABELS)
    SyntheticMix(gan, classes=["0", "1", "10"])(ZEROS, LABELS)


@pytest.mark.parametrize("kind", [tv_tensors.Mask, tv_tensors.Video])
def test_what_belongs_to_an_image_is_not_left_beside_another(pool, kind):
    with pytest.raises(ValueError, match=f"a sample with {kind.__name__} is not supported"):
        SyntheticMix(pool)({"image": ZEROS, "other": kind(torch.zeros(2, 1, 8, 8)), "label": LABELS})


def test_no_gradient_flows_into_images_that_are_gone(pool):
    images = torch.rand(10, 1, 8, 8, requires_grad=True)
    mixed, _ = SyntheticMix(pool, 0.5)(images, torch.arange(10))
    gone = replaced(images, mixed)
    mixed.sum().backward()
    assert torch.equal(images.grad.flatten(1).any(1), ~gone)


def test_an_empty_batch_is_an_empty_batch(pool):
    images, labels = SyntheticMix(pool, 1.0)(torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.long))
    assert images.shape == (0, 1, 8, 8)
    assert labels.shape == (0,)


def test_numbers_come_from_the_global_state(source, batch):
    mix = SyntheticMix(source, 0.5)
    torch.manual_seed(0)
    first, second = mix(*batch)[0], mix(*batch)[0]
    torch.manual_seed(0)
    assert torch.equal(mix(*batch)[0], first)
    assert not torch.equal(first, second)


ZEROS = torch.zeros(2, 1, 8, 8)
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (ZEROS, torch.tensor([0, 10]), "cannot sample class 10: the pool holds the classes"),
        (ZEROS[..., :7], LABELS, "images measure 8 x 7, synthetic ones 8 x 8; .* resize=True"),
        (ZEROS.expand(2, 3, 8, 8), LABELS, "images have 3 channels, synthetic ones 1"),
        (ZEROS - 1, LABELS, r"must have values in \[0, 1\], got \[-1, -1\]; for normalised images pass mean="),
        (ZEROS * torch.nan, LABELS, r"must have values in \[0, 1\]"),
        (ZEROS, torch.full((2, 10), 0.1), "soft labels come later: place SyntheticMix before CutMix"),
        (ZEROS, torch.ones(2, 1), r"got others of shape \(2, 1\)"),
        (ZEROS, torch.tensor([0.0, 1.0]), r"got others of shape \(2,\), torch\.float32"),
        (ZEROS, [0, 1], "the labels must be a tensor, got list"),
        (ZEROS, torch.arange(3), r"got \(2, 1, 8, 8\) with \(3,\)"),
        (ZEROS[0], torch.arange(1), r"got \(1, 8, 8\) with \(1,\)"),
    ],
)
def test_batches_that_cannot_be_mixed_are_refused(pool, images, labels, said):
    with pytest.raises(ValueError, match=said):
        SyntheticMix(pool, 0.5)(images, labels)


def test_whole_numbers_that_are_no_pixels_are_refused(pool):
    with pytest.raises(TypeError, match=r"uint8 or floating point, got torch\.int64"):
        SyntheticMix(pool)(ZEROS.long(), LABELS)


def test_samples_without_labels_or_images_are_refused(pool):
    with pytest.raises(ValueError, match="pass images and labels"):
        SyntheticMix(pool)()
    with pytest.raises(ValueError, match="the labels cannot be found in a Tensor"):
        SyntheticMix(pool)(ZEROS)
    with pytest.raises(ValueError, match="the labels cannot be found in a dict"):
        SyntheticMix(pool)({"image": ZEROS, "target": LABELS})
    with pytest.raises(ValueError, match="there is no image"):
        SyntheticMix(pool)({"label": LABELS})
    with pytest.raises(ValueError, match="one image or batch of images, got 2"):
        SyntheticMix(pool)({"a": tv_tensors.Image(ZEROS), "b": tv_tensors.Image(ZEROS), "label": LABELS})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"p": 1.5}, r"p must be in \[0, 1\], got 1.5"),
        ({"p": -0.1}, r"p must be in \[0, 1\]"),
        ({"mean": MEAN}, "mean and std belong together"),
        ({"mean": MEAN, "std": (0.0,)}, "std must be positive"),
        ({"mean": (0.1, 0.2), "std": (1.0,)}, "mean and std must be of one length"),
        ({"labels_getter": None}, "labels_getter must find labels"),
        ({"labels_getter": "target"}, "labels_getter must be 'default' or a callable, got 'target'"),
        ({"p": "often"}, "p must be in"),
        ({"balance": {0: 1}}, "a weight for each class, got {0: 1}"),
        ({"balance": [float("inf")] * 10}, "a weight for each of the 10 classes"),
        ({"balance": "equal"}, "balance must be None, 'uniform' or a weight for each class, got 'equal'"),
        ({"balance": [1, 2]}, "a weight for each of the 10 classes"),
        ({"balance": [-1] + [1] * 9}, "none negative"),
    ],
)
def test_bad_options_are_refused(pool, options, said):
    with pytest.raises(ValueError, match=said):
        SyntheticMix(pool, **options)


def test_sources_that_are_none_are_refused():
    with pytest.raises(
        TypeError, match="source must be a generator, got a str without fit and sample; pass a SyntheticPool or"
    ):
        SyntheticMix("pool/")
    with pytest.raises(
        ValueError, match="source must be a fitted generator, got a ImageGAN without classes_ and sample_spec_"
    ):
        SyntheticMix(ImageGAN())


def test_a_class_without_images_is_named(gan, tmp_path):
    pool = SyntheticPool.build(gan, tmp_path / "pool", per_class={0: 3})
    SyntheticMix(pool, 1.0)(ZEROS, torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="the pool holds no images of class '1'"):
        SyntheticMix(pool, 0.0)(ZEROS, LABELS)  # in the first batch, not in the first that needs one
    with pytest.raises(ValueError, match="the pool holds no images of class '1'"):
        SyntheticMix(pool, balance="uniform")


def test_boolean_classes(tmp_path):
    images = LabelledImages(
        np.random.default_rng(0).integers(256, size=(8, 1, 8, 8)).astype(np.uint8), np.array([False, True] * 4)
    )
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(images)
    mixed, labels = SyntheticMix(gan, 1.0, "uniform")(ZEROS, torch.tensor([True, False]))
    assert labels.dtype == torch.bool
    assert replaced(ZEROS, mixed).all()


NAMES = [str(c) for c in range(10)]


@pytest.fixture(scope="module")
def rare(gan, tmp_path_factory):
    """A pool of the classes 1 and 4."""
    return SyntheticPool.build(gan, tmp_path_factory.mktemp("rare") / "pool", per_class={1: 3, 4: 3}, random_state=0)


@pytest.mark.parametrize("make", [SyntheticMix, RandomSynthetic])
def test_classes_that_a_pool_lacks_are_known_when_the_transform_is_made(rare, colour_pool, make):
    with pytest.raises(ValueError, match=r"holds no images of class '0', '2', '3', '5' and 4 more; .* missing='keep'"):
        make(rare, classes=NAMES)
    # Names that the source does not know stand for its labels 0, 1, ...
    with pytest.raises(ValueError, match=r"holds no images of class '0', '2', '3', '5' and 4 more"):
        make(rare, classes=[f"digit {c}" for c in range(10)])
    with pytest.raises(ValueError, match="class 10: the pool holds the classes"):
        make(rare, classes=[f"digit {c}" for c in range(11)])
    with pytest.raises(ValueError, match=r"the source has no class 'wolf'; .* pass missing='keep'"):
        make(colour_pool, classes=["cat", "wolf"])
    make(rare, classes=["1", "4"])
    make(rare, classes=NAMES, missing="keep")
    with pytest.raises(ValueError, match="missing must be 'error' or 'keep', got 'real'"):
        make(rare, missing="real")


def test_classes_without_weight_need_no_images(rare):
    weights = [float(c in (1, 4)) for c in range(10)]
    images, labels = torch.full((60, 1, 8, 8), 7, dtype=torch.uint8), torch.arange(60) % 10
    mixed, new = SyntheticMix(rare, 0.5, weights)(images, labels)
    changed = replaced(images, mixed)
    assert set(new[changed].tolist()) == {1, 4}
    assert torch.equal(new[~changed], labels[~changed])
    with pytest.raises(ValueError, match="cannot sample class 10: the pool holds the classes"):
        SyntheticMix(rare, 0.0, weights)(images, labels + 2)


@pytest.mark.parametrize("classes", [None, NAMES])
@pytest.mark.parametrize("one_hot", [False, True])
def test_images_of_classes_that_a_pool_lacks_stay_real(rare, batch, classes, one_hot):
    images, labels = batch
    shown = torch.nn.functional.one_hot(labels, 10) if one_hot else labels
    with pytest.raises(ValueError, match=r"holds no images of class .* or pass missing='keep'"):
        SyntheticMix(rare, 1.0)(images, shown)
    mixed, after = SyntheticMix(rare, 1.0, classes=classes, missing="keep")(images, shown)
    assert torch.equal(replaced(images, mixed), (labels == 1) | (labels == 4))
    assert torch.equal(after, shown)


def test_what_a_source_never_heard_of_stays_real_too(gan, colour_pool):
    images = torch.zeros(3, 1, 8, 8)
    mixed, _ = SyntheticMix(gan, 1.0, missing="keep")(images, torch.tensor([1, 99, -1]))
    assert replaced(images, mixed).tolist() == [True, False, False]
    images = torch.zeros(3, 3, 8, 8)
    mix = SyntheticMix(colour_pool, 1.0, classes=["wolf", "dog"], missing="keep")
    assert replaced(images, mix(images, torch.tensor([0, 1, 0]))[0]).tolist() == [False, True, False]


def test_balance_draws_only_classes_that_there_are_images_of(rare):
    images, labels = torch.zeros(60, 1, 8, 8), torch.zeros(60, dtype=torch.long)
    assert set(SyntheticMix(rare, 1.0, "uniform", missing="keep")(images, labels)[1].tolist()) == {1, 4}
    with pytest.raises(ValueError, match="holds no images of class '0'"):
        SyntheticMix(rare, 1.0, "uniform")
    with pytest.raises(ValueError, match="balance gives no weight to a class that there are images of"):
        SyntheticMix(rare, 1.0, [1] + [0] * 9, missing="keep")


def test_kept_classes_change_no_random_numbers(rare, batch):
    images, labels = batch[0], torch.where(batch[1] < 5, 1, 4)
    mixed = []
    for missing in ("error", "keep"):
        torch.manual_seed(0)
        mixed.append(SyntheticMix(rare, 0.5, missing=missing)(images, labels)[0])
    assert torch.equal(*mixed)


@pytest.mark.parametrize("balance", [None, "uniform"])
def test_labels_that_count_nothing_stay_real_beside_names(colour_pool, balance):
    images, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, -1, 2, 3])
    mixed, after = SyntheticMix(colour_pool, 1.0, balance, missing="keep")(images, labels)
    if balance is None:
        assert replaced(images, mixed).tolist() == [True, False, True, False]
        assert torch.equal(after, labels)
    else:
        assert set(after.tolist()) <= {0, 1, 2}
