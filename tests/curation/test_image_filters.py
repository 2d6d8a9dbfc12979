import copy

import numpy as np
import pytest
import torch
from cell_data import Shades, images_of

from ganaug import ImageGAN, labelled_images
from ganaug.curation import AdditiveTransfer, DiscriminatorRank, ImageConsistency, LearningDynamics, NoCopies
from ganaug.metrics import ClassifierConfig


@pytest.fixture(scope="module")
def digits():
    # In the order they come in, later ones were written by other people.
    return labelled_images("digits").subset(np.random.default_rng(0).permutation(1797)[:600])


@pytest.fixture(scope="module")
def train(digits):
    return digits.subset(range(300))


@pytest.fixture(scope="module")
def gan(train):
    return ImageGAN(steps=20, device="cpu", random_state=0, verbose=False).fit(train)


def of(data, label):
    return data.images[data.labels == label]


def test_consistent_images_are_those_of_the_class(gan, digits, train):
    step = ImageConsistency().fit(gan, train, np.random.default_rng(0))
    fresh = digits.subset(range(300, 600))
    own = np.mean([step.accepts(of(fresh, c), c).mean() for c in range(10)])
    other = np.mean([step.accepts(of(fresh, (c + 1) % 10), c).mean() for c in range(10)])
    assert 0.7 < own < 0.9  # four in five, as the quantile says
    assert other < 0.02


def test_copies_are_dropped_and_fresh_images_are_not(gan, digits, train):
    step = NoCopies().fit(gan, train, np.random.default_rng(0))
    fresh = digits.subset(range(300, 600))
    for label in (0, 5, 8):
        copies = of(train, label)
        assert not step.accepts(copies, label).any()
        noise = np.random.default_rng(0).integers(-3, 4, copies.shape)
        assert step.accepts(np.clip(copies + noise, 0, 255).astype(np.uint8), label).mean() < 0.05
    assert np.mean([step.accepts(of(fresh, c), c).mean() for c in range(10)]) > 0.8


def test_duplicates_in_the_training_images_do_not_let_copies_through(gan, train):
    doubled = train.subset(np.repeat(np.arange(300), 2))
    step = NoCopies().fit(gan, doubled, np.random.default_rng(0))
    copies = of(train, 4)
    assert not step.accepts(copies, 4).any()
    noise = np.random.default_rng(0).integers(-1, 2, copies.shape)
    assert not step.accepts(np.clip(copies + noise, 0, 255).astype(np.uint8), 4).any()


def test_classes_of_a_few_images_are_not_judged_and_this_is_warned_of(gan, train):
    few = np.concatenate([np.flatnonzero(train.labels == c)[: 4 if c == 4 else 20] for c in range(10)])
    with pytest.warns(UserWarning, match="fewer than 5 real images are not filtered by class consistency: 4"):
        step = ImageConsistency().fit(gan, train.subset(few), np.random.default_rng(0))
    assert step.accepts(train.images[:3], 4) is None
    assert step.accepts(train.images[:3], 5) is not None


def test_images_are_judged_on_the_device_of_the_gan(gan, train):
    devices = []

    class Recording:
        def __init__(self, n_classes, seed, config, device="cpu"):
            devices.append(torch.device(device).type)

        def fit(self, images, labels):
            return self

        def predict_proba(self, images):
            return np.zeros((len(images), 10), np.float32)

    class Judged(ImageConsistency):
        _classifier = Recording

    elsewhere = copy.deepcopy(gan)
    elsewhere.generator_.to("meta")
    Judged().fit(elsewhere, train, np.random.default_rng(0))
    assert set(devices) == {"meta"}


@pytest.mark.parametrize("kind", [ImageConsistency, LearningDynamics])
def test_classifiers_are_trained_as_it_says(gan, digits, train, kind):
    fresh, accepted = digits.subset(range(300, 600)), {}
    for precision in ("fp32", "bf16"):
        training = ClassifierConfig(steps=100, precision=precision)
        step = kind(training=training).fit(gan, train, np.random.default_rng(0))
        accepted[precision] = np.concatenate([step.accepts(fresh.images, c) for c in range(10)])
        assert step.describe()["training"] == {
            "steps": 100,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "precision": precision,
            "threads": 1,
        }
    assert 0 < (accepted["fp32"] != accepted["bf16"]).mean() < 0.02


@pytest.mark.parametrize("with_groups", [True, False])
def test_groups_are_told_to_the_classifiers_where_the_generator_knows_them(with_groups):
    told = []

    class Recording:
        def __init__(self, n_classes, seed, config, device="cpu"):
            pass

        def fit(self, images, labels, groups=None):
            told.append(None if groups is None else np.unique(groups).tolist())
            return self

        def predict_proba(self, images):
            return np.zeros((len(images), 3), np.float32)

    class Judged(ImageConsistency):
        _classifier = Recording

    real = images_of(groups=("new", "old", "unknown"))
    generator = AdditiveTransfer().fit(real) if with_groups else Shades().fit(real)
    Judged().fit(generator, real, np.random.default_rng(0))
    assert told == [[-1, 0, 1] if with_groups else None] * 5


@pytest.mark.parametrize("odds", [None, 0.9])
def test_in_a_cell_without_real_images_the_class_must_be_nearly_as_probable_as_those_that_the_group_has(odds):
    told = np.array([[0.1, 0.8, 0.1], [0.45, 0.05, 0.5], [0.5, 0.2, 0.3], [0.85, 0.1, 0.05]])  # of four candidates

    class Told:
        def __init__(self, n_classes, seed, config, device="cpu"):
            pass

        def fit(self, images, labels, groups=None):
            return self

        def predict_proba(self, images):
            return told[images[:, 0, 0, 0] % 4]

    class Judged(ImageConsistency):
        _classifier = Told

    counts = [[8, 8, 8], [0, 8, 8], [0, 8, 8]]  # the group "new" has class 0 alone
    step = Judged(**{} if odds is None else {"odds": odds})
    step.fit(AdditiveTransfer().fit(images_of(counts)), images_of(counts), np.random.default_rng(0))
    candidates = np.tile(np.arange(4, dtype=np.uint8)[:, None, None, None], (1, 1, 8, 8))
    limit = 1 / 3 if odds is None else odds
    for position in (1, 2):
        expected = told[:, position] >= limit * told[:, 0]
        assert step.accepts(candidates, position, group=0).tolist() == expected.tolist()
    # Elsewhere the quantile of the class decides, as without a group.
    elsewhere = step.accepts(candidates, 1).tolist()
    assert step.accepts(candidates, 1, group=2).tolist() == elsewhere != expected.tolist()
    training = {"steps": 200, "batch_size": 64, "learning_rate": 1e-3, "precision": "fp32", "threads": 1}
    assert step.describe() == {"name": "class consistency", "quantile": 0.2, "odds": limit, "training": training}


def test_rank_keeps_the_share_that_the_discriminator_likes_best(gan, train):
    step = DiscriminatorRank(0.25).fit(gan, None, np.random.default_rng(0))
    images = of(train, 2)[:20]
    scores = gan.score_samples(images, [2] * 20)
    kept = step.accepts(images, 2)
    assert kept.sum() == 5
    assert scores[kept].min() >= scores[~kept].max()


def test_scores_do_not_depend_on_the_batch(gan, train):
    images, labels = train.images[:30], train.labels[:30]
    whole = gan.score_samples(images, labels)
    assert whole.dtype == np.float32
    parts = [gan.score_samples(images[i : i + 1], labels[i : i + 1])[0] for i in range(30)]
    np.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-5)
    assert len(gan.score_samples(images[:0], [])) == 0
    for bad, found in (
        (np.zeros((2, 1, 9, 9), np.uint8), r"torch.uint8 of shape \(2, 1, 9, 9\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"torch.uint8 of shape \(2, 3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8), r"torch.float32 of shape \(2, 1, 8, 8\)"),
    ):
        with pytest.raises(ValueError, match=rf"^X must be uint8 images of shape \(n, 1, 8, 8\), .*, got {found}"):
            gan.score_samples(bad, [1, 2])
    with pytest.raises(ValueError, match=r"^X and labels must have the same length, got 30 images and 1 labels"):
        gan.score_samples(images, [1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DiscriminatorRank(0), r"share must be in \(0, 1\]"),
        (lambda: ImageConsistency(1.5), r"quantile must be in \[0, 1\]"),
        (lambda: ImageConsistency(odds=-1), r"odds must be in \[0, 1\], got -1"),
        (lambda: NoCopies(-0.1), r"quantile must be in \[0, 1\]"),
    ],
)
def test_bad_limits_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_consistency_needs_a_few_images(gan, train):
    first = np.array([np.flatnonzero(train.labels == c)[:3] for c in range(10)]).ravel()
    with pytest.raises(ValueError, match="class consistency needs 5 real images of some class"):
        ImageConsistency().fit(gan, train.subset(first), np.random.default_rng(0))
