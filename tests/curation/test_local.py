import numpy as np
import pytest

from ganaug.curation import LocalSampler
from ganaug.data.tables.layout import RowLayout


def rows(n=60, seed=0):
    """Two numbers and a block of three levels; the classes are far apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    levels = np.eye(3, dtype=np.float32)[rng.integers(3, size=n)]
    return np.hstack([rng.normal(size=(n, 2)) + 50 * labels[:, None], levels]).astype(np.float32), labels


def sampler(**params):
    data, labels = rows()
    return LocalSampler(**params).fit(data, labels, RowLayout(2, blocks=(3,)))


def test_rows_stay_near_their_anchor_and_in_their_class():
    data, labels = rows()
    asked = np.array([0, 1] * 200)
    drawn, anchors = sampler().sample(asked, np.random.default_rng(0))
    assert (labels[anchors] == asked).all()
    assert np.abs(drawn[:, :2] - data[anchors, :2]).max() < 6
    assert (drawn[:, 2:].sum(1) == 1).all()
    assert set(np.unique(drawn[:, 2:])) == {0, 1}


def test_without_spread_and_swap_rows_are_copies():
    data, _ = rows()
    drawn, anchors = sampler(spread=0.0, swap=0.0).sample(np.zeros(50, int), np.random.default_rng(0))
    assert np.array_equal(drawn, data[anchors])


def test_the_spread_follows_the_local_covariance():
    rng = np.random.default_rng(0)
    along = rng.normal(size=400)
    line = np.stack([along, along + 0.01 * rng.normal(size=400)], axis=1).astype(np.float32)
    drawn, anchors = LocalSampler().fit(line, np.zeros(400, int)).sample(np.zeros(400, int), rng)
    moved = drawn - line[anchors]
    assert np.corrcoef(moved.T)[0, 1] > 0.5
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() < 0.2


@pytest.mark.parametrize("n", [1, 2, 5])
def test_classes_of_a_few_rows(n):
    data = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    drawn, _ = LocalSampler().fit(data, np.zeros(n, int)).sample(np.zeros(20, int), np.random.default_rng(0))
    assert np.isfinite(drawn).all()
    assert (len(np.unique(drawn, axis=0)) > 1) == (n > 1)


def test_an_anchor_is_not_its_own_neighbour():
    """With one neighbour each, two rows far from the others move towards each other."""
    data = np.array([[0.0], [1.0], [50.0], [51.0]], np.float32)
    drawn, anchors = (
        LocalSampler(n_neighbors=1).fit(data, np.zeros(4, int)).sample(np.zeros(200, int), np.random.default_rng(0))
    )
    assert (drawn[:, 0] != data[anchors, 0]).all()
    assert (np.abs(drawn[:, 0] - data[anchors, 0]) < 4).all()


def test_a_number_and_the_level_that_says_there_is_one_stay_together():
    rng = np.random.default_rng(0)
    there = rng.random(80) < 0.5
    data = np.zeros((80, 3), np.float32)
    data[:, 0] = np.where(there, 10 + rng.normal(size=80), 0)
    data[:, 1], data[:, 2] = there, ~there
    s = LocalSampler().fit(data, np.zeros(80, int), RowLayout(1, blocks=(2,), gates=(0,)))
    drawn, _ = s.sample(np.zeros(400, int), rng)
    assert (drawn[drawn[:, 2] == 1, 0] == 0).all()
    assert (drawn[drawn[:, 1] == 1, 0] > 5).all()


def test_numbers_that_may_be_missing_move_with_the_others():
    rng = np.random.default_rng(0)
    along, ones = rng.normal(size=(20, 1)), np.ones((20, 1))
    data = np.hstack([along + 0.1 * rng.normal(size=(20, 2)), ones, 0 * ones, ones, 0 * ones]).astype(np.float32)
    s = LocalSampler().fit(data, np.zeros(20, int), RowLayout(2, blocks=(2, 2), gates=(0, 1)))
    drawn, _ = s.sample(np.zeros(500, int), rng)
    assert np.corrcoef(drawn[:, :2].T)[0, 1] > 0.97
    assert not np.isin(drawn[:, 0], data[:, 0]).any()


@pytest.mark.parametrize("n", [2, 3, 9])
def test_a_small_class_varies_as_much_as_is_said(n):
    data = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    drawn, _ = (
        LocalSampler(spread=0.7).fit(data, np.zeros(n, int)).sample(np.zeros(9000, int), np.random.default_rng(0))
    )
    expected = 1 - 1 / n + 2 * 0.7**2
    np.testing.assert_allclose(drawn.var(0) / data.var(0, ddof=1), expected, rtol=0.06)


def test_same_seed_same_rows():
    one, two, other = (sampler().sample(np.zeros(9, int), np.random.default_rng(s))[0] for s in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
