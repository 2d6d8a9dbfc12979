"""One column of a table as numbers and levels, and back.

Every column becomes at most one number and one choice among levels. Numbers and dates give a normal score; strings,
booleans and categories give a level. Values that are missing, or that occur again and again in an otherwise continuous
column (no rain), are levels beside the number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray
from pandas.api import types

__all__ = ["CategoricalColumn", "Column", "NumericColumn", "column_from_state", "fit_column", "is_numeric"]

MAX_KNOTS = 1000  # of the quantile map of a column
ATOM_SHARE = 0.2  # a value as frequent as this ...
ATOM_REST = 20  # ... in a column of more values than this is a level of its own
MAX_DECIMALS = 6
PLAIN = (str, bool, int, float)
MISSING = {"none": None, "nan": np.nan, "na": pd.NA, "nat": pd.NaT}  # what may stand for it in an object column
ARROW_KINDS = "biuf"  # of Arrow's types those that numpy has too, and strings
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
        if _is_date(self.dtype):
            return pd.Series(np.where(missing, np.iinfo(np.int64).min, whole), name=self.name).astype(self.dtype)
        series = pd.Series(whole, name=self.name)
        if types.is_object_dtype(self.dtype) or missing.any():
            series = _with_missing(series.astype(object), missing, self.missing_value)
        return series.astype(self.dtype)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        arrays = {key: getattr(self, key).tolist() for key in ("knots", "scores", "atoms")}
        plain = {key: getattr(self, key) for key in ("offset", "step", "last", "decimals", "missing")}
        return {
            "kind": self.kind,
            "name": _plain(self.name),
            "dtype": str(self.dtype),
            "missing_value": _missing_name(self.missing_value),
            **plain,
            **arrays,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`."""
        arrays = {key: np.array(state[key], dtype=float) for key in ("knots", "scores", "atoms")}
        changed = {"dtype": types.pandas_dtype(state["dtype"]), "missing_value": MISSING[state["missing_value"]]}
        return cls(**state | arrays | changed)


@dataclass
class CategoricalColumn:
    """Strings, booleans, categories and other things that are only equal or not.

    Attributes
    ----------
    name : object
    dtype : dtype
        Of the pandas Series, with all its categories where it has any.
    levels : list
        Values with a level of their own.
    others : list
        Rarer values, which share one level: a column with a thousand values does not make a thousand inputs.
    weights : ndarray of shape (n_classes, n_others)
        How often each of them occurs in each class: from their level a value is drawn by these weights.
    missing : bool
        Whether the last level means a missing value.
    missing_value : object
        What stands for it in an object column.
    """

    kind: ClassVar[str] = "categorical"
    has_number: ClassVar[bool] = False

    name: Any
    dtype: Any
    levels: list[Any]
    others: list[Any]
    weights: NDArray[np.int64]
    missing: bool = False
    missing_value: Any = None

    @property
    def n_levels(self) -> int:
        """Levels; 0 if there is but one."""
        return self._n_levels if self._n_levels > 1 else 0

    @property
    def _n_levels(self) -> int:
        return len(self.levels) + int(bool(self.others)) + int(self.missing)

    @classmethod
    def fit(cls, series: pd.Series, max_levels: int, classes: Levels) -> CategoricalColumn:
        """Learn the levels from training values, and their frequencies in each class."""
        codes, values = _factorize(series)
        known = codes >= 0
        counts = np.zeros((int(classes.max()) + 1, len(values)), dtype=np.int64)
        np.add.at(counts, (classes[known], codes[known]), 1)
        order = sorted(range(len(values)), key=lambda i: _sort_key(values[i]))
        frequent = set(order)
        if len(order) > max_levels:
            frequent = set(sorted(order, key=lambda i: -counts[:, i].sum())[: max_levels - 1])
        rare = [i for i in order if i not in frequent]
        return cls(
            name=series.name,
            dtype=series.dtype,
            levels=[values[i] for i in order if i in frequent],
            others=[values[i] for i in rare],
            weights=counts[:, rare],
            missing=not known.all(),
            missing_value=None if known.all() else series[~known].iloc[0],
        )

    def encode(self, series: pd.Series, *, strict: bool = True) -> tuple[Floats, Levels]:
        """Zeros, and the level of each value; -1 for one never seen."""
        codes, values = _factorize(series)
        place = {value: position for position, value in enumerate(self.levels)}
        place |= dict.fromkeys(self.others, len(self.levels))
        unknown = [value for value in values if value not in place]
        if strict and (unknown or (not self.missing and (codes < 0).any())):
            what = repr(unknown[0]) if unknown else "a missing value"
            raise ValueError(f"column {self.name!r} holds {what}, which was not in the training data")
        # The last entry is where the code -1, of a missing value, points to.
        absent = self._n_levels - 1 if self.missing else -1
        table = np.array([*(place.get(value, -1) for value in values), absent], dtype=np.int64)
        return np.zeros(len(series)), table[codes]

    def decode(self, _: Floats, levels: Levels, classes: Levels, randomness: np.random.Generator) -> pd.Series:
        """Inverse of :meth:`encode`."""
        if not self.n_levels:
            levels = np.zeros(len(levels), dtype=np.int64)
        table = np.empty(self._n_levels, dtype=object)
        table[: len(self.levels)] = self.levels
        if self.missing:
            table[-1] = self.missing_value
        values = table[levels]
        if self.others:
            others = np.empty(len(self.others), dtype=object)
            others[:] = self.others
            rare = levels == len(self.levels)
            for label in np.unique(classes[rare]):
                chosen = np.flatnonzero(rare & (classes == label))
                weights = self.weights[label] if self.weights[label].any() else self.weights.sum(0)
                values[chosen] = others[randomness.choice(len(others), len(chosen), p=weights / weights.sum())]
        return pd.Series(values, name=self.name, dtype=object).astype(self.dtype)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        category = isinstance(self.dtype, pd.CategoricalDtype)
        return {
            "kind": self.kind,
            "name": _plain(self.name),
            "dtype": str(self.dtype),
            "categories": [_plain(value) for value in self.dtype.categories] if category else None,
            "categories_dtype": str(self.dtype.categories.dtype) if category else None,
            "ordered": bool(self.dtype.ordered) if category else False,
            "levels": [_plain(value) for value in self.levels],
            "others": [_plain(value) for value in self.others],
            "weights": self.weights.tolist(),
            "missing": self.missing,
            "missing_value": _missing_name(self.missing_value),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`."""
        dtype = state["dtype"]
        if state["categories"] is not None:
            categories = pd.Index(state["categories"], dtype=state["categories_dtype"])
            dtype = pd.CategoricalDtype(categories, ordered=state["ordered"])
        return cls(
            name=state["name"],
            dtype=types.pandas_dtype(dtype),
            levels=state["levels"],
            others=state["others"],
            weights=np.array(state["weights"], dtype=np.int64).reshape(len(state["weights"]), len(state["others"])),
            missing=state["missing"],
            missing_value=MISSING[state["missing_value"]],
        )


Column = NumericColumn | CategoricalColumn


def fit_column(series: pd.Series, *, categorical: bool, max_levels: int, classes: Levels) -> Column:
    """Choose how a column is encoded, and learn it.

    Parameters
    ----------
    series : Series
    categorical : bool
        Take the values for names even if they are numbers.
    max_levels : int
        Most levels of a categorical column, beside missing.
    classes : ndarray of shape (n_rows,), int64
        Class of each row.

    Returns
    -------
    Column
    """
    dtype = series.dtype
    if types.is_complex_dtype(dtype):
        raise TypeError(f"column {series.name!r} holds complex numbers; pass real and imaginary part as two columns")
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind not in ARROW_KINDS and not types.is_string_dtype(dtype):
        raise TypeError(f"column {series.name!r} has the Arrow type {dtype}, which is not supported; use astype first")
    if not categorical and is_numeric(series):
        return NumericColumn.fit(series)
    return CategoricalColumn.fit(series, max_levels, classes)


def column_from_state(state: dict[str, Any]) -> Column:
    """Inverse of the columns' ``to_state``."""
    rest = {key: value for key, value in state.items() if key != "kind"}
    return {c.kind: c for c in (NumericColumn, CategoricalColumn)}[state["kind"]].from_state(rest)


def is_numeric(series: pd.Series) -> bool:
    """Whether a column is taken for numbers unless told otherwise."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype):
        return False
    if types.is_object_dtype(dtype):
        return types.infer_dtype(series, skipna=True) in {"integer", "floating", "mixed-integer-float"}
    return _is_date(dtype) or types.is_numeric_dtype(dtype)


def _is_date(dtype: Any) -> bool:
    return types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)


def _whole_numbers(known: pd.Series) -> NDArray[Any] | None:
    """Values without missing ones as 64-bit integers with or without sign, None if they are none or do not fit."""
    try:
        if _is_date(known.dtype):
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


def _factorize(series: pd.Series) -> tuple[Levels, list[Any]]:
    """Codes, -1 for missing, and distinct values."""
    try:
        codes, values = pd.factorize(series.astype(object), use_na_sentinel=True)
    except TypeError:
        raise TypeError(f"column {series.name!r} holds values that cannot be compared, such as lists") from None
    return codes, list(values)


def _with_missing(objects: pd.Series, missing: NDArray[np.bool_], value: Any) -> pd.Series:
    objects[missing] = value
    return objects


def _sort_key(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool | int | float | np.number):
        return "", float(value)
    return type(value).__name__, str(value)


def _missing_name(value: Any) -> str:
    if value is pd.NaT:
        return "nat"
    if value is pd.NA:
        return "na"
    return "nan" if isinstance(value, float) else "none"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, PLAIN):
        raise ValueError(f"only strings, numbers and booleans can be saved in a column or its name, got {value!r}")
    return value
