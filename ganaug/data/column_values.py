"""What all kinds of columns need: missing values and plain ones, as they are and as JSON holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

__all__ = ["MISSING", "is_date", "missing_name", "plain"]

PLAIN = (str, bool, int, float)
MISSING = {"none": None, "nan": np.nan, "na": pd.NA, "nat": pd.NaT}  # what may stand for it in an object column


def is_date(dtype: Any) -> bool:
    """Whether a dtype holds dates or durations."""
    return types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)


def missing_name(value: Any) -> str:
    """Key in ``MISSING`` of what stands for a missing value."""
    if value is pd.NaT:
        return "nat"
    if value is pd.NA:
        return "na"
    return "nan" if isinstance(value, float) else "none"


def plain(value: Any) -> Any:
    """A value as JSON can hold it; ``ValueError`` for one that it cannot."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, PLAIN):
        raise ValueError(f"only strings, numbers and booleans can be saved in a column or its name, got {value!r}")
    return value
