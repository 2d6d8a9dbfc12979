"""Columns of numbers, dates and durations: normal scores, and levels for values that are missing or often repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.json_values import floats, short, whole
from ganaug.data.tables.columns.ordered_objects import OrderedObjects
from ganaug.data.tables.columns.values import (
    MISSING,
    boxed,
    dtype_from_name,
    dtype_name,
    from_counts,
    from_objects,
    holds_objects,
    is_counted,
    missing_name,
)
from ganaug.data.typed_values import from_json, to_json

__all__ = ["NumericColumn"]

MAX_KNOTS = 1000  # of the quantile map of a column, at equal steps of the normal score,
REPEATED_SHARE = 1e-3  # beside values as frequent as this, which come back as they are
PAIR = 2  # values of many rows are levels: there is no order to lose
ROWS_PER_VALUE = 10  # from which on a column of few values is taken to have no others in between
ATOM_SHARE = 0.2  # a value as frequent as this ...
ATOM_REST = 20  # ... in a column of more values than this is a level of its own
MAX_DECIMALS = 6
MOST_BITS = 256  # of whole numbers
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
    least, most : ndarray of shape (n_knots,)
        Scores that come back as the value of a knot, wider apart the more often it is repeated.
    offset, step, last : int
        Whole numbers and dates are ``offset + step * number`` with numbers from 0 to `last`, so that large ones keep
        their last digits and dates stay whole days; `step` is 0 for columns of any number.
    decimals : int
        Numbers are rounded to so many decimals; -1 for no rounding.
    atoms : ndarray
        Numbers that are levels: both of a column of two, and those that a fifth of the rows have beside many others.
    missing : bool
        Whether the last level means a missing value.
    missing_value : object
        What stands for it in an object column.
    objects : OrderedObjects or None
        How the objects of a column are counted that are no numbers themselves, such as dates.
    scalar : str
        Name of the dtype of numpy whose scalars the numbers in an object column are; empty for those of Python.
    discrete : bool
        Whether there are no numbers but those of the training data: a few values, each of many rows.
    """

    kind: ClassVar[str] = "numeric"

    name: Any
    dtype: Any
    knots: Floats
    scores: Floats
    least: Floats
    most: Floats
    offset: int = 0
    step: int = 0
    last: int = 0
    decimals: int = -1
    atoms: Floats = field(default_factory=lambda: np.empty(0))
    missing: bool = False
    missing_value: Any = None
    objects: OrderedObjects | None = None
    scalar: str = ""
    discrete: bool = False

    @property
    def has_number(self) -> bool:
        """Whether the column varies beyond its levels."""
        return len(self.knots) > 1

    @property
    def few_scores(self) -> tuple[float, ...]:
        """Normal scores of all its numbers, where there are a few and no others in between; else none."""
        return tuple(self.scores.tolist()) if self.discrete and self.has_number else ()

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
        objects = _objects(series[known])
        offset, step, last = _grid(_whole_numbers(series[known], objects), series.name)
        none = np.empty(0)
        column = cls(series.name, series.dtype, none, none, none, none, offset, step, last, objects=objects)
        column.scalar = _scalar(series[known])
        numbers = column._numbers(series)[known]
        values, counts = np.unique(numbers, return_counts=True)
        if not step:
            column.decimals = _decimals(values, series.dtype)
        many_rows = len(numbers) >= ROWS_PER_VALUE * len(values)
        frequent = np.full(len(values), len(values) == PAIR and many_rows)
        if len(values) > ATOM_REST:
            frequent = counts >= ATOM_SHARE * len(numbers)
        column.atoms, values, counts = values[frequent], values[~frequent], counts[~frequent]
        middle = (np.cumsum(counts) - counts / 2) / max(1, counts.sum())
        chosen = _knots(middle, counts)
        column.discrete = len(values) <= ATOM_REST and many_rows
        column.knots = values[chosen]
        # What is in between is left half of a row at each end of a value, of which one that occurs once has no more.
        half = (counts - 1) / (2 * max(1, counts.sum()))
        shares = np.stack([middle - half, middle, middle + half])[:, chosen]
        # As networks see them, so that a knot that is encoded is decoded to the same value.
        column.least, column.scores, column.most = scipy.special.ndtri(shares).astype(np.float32).astype(np.float64)
        column.missing = not known.all()
        column.missing_value = None if known.all() else series[~known].iloc[0]
        return column

    def encode(self, series: pd.Series, *, strict: bool = True) -> tuple[Floats, Levels]:
        """Normal score (0 where a level stands for the value) and level of each value; -1 for one never seen.

        Where `strict`, a number beside the two of a column of no others counts as the nearer one.
        """
        known = series.notna().to_numpy()
        if not known.all() and not self.missing and strict:
            raise ValueError(f"column {self.name!r} has missing values, but had none in the training data")
        numbers = self._numbers(series)
        # Without numbers beside the levels, a value that is none of these was never seen.
        levels = np.full(len(numbers), 0 if self._first_atom else -1, dtype=np.int64)
        for position, atom in enumerate(self.atoms):
            levels[numbers == atom] = self._first_atom + position
        if strict and (strange := known & (levels < 0)).any():
            if not len(self.atoms):
                value = series[strange].tolist()[0]
                raise ValueError(f"column {self.name!r} holds {value!r}, but had no values in the training data")
            levels[strange] = np.searchsorted((self.atoms[1:] + self.atoms[:-1]) / 2, numbers[strange])
        levels[~known] = self._first_atom + len(self.atoms) if self.missing else -1
        scores = np.zeros(len(numbers))
        if self.has_number:
            inside = known & (levels == 0)
            scores[inside] = np.interp(numbers[inside], self.knots, self.scores)
        return scores, levels

    def stands_for_missing(self, levels: Levels) -> NDArray[np.bool_]:
        """Which levels are that of a missing value."""
        return (levels == self.n_levels - 1) & self.missing if self.n_levels else np.full(len(levels), False)

    def decode(self, scores: Floats, levels: Levels, *_: Any) -> pd.Series:
        """Inverse of :meth:`encode`; numbers stay within the range of the training data."""
        numbers = np.full(len(scores), np.nan)
        if self.has_number:
            numbers = np.interp(scores, np.stack([self.least, self.most], 1).ravel(), self.knots.repeat(2))
            if self.discrete:
                numbers = self.knots[np.searchsorted((self.scores[1:] + self.scores[:-1]) / 2, scores)]
            elif self.step:
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
        try:
            whole = _whole_numbers(series[known], self.objects) if self.step else None
            if whole is not None:
                numbers[known] = self._on_grid(whole)
            else:
                values = series[known].astype(object).to_numpy(dtype=np.float64)
                numbers[known] = (values - self.offset) / (self.step or 1)
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            raise ValueError(
                f"column {self.name!r} held numbers in the training data and holds other things now"
            ) from None
        if np.isinf(numbers[known]).any():
            raise ValueError(f"column {self.name!r} holds infinite values; remove or replace them first")
        return numbers

    def _on_grid(self, whole: NDArray[Any]) -> Floats:
        if whole.dtype == object or self._is_long:
            return np.array([(value - self.offset) / self.step for value in whole.tolist()], dtype=np.float64)
        if len(whole) and int(whole.min()) < self.offset:  # not in the training data, so never exact
            return (whole.astype(np.float64) - self.offset) / self.step
        # Modulo 2**64 the differences are exact, whatever the sign.
        return (_unsigned(whole) - np.uint64(self.offset % 2**64)) / self.step

    @property
    def _is_long(self) -> bool:
        """Whether the whole numbers take more than 64 bits, with or without a sign."""
        return _is_long(self.offset, self.offset + self.step * self.last)

    def _series(self, numbers: Floats) -> pd.Series:
        missing = np.isnan(numbers)
        if not self.step:
            series = pd.Series(numbers, name=self.name)
            if types.is_object_dtype(self.dtype) or isinstance(self.dtype, pd.ArrowDtype):
                series = self._as_objects(series, missing)
            return series.astype(self.dtype)
        whole = self._whole(np.where(missing, 0, numbers))
        if is_counted(self.dtype):
            return from_counts(np.where(missing, np.iinfo(np.int64).min, whole), self.dtype).rename(self.name)
        if self.objects is not None or whole.dtype == object:
            values = boxed([self.missing_value] * len(numbers))
            known = whole[~missing].tolist()
            values[~missing] = boxed(known if self.objects is None else self.objects.objects(known))
            return from_objects(values, self.dtype, self.name)
        series = pd.Series(whole, name=self.name)
        if types.is_object_dtype(self.dtype) or missing.any():
            series = self._as_objects(series, missing)
        return series.astype(self.dtype)

    def _as_objects(self, series: pd.Series, missing: NDArray[np.bool_]) -> pd.Series:
        objects = series.astype(object)
        if self.scalar:
            objects = pd.Series(boxed(list(series.to_numpy().astype(self.scalar))), name=self.name, dtype=object)
        objects[missing] = self.missing_value
        return objects

    def _whole(self, numbers: Floats) -> NDArray[Any]:
        """The values at places on the grid: 64-bit integers, or objects where they are longer."""
        if self._is_long:
            return boxed([self.offset + self.step * min(int(number), self.last) for number in numbers])
        counted = np.minimum(numbers, BELOW_2_64).astype(np.uint64)
        unsigned = np.minimum(counted, np.uint64(self.last)) * np.uint64(self.step) + np.uint64(self.offset % 2**64)
        return unsigned if self.offset + self.step * self.last >= 2**63 else unsigned.view(np.int64)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        arrays = {key: getattr(self, key).tolist() for key in ("knots", "scores", "least", "most", "atoms")}
        numbers = {key: getattr(self, key) for key in ("offset", "step", "last", "decimals", "missing", "discrete")}
        return {
            "kind": self.kind,
            "name": to_json(self.name),
            "dtype": dtype_name(self.dtype),
            "missing_value": missing_name(self.missing_value),
            "objects": None if self.objects is None else self.objects.to_state(),
            "scalar": self.scalar,
            **numbers,
            **arrays,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`; ``ValueError`` or ``TypeError`` for what cannot be."""
        knots = floats(state["knots"], "knots", -1)
        arrays = {"knots": knots, "atoms": floats(state["atoms"], "atoms", -1)}
        for key in ("scores", "least", "most"):  # older files have the first only
            arrays[key] = floats(state.get(key, state["scores"]), key, len(knots))
        spans = np.stack([arrays[key] for key in ("least", "scores", "most")], 1)
        if (np.diff(knots) <= 0).any() or (np.diff(spans.ravel()) < 0).any():
            raise ValueError("knots and scores must ascend")
        dtype, objects = dtype_from_name(state["dtype"]), state.get("objects")
        if objects is None:
            if not (is_counted(dtype) or types.is_object_dtype(dtype) or types.is_numeric_dtype(dtype)):
                raise ValueError(f"a column of numbers cannot have the dtype {dtype}")
        elif not holds_objects(dtype):
            raise ValueError(f"a column of objects cannot have the dtype {dtype}")
        changed = {
            "name": from_json(state["name"]),
            "dtype": dtype,
            "missing_value": MISSING[state["missing_value"]],
            "objects": None if objects is None else OrderedObjects.from_state(objects),
        }
        if state.get("scalar") and np.dtype(state["scalar"]).kind not in "iuf":
            raise ValueError(f"no numbers are of the dtype {short(state['scalar'])}")
        column = cls(**state | arrays | changed)
        most = 2**MOST_BITS if holds_objects(dtype) else 2**64 - 1
        whole(column.offset, "offset", -most, most)
        whole(column.step, "step", 0, most)
        whole(column.last, "last", 0, (most - column.offset) // max(1, column.step))
        whole(column.decimals, "decimals", -1, MAX_DECIMALS)
        if not isinstance(column.discrete, bool):
            raise TypeError(f"discrete must be true or false, got {short(column.discrete)}")
        if not isinstance(column.missing, bool) or not len(knots) + len(column.atoms) + column.missing:
            raise ValueError("a column must have values, or say that they are missing")
        return column


def _knots(middle: Floats, counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Which values the quantile map goes through: few, but the outermost and those that are often repeated.

    Parameters
    ----------
    middle : ndarray of shape (n_values,)
        Shares of smaller rows, and of half of the equal ones.
    counts : ndarray of shape (n_values,)
    """
    if len(middle) <= MAX_KNOTS:
        return np.arange(len(middle))
    lowest, highest = scipy.special.ndtri(middle[[0, -1]])
    even = np.searchsorted(middle, scipy.special.ndtr(np.linspace(lowest, highest, MAX_KNOTS)))
    repeated = np.flatnonzero(counts >= max(2, REPEATED_SHARE * counts.sum()))
    # A repeated value takes a range of scores, so that its neighbours lie half of that away from it.
    around = np.concatenate([repeated - 1, repeated, repeated + 1])
    return np.unique(np.concatenate([even, around, [0]]).clip(0, len(middle) - 1))


def _objects(known: pd.Series) -> OrderedObjects | None:
    if not holds_objects(known.dtype) or types.infer_dtype(known) in {"integer", "floating", "mixed-integer-float"}:
        return None
    return OrderedObjects.of(known.tolist())


def _scalar(known: pd.Series) -> str:
    kinds = set(map(type, known)) if types.is_object_dtype(known.dtype) else set()
    (kind,) = kinds if len(kinds) == 1 else (object,)
    is_number = issubclass(kind, np.integer | np.floating) and kind is not np.timedelta64
    return np.dtype(kind).name if is_number and np.dtype(kind).itemsize <= 8 else ""  # not every machine has more


def _whole_numbers(known: pd.Series, objects: OrderedObjects | None) -> NDArray[Any] | None:
    """Values without missing ones as 64-bit integers with or without sign, or longer ones; None if they are none."""
    if objects is not None:
        return _integers(objects.whole(known.tolist()))
    if is_counted(known.dtype):
        return known.astype("int64").to_numpy()
    of_objects = types.is_object_dtype(known.dtype)
    if types.infer_dtype(known) == "integer" if of_objects else types.is_integer_dtype(known.dtype):
        return _integers(known.tolist())
    return None


def _integers(values: list[Any]) -> NDArray[Any]:
    least, most = min(values, default=0), max(values, default=0)
    if _is_long(least, most):
        return boxed(list(map(int, values)))
    return np.array(values, dtype=np.uint64 if most >= 2**63 else np.int64)


def _is_long(least: int, most: int) -> bool:
    return least < -(2**63) or most >= (2**63 if least < 0 else 2**64)


def _unsigned(values: NDArray[Any]) -> NDArray[np.uint64]:
    return values if values.dtype == np.uint64 else values.view(np.uint64)


def _grid(values: NDArray[Any] | None, name: Any) -> tuple[int, int, int]:
    """Offset, step and largest number of whole numbers; zeros for others."""
    if values is None or len(values) == 0:
        return 0, 0, 0
    offset, most = int(values.min()), int(values.max())
    if max(abs(offset), abs(most)).bit_length() >= MOST_BITS:
        raise ValueError(f"column {name!r} holds whole numbers of more than {MOST_BITS - 1} bits; pass them as text")
    if values.dtype == object:
        step = math.gcd(*(value - offset for value in values.tolist())) or 1
    else:
        step = int(np.gcd.reduce(_unsigned(np.unique(values)) - np.uint64(offset % 2**64))) or 1
    return offset, step, (most - offset) // step


def _decimals(values: Floats, dtype: Any) -> int:
    """Fewest decimals that the values have, as far as their dtype holds them; -1 for more than six."""
    single = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize < np.dtype(float).itemsize
    resolution = 4 * np.finfo(dtype if single else float).eps
    for decimals in range(MAX_DECIMALS + 1):
        if (np.abs(np.round(values, decimals) - values) <= resolution * np.abs(values)).all():
            return decimals
    return -1
