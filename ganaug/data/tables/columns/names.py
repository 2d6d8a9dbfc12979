"""Names of columns, with the type of index they stand in, as JSON holds them, and back."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ganaug.data.tables.columns.values import dtype_from_name, dtype_name
from ganaug.data.typed_values import from_json, to_json, unlike

__all__ = ["names_from_state", "names_to_state"]


def names_to_state(names: pd.Index, key: str = "names") -> dict[str, Any]:
    """JSON values for the names of columns.

    Raises
    ------
    ValueError
        For a name of a type that cannot be saved.

    Examples
    --------
    >>> names_to_state(pd.Index(["age", "city"], name="feature", dtype=object))
    {'names': ['age', 'city'], 'names_dtype': 'object', 'names_of_levels': ['feature']}
    """
    values = []
    for position, name in enumerate(names):
        if pd.api.types.is_scalar(name) and pd.isna(name):
            raise ValueError(f"the name of column {position} cannot be saved: it is missing, {name}; rename it")
        try:
            values.append(to_json(name))
        except ValueError as error:
            raise ValueError(f"the name of column {position} cannot be saved: {error}; rename it") from None
    try:
        levels = [to_json(level) for level in names.names]
    except ValueError as error:
        raise ValueError(f"the name of the columns cannot be saved: {error}; set X.columns.name = None") from None
    several = isinstance(names, pd.MultiIndex | pd.CategoricalIndex)
    return {key: values, f"{key}_dtype": None if several else dtype_name(names.dtype), f"{key}_of_levels": levels}


def names_from_state(state: dict[str, Any], key: str = "names") -> pd.Index:
    """Inverse of :func:`names_to_state`; ``ValueError``, ``TypeError`` or ``LookupError`` for what cannot be."""
    names, dtype = unlike(state[key], "column names"), state.get(f"{key}_dtype")
    levels = [from_json(level) for level in state.get(f"{key}_of_levels", [None])]
    if len(levels) > 1:
        return pd.MultiIndex.from_tuples(names, names=levels)
    index = pd.Index(names, dtype=None if dtype is None else dtype_from_name(dtype), tupleize_cols=False)
    return index.rename(levels[0])
