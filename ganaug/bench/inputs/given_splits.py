"""Splits that columns of the data say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug._text import visible
from ganaug.bench.inputs.splits import Splits, correlation_of
from ganaug.data.groups import has_group
from ganaug.data.labels import listed

__all__ = ["given_splits"]

TRAIN, TEST = "train", "test"
# What is taken for neither these nor the name of a fold: one of the two would be trained on where it must not.
LIKE_TRAIN_AND_TEST = (
    *("training", "testing", "holdout", "hold-out", "held-out", "validation", "valid", "val", "dev", "eval"),
    *("true", "false", "yes", "no"),
)


def given_splits(columns: Mapping[str, NDArray[Any]], labels: NDArray[Any], groups: NDArray[Any] | None) -> Splits:
    """Split as columns of the data say.

    A column of "train" and "test" is one split. Any other column says to which fold a sample belongs: each of its
    values is tested on in turn, trained on all others.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_samples,)
        By their names, missing values as :func:`ganaug.data.groups.groups_from_array` marks them.
    labels : ndarray of shape (n_samples,)
    groups : ndarray of shape (n_samples,), optional

    Returns
    -------
    Splits
        Of all columns.

    Raises
    ------
    ValueError
        For missing values, a single value, "train" or "test" beside other values, a training or test set that lacks a
        class, a group that is on both sides, and a single split, which says nothing of the spread between training
        sets.

    Examples
    --------
    >>> labels = np.tile([0, 1], 6)
    >>> splits = given_splits({"fold": np.repeat([1, 2, 3], 4)}, labels, None)
    >>> [test.tolist() for test in splits.test]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    """
    training, test = [], []
    for name, values in columns.items():
        for tested in _test_sets(name, values):
            found = np.flatnonzero(~tested), np.flatnonzero(tested)
            _check(name, visible(values[found[1][0]]), *found, labels, groups)
            training.append(found[0])
            test.append(found[1])
    if len(test) < 2:
        raise ValueError(
            f"split column {next(iter(columns))!r} gives a single split, which says nothing of the spread between "
            "training sets; name a second column, or one that holds folds"
        )
    return Splits(tuple(training), tuple(test), correlation_of(training, test))


def _test_sets(name: str, values: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Which samples are tested on, in each split of a column."""
    known = has_group(values)
    if not known.all():
        raise ValueError(
            f"split column {name!r} has no value for {(~known).sum()} of {len(values)} samples; fill it in, or leave "
            "these samples out"
        )
    parts = np.unique(values)
    if len(parts) < 2:
        raise ValueError(
            f"split column {name!r} holds the one value {visible(parts[0])!r}; it must hold 'train' and 'test', or the "
            "fold of each sample"
        )
    named = np.array([str(value).strip().lower() for value in values.tolist()])
    if {TRAIN, TEST}.isdisjoint(named):
        if flags := sorted({*named.tolist()} & {*LIKE_TRAIN_AND_TEST}):
            raise ValueError(
                f"split column {name!r} holds {listed(list(map(repr, flags)))}; write 'train' and 'test' for what is "
                "trained and tested on, or give folds other names"
            )
        return [values == part for part in parts]
    if others := sorted({*named.tolist()} - {TRAIN, TEST}):
        raise ValueError(
            f"split column {name!r} holds {listed(list(map(repr, map(visible, others))))} beside 'train' and 'test'; "
            "write one of the two for these samples, or leave them out"
        )
    if len(np.unique(named)) < 2:
        raise ValueError(f"split column {name!r} holds {named[0]!r} alone; write 'train' and 'test'")
    return [named == TEST]


def _check(
    name: str,
    part: str,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
) -> None:
    for side, of_side in (("training", train), ("test", test)):
        if len(missing := np.setdiff1d(labels, labels[of_side])):
            raise ValueError(
                f"split column {name!r}: where {part!r} is tested on, the {side} set lacks class "
                f"{visible(missing[0])}; merge parts, or drop the class"
            )
    if groups is not None and len(both := np.intersect1d(groups[train], groups[test])):
        raise ValueError(
            f"split column {name!r}: where {part!r} is tested on, group {visible(both[0])} is on both sides; put each "
            "group on one side, or leave groups out"
        )
