"""A table with labels, as samplers and classifiers are measured on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from ganaug.bench.suite.plugins import Plugin
from ganaug.data.files import sha256_of
from ganaug.data.labels import labels_from_array
from ganaug.data.tables.columns.column import as_numbers
from ganaug.data.tables.containers import as_table

__all__ = ["TableData", "table_of"]


@dataclass(frozen=True)
class TableData:
    """A table with labels.

    Attributes
    ----------
    X : DataFrame
    y : ndarray of shape (n_rows,)
        Labels as they are.
    nominal : tuple of str
        Columns that hold names, whatever their dtype.
    groups : ndarray of shape (n_rows,) or None
        What each row comes from.
    split_columns : dict of str to ndarray of shape (n_rows,)
        Columns that say what is trained and tested on.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    nominal: tuple[str, ...]
    groups: NDArray[Any] | None = None
    split_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def numeric(self) -> list[str]:
        """All other columns."""
        return [name for name in self.X.columns if name not in self.nominal]

    def fingerprint(self) -> str:
        """SHA-256 of what the table holds."""
        values = pd.util.hash_pandas_object(self.X.assign(**{"\0": self.y}), index=False).to_numpy()
        kinds = ",".join(f"{name}:{dtype}" for name, dtype in self.X.dtypes.items())
        groups = b"" if self.groups is None else repr(self.groups.tolist()).encode()
        return sha256_of(values.tobytes() + f"{kinds}|{','.join(self.nominal)}".encode() + groups)


def table_of(source: Plugin, X: Any, y: Any, names: Collection[str] = ()) -> TableData:
    """Take features of any kind; what is neither a number nor a date, nor stands for one, is a name.

    Columns called one of `names` are left as they are.
    """
    try:
        plain = pd.DataFrame(X.toarray() if scipy.sparse.issparse(X) else X).rename(columns=str)
        table, _ = as_table(plain)
        table = table.assign(**{str(name): _plain(table[name]) for name in table.columns if name not in names})
        labels = labels_from_array(y, len(table), of="rows")
        _check_values(table)
    except (ValueError, TypeError) as error:
        raise ValueError(f"dataset {source.name!r}: {error}") from None
    number = [
        (pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))
        or pd.api.types.is_datetime64_any_dtype(dtype)
        for dtype in table.dtypes
    ]
    nominal = tuple(name for name, is_number in zip(table.columns, number, strict=True) if not is_number)
    return TableData(table, labels, nominal)


def _plain(column: pd.Series) -> pd.Series:
    """Numbers of decimals, dates of Python, times, durations, periods and text that stands for numbers."""
    types = pd.api.types
    if types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
        return column
    (found,) = as_numbers(column)
    if types.is_timedelta64_dtype(found.dtype):
        found = found.dt.total_seconds()
    if not types.is_numeric_dtype(found.dtype) or types.is_bool_dtype(found.dtype):
        return found if types.is_datetime64_any_dtype(found.dtype) else column
    return found.astype("Float64").astype(float)


def _check_values(table: pd.DataFrame) -> None:
    for name, column in table.items():
        if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(float, na_value=0)).any():
            raise ValueError(f"column {name!r} holds infinite numbers; make them missing")
        if column.dtype == object and not column.map(pd.api.types.is_hashable).all():
            raise ValueError(f"column {name!r} holds lists or other values that are not single ones; part them")
