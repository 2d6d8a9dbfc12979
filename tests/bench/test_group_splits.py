"""Splits that keep groups apart or withhold cells of class and group, and the scores by group."""

import numpy as np
import pytest

from ganaug.bench.inputs.group_splits import cell_splits, group_folds, leave_one_group_out
from ganaug.bench.methods.group_scores import GROUP_METRICS, group_scores
from ganaug.metrics.paired import corrected_resampled_difference, paired_difference

LABELS = np.tile(np.repeat(["x", "y", "z", "w"], 12), 5)
GROUPS = np.repeat([3, 1, 4, 8, 5], 48)


@pytest.mark.parametrize(
    "splits", [group_folds(LABELS, GROUPS, 3, seed=0), leave_one_group_out(LABELS, GROUPS)], ids=["folds", "one out"]
)
def test_no_group_is_on_both_sides(splits):
    for training, test in zip(splits.training, splits.test, strict=True):
        assert not set(GROUPS[training]) & set(GROUPS[test])
        assert sorted([*training, *test]) == list(range(len(LABELS)))
    assert sorted(np.concatenate(splits.test)) == list(range(len(LABELS)))
    assert 0 < splits.correlation < 1


@pytest.mark.parametrize("n_per_cell", [None, 5, 100])
@pytest.mark.parametrize(("group_share", "class_share", "holes"), [(0.5, 0.5, 4), (0.2, 0.75, 3), (0.99, 0.01, 4)])
def test_withheld_cells_are_tested_on_and_never_trained_on(n_per_cell, group_share, class_share, holes):
    splits = cell_splits(LABELS, GROUPS, 6, 0, group_share=group_share, class_share=class_share, n_per_cell=n_per_cell)
    classes, groups = np.unique(LABELS), np.unique(GROUPS)
    for training, test, held, unseen in zip(
        *(splits.training, splits.test, splits.withheld, splits.unseen), strict=True
    ):
        assert held.sum() == holes
        counts = np.array([[((c == LABELS) & (g == GROUPS))[training].sum() for g in groups] for c in classes])
        tested = held.any(0)
        expected = np.where(tested, {None: 6, 5: 5, 100: 11}[n_per_cell], {None: 12, 5: 5, 100: 12}[n_per_cell])
        assert (counts == np.where(held, 0, expected)).all()
        assert not set(training) & set(test)
        assert set(GROUPS[test]) == set(groups[tested])
        assert set(LABELS[test]) == set(classes)  # what is seen is tested too
        where = held[np.searchsorted(classes, LABELS[test]), np.searchsorted(groups, GROUPS[test])]
        assert (unseen == where).all()
        assert unseen.sum() == 12 * holes
    assert len({held.tobytes() for held in splits.withheld}) > 1
    again = cell_splits(LABELS, GROUPS, 6, 0, group_share=group_share, class_share=class_share, n_per_cell=n_per_cell)
    assert all((a == b).all() for a, b in zip(splits.training, again.training, strict=True))


def test_intervals_over_splits_of_few_training_samples_cover_the_mean():
    # A result of a split is what its training samples, those of its cells that are tested on, and its withheld cells
    # bring: each of them adds a number of its own. Most samples are tested on.
    labels, groups = np.tile(np.repeat(np.arange(6), 40), 4), np.repeat(np.arange(4), 240)
    rng, covered = np.random.default_rng(0), []
    for seed in range(300):
        splits = cell_splits(labels, groups, 6, seed, n_per_cell=10)
        learnt, tested, cells = rng.normal(size=960), rng.normal(size=960), rng.normal(size=(6, 4))
        results = [
            14 * learnt[training].mean() + 5 * tested[test[unseen]].mean() + cells[held].mean()
            for training, test, unseen, held in zip(
                splits.training, splits.test, splits.unseen, splits.withheld, strict=True
            )
        ]
        plain = paired_difference(results, rope=0)
        corrected = corrected_resampled_difference(results, correlation=splits.correlation, rope=0)
        covered.append([found.low <= cells.mean() <= found.high for found in (plain, corrected)])
    shares = np.mean(covered, axis=0)
    assert shares[0] < 0.9
    assert shares[1] == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group_folds(LABELS, GROUPS, 6, 0), "5 groups, too few for 6 folds; ask for 5 folds"),
        (
            lambda: group_folds(np.array(list("xyxyxyzzz")), np.repeat([0, 1, 2], [2, 2, 5]), 3, 0),
            "class z is in no group but 2, which is t",
        ),
        (lambda: leave_one_group_out(LABELS, GROUPS * 0), "a single group, 0; to leave one out, two are needed"),
        (lambda: leave_one_group_out(np.array(list("xxy")), np.array([0, 1, 2])), "class y is in no group but 2, "),
        (lambda: cell_splits(LABELS, GROUPS * 0, 1, 0), "two groups are needed; there is one, 0"),
        (lambda: cell_splits(LABELS[:12], GROUPS[:12], 1, 0), "two classes are needed; there is one, x"),
        (
            lambda: cell_splits(np.array(list("xxyy")), np.array([0, 0, 1, 1]), 8, 0),
            "is only in groups that it is with",
        ),
        (
            lambda: cell_splits(LABELS[:48], np.repeat([0, 1], [36, 12]), 9, 1),
            "(withhold more cells|withhold fewer ce)",
        ),
    ],
)
def test_groups_that_cannot_be_split_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_each_cell_counts_alike():
    targets, groups = np.repeat([0, 1, 0, 1], [9, 1, 5, 5]), np.repeat([0, 0, 1, 1], [9, 1, 5, 5])
    predicted = np.where(np.arange(20) == 9, 0, targets)  # the single sample of its cell is wrong
    assert group_scores(targets, predicted, groups) == {"balanced over cells": 0.75, "worst group": 0.5}
    unseen = (groups == 0) | (targets == 1)
    found = group_scores(targets, predicted, groups, unseen)
    assert found["unseen cells"] == pytest.approx(2 / 3)
    assert found.keys() == GROUP_METRICS.keys()
