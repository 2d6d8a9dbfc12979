"""Tables from and to CSV and parquet files."""

from __future__ import annotations

import difflib
import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.lib import ArrowException

from ganaug.data.array_files import DAMAGED
from ganaug.data.files import user_path, write_atomically
from ganaug.data.json_values import clip
from ganaug.data.labels import labels_from_array, listed

__all__ = ["read_table", "read_text", "split_target", "write_table"]

DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table from a ``.csv`` or ``.parquet`` file.

    In CSV files whole numbers stay whole beside missing values, and text columns of ISO dates become dates.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        For a file that is missing, of another kind, cannot be read, or is empty.
    """
    path = user_path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"{path} must be a .csv or a .parquet file; convert it first")
    if not path.is_file():
        raise ValueError(f"{path} does not exist or is no file; pass a .csv or .parquet file")
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            # Without inference duplicated names would silently be renamed.
            names = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].tolist()
            if len(set(names)) < len(names):
                name = next(n for n in names if names.count(n) > 1)
                raise ValueError(f"column names must differ, got {name!r} twice")
            text = read_text(path)
            # Numbers do not begin with a zero; codes do.
            codes = {name: "string" for name in text if text[name].str.match(r"0\d").any()}
            table = pd.read_csv(path, dtype_backend="numpy_nullable", dtype=codes)
            if not isinstance(table.index, pd.RangeIndex):
                raise ValueError("a row has more fields than the header")
    except (ArrowException, *DAMAGED) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as {path.suffix[1:]}: {reason}; write it again") from None
    if table.empty:
        raise ValueError(f"{path} holds no rows; pass a table with at least two classes")
    return table if path.suffix.lower() == ".parquet" else table.apply(_dates)


def read_text(path: str | Path) -> pd.DataFrame:
    """The fields of a CSV file as they stand there."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)


def _dates(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_string_dtype(column.dtype):
        return column
    for date_format in DATE_FORMATS:
        found = pd.to_datetime(column, format=date_format, errors="coerce")
        if found.notna().any() and (found.isna() == column.isna()).all():
            return found
    return column


def write_table(table: pd.DataFrame, path: str | Path, *, originals: pd.DataFrame | None = None) -> None:
    """Write a table to a ``.csv`` or ``.parquet`` file.

    Parameters
    ----------
    table : DataFrame
    path : path-like
    originals : DataFrame, optional
        For a CSV file: text of the fields of the first rows, which are written just so.
    """
    buffer = io.BytesIO()
    if Path(path).suffix.lower() == ".parquet":
        table.to_parquet(buffer, index=False)
    else:
        if originals is not None:
            text = table.to_csv(index=False)
            fields = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_filter=False)
            fields.loc[: len(originals) - 1, originals.columns] = originals.to_numpy()
            table = fields
        table.to_csv(buffer, index=False)
    write_atomically(path, buffer.getvalue())


def split_target(
    table: pd.DataFrame, target: str, source: str | Path, *, fewest: int = 2
) -> tuple[pd.DataFrame, NDArray]:
    """Part a table into its features and the labels in one column.

    Parameters
    ----------
    table : DataFrame
    target : str
        Name of the column of labels.
    source : path-like
        Where the table is from, for messages.
    fewest : int
        Classes that there must be.

    Returns
    -------
    features : DataFrame
    labels : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If there is no such column, no other one, too few classes, or a missing or continuous label.
    """
    if target not in table.columns:
        close = difflib.get_close_matches(target, map(str, table.columns), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {listed(list(table.columns))}"
        raise ValueError(f"{source} has no column {target!r}{hint}")
    if table.shape[1] == 1:
        raise ValueError(f"{source} holds the column {target!r} only; add columns to learn from")
    column = table[target]
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax()) + 1
        hint = "; an empty field, NA and None count as such" if Path(source).suffix.lower() == ".csv" else ""
        raise ValueError(
            f"{source}: labels contain missing values, first in row {row} of column {target!r}{hint}: remove those "
            "rows or name their class"
        )
    try:
        labels = labels_from_array(column.tolist(), len(table), of="rows")
    except (ValueError, TypeError) as error:
        raise type(error)(f"{source}: column {target!r}: {error}") from None
    if len(np.unique(labels)) < fewest:
        raise ValueError(
            f"{source}: column {target!r} holds the single class {labels.tolist()[0]!r}; at least two are needed"
        )
    return table.drop(columns=target), labels
