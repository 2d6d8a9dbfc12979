import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from ganaug import TableGAN
from ganaug.curation import (
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
    ],
)
@pytest.mark.parametrize("options", [{}, {"selection": SELECTION, "candidates": 3}])
def test_each_sampler_draws_its_share_of_each_class(shares, expected, options):
    """The last class is too small for the first sampler; what rounding leaves goes to the first that can."""
    members = list(zip([Fixed(0, min_rows=4), Fixed(1), Fixed(2)], shares, strict=True))
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


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="y must have a label for each of the 63 rows of X, got 2"):
        encode_table(ROWS, [0, 1])


def test_the_gaussian_refuses_levels():
    with pytest.raises(ValueError, match="layout has 1 blocks of levels and GaussianSampler draws numbers only; use"):
        GaussianSampler().fit(ROWS, LABELS, RowLayout(0, blocks=(2,)))
