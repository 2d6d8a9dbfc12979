"""What tables come in: read from any container, and given back in the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from ganaug.data.json_values import short
from ganaug.data.tables import arrow_tables
from ganaug.data.tables.columns.values import dtype_from_name, dtype_name

__all__ = ["Container", "as_table", "is_frame", "is_series", "rows_at"]

KINDS = ("dataframe", "ndarray", "sparse", "frame")
SPARSE_FORMATS = ("", "bsr", "coo", "csc", "csr", "dia", "dok", "lil")
NOT_IN_ARROW = ("Int128", "UInt128", "Object")  # types of polars
LAZY = {  # what fetches the rows of the frames that have no collect()
    "dask": "compute()",
    "duckdb": "df()",
    "ibis": "to_pandas()",
    "pyspark": "toPandas()",
}
LIBRARIES = ("polars", "pyarrow")  # of frames that a saved model may draw; of others it draws those of pyarrow


@dataclass(frozen=True)
class Container:
    """What a table came in, so that rows can be given back in the same.

    Attributes
    ----------
    kind : {"dataframe", "ndarray", "sparse", "frame"}
        "dataframe" is one of pandas; "frame" another that holds its rows in memory, such as one of polars.
    dtypes : tuple of dtype
        Of the columns as they are learnt, or the one of an array.
    sparse_format : str
        Such as "csr".
    sparse_array : bool
        Whether it is a sparse array rather than a sparse matrix.
    template : frame or None
        One without rows, where `kind` is "frame".
    """

    kind: str
    dtypes: tuple[Any, ...]
    sparse_format: str = ""
    sparse_array: bool = False
    template: Any = None

    def to_state(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_state` makes the container."""
        state: dict[str, Any] = {
            "kind": self.kind,
            "dtypes": [_dtype_name(dtype) for dtype in self.dtypes],
            "sparse_format": self.sparse_format,
            "sparse_array": self.sparse_array,
        }
        if self.kind == "frame":
            library = _library(self.template)
            state |= {
                "library": library if library in LIBRARIES else "pyarrow",
                "schema": arrow_tables.schema_text(_to_arrow(self.template).schema),
            }
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Container:
        """Inverse of :meth:`to_state`, after a trip through JSON; an error for what cannot be."""
        values = {**state, "dtypes": tuple(map(dtype_from_name, state["dtypes"]))}
        if state["kind"] == "frame":
            values["template"] = _template(values.pop("library"), values.pop("schema"))
        container = cls(**values)
        single = container.kind in ("ndarray", "sparse")
        if container.kind not in KINDS or (single and len(container.dtypes) != 1):
            raise ValueError(f"there is no container {short(container.kind)} of {len(container.dtypes)} dtypes")
        sparse = container.kind == "sparse"
        if container.sparse_format not in SPARSE_FORMATS or sparse != bool(container.sparse_format):
            raise ValueError(f"there is no sparse format {short(container.sparse_format)}")
        return container

    @property
    def common_dtype(self) -> str:
        """Name of the dtype that all columns have, or "mixed"."""
        names = set(map(str, self.dtypes))
        return names.pop() if len(names) == 1 else "mixed"

    def restore(self, table: pd.DataFrame) -> Any:
        """Rows of a data frame in this container."""
        if self.kind == "dataframe":
            for name, dtype in zip(table.columns, self.dtypes, strict=True):
                if isinstance(dtype, pd.SparseDtype):
                    table[name] = table[name].astype(dtype)
            return table
        if self.kind == "frame":
            rows = arrow_tables.from_pandas(table, _to_arrow(self.template).schema)
            return _from_arrow(rows, _library(self.template))
        array = table.to_numpy(dtype=self.dtypes[0])
        if self.kind == "ndarray":
            return array
        make = scipy.sparse.csr_array if self.sparse_array else scipy.sparse.csr_matrix
        return make(array).asformat(self.sparse_format)

    def extend(self, X: Any, table: pd.DataFrame, rows: pd.DataFrame) -> Any:
        """What came in this container, followed by new rows.

        Parameters
        ----------
        X : DataFrame, frame, ndarray or sparse matrix
            As it came.
        table : DataFrame
            The same, as :func:`as_table` returns it.
        rows : DataFrame
            Rows with the columns and dtypes of `table`.

        Returns
        -------
        DataFrame, frame, ndarray or sparse matrix
            Of the type of `X`.
        """
        if self.kind != "frame":
            return self.restore(pd.concat([table, rows], ignore_index=True))
        import narwhals as nw

        # Rows that came are not converted, so that nothing of them is lost.
        return nw.concat([nw.from_native(X), nw.from_native(self.restore(rows))]).to_native()


def as_table(X: Any) -> tuple[pd.DataFrame, Container]:
    """Turn a table in any container into a data frame of pandas with a plain index.

    Parameters
    ----------
    X : DataFrame, ndarray of shape (n_rows, n_columns), sparse matrix, sequence of rows, or an eager frame of polars, \
        pyarrow or another library that narwhals knows

    Returns
    -------
    table : DataFrame
    container : Container

    Raises
    ------
    ValueError, TypeError
        For a table without rows or columns, duplicated column names, frames whose rows are still to be computed, and
        anything that is not two-dimensional.

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
    elif is_frame(X):
        table = arrow_tables.to_pandas(_to_arrow(X))
        container = Container("frame", tuple(table.dtypes), template=X[:0])
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


def is_frame(X: Any) -> bool:
    """Whether this is a data frame, though none of pandas, that holds its rows in memory.

    Raises
    ------
    TypeError
        For a frame whose rows are still to be computed, and one of a library that is not known.

    Examples
    --------
    >>> is_frame(pa.table({"age": [20, 30]})), is_frame([[20], [30]]), is_frame(pd.DataFrame({"age": [20]}))
    (True, False, False)
    """
    if isinstance(X, np.ndarray | list | tuple | pd.DataFrame | pd.Series):
        return False
    import narwhals as nw

    library = _root(X)
    lazy = library in LAZY and hasattr(X, "columns")
    if not lazy:
        frame = _wrapped(X)
        if isinstance(frame, nw.DataFrame):
            return True
        lazy = isinstance(frame, nw.LazyFrame)
    if lazy:
        raise TypeError(
            f"a table must hold its rows in memory, got a {type(X).__name__} of {library}; call its "
            f"{LAZY.get(library, 'collect()')} first"
        )
    if hasattr(X, "__dataframe__") or (hasattr(X, "__arrow_c_stream__") and not isinstance(frame, nw.Series)):
        raise TypeError(
            f"a table must be a frame of pandas or polars or a pyarrow.Table, got a {type(X).__name__} of {library}; "
            "convert it to one of them"
        )
    return False


def is_series(values: Any) -> bool:
    """Whether this is a series, though none of pandas, such as one of polars or a chunked array of Arrow."""
    if isinstance(values, np.ndarray | list | tuple | pd.DataFrame | pd.Series):
        return False
    import narwhals as nw

    return isinstance(_wrapped(values), nw.Series)


def rows_at(X: Any, indices: NDArray[np.integer]) -> Any:
    """Rows of a frame, or values of a series, by their positions; :func:`is_frame` and :func:`is_series` know them."""
    return _wrapped(X)[np.asarray(indices)].to_native()


def _root(X: Any) -> str:
    return type(X).__module__.partition(".")[0].lstrip("_")


def _wrapped(X: Any) -> Any:
    """A frame or series as narwhals wraps it, anything else as it is."""
    import narwhals as nw

    try:
        return nw.from_native(X, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError:
        names = X.column_names
        name = next(name for k, name in enumerate(names) if name in names[:k])
        raise ValueError(f"column names must differ, got {name!r} twice; rename one") from None


def _library(frame: Any) -> str:
    return _wrapped(frame).implementation.value


def _to_arrow(frame: Any) -> pa.Table:
    wrapped = _wrapped(frame)
    for name, dtype in wrapped.schema.items():
        if str(dtype) in NOT_IN_ARROW:
            raise TypeError(
                f"column {name!r} has the type {dtype}, which cannot be learnt; leave it out or cast it first"
            )
    return wrapped.to_arrow()


def _from_arrow(rows: pa.Table, library: Any) -> Any:
    import narwhals as nw

    return nw.from_arrow(rows, backend=library).to_native()


def _template(library: Any, schema: Any) -> Any:
    """A frame without rows of a library and a schema that a file names."""
    if library not in LIBRARIES or not isinstance(schema, str):
        raise ValueError(f"there is no frame of {short(library)}")
    empty = arrow_tables.schema_of_text(schema).empty_table()
    arrow_tables.to_pandas(empty)
    try:
        return _from_arrow(empty, library)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"the model draws frames of {library}, which is not installed; install it with pip install {library}"
        ) from None


def _dtype_name(dtype: Any) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else dtype_name(dtype)
