"""Columns of text that is numbers or dates: learnt as such, and given back as the same text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.tables.columns.numeric import NumericColumn
from ganaug.data.tables.columns.text_values import TextFormat
from ganaug.data.tables.columns.values import MISSING, dtype_from_name, dtype_name, from_objects, missing_name
from ganaug.data.typed_values import from_json, to_json

__all__ = ["TextColumn"]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass
class TextColumn:
    """Numbers or dates that are written as text.

    Attributes
    ----------
    name : object
    dtype : dtype
        Of the pandas Series.
    form : TextFormat
        How they are written.
    number : NumericColumn
        What they mean.
    missing_value : object
        What stands for a missing value in an object column, unless a mark does.
    """

    kind: ClassVar[str] = "text"

    name: Any
    dtype: Any
    form: TextFormat
    number: NumericColumn
    missing_value: Any = None

    @classmethod
    def fit(cls, series: pd.Series, values: pd.Series, form: TextFormat) -> Self:
        """Learn the values that were read from a column, and how they are written."""
        known = series.notna()
        missing_value = None if known.all() else series[~known].iloc[0]
        return cls(series.name, series.dtype, form, NumericColumn.fit(values), missing_value)

    @property
    def has_number(self) -> bool:
        """Whether the column varies beyond its levels."""
        return self.number.has_number

    @property
    def few_scores(self) -> tuple[float, ...]:
        """As of the numbers."""
        return self.number.few_scores

    @property
    def n_levels(self) -> int:
        """As of the numbers."""
        return self.number.n_levels

    def encode(self, series: pd.Series, *, strict: bool = True) -> tuple[Floats, Levels]:
        """As of the numbers; ``ValueError`` for text that is none."""
        values = self.form.read(series)
        unread = values.isna() & ~self.form.is_missing(series)
        if strict and unread.any() and not self.form.unread:
            raise ValueError(
                f"column {self.name!r} held {self.form} in the training data and holds {series[unread].iloc[0]!r} now"
            )
        scores, levels = self.number.encode(values, strict=strict)
        if not self.form.unread:  # what cannot be read is not a missing value, but one that was never seen
            levels[unread.to_numpy()] = -1
        return scores, levels

    def stands_for_missing(self, levels: Levels) -> NDArray[np.bool_]:
        """As of the numbers."""
        return self.number.stands_for_missing(levels)

    def decode(self, scores: Floats, levels: Levels, *_: Any) -> pd.Series:
        """Inverse of :meth:`encode`."""
        written = self.form.write(self.number.decode(scores, levels))
        written[written.isna()] = self.missing_value
        return from_objects(written, self.dtype, self.name)

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "kind": self.kind,
            "name": to_json(self.name),
            "dtype": dtype_name(self.dtype),
            "form": self.form.to_state(),
            "number": self.number.to_state(),
            "missing_value": missing_name(self.missing_value),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`; ``ValueError``, ``TypeError`` or ``LookupError`` for what cannot be."""
        dtype = dtype_from_name(state["dtype"])
        if not (types.is_object_dtype(dtype) or types.is_string_dtype(dtype)):
            raise ValueError(f"a column of text cannot have the dtype {dtype}")
        number = NumericColumn.from_state({key: value for key, value in state["number"].items() if key != "kind"})
        form, missing_value = TextFormat.from_state(state["form"]), MISSING[state["missing_value"]]
        return cls(from_json(state["name"]), dtype, form, number, missing_value)
