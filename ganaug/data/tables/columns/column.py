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

from ganaug.data.tables.columns.categorical import CategoricalColumn
from ganaug.data.tables.columns.numeric import NumericColumn
from ganaug.data.tables.columns.ordered_objects import OrderedObjects
from ganaug.data.tables.columns.text import TextColumn
from ganaug.data.tables.columns.text_values import may_be_text, read_text_column
from ganaug.data.tables.columns.values import holds_objects, is_counted

__all__ = [
    "CategoricalColumn",
    "Column",
    "NumericColumn",
    "TextColumn",
    "as_numbers",
    "column_from_state",
    "fit_column",
    "is_numeric",
]

Column = NumericColumn | CategoricalColumn | TextColumn


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
    if isinstance(dtype, pd.ArrowDtype) and not _is_scalar(dtype):
        raise TypeError(f"column {series.name!r} has the Arrow type {dtype}, which is not supported; use astype first")
    if types.is_complex_dtype(dtype) or (types.is_object_dtype(dtype) and types.infer_dtype(series) == "complex"):
        raise TypeError(f"column {series.name!r} holds complex numbers; pass real and imaginary part as two columns")
    if categorical:
        return CategoricalColumn.fit(series, max_levels, classes)
    if is_numeric(series):
        return NumericColumn.fit(series)
    read = read_text_column(series)
    if read is not None and is_numeric(read[0]):
        return TextColumn.fit(series, *read)
    return CategoricalColumn.fit(series, max_levels, classes)


def column_from_state(state: dict[str, Any]) -> Column:
    """Inverse of the columns' ``to_state``."""
    rest = {key: value for key, value in state.items() if key != "kind"}
    column = {c.kind: c for c in (NumericColumn, CategoricalColumn, TextColumn)}[state["kind"]].from_state(rest)
    # Whatever a generator may draw is decoded once: what does not fit the dtype is refused now.
    number = column.number if isinstance(column, TextColumn) else column
    ends = number.scores[[0, -1]] if isinstance(number, NumericColumn) and number.has_number else np.zeros(1)
    n_classes = len(column.weights) if isinstance(column, CategoricalColumn) else 1
    scores, levels, classes = np.meshgrid(ends, np.arange(column.n_levels or 1), np.arange(n_classes))
    column.decode(scores.ravel(), levels.ravel(), classes.ravel(), np.random.default_rng(0))
    return column


def is_numeric(series: pd.Series) -> bool:
    """Whether a column holds what has an order and an arithmetic: numbers, dates, times, durations, decimals.

    Examples
    --------
    >>> import datetime
    >>> is_numeric(pd.Series([datetime.date(2020, 1, 5), None])), is_numeric(pd.Series(["5", "6"]))
    (True, False)
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype):
        return False
    if holds_objects(dtype):
        known = series[series.notna()]
        found = types.infer_dtype(known)
        if types.is_object_dtype(dtype) and found in {"integer", "floating", "mixed-integer-float"}:
            return True
        return found not in {"string", "empty"} and OrderedObjects.of(known.tolist()) is not None
    return is_counted(dtype) or types.is_numeric_dtype(dtype)


def as_numbers(series: pd.Series, *others: pd.Series) -> list[pd.Series]:
    """Columns in a dtype that pandas computes with, where the first holds objects or text that stand for numbers.

    Parameters
    ----------
    series : Series
        Decides how all are read.
    *others : Series
        What should be of the same kind; left as it is where it is not.

    Returns
    -------
    list of Series

    Examples
    --------
    >>> [column.tolist() for column in as_numbers(pd.Series(["1,200", "?"]), pd.Series(["15"]))]
    [[1200, <NA>], [15]]
    """
    columns = [series, *others]
    if is_numeric(series):
        one_by_one = holds_objects(series.dtype) or isinstance(series.dtype, pd.PeriodDtype)
        objects = OrderedObjects.of(series[series.notna()].tolist()) if one_by_one else None
        return columns if objects is None else [_counted(column, objects) for column in columns]
    read = read_text_column(series)
    if read is None or not is_numeric(read[0]):
        return columns
    return as_numbers(*(read[1].read(c) if may_be_text(c) else c for c in columns))


def _counted(series: pd.Series, objects: OrderedObjects) -> pd.Series:
    known = series.notna()
    try:
        numbers = pd.Series(objects.numbers(series[known].tolist()), index=series.index[known])
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return series
    return numbers.reindex(series.index).rename(series.name)


def _is_scalar(dtype: pd.ArrowDtype) -> bool:
    try:
        return dtype.type not in (list, dict, tuple)
    except NotImplementedError:  # pandas does not know the type either
        return False
