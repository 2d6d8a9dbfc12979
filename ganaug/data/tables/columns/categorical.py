"""Columns of names: one level for each, or for all rare ones together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.json_values import floats, short
from ganaug.data.tables.columns.values import MISSING, boxed, dtype_from_name, dtype_name, from_objects, missing_name
from ganaug.data.typed_values import from_json, to_json, unlike

__all__ = ["CategoricalColumn", "factorize"]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


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
    few_scores: ClassVar[tuple[float, ...]] = ()

    name: Any
    dtype: Any
    levels: list[Any]
    others: list[Any]
    weights: NDArray[np.int64]
    missing: bool = False
    missing_value: Any = None

    @property
    def values(self) -> list[Any]:
        """All values, with a level of their own or not."""
        return [*self.levels, *self.others]

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
        codes, values = factorize(series)
        known = codes >= 0
        counts = np.zeros((int(classes.max()) + 1, len(values)), dtype=np.int64)
        np.add.at(counts, (classes[known], codes[known]), 1)
        missing_value = None if known.all() else series[~known].iloc[0]
        column = cls(series.name, series.dtype, [], [], counts, not known.all(), missing_value)
        return column.recounted(values, counts, max_levels)

    def recounted(self, values: list[Any], counts: NDArray[np.int64], max_levels: int) -> CategoricalColumn:
        """The same column with levels for the most frequent of these values.

        Parameters
        ----------
        values : list
        counts : ndarray of shape (n_classes, n_values), int64
            How often each of them occurs in each class.
        max_levels : int
        """
        order = sorted(range(len(values)), key=lambda i: _sort_key(values[i]))
        frequent = set(order)
        if len(order) > max_levels:
            total = counts.sum(0)
            frequent = set(sorted(order, key=lambda i: -total[i])[: max_levels - 1])
        rare = [i for i in order if i not in frequent]
        return replace(
            self,
            levels=[values[i] for i in order if i in frequent],
            others=[values[i] for i in rare],
            weights=counts[:, rare],
        )

    def encode(self, series: pd.Series, *, strict: bool = True) -> tuple[Floats, Levels]:
        """Zeros, and the level of each value; -1 for one never seen."""
        codes, values = factorize(series)
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
        table = boxed([*self.levels, *[None] * bool(self.others), *[self.missing_value] * self.missing])
        values = table[levels]
        if self.others:
            others = boxed(self.others)
            rare = levels == len(self.levels)
            for label in np.unique(classes[rare]):
                chosen = np.flatnonzero(rare & (classes == label))
                weights = self.weights[label] if self.weights[label].any() else self.weights.sum(0)
                values[chosen] = others[randomness.choice(len(others), len(chosen), p=weights / weights.sum())]
        return from_objects(values, self.dtype, self.name)

    def places(self, series: pd.Series) -> Levels:
        """Positions of values among all values; -1 for one never seen, the number of values for a missing one."""
        codes, values = factorize(series)
        place = {value: position for position, value in enumerate(self.values)}
        return np.array([*(place.get(value, -1) for value in values), len(place)], dtype=np.int64)[codes]

    def stands_for_missing(self, places: Levels) -> NDArray[np.bool_]:
        """Which positions are that of a missing value."""
        return places == len(self.values)

    def put(self, series: pd.Series, places: Levels) -> pd.Series:
        """Values of a decoded column, with those at such positions in their place where they are not -1."""
        values, chosen = boxed(series.tolist()), places >= 0
        values[chosen] = boxed([*self.values, self.missing_value])[places[chosen]]
        return from_objects(values, self.dtype, self.name)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        category = isinstance(self.dtype, pd.CategoricalDtype)
        return {
            "kind": self.kind,
            "name": to_json(self.name),
            "dtype": "category" if category else dtype_name(self.dtype),
            "categories": [to_json(value) for value in self.dtype.categories] if category else None,
            "categories_dtype": dtype_name(self.dtype.categories.dtype) if category else None,
            "ordered": bool(self.dtype.ordered) if category else False,
            "levels": [to_json(value) for value in self.levels],
            "others": [to_json(value) for value in self.others],
            "weights": self.weights.tolist(),
            "missing": self.missing,
            "missing_value": missing_name(self.missing_value),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`; ``ValueError`` or ``TypeError`` for what cannot be."""
        dtype = dtype_from_name(state["dtype"])
        if state["categories"] is not None:
            categories = pd.Index(
                unlike(state["categories"], "categories"), dtype=dtype_from_name(state["categories_dtype"])
            )
            dtype = pd.CategoricalDtype(categories, ordered=bool(state["ordered"]))
        values = unlike([*state["levels"], *state["others"]], "levels")
        n_levels = len(state["levels"])
        weights = floats(state["weights"], "weights", -1, len(values) - n_levels)
        if not isinstance(state["missing"], bool) or not len(values) + state["missing"]:
            raise ValueError("a column must have levels, or say that they are missing")
        if (weights < 0).any() or (len(values) > n_levels and not 0 < weights.sum() < 2**53):
            raise ValueError(f"weights must be counts, got {short(state['weights'])}")
        return cls(
            name=from_json(state["name"]),
            dtype=dtype,
            levels=values[:n_levels],
            others=values[n_levels:],
            weights=weights.astype(np.int64),
            missing=state["missing"],
            missing_value=MISSING[state["missing_value"]],
        )


def factorize(series: pd.Series) -> tuple[Levels, list[Any]]:
    """Codes, -1 for missing, and distinct values."""
    try:
        # Of Arrow's types pandas has not all as objects.
        arrow = isinstance(series.dtype, pd.ArrowDtype)
        codes, values = pd.factorize(boxed(series.tolist()) if arrow else series.astype(object).to_numpy())
    except TypeError:
        raise TypeError(f"column {series.name!r} holds values that cannot be compared, such as lists") from None
    return codes, list(values)


def _sort_key(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool | int | float | np.number):
        return "", float(value)
    return type(value).__name__, str(value)
