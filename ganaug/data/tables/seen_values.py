"""What the whole of a column holds that is too long to be kept: beside a sample of its rows, it fits the column."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.tables.columns.categorical import CategoricalColumn, factorize
from ganaug.data.tables.columns.values import boxed, holds_objects

__all__ = ["SeenValues"]

MOST_VALUES = 2**16  # distinct ones that are counted
MOST_MORE = 2000  # of them that are shown beside a sample that lacks them, and forms of texts that are known
IN_ORDER = {Decimal, datetime.date, datetime.time}  # of objects
DIGITS = re.compile(r"\d+")


class SeenValues:
    """Collects of a column, part by part, its extremes or the counts of its values, and whether one is missing.

    Names, such as texts and categories, are counted by class; of what has an order, such as decimals and dates, the
    least and the largest are kept. After 65,536 different names others are taken for one of the rare ones. Of texts
    the first of each form is kept all the same, such as a "?" among numbers; a form is a text without its digits.

    Parameters
    ----------
    categorical : bool
        Count the values even if they are numbers.

    Examples
    --------
    >>> seen = SeenValues()
    >>> for part in ([3.0, 1.0], [2.0, None]):
    ...     seen.add(pd.Series(part), np.array([0, 0]))
    >>> seen.missing, seen.with_unseen(pd.Series([2.0]), np.array([0]))[0].tolist()
    (True, [2.0, 1.0, 3.0, nan])
    """

    def __init__(self, categorical: bool = False) -> None:
        self._categorical = categorical
        self._positions: dict[Any, int] = {}
        self._counts = np.zeros((0, 0), dtype=np.int64)
        self._forms: dict[str, Any] = {}
        self._extremes: list[Any] = []
        self._categories: dict[Any, None] = {}
        self._absent: Any = None
        self._dtype: Any = None
        self.missing = False
        self.full = False

    def add(self, series: pd.Series, classes: NDArray[np.integer]) -> None:
        """Look at a part of the column and the classes of its rows, from 0 on."""
        absent = series.isna()
        if absent.any() and not self.missing:
            self.missing, self._absent = True, series[absent].iloc[0]
        self._dtype = series.dtype if self._dtype is None else self._dtype
        if isinstance(series.dtype, pd.CategoricalDtype):
            self._categories.update(dict.fromkeys(series.dtype.categories))
        known = series[~absent]
        if self._categorical or _holds_names(series.dtype):
            self._count(series, classes)
            known = known[:0] if self._categorical or not _holds_objects_in_order(known) else known
        if len(known):
            ends = [known.min(), known.max()]
            self._extremes = [min([*self._extremes[:1], ends[0]]), max([*self._extremes[1:], ends[1]])]

    def _count(self, series: pd.Series, classes: NDArray[np.integer]) -> None:
        codes, values = factorize(series)
        for value in values:
            if len(self._forms) >= MOST_MORE or not isinstance(value, str):
                break
            self._forms.setdefault(DIGITS.sub("", value), value)
        for value in values if not self.full else ():
            if value not in self._positions:
                self.full = len(self._positions) >= MOST_VALUES
                if self.full:
                    break
                self._positions[value] = len(self._positions)
        n_classes = max(len(self._counts), int(classes.max()) + 1)
        grown = np.zeros((n_classes, len(self._positions)), dtype=np.int64)
        grown[: len(self._counts), : self._counts.shape[1]] = self._counts
        # The last entry is where the code -1, of a missing value, points to.
        positions = np.array([*(self._positions.get(value, -1) for value in values), -1])[codes]
        np.add.at(grown, (classes[positions >= 0], positions[positions >= 0]), 1)
        self._counts = grown

    @property
    def dtype(self) -> Any:
        """The dtype that the whole column has, of which parts may lack missing values and categories."""
        if isinstance(self._dtype, pd.CategoricalDtype):
            kind = self._dtype.categories.dtype
            return pd.CategoricalDtype(pd.Index(list(self._categories), dtype=kind), self._dtype.ordered)
        if self.missing and isinstance(self._dtype, np.dtype) and self._dtype.kind in "iub":
            return pd.array(np.zeros(0, self._dtype)).dtype  # pandas' own, that may be missing
        return self._dtype

    def in_its_dtype(self, series: pd.Series) -> pd.Series:
        """A part of the column in the dtype of the whole."""
        return series if series.dtype == self.dtype else series.astype(self.dtype)

    def with_unseen(self, sample: pd.Series, classes: NDArray[np.int64]) -> tuple[pd.Series, NDArray[np.int64]]:
        """A sample of the column, and the classes of its rows, followed by what it lacks of the whole."""
        known = set(sample.dropna().tolist()) if self._positions else set()
        # Forms come first: a single text that is no number decides how a column is read.
        unseen_first = dict.fromkeys([*self._forms.values(), *self._positions])
        more = [value for value in unseen_first if value not in known][:MOST_MORE] + self._extremes
        if self.missing:
            more.append(self._absent)
        if not more:
            return sample, classes
        of_objects = holds_objects(sample.dtype) and sample.dtype == object
        unseen = pd.Series(boxed(more) if of_objects else more, dtype=sample.dtype, name=sample.name)
        return pd.concat([sample, unseen], ignore_index=True), np.pad(classes, (0, len(more)))

    def counted(self, column: Any, max_levels: int, order: NDArray[np.int64]) -> Any:
        """A column that was fitted to a sample, with the counts of all rows where it is one of names.

        Parameters
        ----------
        column : Column
        max_levels : int
            As for :class:`TableEncoder`.
        order : ndarray of shape (n_classes,), int64
            What each class that was counted is called in the encoder.
        """
        if not isinstance(column, CategoricalColumn) or not self._positions:
            return column
        counts = np.zeros((len(order), len(self._positions)), dtype=np.int64)
        counts[order[: len(self._counts)]] = self._counts
        return column.recounted(list(self._positions), counts, max_levels)

    def as_known(self, column: Any, series: pd.Series) -> pd.Series:
        """A part of the column in which names that were not counted are one of the rare ones."""
        if not self.full or not isinstance(column, CategoricalColumn):
            return series
        return series.where(series.isna() | series.isin(list(self._positions)), column.others[0])


def _holds_objects_in_order(known: pd.Series) -> bool:
    """Whether values are decimals, dates or times, of which there may be too many to be counted."""
    return known.dtype == object and len(kinds := set(map(type, known))) == 1 and kinds <= IN_ORDER


def _holds_names(dtype: Any) -> bool:
    return (
        isinstance(dtype, pd.CategoricalDtype)
        or holds_objects(dtype)
        or pd.api.types.is_bool_dtype(dtype)
        or pd.api.types.is_string_dtype(dtype)
    )
