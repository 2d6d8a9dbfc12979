"""Writing tables to CSV and parquet files, whole or part by part."""

from __future__ import annotations

import codecs
import gzip
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ganaug.data.files import opened_atomically
from ganaug.data.json_values import clip
from ganaug.data.tables.arrow_tables import in_schema
from ganaug.data.tables.files.csv_format import file_kind
from ganaug.data.tables.files.csv_text import csv_fields
from ganaug.data.tables.files.table_format import TableFormat

__all__ = ["TableWriter"]


class TableWriter:
    """A table that is written part by part to a file, which appears whole at the end, or not at all.

    It is a context manager: what is written goes to a temporary file beside `path`, which takes its place when the
    block ends without an error. Parts of a parquet file are its row groups; where a part needs a wider type than the
    ones before, such as of decimals, these are written again.

    Parameters
    ----------
    path : path-like
        Ends in .csv, .tsv or .txt, each also with .gz, or in .parquet.
    like : TableFormat, optional
        How a CSV file is written. Its columns come in its order, then those that it does not know. In a parquet file
        its times without a date, and dates with a time zone, are text as it has them.
    schema : pyarrow.Schema, optional
        For a parquet file: the types of its columns, where they can hold the rows.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with TableWriter(Path(folder) / "ages.csv") as writer:
    ...         writer.write(pd.DataFrame({"age": [20, 30]}))
    ...         writer.write(pd.DataFrame({"age": [40]}))
    ...     (Path(folder) / "ages.csv").read_text().split()
    ['age', '20', '30', '40']
    """

    _file: BufferedRandom

    def __init__(self, path: str | Path, *, like: TableFormat | None = None, schema: pa.Schema | None = None) -> None:
        self._path, self._kind, self._like, self._schema = path, file_kind(path), like, schema
        self._closing = ExitStack()
        self._rows: _ParquetRows | _CsvRows

    def __enter__(self) -> Self:
        file = self._closing.enter_context(opened_atomically(self._path))
        if self._kind == "parquet":
            self._rows = self._closing.enter_context(_ParquetRows(file, Path(self._path), self._like, self._schema))
        else:
            # Without the time in it, the same rows give the same file.
            packed = Path(self._path).suffix.lower() == ".gz"
            target: Any = (
                self._closing.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)) if packed else file
            )
            self._rows = _CsvRows(target, self._kind, self._like)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    def write(self, table: pd.DataFrame, originals: Sequence[str] = ()) -> None:
        """Add rows.

        Parameters
        ----------
        table : DataFrame
            With the columns of the parts before.
        originals : sequence of str
            For a CSV file like another: lines of the first rows, which are written just so.

        Raises
        ------
        ValueError
            For a column that a parquet file cannot hold.
        """
        self._rows.write(table, originals)


class _CsvRows:
    def __init__(self, file: Any, kind: str | None, like: TableFormat | None) -> None:
        self._file, self._like, self._begun = file, like, False
        self._form = None if like is None else like.of_kind(kind or like.kind)
        self._sep = "\t" if kind == "tsv" else ","
        self._encoder = codecs.getincrementalencoder("utf-8" if self._form is None else self._form.file.encoding)()

    def write(self, table: pd.DataFrame, originals: Sequence[str]) -> None:
        if self._form is None:
            text = table.to_csv(index=False, header=not self._begun, sep=self._sep, lineterminator="\n")
        else:
            text = self._form.file.text(self._lines(self._form, table, list(originals)))
            self._file.write(b"" if self._begun else self._form.file.mark)
        self._file.write(self._encoder.encode(text))
        self._begun = True

    def _lines(self, form: TableFormat, table: pd.DataFrame, first: list[str]) -> list[str]:
        others, n = form.others(table), len(first)
        if self._like is not None and form.file.sep != self._like.file.sep:
            rows = (csv_fields(line, self._like.file.sep) for line in first)
            first = [form.file.line([form.file.quoted(cell) for cell in row]) for row in rows]
        if others:
            more = table[others].iloc[:n].astype(str)
            first = [form.file.line([line, *row]) for line, row in zip(first, more.to_numpy().tolist(), strict=True)]
        head = [] if self._begun else [form.head(list(map(str, others)))]
        return [*head, *first, *form.lines(table.iloc[n:])]


class _ParquetRows:
    """Row groups of a parquet file, whose schema is that of the first part until one needs another."""

    def __init__(self, file: BufferedRandom, path: Path, like: TableFormat | None, schema: pa.Schema | None) -> None:
        self._file, self._path, self._like, self._schema = file, path, like, schema
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pd.DataFrame, originals: Sequence[str]) -> None:
        table = table if self._like is None else self._like.for_parquet(table)
        try:
            rows = pa.Table.from_pandas(table, preserve_index=False)
            rows = rows if self._schema is None else in_schema(rows, self._schema)
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._file, rows.schema)
            schema = self._writer.schema
            if not rows.schema.equals(schema):
                wider = pa.unify_schemas([schema, rows.schema], promote_options="permissive")
                if not wider.equals(schema):
                    self._writer = self._rewritten(self._writer, wider)
                rows = rows.cast(wider)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            reason = clip(str(error), 200)
            raise ValueError(f"{self._path} cannot hold these rows ({reason}); write a .csv file") from None
        self._writer.write_table(rows, row_group_size=max(1, len(rows)))

    def _rewritten(self, writer: pq.ParquetWriter, schema: pa.Schema) -> pq.ParquetWriter:
        """Write the row groups again in a schema that holds more, and continue there."""
        writer.close()
        with tempfile.TemporaryFile(dir=self._path.parent) as before:
            self._file.seek(0)
            shutil.copyfileobj(self._file, before)
            self._file.seek(0)
            self._file.truncate()
            wider = pq.ParquetWriter(self._file, schema)
            with pq.ParquetFile(before) as parts:
                for k in range(parts.num_row_groups):
                    wider.write_table(parts.read_row_group(k).cast(schema))
        return wider
