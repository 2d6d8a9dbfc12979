"""Rows that a sampler returned: whether they are rows, and whether the training rows alone can have led to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
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
) -> int:
    """Rows that can only be from the test set.

    Those are rows equal to a test row, and to no training row, with a value that no training row has in the same
    column; one in a hundred may be chance, and more where new values meet test rows easily: of few training rows with
    ages in years, an age between two of theirs is new and yet a test row's. That is how often training rows with one
    value of a test row are test rows. In tables of whole numbers or names alone, test rows can be made of known
    values: there rows equal to test rows count where they are far more frequent than by chance. That is how often two
    training rows are equal, and how often training rows with one value exchanged are test rows.

    Parameters
    ----------
    rows, training, test : ndarray of shape (n, n_columns)
    by_chance : callable, optional
        What makes training rows with one value exchanged; by default those of the array.

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
    new = np.zeros(int(same.sum()), dtype=bool)
    for column, known in zip(rows[same].T, training.T, strict=True):
        new |= ~np.isin(column, known)
    if new.sum() > max(1, 0.01 * len(rows)) and new.sum() > MANY_TIMES * len(rows) * _met(training, test):
        return int(new.sum())
    exchanged, column = _exchanged(training) if by_chance is None else by_chance()
    known = array_keys(rows, training, test, _rounded(exchanged))
    return int(same.sum()) if _is_beyond_chance(known[0], known[1], known[2], known[3], column) else 0


def _met(training: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """How often a training row with one new value, of a test row, is a test row, where the column makes it most so."""
    randomness = np.random.default_rng(0)
    columns = [c for c in range(training.shape[1]) if not np.isin(test[:, c], training[:, c]).all()]
    shares = [0.0]
    for column in columns:
        values = np.setdiff1d(test[:, column], training[:, column])
        there = test[np.isin(test[:, column], values), column]
        rows = training[randomness.integers(len(training), size=BY_CHANCE // len(columns) + 1)].copy()
        rows[:, column] = randomness.choice(there, len(rows))
        shares.append(float(copies(rows, test).mean()))
    return max(shares)


def _is_beyond_chance(
    rows: NDArray[np.int64],
    training: NDArray[np.int64],
    test: NDArray[np.int64],
    exchanged: NDArray[np.int64],
    column: NDArray[np.int64],
) -> bool:
    # Each value counts once: a sampler may return one and the same time and again.
    new = np.setdiff1d(rows, training)
    sizes = np.unique(training, return_counts=True)[1]
    equal, pairs = int((sizes * (sizes - 1) // 2).sum()), len(training) * (len(training) - 1) // 2
    if equal and not far_more_pairs(int(np.isin(test, new).sum()), len(new) * len(test), equal, pairs):
        return False
    # Columns that go together can only be exchanged together: the others say what is possible.
    others = [np.setdiff1d(exchanged[column == number], training) for number in np.unique(column)]
    counts = np.array([(np.isin(other, test).sum(), len(other)) for other in others])
    by_chance, n = map(int, (counts[counts[:, 0] > 0] if counts[:, 0].any() else counts).sum(0))
    hits = int(np.isin(new, test).sum())
    return hits * n > MANY_TIMES * by_chance * len(new) and far_more(hits, len(new), by_chance, n)


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
