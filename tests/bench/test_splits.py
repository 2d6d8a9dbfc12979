import numpy as np
import pytest

from ganaug.bench.inputs.splits import balanced_splits, drawn_splits, folds

LABELS = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], [40, 25, 31]))


def counts(part, labels=LABELS):
    return np.unique(labels[part], return_counts=True)[1].tolist()


def test_training_sets_are_balanced_disjoint_and_apart_from_the_test():
    splits = drawn_splits(LABELS, 6, 4, seed=0)
    assert splits.correlation is None
    assert all(np.array_equal(test, splits.test[0]) for test in splits.test)
    together = np.concatenate([*splits.training, splits.test[0]])
    assert len(set(together.tolist())) == len(together) == len(LABELS)
    assert [counts(part) for part in splits.training] == [[6, 6, 6]] * 4
    assert counts(splits.test[0]) == [16, 1, 7]


def test_where_disjoint_ones_do_not_fit_each_is_drawn_by_itself():
    splits = drawn_splits(LABELS, 20, 4, seed=0)
    assert splits.correlation == pytest.approx(36 / 96)
    assert len({tuple(part) for part in splits.training}) == 4
    for training, test in zip(splits.training, splits.test, strict=True):
        assert counts(training) == [20, 20, 20]
        assert sorted([*training, *test]) == list(range(96))


@pytest.mark.parametrize("n_samples", [3, 20, 61])
def test_samples_are_spread_over_classes_and_the_rest_is_for_the_test(n_samples):
    splits = balanced_splits(LABELS, n_samples, 8, seed=0)
    for training, test in zip(splits.training, splits.test, strict=True):
        sizes = counts(training)
        assert sum(sizes) == len(training) == n_samples
        assert max(sizes) - min(sizes) <= 1
        assert not set(training) & set(test)
    if n_samples == 20:  # a class more often than another is chance
        assert len({tuple(counts(training)) for training in splits.training}) > 1
    assert (splits.correlation is None) == (n_samples == 3)


def test_samples_that_cannot_be_spread_are_refused():
    with pytest.raises(ValueError, match="n_samples = 2 is too few for 3 classes, which need one sample each; ask for"):
        balanced_splits(LABELS, 2, 2, seed=0)
    with pytest.raises(
        ValueError, match=r"class b has 25 samples, but n_samples = 76 needs 25 of it .*; ask for a smaller n_samples"
    ):
        balanced_splits(LABELS, 76, 2, seed=0)


@pytest.mark.parametrize("n_per_class", [6, 20])
def test_a_long_tail_changes_its_order_from_split_to_split(n_per_class):
    splits = drawn_splits(LABELS, n_per_class, 4, seed=0, imbalance=4)
    sizes = [counts(part) for part in splits.training]
    assert {tuple(sorted(size)) for size in sizes} == {(round(n_per_class / 4), n_per_class // 2, n_per_class)}
    assert len(set(map(tuple, sizes))) > 1
    for training, test in zip(splits.training, splits.test, strict=True):
        assert not set(training) & set(test)


def test_of_two_classes_the_rarer_one_is_the_tail():
    for labels in (np.repeat([0, 1], [60, 30]), np.repeat([0, 1], [30, 60])):
        rare = int(np.argmin(np.bincount(labels)))
        for part in drawn_splits(labels, 8, 3, seed=0, imbalance=4).training:
            assert np.bincount(labels[part])[rare] == 2


def test_a_rare_class_needs_no_more_samples_than_are_drawn_of_it():
    labels = np.repeat([0, 1], [90, 30])
    for part in drawn_splits(labels, 40, 3, seed=0, imbalance=10).training:
        assert np.bincount(labels[part]).tolist() == [40, 4]
    with pytest.raises(
        ValueError, match=r"class 1 has 30 samples, but n_per_class = 40 with imbalance = 1.3 needs 31 of"
    ):
        drawn_splits(labels, 40, 3, seed=0, imbalance=1.3)


def test_classes_take_only_places_that_they_have_samples_for():
    labels = np.repeat(list("abc"), [100, 21, 12])
    splits = drawn_splits(labels, 40, 8, seed=0, imbalance=4)
    assert {tuple(counts(part, labels)) for part in splits.training} == {(40, 20, 10)}
    labels = np.repeat(list("abc"), [100, 21, 22])
    splits = drawn_splits(labels, 40, 8, seed=0, imbalance=4)
    assert {tuple(counts(part, labels)) for part in splits.training} == {(40, 20, 10), (40, 10, 20)}


def test_the_smallest_class_keeps_a_sample():
    assert min(counts(drawn_splits(LABELS, 6, 2, seed=0, imbalance=1000).training[0])) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: drawn_splits(LABELS, 6, 4, seed),
        lambda seed: balanced_splits(LABELS, 9, 4, seed),
        lambda seed: folds(LABELS, 5, seed),
    ],
)
def test_seed_decides(make):
    first, again, other = (make(seed).training[0].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_folds_are_stratified_and_test_every_sample_once():
    splits = folds(LABELS, 5, seed=0)
    assert sorted(np.concatenate(splits.test).tolist()) == list(range(96))
    assert [counts(part)[0] for part in splits.test] == [8] * 5
    assert splits.correlation == 0.2
    assert all(not set(a) & set(b) for a, b in zip(splits.training, splits.test, strict=True))


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match="class b has 25 samples, but n_per_class = 25 needs 25 of it and some more"):
        drawn_splits(LABELS, 25, 5, seed=0)
    with pytest.raises(
        ValueError, match="class b has 25 samples, too few for 26 folds: the test set of some would lack"
    ):
        folds(LABELS, 26, seed=0)
