"""Splits of samples that come in groups: whole groups apart, or single cells of class and group withheld."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from ganaug._text import visible
from ganaug.bench.inputs.splits import Splits, copies, correlation_of
from ganaug.bench.suite.schema import Experiment
from ganaug.data.fingerprints import far_more_pairs
from ganaug.data.groups import check_groups

__all__ = ["CellSplits", "cell_splits", "check_apart", "group_folds", "grouped_splits", "leave_one_group_out"]


@dataclass(frozen=True)
class CellSplits(Splits):
    """Training and test sets, with the cells (class x group) that no training set holds.

    Attributes
    ----------
    withheld : tuple of ndarray of shape (n_classes, n_groups), bool
        Of each split: cells without training samples, in the order of the sorted classes and groups.
    unseen : tuple of ndarray of shape (n_test,), bool
        Of each split: test samples of withheld cells.
    """

    withheld: tuple[NDArray[np.bool_], ...]
    unseen: tuple[NDArray[np.bool_], ...]


def grouped_splits(experiment: Experiment, labels: NDArray[Any], groups: NDArray[Any], seed: int) -> Splits:
    """Split as an experiment with groups asks for.

    Parameters
    ----------
    experiment : ImageExperiment or TableExperiment
        Its `split` is not "samples".
    labels, groups : ndarray of shape (n_samples,)
    seed : int

    Returns
    -------
    Splits

    Raises
    ------
    ValueError
        For groups that cannot be split so, and where a test set would lack a class.
    """
    whole = experiment.split != "cells"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class in one group is refused below where it matters
        check_groups(labels, groups, use="splits" if whole else "conditioning", of="samples")
    if experiment.split == "groups":
        splits = group_folds(labels, groups, experiment.folds, seed)
    elif whole:
        splits = leave_one_group_out(labels, groups)
    else:
        shares = {"group_share": experiment.group_share, "class_share": experiment.class_share}
        splits = cell_splits(labels, groups, experiment.splits, seed, **shares, n_per_cell=experiment.n_per_cell)
    for test in splits.test:
        if len(missing := np.setdiff1d(labels, labels[test])):
            held = ", ".join(map(visible, np.unique(groups[test])[:3]))
            raise ValueError(
                f"class {visible(missing[0])} is in none of the groups that one split tests on, such as {held}; "
                + ("ask for fewer folds, or withhold cells" if whole else "raise group_share, or drop the class")
            )
    return splits


def check_apart(
    splits: Splits, keys: NDArray[Any], targets: NDArray[np.integer], groups: NDArray[np.integer], *, chance: bool
) -> None:
    """Refuse splits by groups in which what is tested on is trained on too, as a sample of another group or cell.

    Parameters
    ----------
    splits : Splits
    keys : ndarray of shape (n_samples, ...)
        The same for equal samples, and for these alone.
    targets, groups : ndarray of shape (n_samples,), integer
        Class and group indices.
    chance : bool
        Samples of different groups may be equal by chance, as rows of a few names are: refuse them only where they are
        far more frequent than equal samples of one group.

    Raises
    ------
    ValueError
    """
    for split, (train, test) in enumerate(zip(splits.training, splits.test, strict=True)):
        tested = test
        if isinstance(splits, CellSplits):
            if splits.withheld[split][targets[train], groups[train]].any():
                raise RuntimeError("a withheld cell is among the training samples: the test set leaked")
            tested = test[splits.unseen[split]]
        same = copies(keys[tested], keys[train])
        if not same.any() or (chance and not _is_beyond_chance(keys, tested, train, groups)):
            continue
        what = "of withheld cells" if isinstance(splits, CellSplits) else "of groups that are tested on"
        raise ValueError(
            f"{same.sum()} of {len(tested)} samples {what} in split {split + 1} stand in the training set as samples "
            "of others; leave out the copies, or name groups that share none"
        )


def _is_beyond_chance(
    keys: NDArray[Any], tested: NDArray[np.int64], train: NDArray[np.int64], groups: NDArray[np.integer]
) -> bool:
    """Whether tested rows equal training rows far more often than training rows of one group equal each other."""
    of = np.unique(keys, return_inverse=True)[1]
    n = int(of.max()) + 1
    across = int(np.bincount(of[tested], minlength=n) @ np.bincount(of[train], minlength=n))
    within = pairs = 0
    for group in np.unique(groups[train]):
        counts = np.bincount(of[train[groups[train] == group]])
        within += int((counts * (counts - 1) // 2).sum())
        pairs += int(counts.sum() * (counts.sum() - 1) // 2)
    return far_more_pairs(across, len(tested) * len(train), within, max(1, pairs))


def group_folds(labels: NDArray[Any], groups: NDArray[Any], n_folds: int, seed: int) -> Splits:
    """Split by a cross-validation that keeps each group whole and the classes as balanced as that allows.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_samples,)
    n_folds : int
    seed : int

    Returns
    -------
    Splits

    Raises
    ------
    ValueError
        If there are fewer groups than folds, or the training set of a fold lacks a class.

    Examples
    --------
    >>> labels, groups = np.tile([0, 1], 6), np.repeat(["a", "b", "c"], 4)
    >>> splits = group_folds(labels, groups, n_folds=3, seed=0)
    >>> sorted(str(groups[test][0]) for test in splits.test), len(splits.training[0])
    (['a', 'b', 'c'], 8)
    """
    names = np.unique(groups)
    if len(names) < n_folds:
        raise ValueError(
            f"there are {len(names)} groups, too few for {n_folds} folds; ask for {len(names)} folds or fewer"
        )
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # what it lacks is checked below
        parts = [part for part in folds.split(np.zeros(len(labels)), labels, groups) if len(part[1])]
    return _whole_groups(labels, groups, parts)


def leave_one_group_out(labels: NDArray[Any], groups: NDArray[Any]) -> Splits:
    """Test on each group in turn, trained on all others.

    Raises
    ------
    ValueError
        If there is a single group, or a class is in one group only.

    Examples
    --------
    >>> splits = leave_one_group_out(np.tile([0, 1], 6), np.repeat(["a", "b", "c"], 4))
    >>> [test.tolist() for test in splits.test]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    """
    if len(np.unique(groups)) < 2:
        raise ValueError(f"there is a single group, {visible(groups[0])}; to leave one out, two are needed")
    return _whole_groups(labels, groups, list(LeaveOneGroupOut().split(np.zeros(len(labels)), labels, groups)))


def _whole_groups(
    labels: NDArray[Any], groups: NDArray[Any], parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> Splits:
    classes = np.unique(labels)
    for train, test in parts:
        if len(missing := np.setdiff1d(classes, labels[train])):
            held = ", ".join(map(visible, np.unique(groups[test])[:3]))
            raise ValueError(
                f"class {visible(missing[0])} is in no group but {held}, which is tested on, so that no training set "
                "would hold it; merge or drop the class, or withhold cells in place of groups"
            )
    training, tested = (tuple(part[side] for part in parts) for side in (0, 1))
    return Splits(training, tested, correlation_of(training, tested))


def cell_splits(
    labels: NDArray[Any],
    groups: NDArray[Any],
    n_splits: int,
    seed: int,
    *,
    group_share: float = 0.5,
    class_share: float = 0.5,
    n_per_cell: int | None = None,
) -> CellSplits:
    """Withhold cells of class and group from training, and test on all classes of the groups that lack some.

    In each split a share of the groups is drawn, and a share of the classes; the training set holds no sample of
    these classes in these groups. So every class is learnt from other groups, and every group from other classes.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_samples,)
    n_splits : int
    seed : int
    group_share, class_share : float in (0, 1)
        Groups with withheld cells, and classes that are withheld in them; of each at least one, and at least one not.
    n_per_cell : int, optional
        Training samples of each cell that is not withheld, or all but one where a cell has fewer; by default half of
        a cell's samples where it is tested on, and all where it is not.

    Returns
    -------
    CellSplits
        The test set of a split holds what is not trained on in the groups with withheld cells.

    Raises
    ------
    ValueError
        If there are fewer than two classes or groups, a class would have no training samples, or no withheld cell has
        samples to test on.

    Examples
    --------
    >>> labels, groups = np.tile([0, 1], 20), np.repeat(["a", "b"], 20)
    >>> splits = cell_splits(labels, groups, n_splits=2, seed=0, n_per_cell=5)
    >>> [int(held.sum()) for held in splits.withheld], [len(part) for part in splits.training]
    ([1, 1], [15, 15])
    >>> len(splits.test[0]), int(splits.unseen[0].sum())  # the group's other class, less those trained on, and the cell
    (15, 10)
    """
    classes, class_of = np.unique(labels, return_inverse=True)
    names, group_of = np.unique(groups, return_inverse=True)
    for what, found in (("classes", classes), ("groups", names)):
        if len(found) < 2:
            raise ValueError(f"to withhold cells, two {what} are needed; there is one, {visible(found[0])}")
    n_classes, n_groups = (
        min(len(found) - 1, max(1, round(share * len(found))))
        for found, share in ((classes, class_share), (names, group_share))
    )
    training, test, withheld, unseen = [], [], [], []
    for split in range(n_splits):
        randomness = np.random.default_rng([seed, split])
        with_holes = np.isin(np.arange(len(names)), randomness.choice(len(names), n_groups, replace=False))
        held_classes = np.isin(np.arange(len(classes)), randomness.choice(len(classes), n_classes, replace=False))
        held = np.outer(held_classes, with_holes)
        chosen = _of_cells(class_of, group_of, held, with_holes, n_per_cell, randomness)
        rest = np.setdiff1d(np.flatnonzero(with_holes[group_of]), chosen)
        _check_cells(class_of, chosen, rest, held[class_of, group_of], classes)
        training.append(chosen)
        test.append(rest)
        withheld.append(held)
        unseen.append(held[class_of[rest], group_of[rest]])
    correlation = correlation_of(training, test)
    return CellSplits(tuple(training), tuple(test), correlation, tuple(withheld), tuple(unseen))


def _of_cells(
    class_of: NDArray[np.int64],
    group_of: NDArray[np.int64],
    held: NDArray[np.bool_],
    tested: NDArray[np.bool_],
    n_per_cell: int | None,
    randomness: np.random.Generator,
) -> NDArray[np.int64]:
    """Training samples: some of each cell that is not withheld."""
    chosen = []
    for index, group in np.ndindex(held.shape):
        members = randomness.permutation(np.flatnonzero((class_of == index) & (group_of == group)))
        if held[index, group] or not len(members):
            continue
        most = len(members) // 2 if tested[group] else len(members)
        if n_per_cell is not None:
            most = min(n_per_cell, len(members) - 1 if tested[group] else len(members))
        chosen.append(members[: max(1, most)])
    return np.sort(np.concatenate(chosen))


def _check_cells(
    class_of: NDArray[np.int64],
    training: NDArray[np.int64],
    test: NDArray[np.int64],
    held: NDArray[np.bool_],
    classes: NDArray[Any],
) -> None:
    counts = np.bincount(class_of[training], minlength=len(classes))
    if not counts.all():
        raise ValueError(
            f"class {visible(classes[counts.argmin()])} is only in groups that it is withheld from, so that none of it "
            "would be trained on; withhold fewer cells, or drop the class"
        )
    if not held[test].any():
        raise ValueError(
            "no withheld cell has a sample to test on; withhold more cells, or pass groups that share classes"
        )
