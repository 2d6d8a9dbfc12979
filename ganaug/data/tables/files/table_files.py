"""Tables from and to CSV and parquet files."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray
from pandas.api import types
from pyarrow import Schema
from pyarrow.lib import ArrowException

from ganaug.data.files import check_regular, user_path
from ganaug.data.images.array_files import DAMAGED
from ganaug.data.json_values import clip, short
from ganaug.data.labels import labels_from_array, listed
from ganaug.data.tables.arrow_tables import of_file
from ganaug.data.tables.columns.text_values import TextFormat, read_text_column
from ganaug.data.tables.files.csv_format import TABLE_KINDS, CsvOptions, file_kind
from ganaug.data.tables.files.csv_text import CsvText, parse_csv_text, quoted_fields
from ganaug.data.tables.files.table_format import CellFormat, TableFormat
from ganaug.data.tables.files.table_writer import TableWriter

__all__ = ["TableFile", "open_table", "read_table", "split_target", "write_table"]

MOST_UNREAD = 0.1  # share of the cells


@dataclass(frozen=True)
class TableFile:
    """A table that was read from a file.

    Attributes
    ----------
    table : DataFrame
    format : TableFormat or None
        How a CSV file is written; None for a parquet file.
    lines : tuple of str
        Rows of a CSV file as they stand there.
    notes : tuple of str
        What was found out about the file, for whom it may surprise; a sentence each.
    schema : pyarrow.Schema or None
        Of a parquet file.
    """

    table: pd.DataFrame
    format: TableFormat | None = None
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema: Schema | None = None


def read_table(path: str | Path, options: CsvOptions | None = None, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table from a CSV or parquet file, as :func:`open_table` does, and nothing else of it.

    Parameters
    ----------
    path : path-like
    options : CsvOptions, optional
    text : sequence of str

    Returns
    -------
    DataFrame
    """
    return open_table(path, options, text=text, formats=False).table


def open_table(
    path: str | Path, options: CsvOptions | None = None, *, text: Sequence[str] = (), formats: bool = True
) -> TableFile:
    """Read a table from a ``.csv``, ``.tsv``, ``.txt``, ``.parquet`` file, and how it is written.

    In CSV files, gzipped or not, encoding, separator and decimal mark are found out. Whole numbers stay whole beside
    missing values, and columns of text in which at least nine tenths of the cells are numbers or dates become such.

    Parameters
    ----------
    path : path-like
    options : CsvOptions, optional
        What is known of a CSV file.
    text : sequence of str
        Columns of a CSV file of whose texts no numbers or dates are made; those that are none of it do not matter.
    formats : bool
        Find out how each column is written.

    Returns
    -------
    TableFile

    Raises
    ------
    ValueError
        For a file that is missing, of another kind, cannot be read, or is empty.
    """
    path, options = user_path(path), options or CsvOptions()
    kind = file_kind(path)
    if kind is None:
        raise ValueError(f"{path} must end in {TABLE_KINDS}; convert it first")
    if not path.exists():
        raise ValueError(f"{path} does not exist or is no file; pass one that ends in {TABLE_KINDS}")
    check_regular(path)
    if kind == "parquet":
        if options != CsvOptions():
            raise ValueError(f"{path} is no CSV file; leave sep, decimal, encoding and na_values out")
        return _parquet(path)
    try:
        return _csv(path, kind, options, text, formats)
    except MemoryError:
        raise ValueError(f"{path} does not fit into the memory; pass a part of its rows") from None
    except DAMAGED as error:
        reason = clip(str(error) or type(error).__name__, 400)
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from None


def _parquet(path: Path) -> TableFile:
    try:
        rows = pyarrow.parquet.read_table(path, partitioning=None)  # folders in its path are no columns
        table = of_file(rows)
    except (ArrowException, *DAMAGED) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as parquet: {reason}; write it again") from None
    if table.empty:
        raise ValueError(f"{path} holds no rows; pass a table with at least two classes")
    return TableFile(table, schema=rows.schema)


def _csv(path: Path, kind: str, options: CsvOptions, text: Sequence[str], formats: bool) -> TableFile:
    found = parse_csv_text(path.read_bytes(), kind, options)
    names = _names(found)
    cells = _parsed(found, names, dtype=str, keep_default_na=False, na_filter=False) if formats else None
    table = _parsed(
        found,
        names,
        dtype=dict.fromkeys(_codes(found, names), "string"),
        na_values=list(options.na_values),
        decimal=found.format.decimal,
    )
    empty = set(table.columns[table.isna().all()])
    kept = tuple(
        None if name in empty and not written else name for name, written in zip(names, found.header, strict=True)
    )
    table = table[[name for name in kept if name is not None]]
    texts, unclear = _read_texts(table, set(table.columns).difference(text), found.format.decimal, options)
    table = table.assign(**{name: values for name, (values, _) in texts.items()})
    forms = {name: form for name, (_, form) in texts.items()}
    notes = _notes(found.notes, forms, unclear)
    if cells is None:
        return TableFile(table, notes=notes)
    quotes = quoted_fields(found.lines, found.format.sep, len(names))
    learnt = tuple(
        CellFormat()
        if name is None
        else CellFormat.learn(
            cells[name], table[name], forms.get(name), None if quotes is None else quotes[:, i], found.format.decimal
        )
        for i, name in enumerate(kept)
    )
    quoted = found.header_line.startswith('"')
    form = TableFormat(found.format, kind, tuple(found.header), kept, learnt, header_quoted=quoted)
    return TableFile(table, form, tuple(found.lines), notes)


def _names(found: CsvText) -> list[str]:
    names = [name or f"Unnamed: {position}" for position, name in enumerate(found.header)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"column names must differ, got {twice!r} twice; rename one, or add a line of names if there is none"
        )
    if not found.lines:
        raise ValueError("it holds no rows; pass a table with at least two classes")
    return names


def _codes(found: CsvText, names: list[str]) -> list[str]:
    """Columns in which digits begin with a zero, as numbers do not."""
    zero = re.compile(rf'(?:^|["{re.escape(found.format.sep)}]) ?0\d')
    lines = [line for line in found.lines if zero.search(line)]
    if not lines:
        return []
    cells = _parsed(replace(found, lines=lines), names, dtype=str, keep_default_na=False, na_filter=False)
    return [name for name in names if cells[name].str.match(r"0\d").any()]


def _read_texts(
    table: pd.DataFrame, names: set[str], decimal: str, options: CsvOptions
) -> tuple[dict[str, tuple[pd.Series, TextFormat]], list[str]]:
    """Columns of text that hold numbers or dates, and those of dates such as 01/02/2020 only."""
    # A decimal comma is a matter of the whole file; yet one column may have points.
    decimals = [options.decimal] if options.decimal else [*([","] if decimal == "," else []), None]
    found: dict[str, tuple[pd.Series, TextFormat]] = {}
    unclear = []
    for name in table.columns:
        if name not in names or not types.is_string_dtype(table[name].dtype):
            continue
        tried = (read_text_column(table[name], marks=options.na_values, decimal=mark, plain=True) for mark in decimals)
        read = next((read for read in tried if read is not None), None)
        if read is not None and read[1].unread <= MOST_UNREAD * len(table):
            found[name] = read
        elif read is None:
            dates = read_text_column(table[name], marks=options.na_values, day_first=True)
            unclear += [name] if dates is not None and dates[1].kind == "date" else []
    return found, unclear


def _parsed(found: CsvText, names: list[str], **how: Any) -> pd.DataFrame:
    """Fields of the lines by the parser of pandas."""
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(found.lines)),
            sep=found.format.sep,
            skipinitialspace=found.format.spaced,
            header=None,
            names=names,
            index_col=False,
            dtype_backend="numpy_nullable",
            low_memory=False,
            **how,
        )
    except pd.errors.ParserError as error:
        raise ValueError(f"{error}; put fields with separators or quotation marks into quotation marks") from None
    if len(table) != len(found.lines):
        raise ValueError(f"it has {len(found.lines):,} lines that make {len(table):,} rows; close its quotation marks")
    return table


def _notes(notes: Sequence[str], texts: dict[str, TextFormat], unclear: Sequence[str]) -> tuple[str, ...]:
    """What was found, and which columns of text are read as what, in a line each."""
    if unclear:
        dates = listed(list(map(repr, unclear)))
        notes = (*notes, f"{dates} may be dates of which day and month are not clear, and stay text; write 2020-01-31")
    alike: dict[str, list[str]] = {}
    for name, form in texts.items():
        plain = form.date_format.startswith("%Y-%m-%d") and not form.marks and not form.unread
        if not plain:
            alike.setdefault(str(form), []).append(repr(name))
    read = [f"{listed(columns)}: {what}" for what, columns in alike.items()]
    return (*notes, f"read from text: {'; '.join(read)}") if read else tuple(notes)


def write_table(
    table: pd.DataFrame,
    path: str | Path,
    *,
    like: TableFormat | None = None,
    originals: Sequence[str] = (),
    schema: Schema | None = None,
) -> None:
    """Write a table to a CSV or parquet file.

    Parameters
    ----------
    table : DataFrame
    path : path-like
        Ends in .csv, .tsv or .txt, each also with .gz, or in .parquet.
    like : TableFormat, optional
        How a CSV file is written. Its columns come in its order, then those that it does not know.
    originals : sequence of str
        For a CSV file like another: lines of the first rows, which are written just so.
    schema : pyarrow.Schema, optional
        For a parquet file: the types of its columns, where they can hold the rows.
    """
    with TableWriter(path, like=like, schema=schema) as writer:
        writer.write(table, originals)


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
        if table.shape[1] == 1 and file_kind(source) != "parquet":
            (name,) = table.columns
            raise ValueError(
                f"{source} has no column {target!r} but the one column {short(name)}; pass what separates the columns "
                "(--sep), or add some"
            )
        close = difflib.get_close_matches(target, map(str, table.columns), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {listed(list(table.columns))}"
        raise ValueError(f"{source} has no column {target!r}{hint}")
    if table.shape[1] == 1:
        raise ValueError(f"{source} holds the column {target!r} only; add columns to learn from")
    column = table[target]
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax()) + 1
        hint = "; an empty field, NA and None count as such" if file_kind(source) != "parquet" else ""
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
