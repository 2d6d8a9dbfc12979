"""What tables come in: read from any container, and given back in the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

from ganaug.data.column_values import dtype_from_name
from ganaug.data.json_values import short

__all__ = ["Container", "as_table"]

KINDS = ("dataframe", "ndarray", "sparse")
SPARSE_FORMATS = ("", "bsr", "coo", "csc", "csr", "dia", "dok", "lil")


@dataclass(frozen=True)
class Container:
    """What a table came in, so that rows can be given back in the same.

    Attributes
    ----------
    kind : {"dataframe", "ndarray", "sparse"}
    dtypes : tuple of str
        Of the columns of a data frame, or the one of an array.
    sparse_format : str
        Such as "csr".
    sparse_array : bool
        Whether it is a sparse array rather than a sparse matrix.
    """

    kind: str
    dtypes: tuple[Any, ...]
    sparse_format: str = ""
    sparse_array: bool = False

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Container:
        """Inverse of ``dataclasses.asdict``, after a trip through JSON; ``ValueError`` for what cannot be."""
        dtypes = tuple(map(dtype_from_name, state["dtypes"]))
        container = cls(**{**state, "dtypes": dtypes})
        if container.kind not in KINDS or (container.kind != "dataframe" and len(dtypes) != 1):
            raise ValueError(f"there is no container {short(container.kind)} of {len(dtypes)} dtypes")
        sparse = container.kind == "sparse"
        if container.sparse_format not in SPARSE_FORMATS or sparse != bool(container.sparse_format):
            raise ValueError(f"there is no sparse format {short(container.sparse_format)}")
        return container

    def restore(self, table: pd.DataFrame) -> Any:
        """Rows of a data frame in this container."""
        if self.kind == "dataframe":
            for name, dtype in zip(table.columns, self.dtypes, strict=True):
                if isinstance(dtype, pd.SparseDtype):
                    table[name] = table[name].astype(dtype)
            return table
        array = table.to_numpy(dtype=self.dtypes[0])
        if self.kind == "ndarray":
            return array
        make = scipy.sparse.csr_array if self.sparse_array else scipy.sparse.csr_matrix
        return make(array).asformat(self.sparse_format)


def as_table(X: Any) -> tuple[pd.DataFrame, Container]:
    """Turn a table in any container into a data frame with a plain index.

    Parameters
    ----------
    X : DataFrame, ndarray of shape (n_rows, n_columns), sparse matrix or sequence of rows

    Returns
    -------
    table : DataFrame
    container : Container

    Raises
    ------
    ValueError, TypeError
        For a table without rows or columns, duplicated column names, and anything that is not two-dimensional.

    Examples
    --------
    >>> table, container = as_table(np.zeros((3, 2), dtype=np.float32))
    >>> table.shape, container.restore(table).dtype
    ((3, 2), dtype('float32'))
    """
    if isinstance(X, pd.DataFrame):
        container = Container("dataframe", tuple(X.dtypes))
        table = X.reset_index(drop=True)
        for name, dtype in zip(table.columns, X.dtypes, strict=True):
            if isinstance(dtype, pd.SparseDtype) and not table.columns.has_duplicates:
                table[name] = table[name].sparse.to_dense()
    elif scipy.sparse.issparse(X):
        container = Container("sparse", (X.dtype,), X.format, isinstance(X, scipy.sparse.sparray))
        table = pd.DataFrame(X.toarray())
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"a table must have two dimensions, rows and columns, got shape {array.shape}")
        container = Container("ndarray", (array.dtype,))
        table = pd.DataFrame(array.astype(object) if array.dtype.kind in "US" else array)
    if 0 in table.shape:
        raise ValueError(f"the table must have at least one row and one column, got {table.shape}")
    if table.columns.has_duplicates:
        name = table.columns[table.columns.duplicated()][0]
        raise ValueError(f"column names must differ, got {name!r} twice; rename one")
    return table, container
