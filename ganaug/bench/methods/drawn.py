"""Rows that a sampler returned: whether they are rows, and whether the training rows alone can have led to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import scipy.stats
from numpy.typing import NDArray

from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.inputs.splits import copies
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.methods.scores import checked_numbers
from ganaug.data.fingerprints import array_keys, far_more, far_more_pairs
from ganaug.data.json_values import short

__all__ = ["Exchanged", "Rows", "checked_rows", "checked_table", "leaked_rows", "recombined"]

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]
Exchanged = tuple[NDArray[np.float64], NDArray[np.int64]]
DECIMALS = 9  # of standardised values: what differs by less differs by rounding
BY_CHANCE = 5000  # recombinations of training rows that tell how often a test row is met by chance
MANY_TIMES = 5  # as often as by these must test rows be met: a generator knows more than that
TWICE = 2  # times the odds of test rows to meet each other may honest rows have: few training rows mislead about modes
UNLIKELY = 0.001  # p-value for new values where nothing ever meets


def checked_rows(what: str, returned: Any, width: int, known: NDArray[np.integer]) -> Rows:
    """Rows of numbers and class indices that a sampler returned.

    Parameters
    ----------
    what : str
        For messages: the sampler.
    returned : tuple
        Rows (n, width), at least one, and labels (n,).
    width : int
    known : ndarray
        Class indices of the training rows.

    Returns
    -------
    rows : tuple of ndarray

    Raises
    ------
    ValueError
        For rows of another width, values that are not finite numbers, and labels that no training row has.

    Examples
    --------
    >>> checked_rows("sampler 'a'", ([[0.5, 1.0]], [-1]), 2, np.array([0, 1]))
    Traceback (most recent call last):
    ValueError: sampler 'a' must return labels that the training rows have, [0, 1], got -1
    """
    X, y = _pair(what, returned)
    X = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X)
    rows = checked_numbers(what, "rows", X, (len(X) if X.ndim else 0, width))
    return rows, _labels(what, y, len(rows), known)


def checked_table(what: str, returned: Any, X: pd.DataFrame, known: NDArray[np.integer]) -> tuple[pd.DataFrame, Any]:
    """A table and class indices that a sampler returned.

    Parameters
    ----------
    what, returned, known
        As for :func:`checked_rows`; columns without names are those of `X` in their order.
    X : DataFrame
        What it was handed.

    Raises
    ------
    ValueError
        For other columns than those of `X`, and labels that no training row has.
    """
    table, y = _pair(what, returned)
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table.toarray() if scipy.sparse.issparse(table) else table)
    names, found = list(X.columns), list(table.columns)
    if len(found) == len(names) and isinstance(table.columns, pd.RangeIndex):
        table = table.set_axis(names, axis=1)
    elif sorted(map(str, found)) != sorted(map(str, names)):
        raise ValueError(f"{what} must return the columns that it was handed, {short(names)}, got {short(found)}")
    labels = _labels(what, y, len(table), known)
    return table[names].reset_index(drop=True), labels


def _pair(what: str, returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ValueError(f"{what} must return rows and labels, got a {type(returned).__name__}")
    return returned[0], returned[1]


def _labels(what: str, y: Any, n_rows: int, known: NDArray[np.integer]) -> NDArray[np.int64]:
    if n_rows == 0:
        raise ValueError(f"{what} must return at least one row, got none")
    labels, classes = np.asarray(np.asarray(y).tolist()), np.unique(known)
    if labels.shape != (n_rows,):
        raise ValueError(f"{what} must return a label for each of its {n_rows} rows, got shape {labels.shape}")
    right = np.isin(labels, classes) if labels.dtype.kind in "iufb" else np.zeros(n_rows, dtype=bool)
    if not right.all():
        got = labels[~right][0].item()
        raise ValueError(
            f"{what} must return labels that the training rows have, {short(classes.tolist())}, got {short(got)}"
        )
    return labels.astype(np.int64)


def leaked_rows(
    rows: NDArray[np.float64],
    training: NDArray[np.float64],
    test: NDArray[np.float64],
    by_chance: Callable[[], Exchanged] | None = None,
    classes: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> int:
    """Rows that can only be from the test set: equal to a test row and to no training row, far more often than chance.

    In tables of whole numbers and names an honest sampler meets test rows too. How often, the test rows tell: one that
    draws from the very distribution of the data meets the test set as often as a test row meets another one. Twice the
    odds of that are allowed to the different rows that are new, by Fisher's exact test. Classes are weighted as the
    sampler drew them. Where every row that is possible is there once, as in a full design, no test row meets another:
    training rows with one value exchanged, which are as honest, then meet test rows at least twice as often as these
    meet each other, and five times as often as by them is allowed.

    Where neither ever happens, as among measurements, rows with a value that no training row has in the same column
    need not be as many: more than one in a hundred, and unlikely for as few pairs of equal rows as there are else.

    Not found are stolen rows that are few among honest ones where these meet test rows by themselves, stolen rows
    where nearly all test rows meet others, or nearly all that is possible is a test row, and rows that were changed by
    more than rounding.

    Parameters
    ----------
    rows, training, test : ndarray of shape (n, n_columns)
    by_chance : callable, optional
        What makes training rows with one value exchanged; by default those of the array.
    classes : tuple of ndarray, optional
        Class indices of `rows` and of `test`; by default all are of one class.

    Returns
    -------
    int
        0 if there are no more than chance would have.

    Examples
    --------
    >>> training, test = np.random.default_rng(0).normal(size=(2, 30, 3))
    >>> leaked_rows(np.concatenate([training, test[:5]]), training, test)
    5
    """
    rows, training, test = _rounded(rows), _rounded(training), _rounded(test)
    same = copies(rows, test) & ~copies(rows, training)
    if not same.any():
        return 0
    exchanged, column = _exchanged(training) if by_chance is None else by_chance()
    keys = array_keys(rows, training, test, _rounded(exchanged))
    new = ~np.isin(keys[0], keys[1])
    of_rows, of_test = classes or (np.zeros(len(rows), dtype=int), np.zeros(len(test), dtype=int))
    met, n_met = _test_rows_met(keys[1], keys[2], of_rows[new], of_test)
    possible, n_possible = _exchanged_met(keys[1], keys[2], keys[3], column)
    sizes = np.unique(keys[1], return_counts=True)[1]
    equal, pairs = int((sizes * (sizes - 1) // 2).sum()), len(training) * (len(training) - 1) // 2
    # Each value counts once: a sampler may return one and the same time and again.
    values = np.unique(keys[0][new])
    if met == possible == equal == 0:
        unknown = np.zeros(int(same.sum()), dtype=bool)
        for column_of, known in zip(rows[same].T, training.T, strict=True):
            unknown |= ~np.isin(column_of, known)
        n_pairs, others = len(values) * len(test), pairs + len(test) * (len(test) - 1) // 2
        n_different = len(np.unique(keys[0][same][unknown]))
        if unknown.sum() > max(1, 0.01 * len(rows)) and (n_pairs / (n_pairs + others)) ** n_different < UNLIKELY:
            return int(unknown.sum())
    hits = int(np.isin(values, keys[2]).sum())
    if possible < TWICE * met:
        often = min(1.0, max(met, possible))
        allowed, n_allowed = TWICE * often / (1 + (TWICE - 1) * often), n_met  # twice the odds
    else:
        met_pairs = int(np.isin(keys[2], values).sum())
        if equal and not far_more_pairs(met_pairs, len(values) * len(test), equal, pairs):
            return 0
        allowed, n_allowed = MANY_TIMES * possible, n_possible
    by_chance_too = math.ceil(min(1.0, allowed) * n_allowed)
    return int(same.sum()) if far_more(hits, len(values), by_chance_too, n_allowed) else 0


def _test_rows_met(
    training: NDArray[np.int64], test: NDArray[np.int64], of_new: NDArray[np.int64], of_test: NDArray[np.int64]
) -> tuple[float, int]:
    """Share of different values that are there again, among as many test rows as there are new ones, and of how many.

    Test rows that are training rows count as little as the sampler's do.
    """
    other = ~np.isin(test, training)
    _, place, sizes = np.unique(test[other], return_inverse=True, return_counts=True)
    share, n_values = 0.0, float(len(sizes))
    for label, n_drawn in zip(*np.unique(of_new, return_counts=True), strict=True):
        own, counts = np.unique(place[of_test[other] == label], return_counts=True)
        if not len(own):
            continue
        n = int(counts.sum())
        # How likely a value is among those drawn, without replacement.
        drawn = 1 - scipy.stats.hypergeom.pmf(0, n, counts, min(n, n_drawn))
        part = n_drawn / len(of_new)
        share += part * float(drawn @ (sizes[own] > 1) / drawn.sum())
        n_values = min(n_values, len(own) / part)
    return share, max(1, int(n_values))


def _exchanged_met(
    training: NDArray[np.int64], test: NDArray[np.int64], exchanged: NDArray[np.int64], column: NDArray[np.int64]
) -> tuple[float, int]:
    """Share of different new rows, of those with one value exchanged, that are test rows, and of how many."""
    # Columns that go together can only be exchanged together: the others say what is possible.
    others = [np.setdiff1d(exchanged[column == number], training) for number in np.unique(column)]
    counts = np.array([(np.isin(other, test).sum(), len(other)) for other in others])
    by_chance, n = map(int, (counts[counts[:, 0] > 0] if counts[:, 0].any() else counts).sum(0))
    return by_chance / max(1, n), n


def recombined(data: TableData, encode: Columns, seed: int) -> Exchanged:
    """Training rows, encoded, in each of which one value is another training row's, and which column that is of."""
    sources, column = _sources(len(data.X), data.X.shape[1], seed)
    columns = {
        name: data.X[name].iloc[source].reset_index(drop=True)
        for name, source in zip(data.X.columns, sources.T, strict=True)
    }
    return encode(pd.DataFrame(columns)), column


def _exchanged(training: NDArray[np.float64]) -> Exchanged:
    sources, column = _sources(len(training), training.shape[1], 0)
    return training[sources, np.arange(training.shape[1])], column


def _sources(n_rows: int, n_columns: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each value of a recombination, the row that it is from, (5000, n_columns), and which column is exchanged."""
    randomness = np.random.default_rng(seed)
    own, donors = randomness.integers(n_rows, size=(2, BY_CHANCE, 1))
    column = np.arange(BY_CHANCE) % n_columns
    return np.where(column[:, None] == np.arange(n_columns), donors, own), column


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(values, DECIMALS) + 0.0  # which makes -0.0 what it equals
