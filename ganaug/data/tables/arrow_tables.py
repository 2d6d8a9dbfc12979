"""Arrow tables as data frames of pandas, from files and for learning, and back to their schema."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

__all__ = ["from_pandas", "in_schema", "of_file", "schema_of_text", "schema_text", "to_pandas"]

UNNAMED = re.compile(r"__index_level_\d+__")  # an index of pandas without a name, in a parquet file

NULLABLE = {  # pandas' own dtypes with missing values; float64 in place of what it has not
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
}


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Rows of an Arrow table, in dtypes that columns are learnt from.

    Numbers and booleans without missing values get numpy's dtypes, others pandas' nullable ones, dictionaries become
    categories. Dates become timestamps, times whole numbers and decimals floats: what they are learnt as.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    DataFrame

    Raises
    ------
    TypeError
        For a column of lists, structures or another type that cannot be learnt.
    """
    columns = [_series(column, name) for column, name in zip(table.columns, table.column_names, strict=True)]
    return pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(table.num_rows))


def from_pandas(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Rows as :func:`to_pandas` returns them as a table of a schema.

    Parameters
    ----------
    rows : DataFrame
        With the columns of `schema`.
    schema : pyarrow.Schema

    Returns
    -------
    pyarrow.Table
    """
    arrays = [_array(rows[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def of_file(table: pa.Table) -> pd.DataFrame:
    """Columns of a parquet file, or of a frame that is none of pandas, in the dtypes in which they are written again.

    Whole numbers and booleans beside missing values get pandas' nullable dtypes, and stay such. What pandas notes for
    itself in a file does not count: an index that has a name is a column, unless it numbers the rows, and names of
    columns are texts.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> clients = pd.DataFrame({"id": [7, 3, 4], "age": pd.array([30, None, 20], "Int64")}).set_index("id")
    >>> of_file(pa.Table.from_pandas(clients)).dtypes.astype(str).to_dict()
    {'age': 'Int64', 'id': 'int64'}
    """
    noted = (table.schema.pandas_metadata or {}).get("index_columns", [])
    table = table.drop_columns([name for name in noted if isinstance(name, str) and UNNAMED.fullmatch(name)])
    frame = table.to_pandas(ignore_metadata=True)
    for place, column in enumerate(table.columns):
        if column.null_count and (types.is_integer(column.type) or types.is_boolean(column.type)):
            frame.isetitem(place, column.to_pandas(types_mapper=NULLABLE.get))
    return frame


def schema_text(schema: pa.Schema) -> str:
    """A schema as text, for JSON."""
    return base64.b64encode(schema.serialize()).decode()


def schema_of_text(text: str) -> pa.Schema:
    """Inverse of :func:`schema_text`; ``ValueError``, ``TypeError`` or ``OSError`` for what is none.

    Examples
    --------
    >>> schema_of_text(schema_text(pa.schema({"age": pa.int8()}))).types
    [DataType(int8)]
    """
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text, validate=True)))


def in_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the order and the types that columns of the same names have in a schema, where these can hold them.

    Columns that the schema lacks come last.

    Parameters
    ----------
    rows : pyarrow.Table
    schema : pyarrow.Schema

    Returns
    -------
    pyarrow.Table

    Examples
    --------
    >>> rows = pa.table({"age": [30, 300], "size": [1, 2]})
    >>> in_schema(rows, pa.schema({"age": pa.int8(), "size": pa.int8()})).schema.types
    [DataType(int64), DataType(int8)]
    """
    for place, field in enumerate(rows.schema):
        if schema.get_field_index(field.name) >= 0 and field.type != (kind := schema.field(field.name).type):
            try:
                column = rows.column(place).cast(kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue
            rows = rows.set_column(place, field.name, column)
    named = [name for name in schema.names if name in rows.column_names]
    return rows.select([*named, *(name for name in rows.column_names if name not in named)])


def _series(column: pa.ChunkedArray, name: Any) -> pd.Series:
    kind = column.type
    if types.is_date(kind):
        column = column.cast(pa.timestamp("s" if types.is_date32(kind) else "ms"))
    elif types.is_time(kind):
        column = column.cast(pa.int32() if types.is_time32(kind) else pa.int64())
    elif types.is_decimal(kind) or (types.is_float16(kind) and column.null_count):
        column = column.cast(pa.float64())
    elif types.is_dictionary(kind) and _is_plain(kind.value_type):
        if any(chunk.dictionary.null_count for chunk in column.chunks):  # categories of pandas may not be missing
            column = column.cast(kind.value_type).dictionary_encode()
    elif not _is_plain(kind):
        raise TypeError(f"column {name!r} has the type {kind}, which cannot be learnt; leave it out or cast it first")
    if column.null_count and types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    mapper = NULLABLE.get if column.null_count else None
    return column.to_pandas(types_mapper=mapper).rename(name)


def _array(series: pd.Series, kind: pa.DataType) -> pa.Array:
    if types.is_null(kind):
        return pa.nulls(len(series))
    if types.is_dictionary(kind):
        series = series.astype("category")
        codes, levels = series.cat.codes.to_numpy(), pa.array(series.cat.categories, from_pandas=True)
        indices = pa.array(codes, mask=codes < 0).cast(kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, levels.cast(kind.value_type), ordered=kind.ordered)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "f" and not types.is_decimal(kind):
        # A column without missing values may hold NaN.
        return pa.array(series.to_numpy(), from_pandas=False).cast(kind)
    array = pa.array(series, from_pandas=True)
    if types.is_time32(kind):
        array = array.cast(pa.int32())
    return array.cast(kind)


def _is_plain(kind: pa.DataType) -> bool:
    return (
        kind in NULLABLE
        or types.is_null(kind)
        or types.is_float16(kind)
        or types.is_timestamp(kind)
        or types.is_duration(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    )
