import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from ganaug import GANOverSampler, TableGAN
from ganaug.curation import (
    AdditiveSampler,
    ClassConsistency,
    GaussianSampler,
    GeneratorSampler,
    LocalSampler,
    Mixture,
    encode_table,
)
from ganaug.data.tables.layout import RowLayout

LABELS = np.repeat([0, 1, 2], [40, 20, 3])
ROWS = np.random.default_rng(0).normal(size=(63, 2)).astype(np.float32) + 5 * LABELS[:, None]
SELECTION = ClassConsistency(models=lambda seed: [LogisticRegression()])


class Fixed:
    """Draws rows of one number, for classes that are large enough."""

    def __init__(self, value, min_rows=1):
        self.value, self.min_rows = value, min_rows

    def fit(self, rows, labels, layout=None):
        return self

    def sample(self, labels, randomness):
        return np.full((len(labels), 2), self.value, np.float32), np.full(len(labels), -1)


def counts(members, asked, **options):
    """Rows of each value by class."""
    drawn, _ = Mixture(members, **options).fit(ROWS, LABELS).sample(asked, np.random.default_rng(0))
    return [np.bincount(drawn[asked == c, 0].astype(int), minlength=3).tolist() for c in range(3)]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1, 1, 1), [[4, 3, 3], [2, 1, 1], [0, 1, 1]]),
        ((0.5, 0.5, 0), [[5, 5, 0], [2, 2, 0], [0, 2, 0]]),
        ((1, 0, 0), [[10, 0, 0], [4, 0, 0], [0, 1, 1]]),
        ((0, 5, 5), [[0, 5, 5], [0, 2, 2], [0, 1, 1]]),
        ((0, 1, 1, 1), [[0, 4, 3, 3], [0, 2, 1, 1], [0, 0, 1, 1]]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"selection": SELECTION, "candidates": 3}])
def test_each_sampler_draws_its_share_of_each_class(shares, expected, options):
    """The last class is too small for the first sampler; what rounding leaves goes to the first that can."""
    members = list(zip([Fixed(0, min_rows=4), Fixed(1), Fixed(2), Fixed(3)], shares, strict=False))
    asked = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [10, 4, 2]))
    assert counts(members, asked, **options) == expected


def test_rows_come_in_the_order_of_their_labels_and_seeds_count():
    asked = np.array([2, 0, 1, 0, 2])
    mixture = Mixture([(GaussianSampler(), 1), (LocalSampler(), 1)], selection=SELECTION)
    mixture.fit(ROWS, LABELS, RowLayout(2), np.random.default_rng(0))
    one, two, other = (mixture.sample(asked, np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(one[0], two[0])
    assert not np.array_equal(one[0], other[0])
    assert np.array_equal(np.abs(one[0].mean(1, keepdims=True) - [0, 5, 10]).argmin(1), asked)
    grown = one[1] >= 0
    assert (LABELS[one[1][grown]] == asked[grown]).all()
    assert [len(part) for part in mixture.sample(asked[:0], np.random.default_rng(0))] == [0, 0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "members must have shares"),
        ([(Fixed(0), -1), (Fixed(1), 2)], r"not negative and not all 0, got \[-1.0, 2.0\]"),
        ([(Fixed(0), 0)], "not all 0"),
        ([LocalSampler()], "members must hold pairs of a sampler and its share, got .*; pass such as"),
        ([(Fixed(0, min_rows=8), 1)], "class 2 has 3 rows and the samplers of the mixture need at least 8; add"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(members, message):
    with pytest.raises(ValueError, match=message):
        counts(members, np.array([2]))


class Means(BaseEstimator):
    """A generator of rows that knows no encoding."""

    def fit(self, X, y):
        self.means_ = X.groupby(np.asarray(y)).mean()
        return self

    def sample(self, labels, *, random_state=None):
        return self.means_.loc[labels]


@pytest.mark.parametrize("generator", [Means(), TableGAN(steps=2, random_state=0, verbose=False)])
def test_a_generator_is_trained_when_it_is_drawn_from(generator):
    data = encode_table(pd.DataFrame(ROWS, columns=["a", "b"]), np.array(["x", "y", "z"])[LABELS])
    sampler = GeneratorSampler(generator, data)
    mixture = Mixture([(LocalSampler(), 1), (sampler, 1)]).fit(data.rows, data.targets, data.layout)
    mixture.sample(np.array([2]), np.random.default_rng(0))
    assert sampler.generator_ is None  # class 2 has too few rows
    drawn, anchors = mixture.sample(np.repeat([0, 1], 4), np.random.default_rng(0))
    assert sampler.generator_ is generator
    assert (anchors >= 0).sum() == 4
    assert len(data.encoder.inverse_transform(drawn, np.repeat([0, 1], 4))) == 8
    prefit = GeneratorSampler(generator, data, prefit=True, seed=3)
    assert np.array_equal(*(prefit.sample(np.array([1, 0]), np.random.default_rng(s))[0] for s in (0, 1)))
    with pytest.raises(ValueError, match="must be those of the data"):
        sampler.fit(data.rows[1:], data.targets[1:])


def test_a_generator_may_draw_numbers_between_the_two_of_a_column():
    rows = pd.DataFrame({"a": np.arange(60.0), "flag": [0.5, 0.5, 1.0] * 20})
    labels = np.repeat(["x", "y"], [45, 15])
    assert Means().fit(rows, labels).sample(["y"])["flag"].item() == pytest.approx(2 / 3)
    over = GANOverSampler(generator=Means(), local_share=0, selection=False, random_state=0)
    made, _ = over.fit_resample(rows, labels)
    assert made["flag"][60:].tolist() == [0.5] * 30


@pytest.mark.parametrize("sampler", [Mixture([(LocalSampler(), 1)]), LocalSampler()])
def test_what_is_not_fitted_says_so(sampler):
    with pytest.raises(NotFittedError, match="is not fitted; call fit with encoded rows and their classes first"):
        sampler.sample(np.array([0]), np.random.default_rng(0))


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="y must have a label for each of the 63 rows of X, got 2"):
        encode_table(ROWS, [0, 1])


def test_the_gaussian_refuses_levels():
    with pytest.raises(ValueError, match="layout has 1 blocks of levels and GaussianSampler draws numbers only; use"):
        GaussianSampler().fit(ROWS, LABELS, RowLayout(0, blocks=(2,)))


OF_CELLS = np.repeat([(0, 0), (0, 1), (1, 0), (1, 1)], [20, 20, 20, 1], axis=0)  # no class 1 in group 2, nor 0
GROUPED = np.append(OF_CELLS, [(0, 2)] * 5, axis=0)
CELL_ROWS = (GROUPED @ np.array([[5.0, 0.0], [0.0, 7.0]]) + np.random.default_rng(0).normal(size=(66, 2))).astype("f4")


def drawn_for(members, cells, **options):
    mixture = Mixture(members, **options).fit(CELL_ROWS, GROUPED[:, 0], groups=GROUPED[:, 1])
    labels, groups = np.array(cells).T
    return mixture.sample(labels, np.random.default_rng(0), groups)


@pytest.mark.parametrize("options", [{}, {"selection": SELECTION, "candidates": 3}])
def test_cells_are_drawn_by_who_can_draw_them(options):
    """Rows of a cell grow from its own; where it has one or none, from those of its class in other groups."""
    asked = np.random.default_rng(1).permutation([(0, 0)] * 6 + [(1, 1)] * 4 + [(1, 2)] * 4)
    rows, anchors = drawn_for([(LocalSampler(), 1), (AdditiveSampler(), 1)], asked, **options)
    assert np.abs(rows - asked @ np.array([[5.0, 0.0], [0.0, 7.0]])).max() < 4
    assert (GROUPED[anchors, 0] == asked[:, 0]).all()
    own = (GROUPED[anchors] == asked).all(1)
    for cell, expected in (((0, 0), 3), ((1, 1), 0), ((1, 2), 0)):
        assert own[(asked == cell).all(1)].sum() == expected
    same, _ = drawn_for([(GaussianSampler(), 1)], [(0, 2)] * 9, **options)
    assert np.abs(same.mean(0) - [0, 14]).max() < 1.5


def test_one_row_is_repeated_where_nothing_else_is_there():
    labels, groups = np.array([0, 0, 0, 1, 0]), np.array([0, 1, 0, 0, 1])
    rows = np.arange(10, dtype="f4").reshape(5, 2)
    mixture = Mixture([(AdditiveSampler(), 1), (LocalSampler(), 0)]).fit(rows, labels, groups=groups)
    drawn, anchors = mixture.sample(np.array([1, 1]), np.random.default_rng(0), np.array([0, 1]))
    assert anchors.tolist() == [3, 3]
    assert np.array_equal(drawn[0], rows[3])
    assert not np.array_equal(drawn[1], rows[3])


class HalfWrong:
    """Draws each other row of the class that was not asked for, in the group that was."""

    def drawable(self, cell_counts):
        return np.ones_like(cell_counts, dtype=bool)

    def fit(self, rows, labels, layout=None, groups=None):
        return self

    def sample(self, labels, randomness, groups=None):
        self.right = np.arange(len(labels)) % 2 == 0
        cells = np.stack([np.where(self.right, labels, 1 - labels), groups], axis=1)
        rows = cells @ np.array([[1.5, 0.0], [-12.0, 6.0]]) + randomness.normal(scale=0.5, size=(len(labels), 2))
        return np.append(rows, self.right[:, None], axis=1).astype("f4"), np.full(len(labels), -1)


def test_no_group_fools_the_selection():
    """Group 1 has no class 1, so that trees that see what looks like it take all of it for class 0."""
    cells = np.repeat([(0, 0), (1, 0), (0, 1)], 60, axis=0)
    rows = cells @ np.array([[1.5, 0.0], [-12.0, 6.0]]) + np.random.default_rng(0).normal(scale=0.5, size=(180, 2))
    rows = np.append(rows, np.zeros((180, 1)), axis=1).astype("f4")  # the last entry says what is right, in new rows
    selection = ClassConsistency(models=lambda seed: [ExtraTreesClassifier(20, min_samples_leaf=3, random_state=seed)])
    asked = np.repeat(1, 120)
    candidates, _ = HalfWrong().sample(asked, np.random.default_rng(0), asked)
    fooled = selection.fit(rows, cells[:, 0], np.random.default_rng(0))
    chosen = fooled.choose(candidates, asked, np.array([60]), np.random.default_rng(0))
    assert candidates[chosen, 2].mean() < 0.8
    mixture = Mixture([(HalfWrong(), 1)], selection=selection).fit(rows, cells[:, 0], groups=cells[:, 1])
    drawn, _ = mixture.sample(asked[:60], np.random.default_rng(0), asked[:60])
    assert drawn[:, 2].mean() > 0.9


@pytest.mark.parametrize(
    ("members", "cell", "message"),
    [
        ([(LocalSampler(), 1)], (1, 2), "class 1 has 0 rows in group 2, which no sampler of the mixture can draw from"),
        ([(Fixed(0, min_rows=9), 1)], (0, 2), "class 0 has 5 rows in group 2, which no sampler"),
    ],
)
def test_cells_that_cannot_be_drawn_are_refused(members, cell, message):
    with pytest.raises(ValueError, match=message):
        drawn_for(members, [cell])


def test_groups_are_asked_for_where_there_are_some_and_only_there():
    mixture = Mixture([(LocalSampler(), 1)])
    with pytest.raises(ValueError, match="the mixture was fitted without groups, got groups=array"):
        mixture.fit(ROWS, LABELS).sample(np.array([0]), np.random.default_rng(0), np.array([0]))
    with pytest.raises(ValueError, match="the mixture was fitted with groups, got groups=None; pass a group"):
        mixture.fit(CELL_ROWS, GROUPED[:, 0], groups=GROUPED[:, 1]).sample(np.array([0]), np.random.default_rng(0))
    with pytest.raises(ValueError, match="groups are needed, got None"):
        AdditiveSampler().fit(ROWS, LABELS)
