"""What a suite says of a dataset: the function that makes it, its keys, and the columns of its splits."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from ganaug.bench.suite.plugins import Plugin, require, resolve, unknown_parameter
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest

__all__ = ["SPLIT_COLUMNS", "TABLES", "called", "check_keys", "is_module", "split_columns"]

SPLIT_COLUMNS = "split_columns"


def _scikit_learn(name: str) -> Callable[[], Any]:
    def load() -> Any:
        return getattr(require("sklearn.datasets", name), f"load_{name}")(return_X_y=True, as_frame=True)

    return load


TABLES = {name: _scikit_learn(name) for name in ("breast_cancer", "digits", "wine")}


def split_columns(source: Plugin) -> list[str]:
    """Names of the columns that say what is trained and tested on; ``ValueError`` for what names none."""
    named = source.params.get(SPLIT_COLUMNS, [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"dataset {source.name!r}: {SPLIT_COLUMNS} must be the name of a column, or several in a list, got "
            f"{short(named)}"
        )
    return list(names)


def check_keys(source: Plugin, *known: str) -> None:
    """Raise ``ValueError`` for a parameter that such a dataset has not."""
    for key in source.params:
        if key == "target" and key not in known:
            raise ValueError(f"dataset {source.name!r} comes with its labels; leave the target out")
        if key not in known:
            raise ValueError(f"dataset {source.name!r} has an unknown key {short(key)}{nearest(key, known)}")


def called(source: Plugin, params: dict[str, Any]) -> Any:
    """What the function that is named returns; ``ValueError`` where it is none, or has no such parameters."""
    function = resolve("datasets", source.target, TABLES)
    if not callable(function):
        raise ValueError(f"dataset {source.name!r} must be a function, got a {type(function).__name__}")
    if unknown := unknown_parameter(function, params):
        raise ValueError(f"dataset {source.name!r} has {unknown}")
    return function(**params)


def is_module(name: str) -> bool:
    """Whether there is such a module."""
    try:
        return bool(name) and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
