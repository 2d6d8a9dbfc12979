"""Missing cells of a table: which they are for a network that draws columns given others, and how they are filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.tables.columns.column import TextColumn
from ganaug.data.tables.encoder import Encoder, TableEncoder

__all__ = ["fill_cells", "known_columns", "missing_levels"]


def missing_levels(encoder: Encoder, bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the columns of an :class:`AutoregressiveArchitecture` in a table.

    Parameters
    ----------
    encoder : TableEncoder
    bins : int
        Of each number.

    Returns
    -------
    places : ndarray of shape (n_table_columns,), int64
        The column of the architecture that each column of the table is, -1 for one that does not vary.
    levels : ndarray of shape (n_columns,), int64
        For each column of the architecture the level that says that a value is missing, -1 where none was.

    Raises
    ------
    ValueError
        For an encoder that mixes columns.

    Examples
    --------
    >>> table = pd.DataFrame({"city": ["Rome", "Oslo", None], "one": [1, 1, 1], "age": [20.0, 30.0, None]})
    >>> [found.tolist() for found in missing_levels(TableEncoder().fit(table), bins=8)]
    [[1, -1, 0], [8, 2]]
    """
    if not isinstance(encoder, TableEncoder):
        raise ValueError(
            f"impute needs columns that are encoded one by one, and a table of {len(encoder.names_)} columns of "
            "floating-point numbers is encoded by its principal components; fit a table of fewer columns"
        )
    places: list[int] = []
    numbers: list[int] = []
    blocks: list[int] = []
    for column in encoder.columns_:
        missing = column.number.missing if isinstance(column, TextColumn) else column.missing
        if column.has_number:
            places.append(len(numbers))
            numbers.append(bins + column.n_levels - 2 if missing else -1)
        elif column.n_levels:
            places.append(encoder.layout_.n_numbers + len(blocks))
            blocks.append(column.n_levels - 1 if missing else -1)
        else:
            places.append(-1)
    return np.array(places, dtype=np.int64), np.array(numbers + blocks, dtype=np.int64)


def known_columns(
    table: pd.DataFrame, levels: NDArray[np.int64], places: NDArray[np.int64], missing: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the cells to fill, and what is known of each row.

    Parameters
    ----------
    table : DataFrame
    levels : ndarray of shape (n_rows, n_columns), int64
        Of its encoded rows, -1 for a value that was never seen.
    places, missing : ndarray
        As of :func:`missing_levels`.

    Returns
    -------
    cells : ndarray of shape (n_rows, n_table_columns), bool
        Whether a cell is missing.
    known : ndarray of shape (n_rows, n_columns), bool
    """
    cells, known = table.isna().to_numpy(copy=True), levels >= 0
    for position, column in enumerate(places):
        if column >= 0:
            cells[:, position] |= (levels[:, column] == missing[column]) & (missing[column] >= 0)
            known[:, column] &= ~cells[:, position]
    return cells, known


def fill_cells(table: pd.DataFrame, drawn: pd.DataFrame, cells: NDArray[np.bool_]) -> pd.DataFrame:
    """A table with cells out of another one, in its own dtypes.

    A column of which nothing is known may have a dtype that holds no such values, and takes that of the other table.

    Raises
    ------
    ValueError
        For a column whose dtype does not hold what was drawn.

    Examples
    --------
    >>> table = pd.DataFrame({"city": ["Rome", None], "age": [np.nan, 30.0]})
    >>> drawn = pd.DataFrame({"city": ["Oslo", "Oslo"], "age": [25, 26]})
    >>> fill_cells(table, drawn, table.isna().to_numpy()).to_numpy().tolist()
    [['Rome', 25.0], ['Oslo', 30.0]]
    """
    filled = table.copy()
    for position in np.flatnonzero(cells.any(0)):
        name, where = table.columns[position], cells[:, position]
        series, new = table[name], drawn[name]
        if not where.all() or series.dtype == new.dtype:
            values = _converted(new[where], series.dtype)
            if values is None:
                raise ValueError(
                    f"column {name!r} has the dtype {series.dtype}, which does not hold what is drawn of {new.dtype}; "
                    "convert it to the dtype of the training data"
                )
            new = series.copy()
            new[where] = values
        filled[name] = new
    return filled


def _converted(values: pd.Series, dtype: Any) -> pd.Series | None:
    """Values in another dtype; None where that does not hold them."""
    if isinstance(dtype, pd.CategoricalDtype) and not values.isin(dtype.categories).all():
        return None
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return None
