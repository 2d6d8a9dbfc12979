"""Rows of tables as a kind of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from numpy.typing import NDArray

from ganaug.data.fingerprints import row_keys
from ganaug.data.kinds import KINDS
from ganaug.data.labels import labels_from_array, listed
from ganaug.data.tables.columns.column import as_numbers, is_numeric
from ganaug.data.tables.columns.values import is_date
from ganaug.data.tables.containers import as_table, is_frame
from ganaug.data.tables.encoder import TableEncoder
from ganaug.metrics.group_consistency import classify_rows
from ganaug.metrics.modalities.protocol import Differences, Move, Prepared, Samples, Training
from ganaug.metrics.pairwise_distances import row_distances

__all__ = ["Rows"]

DAY = pd.Timedelta(days=1)


class Rows:
    """Rows of a table, held as a data frame; see :class:`~ganaug.metrics.modalities.Modality`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.metrics.modalities import Rows
    >>> rows = Rows()
    >>> samples = rows.read([[1.0, 2.0], [3.0, 4.0]], ["a", "b"])
    >>> rows.take(samples.items, np.array([1])).shape
    (1, 2)
    """

    kind = KINDS["rows"]
    makes_pictures = False

    def claims(self, samples: Any) -> bool:
        """Whether these are a table: a frame, a sparse matrix, or numbers in at most two dimensions."""
        if isinstance(samples, pd.DataFrame) or scipy.sparse.issparse(samples) or is_frame(samples):
            return True
        if isinstance(samples, list | tuple):
            return len(samples) > 0 and np.ndim(samples[0]) == 1
        return isinstance(samples, np.ndarray) and samples.ndim <= 2

    def read(self, samples: Any, labels: Any, dtype: str | None = None) -> Samples:
        """Read a table, and labels beside it."""
        table, _ = as_table(samples)
        found = np.zeros(len(table), int) if labels is None else labels_from_array(labels, len(table), of="rows")
        for name in table.columns:
            if table[name].dtype.kind == "f" and np.isinf(table[name].to_numpy(dtype=float, na_value=np.nan)).any():
                raise ValueError(f"column {name!r} holds infinite values; remove or replace them first")
        return Samples(table, found, labels is not None, np.ones(len(table), dtype=bool))

    def take(self, items: pd.DataFrame, indices: NDArray[np.integer]) -> pd.DataFrame:
        """Rows, numbered from 0."""
        return items.iloc[indices].reset_index(drop=True)

    def aligned(self, items: pd.DataFrame, train: pd.DataFrame, argument: str) -> pd.DataFrame:
        """The same columns in the same order, of the same kinds; missing values only where the training data have."""
        table = items
        if isinstance(table.columns, pd.RangeIndex) and table.shape[1] == train.shape[1]:
            table = table.set_axis(train.columns, axis=1)
        if set(table.columns) != set(train.columns):
            ours, theirs = (listed(list(map(repr, part.columns))) for part in (table, train))
            raise ValueError(f"{argument} has the columns {ours}, train has {theirs}; pass the same columns")
        table = table[train.columns]
        for name in train.columns:
            kinds = [_column_kind(part[name]) for part in (table, train)]
            if kinds[0] != kinds[1] and "nothing" not in kinds:
                raise ValueError(
                    f"column {name!r} holds {kinds[0]} in {argument} and {kinds[1]} in train; convert one of them"
                )
            n_missing = int(table[name].isna().sum())
            if n_missing and not train[name].isna().any():
                raise ValueError(
                    f"column {name!r} of {argument} holds NaN or other missing values in {n_missing} rows, that of "
                    "train in none; remove these rows or fill them in"
                )
        return table

    def keys(self, *parts: pd.DataFrame) -> list[NDArray[np.int64]]:
        """A number for each row; missing values are equal to each other."""
        return row_keys(*parts)

    def prepare(
        self, parts: Sequence[pd.DataFrame], categorical_features: Any, device: str | torch.device = "cpu"
    ) -> Prepared:
        """Encode all of them by what is learnt from all, so that none is treated differently."""
        together = pd.concat(parts, ignore_index=True)
        encoder = TableEncoder(categorical_features).fit(together)
        if not encoder.width_:
            raise ValueError("no column of the tables varies, so that there is nothing to compare; add columns")
        encoded = np.split(encoder.transform(together), np.cumsum([len(part) for part in parts])[:-1])
        return Prepared(encoded, encoded, row_distances)

    def probabilities(
        self, inputs: NDArray[Any], labels: NDArray[np.integer], asked: NDArray[Any], n_classes: int, training: Training
    ) -> NDArray[np.floating]:
        """By a logistic regression with balanced class weights."""
        return classify_rows(inputs, labels, asked, n_classes)

    def differences(self, made: pd.DataFrame, real: pd.DataFrame) -> Differences:
        """The columns that differ: names and missing values first, then by how far they moved."""
        columns = [_Column.of(name, made[name], real[name]) for name in real.columns]

        def moves(i: int, origin: int) -> tuple[Move, ...]:
            found = [move for move in (column.move(i, origin) for column in columns) if move is not None]
            return tuple(sorted(found, key=lambda m: -abs(m.standardised) if m.standardised is not None else -np.inf))

        return moves

    def unit(self, items: pd.DataFrame) -> str:
        """Distances between encoded rows have no unit."""
        return ""

    def sheet(self, rows: Sequence[tuple[str, Any]], *, breaks: Sequence[int] = (), heading: str = "") -> NoReturn:
        """Rows are shown as tables."""
        raise ValueError("rows of a table make no picture; print them")


def _column_kind(series: pd.Series) -> str:
    if not series.notna().any():
        return "nothing"
    return "numbers or dates" if is_numeric(series) else "names"


@dataclass(frozen=True)
class _Column:
    """A column of both tables, prepared for looking up single values."""

    name: str
    real: list[Any]
    made: list[Any]
    unit: Any  # what differences are divided by; None for names
    deviation: float
    numbers: tuple[list[Any], list[Any]]  # of the values, where these are numbers or dates

    @classmethod
    def of(cls, name: Any, made: pd.Series, real: pd.Series) -> _Column:
        unit, deviation = None, 0.0
        numbers = as_numbers(real, made)
        if is_date(numbers[0].dtype):
            unit, deviation = DAY, float(numbers[0].std() / DAY)
        elif is_numeric(numbers[0]):
            unit, deviation = 1, float(numbers[0].astype(float).std())
        # Plain Python numbers, which do not wrap around below zero as unsigned ones do.
        plain = (list(numbers[0].tolist()), list(numbers[1].tolist()))
        return cls(str(name), list(real.tolist()), list(made.tolist()), unit, deviation, plain)

    def move(self, i: int, origin: int) -> Move | None:
        """How synthetic row `i` differs from a real one; None if it does not."""
        before, after = self.real[origin], self.made[i]
        missing = pd.isna(before), pd.isna(after)
        if all(missing) or (not any(missing) and before == after):
            return None
        if any(missing) or self.unit is None:
            return Move(self.name, str(before), str(after))
        difference = float((self.numbers[1][i] - self.numbers[0][origin]) / self.unit)
        return Move(self.name, str(before), str(after), difference, difference / (self.deviation or 1.0))
