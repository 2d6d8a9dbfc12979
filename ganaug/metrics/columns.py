"""How far the columns of a synthetic table are from those of a real one: each by itself, and in pairs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ganaug.data.host_states import plain_states
from ganaug.data.labels import listed
from ganaug.data.tables.columns.column import as_numbers, is_numeric
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.encoder import declared_columns

__all__ = ["PairedColumns", "column_distances", "pair_distances", "paired_columns"]

BINS = 10  # that numbers are cut into beside a category


@dataclass(frozen=True)
class PairedColumns:
    """Columns of two tables as whole numbers, by one code for both.

    Attributes
    ----------
    real, synthetic : ndarray of shape (n_rows, n_columns), int64
        Numbers and dates by their rank among the distinct values of both tables, categories in any order; -1 where
        missing. Whatever depends on the order of values only is the same for codes.
    is_number : ndarray of shape (n_columns,), bool
    names : tuple
        Of the columns.
    """

    real: NDArray[np.int64]
    synthetic: NDArray[np.int64]
    is_number: NDArray[np.bool_]
    names: tuple[Any, ...]

    def rows(self, real: NDArray[np.int64], synthetic: NDArray[np.int64]) -> PairedColumns:
        """The rows at these indices."""
        return PairedColumns(self.real[real], self.synthetic[synthetic], self.is_number, self.names)

    def distances(self) -> NDArray[np.float64]:
        """See :func:`column_distances`: shape (n_columns,)."""
        columns = zip(self.real.T, self.synthetic.T, self.is_number, strict=True)
        return np.array([_kolmogorov_smirnov(a, b) if number else _total_variation(a, b) for a, b, number in columns])

    def pair_distances(self) -> NDArray[np.float64]:
        """See :func:`pair_distances`: shape (n_columns, n_columns)."""
        found = np.zeros((len(self.names), len(self.names)))
        numbers = np.flatnonzero(self.is_number)
        correlations = [_correlations(side[:, numbers]) for side in (self.real, self.synthetic)]
        found[np.ix_(numbers, numbers)] = np.abs(correlations[0] - correlations[1]) / 2
        np.fill_diagonal(found, 0)  # also of a column that is constant on one side
        real, synthetic = self.real.copy(), self.synthetic.copy()
        for column in numbers:
            edges = _deciles(self.real[:, column])
            for side in (real, synthetic):
                codes = side[:, column]
                side[:, column] = np.where(codes < 0, -1, np.searchsorted(edges, codes, side="right"))
        size = 2 + int(max(real.max(), synthetic.max()))  # codes from -1 on
        for i, j in itertools.combinations(range(len(self.names)), 2):
            if not (self.is_number[i] and self.is_number[j]):
                cells = [side[:, i] * size + side[:, j] for side in (real, synthetic)]
                found[i, j] = found[j, i] = _total_variation(*cells)
        return found


def paired_columns(
    X_real: Any,
    X_synthetic: Any,
    categorical_features: Any = "auto",
    *,
    names: tuple[str, str] = ("X_real", "X_synthetic"),
) -> PairedColumns:
    """Read two tables of the same columns.

    Parameters
    ----------
    X_real, X_synthetic : DataFrame, ndarray or sparse matrix of shape (n_rows, n_columns)
    categorical_features : "auto", None, array-like of int, str or bool, default="auto"
        Columns to take for names, beside those that hold no numbers anyway.
    names : tuple of str
        What the tables are called in messages.

    Returns
    -------
    PairedColumns

    Raises
    ------
    ValueError, TypeError
        For tables without rows, other columns, and a column that holds numbers on one side only.

    Examples
    --------
    >>> paired_columns([[0.5], [7.0]], [[6.0], [None]]).synthetic.tolist()
    [[1], [-1]]
    """
    real, synthetic = as_table(X_real)[0], as_table(X_synthetic)[0]
    if list(real.columns) != list(synthetic.columns):
        asked, got = (listed(list(map(repr, table.columns))) for table in (real, synthetic))
        raise ValueError(f"{names[1]} must have the columns of {names[0]}, {asked}, got {got}; select and order them")
    declared = declared_columns(categorical_features, real)
    codes, is_number = [], []
    for name in real.columns:
        ours, theirs = as_numbers(real[name], synthetic[name])
        number = is_numeric(ours)
        if theirs.notna().any() and number != is_numeric(theirs):
            raise TypeError(
                f"column {name!r} holds {real[name].dtype} in {names[0]} and {synthetic[name].dtype} in {names[1]}; "
                "convert one to the type of the other"
            )
        is_number.append(number and name not in declared)
        ours, theirs = (ours, theirs) if is_number[-1] else (real[name], synthetic[name])
        codes.append(_codes(ours, theirs, ordered=is_number[-1]))
    both = np.stack(codes, axis=1)
    return PairedColumns(both[: len(real)], both[len(real) :], np.array(is_number), tuple(real.columns))


@plain_states()
def column_distances(X_real: Any, X_synthetic: Any, *, categorical_features: Any = "auto") -> pd.DataFrame:
    """Distance of each column's distribution in a synthetic table from that in a real one.

    Numbers and dates: the Kolmogorov-Smirnov statistic, the largest difference of the distribution functions, with
    missing values before all others. Categories: the total variation, half the sum of the absolute differences of
    shares, with missing as a category.

    Parameters
    ----------
    X_real, X_synthetic, categorical_features
        As for :func:`paired_columns`.

    Returns
    -------
    DataFrame
        A row per column of the tables: ``kind``, "number" or "category", and ``distance`` in [0, 1].

    Raises
    ------
    ValueError, TypeError
        As :func:`paired_columns`.

    Examples
    --------
    >>> real = pd.DataFrame({"age": [1, 2, 3, 4], "city": ["Rome", "Rome", "Rome", "Oslo"]})
    >>> synthetic = pd.DataFrame({"age": [3, 4, 5, 6], "city": ["Rome", "Oslo", "Oslo", "Oslo"]})
    >>> column_distances(real, synthetic)["distance"].tolist()
    [0.5, 0.5]
    """
    paired = paired_columns(X_real, X_synthetic, categorical_features)
    kinds = np.where(paired.is_number, "number", "category")
    names = pd.Index(paired.names, tupleize_cols=False)
    return pd.DataFrame({"kind": kinds, "distance": paired.distances()}, index=names)


@plain_states()
def pair_distances(X_real: Any, X_synthetic: Any, *, categorical_features: Any = "auto") -> pd.DataFrame:
    """Distance of the relation of each two columns in a synthetic table from that in a real one.

    Two columns of numbers: half the difference of Spearman's rank correlations; a constant column counts as
    uncorrelated, and a row counts where it has both values. Others: the total variation of their contingency tables,
    numbers cut at the deciles of the real ones. Of few rows and many names it is far from 0 for rows of one source too:
    compare with that of real rows that were held out.

    Parameters
    ----------
    X_real, X_synthetic, categorical_features
        As for :func:`paired_columns`.

    Returns
    -------
    DataFrame of shape (n_columns, n_columns)
        Symmetric, in [0, 1], with zeros on the diagonal.

    Raises
    ------
    ValueError, TypeError
        As :func:`paired_columns`.

    Examples
    --------
    >>> rising, falling = np.array([[1, 1], [2, 2], [3, 3]]), np.array([[1, 3], [2, 2], [3, 1]])
    >>> float(pair_distances(rising, falling).loc[0, 1])
    1.0
    """
    paired = paired_columns(X_real, X_synthetic, categorical_features)
    names = pd.Index(paired.names, tupleize_cols=False)
    return pd.DataFrame(paired.pair_distances(), index=names, columns=names)


def _codes(real: pd.Series, synthetic: pd.Series, *, ordered: bool) -> NDArray[np.int64]:
    """Codes of the real values, then of the synthetic ones."""
    values = pd.concat([real.astype(object), synthetic.astype(object)], ignore_index=True)
    codes, distinct = pd.factorize(values.infer_objects() if ordered else values, sort=ordered)
    if not ordered:  # by names and not by the order in which they come: that would tell synthetic rows from real ones
        written = [(type(value).__name__, str(value)) for value in distinct.tolist()]
        places = np.argsort(sorted(range(len(written)), key=written.__getitem__))
        codes = np.where(codes < 0, -1, np.append(places, -1)[codes])
    return codes.astype(np.int64)


def _deciles(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    present = codes[codes >= 0]
    return np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="lower")) if len(present) else np.empty(0)


def _kolmogorov_smirnov(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return float(ks_2samp(a, b, method="asymp").statistic)


def _total_variation(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    codes = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
    shares = [np.bincount(part, minlength=codes.max() + 1) / len(part) for part in np.split(codes, [len(a)])]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _correlations(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return pd.DataFrame(np.where(codes < 0, np.nan, codes)).corr(method="spearman").fillna(0).to_numpy()
