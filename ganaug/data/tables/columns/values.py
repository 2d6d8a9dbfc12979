"""What all kinds of columns need: missing values, and dtypes by their names."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ganaug.data.json_values import short

__all__ = [
    "MISSING",
    "boxed",
    "dtype_from_name",
    "dtype_name",
    "from_counts",
    "from_objects",
    "holds_objects",
    "is_counted",
    "is_date",
    "missing_name",
]

ARROW_KINDS = "biuf"  # of Arrow's types those that numpy has too
# Of types with parameters pandas writes the name and does not read it.
ARROW_DECIMAL = re.compile(r"(decimal(?:128|256))\((\d{1,3}), (-?\d{1,3})\)\[pyarrow\]")
ARROW_BINARY = re.compile(r"fixed_size_binary\[(\d{1,6})\]\[pyarrow\]")
ARROW_DICTIONARY = re.compile(r"dictionary<values=(\w+), indices=(u?int\d+), ordered=([01])>\[pyarrow\]")
SPARSE = re.compile(r"Sparse\[(\w+), (-?[\w.]+)\]")
PATH = re.compile(r"dateutil|\.\.|, /|tzfile")  # where the name of a time zone would open a file
MOST_LETTERS, MOST_ITEM_BYTES = 200, 2**16
# What may stand for a missing value in an object column.
MISSING = {
    "none": None,
    "nan": np.nan,
    "na": pd.NA,
    "nat": pd.NaT,
    "decimal": Decimal("NaN"),
    "datetime64": np.datetime64("NaT"),
    "timedelta64": np.timedelta64("NaT"),
}


def is_date(dtype: Any) -> bool:
    """Whether a dtype holds dates or durations."""
    return types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)


def missing_name(value: Any) -> str:
    """Key in ``MISSING`` of what stands for a missing value."""
    if isinstance(value, float):
        return "nan"
    kinds = {type(missing): name for name, missing in MISSING.items()}
    return kinds.get(type(value), "none")


def is_counted(dtype: Any) -> bool:
    """Whether whole numbers stand for the values of a dtype: dates, durations and periods."""
    return isinstance(dtype, pd.PeriodDtype) or (is_date(dtype) and not isinstance(dtype, pd.ArrowDtype))


def holds_objects(dtype: Any) -> bool:
    """Whether the values of a dtype are taken one by one, as Python objects."""
    return types.is_object_dtype(dtype) or (isinstance(dtype, pd.ArrowDtype) and dtype.kind not in ARROW_KINDS)


def from_counts(counts: Any, dtype: Any) -> pd.Series:
    """Dates, durations or periods from the whole numbers that stand for them, the smallest for a missing one."""
    if isinstance(dtype, pd.PeriodDtype):
        return pd.Series(pd.PeriodIndex.from_ordinals(counts, freq=dtype.freq))
    return pd.Series(counts).astype(dtype)


def boxed(values: Any) -> NDArray[np.object_]:
    """An array of one dimension of objects, whatever they are."""
    return np.fromiter(values, dtype=object, count=len(values))


def from_objects(values: Any, dtype: Any, name: Any) -> pd.Series:
    """A column of a dtype from a sequence of Python objects."""
    if isinstance(dtype, pd.ArrowDtype):
        return pd.Series(pd.array(list(values), dtype=dtype), name=name)
    return pd.Series(values, name=name, dtype=object).astype(dtype)


def dtype_name(dtype: Any) -> str:
    """The name that :func:`dtype_from_name` makes a dtype from; ``ValueError`` for one that it would not make again."""
    name = str(dtype)
    if isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA:
        name = f"string[{dtype.storage}]"
    elif isinstance(dtype, pd.ArrowDtype) and name == "string[pyarrow]":
        name = "utf8[pyarrow]"  # the other name is that of a dtype of pandas
    try:
        again = str(dtype_from_name(name))
    except (TypeError, ValueError, LookupError, NotImplementedError):
        again = ""
    # Where pandas is set to hold strings as objects, a column of strings is read back as one of these.
    if again != str(dtype) and (name, again) != ("str", "object"):
        raise ValueError(f"the dtype {short(name)} cannot be saved; convert it first")
    return name


def dtype_from_name(name: Any) -> Any:
    """The dtype that a file names; ``ValueError`` or ``TypeError`` unless a column or an array can have it."""
    if not isinstance(name, str) or len(name) > MOST_LETTERS or PATH.search(name):
        raise ValueError(f"a dtype must be named, got {short(name)}")
    if match := SPARSE.fullmatch(name):
        fill = match[2] == "True" if match[1] == "bool" else float(match[2])
        whole = not isinstance(fill, bool) and match[2].lstrip("-").isdecimal()
        return pd.SparseDtype(dtype_from_name(match[1]), int(match[2]) if whole else fill)
    if name.endswith("[pyarrow]") and name != "string[pyarrow]":
        return _arrow_dtype(name)
    dtype = types.pandas_dtype(name)
    if name == "str" and isinstance(dtype, np.dtype):  # pandas before 3, or set to, holds strings as objects
        dtype = np.dtype(object)
    if isinstance(dtype, np.dtype) and (dtype.kind not in "biufOmMUS" or dtype.itemsize > MOST_ITEM_BYTES):
        raise ValueError(f"no column can have the dtype {dtype}")
    return dtype


def _arrow_dtype(name: str) -> pd.ArrowDtype:
    import pyarrow

    if match := ARROW_DECIMAL.fullmatch(name):
        return pd.ArrowDtype(getattr(pyarrow, match[1])(int(match[2]), int(match[3])))
    if match := ARROW_BINARY.fullmatch(name):
        return pd.ArrowDtype(pyarrow.binary(int(match[1])))
    if match := ARROW_DICTIONARY.fullmatch(name):
        values, indices = (pyarrow.type_for_alias(part) for part in match.groups()[:2])
        return pd.ArrowDtype(pyarrow.dictionary(indices, values, match[3] == "1"))
    return pd.ArrowDtype.construct_from_string(name)
