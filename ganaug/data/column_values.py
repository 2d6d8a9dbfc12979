"""What all kinds of columns need: missing values and plain ones, as they are and as JSON holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from ganaug.data.json_values import short

__all__ = ["MISSING", "dtype_from_name", "is_date", "missing_name", "plain"]

PLAIN = (str, bool, int, float)
MOST_LETTERS, MOST_ITEM_BYTES = 200, 2**16
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


def dtype_from_name(name: Any) -> Any:
    """The dtype that a file names; ``ValueError`` or ``TypeError`` unless a column or an array can have it."""
    if not isinstance(name, str) or len(name) > MOST_LETTERS:
        raise ValueError(f"a dtype must be named, got {short(name)}")
    dtype = types.pandas_dtype(name)
    if name == "str" and isinstance(dtype, np.dtype):  # pandas before 3, or told not to, holds strings as objects
        dtype = np.dtype(object)
    if isinstance(dtype, np.dtype) and (dtype.kind not in "biufOmMUS" or dtype.itemsize > MOST_ITEM_BYTES):
        raise ValueError(f"no column can have the dtype {dtype}")
    return dtype


def plain(value: Any) -> Any:
    """A value as JSON can hold it; ``ValueError`` for one that it cannot."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, PLAIN):
        raise ValueError(f"only strings, numbers and booleans can be saved in a column or its name, got {value!r}")
    return value
