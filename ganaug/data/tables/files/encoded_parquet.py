"""Encoding a parquet file that is larger than memory: a sample of its rows fits the encoder, and all are encoded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.lib import ArrowException

from ganaug.data.files import check_regular, user_path
from ganaug.data.groups import groups_from_array
from ganaug.data.images.array_files import DAMAGED
from ganaug.data.json_values import clip
from ganaug.data.labels import labels_from_array
from ganaug.data.tables.arrow_tables import of_file
from ganaug.data.tables.columns.categorical import factorize
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoder import Encoder, declared_columns, fit_encoder
from ganaug.data.tables.files.csv_format import file_kind
from ganaug.data.tables.files.table_files import split_target
from ganaug.data.tables.group_column import part_groups
from ganaug.data.tables.seen_values import SeenValues

__all__ = ["EncodedParquet", "encoded_parquet", "parquet_cells"]

MOST_ROWS, MOST_CELLS = 2**16, 2**22  # that are read at a time
SAMPLE_ROWS, SAMPLE_CELLS = 200_000, 2**24  # that an encoder is fitted to
MOST_LABELS = 10_000  # different ones


@dataclass(frozen=True)
class EncodedParquet:
    """Rows of a parquet file, encoded.

    Attributes
    ----------
    encoder : TableEncoder or WideEncoder
    container : Container
        What the file is as a data frame of pandas.
    rows : memmap of shape (n_rows, encoder.width_), float32
        Of a temporary file without a name, which is gone with it.
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    targets : ndarray of shape (n_rows,), int32
        Position of each row's label among them.
    groups : ndarray of shape (n_groups,) or None
        Groups, sorted.
    group_targets : ndarray of shape (n_rows,), int32, or None
        Position of each row's group among them.
    """

    encoder: Encoder
    container: Container
    rows: np.memmap[Any, np.dtype[np.float32]]
    classes: NDArray[Any]
    targets: NDArray[np.int32]
    groups: NDArray[Any] | None
    group_targets: NDArray[np.int32] | None


def parquet_cells(path: str | Path) -> int:
    """Rows times columns of a parquet file, 0 for a file of another kind or that cannot be read."""
    path = user_path(path)
    if file_kind(path) != "parquet" or not path.is_file():
        return 0
    try:
        metadata = pq.read_metadata(path)
    except (ArrowException, *DAMAGED):
        return 0
    return int(metadata.num_rows * metadata.num_columns)


def encoded_parquet(
    path: str | Path,
    target: str,
    groups: str | None = None,
    categorical_features: Any = "auto",
    *,
    most_sampled: int = SAMPLE_ROWS,
    at_a_time: int = MOST_ROWS,
) -> EncodedParquet:
    """Encode the rows of a parquet file, which is read twice and need not fit into memory.

    The quantiles of numbers, and principal components, are those of a random sample of 200,000 rows, fewer of more than
    83 columns; ranges, missing values and the counts of categories are those of all rows. Where the sample is the
    table, all is as of a table in memory. Memory holds 4 bytes of each row, 8 with groups; encoded
    rows are in a temporary file.

    Parameters
    ----------
    path : path-like
    target : str
        Column of the labels.
    groups : str, optional
        Column of the groups, which is no feature.
    categorical_features : "auto", None or array-like
        As for :class:`TableEncoder`.
    most_sampled, at_a_time : int
        Rows in the sample, and rows that are read at a time; fewer where these are many cells.

    Returns
    -------
    EncodedParquet

    Raises
    ------
    ValueError, TypeError
        For a file that cannot be read, columns that are not there or cannot be learnt, missing labels, and too little
        room for the temporary file.
    """
    path = user_path(path)
    if file_kind(path) != "parquet":
        raise ValueError(f"{path} must end in .parquet to be read in parts; convert it, or read it as a whole")
    if not path.exists():
        raise ValueError(f"{path} does not exist or is no file; pass one that ends in .parquet")
    check_regular(path)
    # What it reads ahead it would keep to the end: the whole file, once it is read.
    with _file_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
        return _Reading(path, file, target, groups, at_a_time).encoded(categorical_features, most_sampled)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ArrowException, OSError) as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"{path} cannot be read as parquet: {reason}; write it again") from None


class _Codes:
    """Numbers different values of a column in the order of their first occurrence."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self.of_rows: list[NDArray[np.int32]] = []

    def add(self, series: pd.Series) -> NDArray[np.int32]:
        codes, values = factorize(series)
        for value in [*values, *[None] * bool((codes < 0).any())]:
            if value not in self._numbers:
                self._numbers[value] = len(self.values)
                self.values.append(value)
        numbers = [self._numbers[value] for value in values]
        self.of_rows.append(np.array([*numbers, self._numbers.get(None, -1)], dtype=np.int32)[codes])
        return self.of_rows[-1]

    def positions(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """Of all rows, each value translated; they are kept no longer."""
        n_rows, start = sum(map(len, self.of_rows)), 0
        found = np.empty(n_rows, dtype=np.int32)
        for part in self.of_rows:
            found[start : start + len(part)] = order[part]
            start += len(part)
        self.of_rows.clear()
        return found


class _Reading:
    """One file while its rows are read."""

    def __init__(self, path: Path, file: pq.ParquetFile, target: str, groups: str | None, at_a_time: int) -> None:
        self._path, self._file, self._target, self._groups = path, file, target, groups
        self._n_rows, n_columns = file.metadata.num_rows, max(1, file.metadata.num_columns)
        if not self._n_rows:
            raise ValueError(f"{path} holds no rows; pass a table with at least two classes")
        for field in file.schema_arrow:
            if pa.types.is_nested(field.type) and not pa.types.is_dictionary(field.type):
                raise TypeError(
                    f"column {field.name!r} has the type {field.type}, which cannot be learnt; leave it out or cast it "
                    "first"
                )
        self._at_a_time = max(1, min(at_a_time, MOST_CELLS // n_columns))
        self._most_cells = SAMPLE_CELLS // n_columns
        self._labels, self._of_groups = _Codes(), _Codes()
        self._seen: dict[Any, SeenValues] = {}

    def _parts(self) -> Iterator[pd.DataFrame]:
        schema = self._file.schema_arrow
        for batch in self._file.iter_batches(self._at_a_time, use_threads=False):
            yield of_file(pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata))

    def encoded(self, categorical_features: Any, most_sampled: int) -> EncodedParquet:
        size = min(self._n_rows, most_sampled, max(1, self._most_cells))
        sample, of_sample = self._scan(categorical_features, size)
        classes, order = self._classes()
        names, group_order = self._group_names()
        container = Container("dataframe", tuple(seen.dtype for seen in self._seen.values()))
        if size == self._n_rows:
            encoder = fit_encoder(sample, order[of_sample], categorical_features)
        else:
            encoder = fit_encoder(sample, order[of_sample], categorical_features, seen=self._seen, order=order)
        # What cannot be saved is refused now, not after the training.
        encoder.to_state()
        container.to_state()
        return EncodedParquet(
            encoder,
            container,
            self._rows(encoder),
            classes,
            self._labels.positions(order),
            names,
            None if group_order is None else self._of_groups.positions(group_order),
        )

    def _scan(self, categorical_features: Any, size: int) -> tuple[pd.DataFrame, NDArray[np.int32]]:
        """Look at all rows; return a sample of them, and which of the labels each has in the order of occurrence."""
        randomness = np.random.default_rng(0)
        chosen = np.sort(randomness.choice(self._n_rows, size, replace=False, shuffle=False))
        start, kept, of_kept = 0, [], []
        for part in self._parts():
            features = self._features(part, start)
            if not self._seen:
                as_table(features[:1])  # which refuses names that occur twice
                declared = declared_columns(categorical_features, features)
                self._seen = {name: SeenValues(name in declared) for name in features.columns}
            labels = self._labels.of_rows[-1]
            for name, seen in self._seen.items():
                seen.add(features[name], labels)
            here = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, start + len(part))] - start
            kept.append(features.iloc[here])
            of_kept.append(labels[here])
            start += len(part)
        columns = {
            name: pd.concat([seen.in_its_dtype(part[name]) for part in kept if len(part)], ignore_index=True)
            for name, seen in self._seen.items()
        }
        return pd.DataFrame(columns), np.concatenate(of_kept)

    def _features(self, part: pd.DataFrame, start: int) -> pd.DataFrame:
        """Columns of a part that are learnt; labels and groups of its rows are noted."""
        if not self._seen:  # errors of columns that are not there
            known = {name: 0 for name in (self._target, self._groups) if name is not None and name in part.columns}
            features, _ = split_target(part[:1].assign(**known), self._target, self._path, fewest=1)
            part_groups(features, self._groups)
        column = part[self._target]
        if column.isna().any():
            row = start + int(column.isna().to_numpy().argmax()) + 1
            raise ValueError(
                f"{self._path}: labels contain missing values, first in row {row} of column {self._target!r}: remove "
                "those rows or name their class"
            )
        self._labels.add(column)
        if len(self._labels.values) > MOST_LABELS:
            self._classes()  # refuses continuous ones
            raise ValueError(
                f"{self._path}: column {self._target!r} holds more than {MOST_LABELS:,} different labels; pass a "
                "column of classes"
            )
        if self._groups is not None:
            self._of_groups.add(part[self._groups])
        return part.drop(columns=[name for name in (self._target, self._groups) if name is not None])

    def _classes(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The labels, sorted, and the position there of each in the order of occurrence."""
        try:
            labels = labels_from_array(self._labels.values, len(self._labels.values), of="rows")
        except (ValueError, TypeError) as error:
            raise type(error)(f"{self._path}: column {self._target!r}: {error}") from None
        if len(labels) < 2:
            raise ValueError(
                f"{self._path}: column {self._target!r} holds the single class {labels.tolist()[0]!r}; at least two "
                "are needed"
            )
        classes, order = np.unique(labels, return_inverse=True)
        return classes, order.astype(np.int64)

    def _group_names(self) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
        if self._groups is None:
            return None, None
        values = self._of_groups.values
        try:
            groups = groups_from_array(values, len(values), of="rows")
        except (ValueError, TypeError) as error:
            raise type(error)(f"column {self._groups!r}: {error}") from None
        names, order = np.unique(groups, return_inverse=True)
        return names, order.astype(np.int64)

    def _rows(self, encoder: Encoder) -> np.memmap[Any, np.dtype[np.float32]]:
        """All rows, encoded, in a temporary file."""
        if encoder.width_ == 0:
            raise ValueError("no column of the table varies, so that there is nothing to learn; add columns")
        shape = (self._n_rows, encoder.width_)
        folder, needed = tempfile.gettempdir(), 4 * shape[0] * shape[1]
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise ValueError(
                f"the encoded rows of {self._path} take {needed / 2**30:.1f} GiB, and {folder} has only "
                f"{free / 2**30:.1f}; set TMPDIR to a folder with more room"
            )
        columns = {column.name: column for column in getattr(encoder, "columns_", [])}
        with tempfile.TemporaryFile() as file:
            for part in self._parts():
                known = {
                    name: seen.as_known(columns.get(name), seen.in_its_dtype(part[name]))
                    for name, seen in self._seen.items()
                }
                _write(file, encoder.transform(pd.DataFrame(known)))
            file.flush()
            # Copied when written to, which nothing does: torch warns of arrays that must not be.
            return np.memmap(file, np.float32, "c", shape=shape)


def _write(file: IO[bytes], rows: NDArray[np.float32]) -> None:
    file.write(np.ascontiguousarray(rows).data)
