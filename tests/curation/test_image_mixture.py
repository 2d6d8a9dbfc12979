"""Several generators of images as one."""

import numpy as np
import pytest
import torch
from sklearn.utils import check_random_state

from ganaug import ImageGAN, LabelledImages, SyntheticPool
from ganaug.audit import audit
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.curation import AdditiveTransfer, ImageMixture, choose_cells
from ganaug.generators import SampleSpec


class Level:
    """Draws images of one level, or none of a group."""

    def __init__(self, level):
        self.level = level

    def fit(self, data):
        self.classes_, self.groups_ = data.classes, np.unique(data.groups)
        self.cell_counts_ = np.ones((len(self.classes_), len(self.groups_)), int)
        self.sample_spec_ = SampleSpec("images", data.image_shape, "uint8")
        return self

    def sample(self, labels, groups=None, *, random_state=None):
        assert groups is None or len(groups) == len(labels)
        return torch.full((len(labels), 1, 8, 8), self.level, dtype=torch.uint8)


class Groupless(Level):
    def sample(self, labels, *, random_state=None):
        return super().sample(labels)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 30), np.tile(["new", "old", "pale"], 20)
    return LabelledImages(rng.integers(4, 255, (60, 1, 8, 8)).astype(np.uint8), labels, groups=groups)


def test_each_draws_an_equal_part_of_each_cell_whatever_the_order(data):
    both = ImageMixture([Level(3), Level(5)]).fit(data)
    for labels in (np.tile([0, 1], 50), np.repeat([0, 1], 50)):
        groups = np.where(np.arange(100) % 4 < 2, "new", "old")
        drawn = both.sample(labels, groups, random_state=0)[:, 0, 0, 0].numpy()
        pairs = set(zip(labels, groups, strict=True))
        cells = {(c, g): drawn[(labels == c) & (groups == g)] for c, g in pairs}
        assert len(cells) == 4
        assert all(abs((part == 3).sum() - (part == 5).sum()) <= 1 for part in cells.values())
        again = both.sample(labels, groups, random_state=0)[:, 0, 0, 0].numpy()
        assert np.array_equal(drawn, again)
    assert np.bincount(both.sample([1] * 30, random_state=1)[:, 0, 0, 0])[[3, 5]].tolist() == [15, 15]
    firsts = {int(both.sample([0], ["new"], random_state=seed)[0, 0, 0, 0]) for seed in range(20)}
    assert firsts == {3, 5}
    assert both.sample([], []).shape == (0, 1, 8, 8)


def test_copies_are_fitted_with_seeds_of_their_own(data):
    quick = {"steps": 2, "device": "cpu", "verbose": False}
    given = [ImageGAN(**quick), ImageGAN(random_state=7, **quick)]
    first, again = (ImageMixture(given, random_state=3).fit(data) for _ in range(2))
    assert not hasattr(given[0], "classes_")
    assert first.generators_[1].random_state == 7
    assert first.generators_[0].random_state == again.generators_[0].random_state is not None
    assert torch.equal(*(each.sample([0, 1], ["new", "old"], random_state=0) for each in (first, again)))
    assert first.cell_counts_.tolist() == [[10, 10, 10], [10, 10, 10]]


def test_it_stands_where_a_generator_does(data, tmp_path):
    both = ImageMixture([Level(3), AdditiveTransfer()]).fit(data)
    pool = SyntheticPool.build(both, tmp_path / "pool", per_cell=4, keep=(), random_state=0)
    images = np.stack([np.asarray(pool[place][0]) for place in range(len(pool))]).reshape(len(pool), -1)
    assert len(images) == 24
    assert (images == 3).all(1).sum() == 12
    holed = data.subset(np.flatnonzero((data.labels == 0) | (data.groups != "pale")))
    quick = {"rounds": 3, "starts": 1, "training": ClassifierConfig(steps=2), "random_state": 0}
    assert choose_cells(ImageMixture([Level(3), AdditiveTransfer()]), holed, **quick).per_cell == {}


@pytest.mark.parametrize(
    ("generators", "error", "said"),
    [
        ([], ValueError, "generators must hold at least one generator"),
        (["gan"], TypeError, r"generators\[0\] must be a generator, got a str"),
        ([Level(1), Groupless(2)], TypeError, r"generators\[1\], a Groupless, draws no groups"),
    ],
)
def test_bad_generators_are_refused_before_anything_is_trained(generators, error, said, data):
    with pytest.raises(error, match=said):
        ImageMixture(generators).fit(data)


def test_bad_requests_are_refused(data):
    both = ImageMixture([Level(3), Level(5)]).fit(data)
    with pytest.raises(ValueError, match="class 2"):
        both.sample([2], ["new"])
    with pytest.raises(ValueError, match="the same length, got 2 labels and 1 groups"):
        both.sample([0, 1], ["new"])


def test_images_without_a_label_are_of_no_class(data):
    shades = (100 * data.labels[:, None, None, None] + data.images // 8).astype(np.uint8)
    unknown = LabelledImages(shades, np.where(np.arange(60) % 10, data.labels, -1), groups=data.groups)
    transfer = AdditiveTransfer().fit(unknown)
    assert transfer.classes_.tolist() == [0, 1]
    assert transfer.cell_counts_.sum() == 54
    both = ImageMixture([ImageGAN(steps=1, device="cpu", verbose=False), AdditiveTransfer()], random_state=0).fit(
        unknown
    )
    assert both.classes_.tolist() == [0, 1]
    moved = both.generators_[1].sample([1] * 20, ["new"] * 20, random_state=0)
    assert moved.min() >= 90


def test_generators_that_find_other_classes_are_refused(data):
    class Backwards(Level):
        def fit(self, data):
            super().fit(data).classes_ = data.classes[::-1]
            return self

    with pytest.raises(
        ValueError, match=r"must have the same classes_, got \[0, 1\] of Level and \[1, 0\] of Backwards"
    ):
        ImageMixture([Level(1), Backwards(2)]).fit(data)


def test_generators_may_take_seeds_as_scikit_learn_does_and_draw_arrays(data, tmp_path):
    class Strict(Level):
        def sample(self, labels, groups=None, *, random_state=None):
            shape = (len(labels), 1, 8, 8)
            return check_random_state(random_state).randint(0, 256, shape, dtype=np.uint8)

    model = Strict(1).fit(data)
    pool = SyntheticPool.build(model, tmp_path / "pool", per_class=3, keep=[], random_state=0)
    assert len(pool) == 6
    assert audit(model, data, random_state=0).exact.count == 0
