"""Columns of numbers, dates and durations: normal scores, and levels for values that are missing or often repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.column_values import MISSING, dtype_from_name, is_date, missing_name, plain
from ganaug.data.json_values import floats, whole

__all__ = ["NumericColumn"]

MAX_KNOTS = 1000  # of the quantile map of a column
ATOM_SHARE = 0.2  # a value as frequent as this ...
ATOM_REST = 20  # ... in a column of more values than this is a level of its own
MAX_DECIMALS = 6
BELOW_2_64 = float(np.nextafter(2.0**64, 0))

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass
class NumericColumn:
    """Integers, floats, dates or durations by their normal scores.

    Attributes
    ----------
    name : object
    dtype : dtype
        Of the pandas Series.
    knots, scores : ndarray of shape (n_knots,)
        Quantile map to normal scores: the mid-ranks of the training values through the inverse normal distribution,
        linear in between.
    offset, step, last : int
        Whole numbers and dates are ``offset + step * number`` with numbers from 0 to `last`, so that large ones keep
        their last digits and dates stay whole days; `step` is 0 for columns of any number.
    decimals : int
        Numbers are rounded to so many decimals; -1 for no rounding.
    atoms : ndarray
        Numbers that are levels.
    missing : bool
        Whether the last level means a missing value.
    missing_value : object
        What stands for it in an object column.
    """

    kind: ClassVar[str] = "numeric"

    name: Any
    dtype: Any
    knots: Floats
    scores: Floats
    offset: int = 0
    step: int = 0
    last: int = 0
    decimals: int = -1
    atoms: Floats = field(default_factory=lambda: np.empty(0))
    missing: bool = False
    missing_value: Any = None

    @property
    def has_number(self) -> bool:
        """Whether the column varies beyond its levels."""
        return len(self.knots) > 1

    @property
    def n_levels(self) -> int:
        """Levels: the number where there is any, each atom, and missing; 0 if there is but one."""
        count = self._first_atom + len(self.atoms) + int(self.missing)
        return count if count > 1 else 0

    @property
    def _first_atom(self) -> int:
        return int(len(self.knots) > 0)

    @classmethod
    def fit(cls, series: pd.Series) -> NumericColumn:
        """Learn the map from training values."""
        known = series.notna().to_numpy()
        offset, step, last = _grid(_whole_numbers(series[known]))
        column = cls(series.name, series.dtype, np.empty(0), np.empty(0), offset, step, last)
        numbers = column._numbers(series)[known]
        values, counts = np.unique(numbers, return_counts=True)
        if not step:
            column.decimals = _decimals(values, series.dtype)
        frequent = counts >= ATOM_SHARE * len(numbers) if len(values) > ATOM_REST else np.zeros(len(values), bool)
        column.atoms, values, counts = values[frequent], values[~frequent], counts[~frequent]
        middle = (np.cumsum(counts) - counts / 2) / max(1, counts.sum())
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), MAX_KNOTS)).astype(int))
        column.knots = values[chosen]
        # As networks see them, so that a knot that is encoded is decoded to the same value.
        column.scores = scipy.special.ndtri(middle[chosen]).astype(np.float32).astype(np.float64)
        column.missing = not known.all()
        column.missing_value = None if known.all() else series[~known].iloc[0]
        return column

    def encode(self, series: pd.Series, *, strict: bool = True) -> tuple[Floats, Levels]:
        """Normal score (0 where a level stands for the value) and level of each value; -1 for one never seen."""
        known = series.notna().to_numpy()
        if not known.all() and not self.missing and strict:
            raise ValueError(f"column {self.name!r} has missing values, but had none in the training data")
        numbers = self._numbers(series)
        levels = np.zeros(len(numbers), dtype=np.int64)
        for position, atom in enumerate(self.atoms):
            levels[numbers == atom] = self._first_atom + position
        levels[~known] = self._first_atom + len(self.atoms) if self.missing else -1
        scores = np.zeros(len(numbers))
        if self.has_number:
            inside = known & (levels == 0)
            scores[inside] = np.interp(numbers[inside], self.knots, self.scores)
        return scores, levels

    def decode(self, scores: Floats, levels: Levels, *_: Any) -> pd.Series:
        """Inverse of :meth:`encode`; numbers stay within the range of the training data."""
        numbers = np.full(len(scores), np.nan)
        if self.has_number:
            numbers = np.interp(scores, self.scores, self.knots)
            if self.step:
                numbers = np.rint(numbers)
            elif self.decimals >= 0:
                numbers = np.clip(np.round(numbers, self.decimals), self.knots[0], self.knots[-1])
        elif len(self.knots):
            numbers[:] = self.knots[0]
        for position, atom in enumerate(self.atoms if self.n_levels else ()):
            numbers[levels == self._first_atom + position] = atom
        if len(self.atoms) and not self.n_levels:
            numbers[:] = self.atoms[0]
        if self.n_levels and self.missing:
            numbers[levels == self.n_levels - 1] = np.nan
        return self._series(numbers)

    def _numbers(self, series: pd.Series) -> Floats:
        """The values on the column's grid, NaN where they are missing."""
        known = series.notna().to_numpy()
        numbers = np.full(len(series), np.nan)
        whole = _whole_numbers(series[known]) if self.step else None
        try:
            if whole is not None:
                if len(whole) and int(whole.min()) < self.offset:  # not in the training data, so never exact
                    numbers[known] = (whole.astype(np.float64) - self.offset) / self.step
                else:
                    # Modulo 2**64 the differences are exact, whatever the sign.
                    numbers[known] = (_unsigned(whole) - np.uint64(self.offset % 2**64)) / self.step
            else:
                values = series[known].astype(object).to_numpy(dtype=np.float64)
                numbers[known] = (values - self.offset) / (self.step or 1)
        except (TypeError, ValueError):
            raise ValueError(
                f"column {self.name!r} held numbers in the training data and holds other things now"
            ) from None
        if np.isinf(numbers[known]).any():
            raise ValueError(f"column {self.name!r} holds infinite values; remove or replace them first")
        return numbers

    def _series(self, numbers: Floats) -> pd.Series:
        missing = np.isnan(numbers)
        if not self.step:
            series = pd.Series(numbers, name=self.name)
            if types.is_object_dtype(self.dtype) or isinstance(self.dtype, pd.ArrowDtype):
                series = _with_missing(series.astype(object), missing, self.missing_value)
            return series.astype(self.dtype)
        counted = np.where(missing, 0, np.minimum(numbers, BELOW_2_64)).astype(np.uint64)
        unsigned = np.minimum(counted, np.uint64(self.last)) * np.uint64(self.step) + np.uint64(self.offset % 2**64)
        whole = unsigned if self.offset + self.step * self.last >= 2**63 else unsigned.view(np.int64)
        if is_date(self.dtype):
            return pd.Series(np.where(missing, np.iinfo(np.int64).min, whole), name=self.name).astype(self.dtype)
        series = pd.Series(whole, name=self.name)
        if types.is_object_dtype(self.dtype) or missing.any():
            series = _with_missing(series.astype(object), missing, self.missing_value)
        return series.astype(self.dtype)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        arrays = {key: getattr(self, key).tolist() for key in ("knots", "scores", "atoms")}
        numbers = {key: getattr(self, key) for key in ("offset", "step", "last", "decimals", "missing")}
        return {
            "kind": self.kind,
            "name": plain(self.name),
            "dtype": str(self.dtype),
            "missing_value": missing_name(self.missing_value),
            **numbers,
            **arrays,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`; ``ValueError`` or ``TypeError`` for what cannot be."""
        knots = floats(state["knots"], "knots", -1)
        arrays = {"knots": knots, "atoms": floats(state["atoms"], "atoms", -1)}
        arrays["scores"] = floats(state["scores"], "scores", len(knots))
        if (np.diff(knots) <= 0).any() or (np.diff(arrays["scores"]) < 0).any():
            raise ValueError("knots and scores must ascend")
        dtype = dtype_from_name(state["dtype"])
        if not (is_date(dtype) or types.is_object_dtype(dtype) or types.is_numeric_dtype(dtype)):
            raise ValueError(f"a column of numbers cannot have the dtype {dtype}")
        changed = {"dtype": dtype, "missing_value": MISSING[state["missing_value"]]}
        column = cls(**state | arrays | changed)
        plain(column.name)
        whole(column.offset, "offset", -(2**63), 2**64 - 1)
        whole(column.step, "step", 0, 2**64 - 1)
        whole(column.last, "last", 0, (2**64 - 1 - column.offset) // max(1, column.step))
        whole(column.decimals, "decimals", -1, MAX_DECIMALS)
        if not isinstance(column.missing, bool) or not len(knots) + len(column.atoms) + column.missing:
            raise ValueError("a column must have values, or say that they are missing")
        return column


def _whole_numbers(known: pd.Series) -> NDArray[Any] | None:
    """Values without missing ones as 64-bit integers with or without sign, None if they are none or do not fit."""
    try:
        if is_date(known.dtype):
            return known.astype("int64").to_numpy()
        objects = types.is_object_dtype(known.dtype)
        if types.infer_dtype(known) == "integer" if objects else types.is_integer_dtype(known.dtype):
            values = known.tolist()
            return np.array(values, dtype=np.uint64 if max(values, default=0) >= 2**63 else np.int64)
    except OverflowError:
        pass
    return None


def _unsigned(values: NDArray[Any]) -> NDArray[np.uint64]:
    return values if values.dtype == np.uint64 else values.view(np.uint64)


def _grid(values: NDArray[Any] | None) -> tuple[int, int, int]:
    """Offset, step and largest number of whole numbers; zeros for others."""
    if values is None or len(values) == 0:
        return 0, 0, 0
    offset = int(values.min())
    differences = _unsigned(np.unique(values)) - np.uint64(offset % 2**64)
    step = int(np.gcd.reduce(differences)) or 1
    return offset, step, (int(values.max()) - offset) // step


def _decimals(values: Floats, dtype: Any) -> int:
    """Fewest decimals that the values have, as far as their dtype tells; -1 for more than six."""
    single = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize < np.dtype(float).itemsize
    resolution = 4 * np.finfo(dtype if single else float).eps
    for decimals in range(MAX_DECIMALS + 1):
        if (np.abs(np.round(values, decimals) - values) <= resolution * np.abs(values)).all():
            return decimals
    return -1


def _with_missing(objects: pd.Series, missing: NDArray[np.bool_], value: Any) -> pd.Series:
    objects[missing] = value
    return objects
