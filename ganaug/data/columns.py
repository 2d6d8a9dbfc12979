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

__all__ = ["CategoricalColumn", "Column", "NumericColumn", "column_from_state", "fit_column"]

MAX_KNOTS = 1000  # of the quantile map of a column
ATOM_SHARE = 0.2  # a value as frequent as this ...
ATOM_REST = 20  # ... in a column of more values than this is a level of its own
MAX_DECIMALS = 6
LINEAR_SHARE = 0.5
PLAIN = (str, bool, int, float)
LARGEST = 2**63 - 1

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass
class NumericColumn:
    """Integers, floats, dates or durations by their normal scores.

    Attributes
    ----------
    name : object
    dtype : str
        Of the pandas Series.
    knots, scores : ndarray of shape (n_knots,)
        Quantile map to normal scores: the mid-ranks of the training values through the inverse normal distribution,
        linear in between.
    offset, step : int
        Whole numbers and dates are ``offset + step * number``, so that large ones keep their last digits and dates stay
        whole days; `step` is 0 for columns of any number.
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
    dtype: str
    knots: Floats
    scores: Floats
    offset: int = 0
    step: int = 0
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
        offset, step = _grid(_whole_numbers(series[known]))
        column = cls(series.name, str(series.dtype), np.empty(0), np.empty(0), offset, step)
        numbers = column._numbers(series)[known]
        values, counts = np.unique(numbers, return_counts=True)
        if not step:
            column.decimals = _decimals(values)
        frequent = counts >= ATOM_SHARE * len(numbers) if len(values) > ATOM_REST else np.zeros(len(values), bool)
        column.atoms, values, counts = values[frequent], values[~frequent], counts[~frequent]
        middle = (np.cumsum(counts) - counts / 2) / max(1, counts.sum())
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), MAX_KNOTS)).astype(int))
        column.knots = values[chosen]
        column.scores = _scores(column.knots, scipy.special.ndtri(middle[chosen]), values, counts)
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

    def decode(self, scores: Floats, levels: Levels, _: np.random.Generator) -> pd.Series:
        """Inverse of :meth:`encode`; numbers stay within the range of the training data."""
        numbers = np.full(len(scores), np.nan)
        if self.has_number:
            numbers = np.interp(scores, self.scores, self.knots)
            if self.step:
                numbers = np.rint(numbers)
            elif self.decimals >= 0:
                numbers = np.round(numbers, self.decimals)
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
                numbers[known] = (whole - self.offset) / self.step
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
        dtype: Any = types.pandas_dtype(self.dtype)
        missing = np.isnan(numbers)
        if not self.step:
            series = pd.Series(numbers, name=self.name)
            return self._objects(series, missing) if types.is_object_dtype(dtype) else series.astype(dtype)
        whole = np.where(missing, 0, numbers).astype(np.int64) * self.step + self.offset
        if _is_date(dtype):
            return pd.Series(np.where(missing, np.iinfo(np.int64).min, whole), name=self.name).astype(dtype)
        if types.is_object_dtype(dtype):
            return self._objects(pd.Series(whole, name=self.name), missing)
        if missing.any():
            return pd.Series(pd.arrays.IntegerArray(whole, missing), name=self.name).astype(dtype)
        return pd.Series(whole, name=self.name).astype(dtype)

    def _objects(self, series: pd.Series, missing: NDArray[np.bool_]) -> pd.Series:
        values = series.astype(object)
        values[missing] = self.missing_value
        return values

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        arrays = {key: getattr(self, key).tolist() for key in ("knots", "scores", "atoms")}
        plain = {key: getattr(self, key) for key in ("dtype", "offset", "step", "decimals", "missing")}
        return {
            "kind": self.kind,
            "name": _plain(self.name),
            **plain,
            **arrays,
            "missing_value": _missing_name(self.missing_value),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`."""
        arrays = {key: np.array(state[key], dtype=float) for key in ("knots", "scores", "atoms")}
        return cls(**state | arrays | {"missing_value": _missing_value(state["missing_value"])})


@dataclass
class CategoricalColumn:
    """Strings, booleans, categories and other things that are only equal or not.

    Attributes
    ----------
    name : object
    dtype : str
    levels : list
        Values with a level of their own.
    others, weights : list
        Rarer values, which share one level, and how often each occurs: a column with a thousand values does not make a
        thousand inputs. From that level a value is drawn by these weights.
    missing : bool
        Whether the last level means a missing value.
    missing_value : object
        What stands for it in an object column.
    categories : list or None
        All categories of a pandas ``category`` column, also those that do not occur.
    ordered : bool
    """

    kind: ClassVar[str] = "categorical"
    has_number: ClassVar[bool] = False

    name: Any
    dtype: str
    levels: list[Any]
    others: list[Any] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    missing: bool = False
    missing_value: Any = None
    categories: list[Any] | None = None
    ordered: bool = False

    @property
    def n_levels(self) -> int:
        """Levels; 0 if there is but one."""
        return self._n_levels if self._n_levels > 1 else 0

    @property
    def _n_levels(self) -> int:
        return len(self.levels) + int(bool(self.others)) + int(self.missing)

    @classmethod
    def fit(cls, series: pd.Series, max_levels: int) -> CategoricalColumn:
        """Learn the levels from training values."""
        codes, values = _factorize(series)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        order = sorted(range(len(values)), key=lambda i: _sort_key(values[i]))
        frequent = set(order)
        if len(order) > max_levels:
            frequent = set(sorted(order, key=lambda i: -counts[i])[: max_levels - 1])
        missing = codes < 0
        dtype = series.dtype
        return cls(
            name=series.name,
            dtype=str(dtype),
            levels=[values[i] for i in order if i in frequent],
            others=[values[i] for i in order if i not in frequent],
            weights=[int(counts[i]) for i in order if i not in frequent],
            missing=bool(missing.any()),
            missing_value=series[missing].iloc[0] if missing.any() else None,
            categories=dtype.categories.tolist() if isinstance(dtype, pd.CategoricalDtype) else None,
            ordered=bool(dtype.ordered) if isinstance(dtype, pd.CategoricalDtype) else False,
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

    def decode(self, _: Floats, levels: Levels, randomness: np.random.Generator) -> pd.Series:
        """Inverse of :meth:`encode`."""
        if not self.n_levels:
            levels = np.zeros(len(levels), dtype=np.int64)
        table = np.empty(self._n_levels, dtype=object)
        table[: len(self.levels)] = self.levels
        if self.missing:
            table[-1] = self.missing_value
        values = table[levels]
        if self.others:
            rare = np.flatnonzero(levels == len(self.levels))
            weights = np.array(self.weights) / sum(self.weights)
            others = np.empty(len(self.others), dtype=object)
            others[:] = self.others
            values[rare] = others[randomness.choice(len(others), len(rare), p=weights)]
        dtype: Any = self.dtype
        if self.categories is not None:
            dtype = pd.CategoricalDtype(self.categories, ordered=self.ordered)
        return pd.Series(values, name=self.name, dtype=object).astype(dtype)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "kind": self.kind,
            "name": _plain(self.name),
            "dtype": self.dtype,
            "levels": [_plain(value) for value in self.levels],
            "others": [_plain(value) for value in self.others],
            "weights": self.weights,
            "missing": self.missing,
            "missing_value": _missing_name(self.missing_value),
            "categories": None if self.categories is None else [_plain(value) for value in self.categories],
            "ordered": self.ordered,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`."""
        return cls(**state | {"missing_value": _missing_value(state["missing_value"])})


Column = NumericColumn | CategoricalColumn


def fit_column(series: pd.Series, *, categorical: bool, max_levels: int) -> Column:
    """Choose how a column is encoded, and learn it.

    Parameters
    ----------
    series : Series
    categorical : bool
        Take the values for names even if they are numbers.
    max_levels : int
        Most levels of a categorical column, beside missing.

    Returns
    -------
    Column
    """
    if types.is_complex_dtype(series.dtype):
        raise TypeError(f"column {series.name!r} holds complex numbers; pass real and imaginary part as two columns")
    if not categorical and is_numeric(series):
        return NumericColumn.fit(series)
    return CategoricalColumn.fit(series, max_levels)


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


def _whole_numbers(known: pd.Series) -> NDArray[np.int64] | None:
    """Values without missing ones as 64-bit integers, None if they are no whole numbers or do not fit."""
    try:
        if _is_date(known.dtype):
            return known.astype("int64").to_numpy()
        if types.is_object_dtype(known.dtype) and types.infer_dtype(known) == "integer":
            return np.array(known.tolist(), dtype=np.int64)
        if types.is_integer_dtype(known.dtype):
            return known.astype("int64").to_numpy() if len(known) == 0 or known.max() <= LARGEST else None
    except OverflowError:
        pass
    return None


def _grid(values: NDArray[np.int64] | None) -> tuple[int, int]:
    """Offset and step of whole numbers; (0, 0) for others, and where the differences are too large for 64 bits."""
    if values is None or len(values) == 0 or int(values.max()) - int(values.min()) > LARGEST:
        return 0, 0
    offset = int(values.min())
    return offset, int(np.gcd.reduce(np.unique(values) - offset)) or 1


def _scores(knots: Floats, normal: Floats, values: Floats, counts: NDArray[np.integer]) -> Floats:
    """Mean of normal and standard scores: ranks alone would close the gaps between groups of values."""
    if len(values) < 2:
        return normal
    mean = np.average(values, weights=counts)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    standard = np.arcsinh((knots - mean) / deviation)
    # As networks see them, so that a knot that is encoded is decoded to the same value.
    return ((1 - LINEAR_SHARE) * normal + LINEAR_SHARE * standard).astype(np.float32).astype(np.float64)


def _decimals(values: Floats) -> int:
    for decimals in range(MAX_DECIMALS + 1):
        if np.allclose(np.round(values, decimals), values, rtol=1e-7, atol=0):
            return decimals
    return -1


def _factorize(series: pd.Series) -> tuple[Levels, list[Any]]:
    """Codes, -1 for missing, and distinct values."""
    try:
        codes, values = pd.factorize(series.astype(object), use_na_sentinel=True)
    except TypeError:
        raise TypeError(f"column {series.name!r} holds values that cannot be compared, such as lists") from None
    return codes, list(values)


def _sort_key(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool | int | float | np.number):
        return "", float(value)
    return type(value).__name__, str(value)


def _missing_name(value: Any) -> str | None:
    return "nan" if isinstance(value, float) else None


def _missing_value(name: str | None) -> Any:
    return np.nan if name == "nan" else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, PLAIN):
        raise ValueError(f"only strings, numbers and booleans can be saved in a column or its name, got {value!r}")
    return value
