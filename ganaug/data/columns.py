"""One column of a table as numbers and levels, and back.

Every column becomes at most one number and one choice among levels. Numbers and dates give a normal score; strings,
booleans and categories give a level. Values that are missing, or that occur again and again in an otherwise continuous
column (no rain), are levels beside the number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.categorical_column import CategoricalColumn
from ganaug.data.column_values import is_date
from ganaug.data.numeric_column import NumericColumn

__all__ = ["CategoricalColumn", "Column", "NumericColumn", "column_from_state", "fit_column", "is_numeric"]

ARROW_KINDS = "biuf"  # of Arrow's types those that numpy has too, and strings

Column = NumericColumn | CategoricalColumn


def fit_column(series: pd.Series, *, categorical: bool, max_levels: int, classes: NDArray[np.int64]) -> Column:
    """Choose how a column is encoded, and learn it.

    Parameters
    ----------
    series : Series
    categorical : bool
        Take the values for names even if they are numbers.
    max_levels : int
        Most levels of a categorical column, beside missing.
    classes : ndarray of shape (n_rows,), int64
        Class of each row.

    Returns
    -------
    Column
    """
    dtype = series.dtype
    if types.is_complex_dtype(dtype):
        raise TypeError(f"column {series.name!r} holds complex numbers; pass real and imaginary part as two columns")
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind not in ARROW_KINDS and not types.is_string_dtype(dtype):
        raise TypeError(f"column {series.name!r} has the Arrow type {dtype}, which is not supported; use astype first")
    if not categorical and is_numeric(series):
        return NumericColumn.fit(series)
    return CategoricalColumn.fit(series, max_levels, classes)


def column_from_state(state: dict[str, Any]) -> Column:
    """Inverse of the columns' ``to_state``."""
    rest = {key: value for key, value in state.items() if key != "kind"}
    column = {c.kind: c for c in (NumericColumn, CategoricalColumn)}[state["kind"]].from_state(rest)
    # Whatever a generator may draw is decoded once: what does not fit the dtype is told now.
    ends = column.scores[[0, -1]] if isinstance(column, NumericColumn) and column.has_number else np.zeros(1)
    n_classes = len(column.weights) if isinstance(column, CategoricalColumn) else 1
    scores, levels, classes = np.meshgrid(ends, np.arange(column.n_levels or 1), np.arange(n_classes))
    column.decode(scores.ravel(), levels.ravel(), classes.ravel(), np.random.default_rng(0))
    return column


def is_numeric(series: pd.Series) -> bool:
    """Whether a column is taken for numbers unless told otherwise."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype):
        return False
    if types.is_object_dtype(dtype):
        return types.infer_dtype(series, skipna=True) in {"integer", "floating", "mixed-integer-float"}
    return is_date(dtype) or types.is_numeric_dtype(dtype)
