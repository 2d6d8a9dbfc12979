"""Groups of rows: beside a table, or in one of its columns."""

from __future__ import annotations

import difflib
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from ganaug.data.groups import groups_from_array
from ganaug.data.json_values import short
from ganaug.data.labels import listed
from ganaug.data.tables.containers import is_frame

__all__ = ["part_groups"]


def part_groups(
    X: Any, groups: Any, *, keep_group_column: bool = False, unknown: bool = True
) -> tuple[Any, NDArray[Any] | None]:
    """Find the groups of the rows of a table, and take their column out of the features.

    Parameters
    ----------
    X : DataFrame, ndarray of shape (n_rows, n_columns), sparse matrix, sequence of rows, or an eager frame of polars, \
        pyarrow or another library that narwhals knows
    groups : array-like of shape (n_rows,), str, int or None
        Groups, or the name of their column, or its position from 0, of a DataFrame where no column has that name.
    keep_group_column : bool
        Leave the column among the features.
    unknown : bool
        Whether groups may be missing; :func:`ganaug.data.groups.groups_from_array` says what they become.

    Returns
    -------
    X : as it came
        Without the column, a sequence of rows as an array; the same object where no column is taken out.
    groups : ndarray of shape (n_rows,) or None

    Raises
    ------
    ValueError
        For a column that is not there, or is the only one, and as ``groups_from_array``.
    TypeError
        For groups that are neither numbers, strings nor booleans.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [20, 30, 40], "site": ["Oslo", None, "Bern"]})
    >>> features, groups = part_groups(table, "site")
    >>> list(features), groups.tolist()
    (['age'], ['Oslo', 'unknown', 'Bern'])
    """
    if groups is None:
        return X, None
    names_column = isinstance(groups, str | Integral) and not isinstance(groups, bool)
    if not names_column:
        return X, groups_from_array(groups, X.shape[0] if hasattr(X, "shape") else len(X), of="rows", unknown=unknown)
    table = X if isinstance(X, pd.DataFrame) or scipy.sparse.issparse(X) or is_frame(X) else np.asarray(X)
    if len(table.shape) != 2:
        raise ValueError(f"a table must have two dimensions, rows and columns, got shape {table.shape}")
    position = _position(table, groups)
    if table.shape[1] == 1 and not keep_group_column:
        raise ValueError(f"the table holds the column {short(groups)} of groups only; add columns to learn from")
    try:
        found = groups_from_array(_column(table, position), table.shape[0], of="rows", unknown=unknown)
    except (ValueError, TypeError) as error:
        raise type(error)(f"column {short(groups)}: {error}") from None
    return (X if keep_group_column else _without(table, position)), found


def _position(table: Any, column: Any) -> int:
    names = list(getattr(table, "column_names", getattr(table, "columns", [])))  # of pyarrow; of others
    if column in names:
        return names.index(column)
    if isinstance(column, Integral):
        if 0 <= int(column) < table.shape[1]:
            return int(column)
        raise ValueError(f"groups is column {column} of a table with {table.shape[1]}; pass its position from 0")
    if not names:
        raise ValueError(
            f"groups names the column {short(column)}, but a {type(table).__name__} has no names of columns; pass its "
            "position, or an array"
        )
    close = difflib.get_close_matches(column, map(str, names), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {listed(names)}"
    raise ValueError(f"groups names the column {short(column)}, which the table lacks; {hint}")


def _column(table: Any, position: int) -> Any:
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, position]
    if scipy.sparse.issparse(table):
        return table.tocsc()[:, [position]].toarray()
    if isinstance(table, np.ndarray):
        return table[:, position]
    import narwhals as nw

    return nw.from_native(table)[:, position].to_list()


def _without(table: Any, position: int) -> Any:
    rest = [index for index in range(table.shape[1]) if index != position]
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, rest]
    if scipy.sparse.issparse(table):
        return table.tocsc()[:, rest].asformat(table.format)
    if isinstance(table, np.ndarray):
        return table[:, rest]
    import narwhals as nw

    return nw.from_native(table)[:, rest].to_native()
