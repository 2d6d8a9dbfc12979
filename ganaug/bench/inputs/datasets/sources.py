"""What a suite says of a dataset: the function that makes it, its keys, and the columns of its splits."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import Any

from ganaug.bench.suite.plugins import Plugin, construct, require, resolve, unknown_parameter
from ganaug.data.json_values import short
from ganaug.data.suggestions import nearest

__all__ = ["ORIGIN", "SPLIT_COLUMNS", "TABLES", "called", "check_keys", "is_module", "origin", "split_columns"]

SPLIT_COLUMNS, ORIGIN = "split_columns", "origin"
# Tables of KEEL that others are cut from, where a name is more than letters.
KEEL_ORIGINS = "kr-vs-k|led7digit|new_thyroid|page-blocks|winequality-red|winequality-white"


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


def origin(source: Plugin) -> str:
    """What the rows of a dataset come from: of two datasets with the same one, no result is independent.

    It is the parameter `origin`. Without it, tables of KEEL come from the one that they are cut from, as their names
    say ("yeast" of "keel:yeast-2_vs_8"), and any other dataset has one of its own.

    Raises
    ------
    ValueError
        For one that is no text.

    Examples
    --------
    >>> [origin(Plugin.of(name)) for name in ("keel:yeast-2_vs_8", "keel:page-blocks0", "digits")]
    ['yeast', 'page-blocks', 'digits']
    """
    named = source.params.get(ORIGIN)
    if named is None:
        keel = source.target.removeprefix("keel:")
        cut = re.match(f"{KEEL_ORIGINS}|[a-z]+", keel) if keel != source.target else None
        return cut[0] if cut else source.name
    if not isinstance(named, str) or not named.strip():
        raise ValueError(f"dataset {source.name!r}: {ORIGIN} must be a name, got {short(named)}")
    return named


def check_keys(source: Plugin, *known: str) -> None:
    """Raise ``ValueError`` for a parameter that such a dataset has not."""
    origin(source)
    for key in source.params:
        if key == ORIGIN:
            continue
        if key == "target" and key not in known:
            raise ValueError(f"dataset {source.name!r} comes with its labels; leave the target out")
        if key not in known:
            raise ValueError(f"dataset {source.name!r} has an unknown key {short(key)}{nearest(key, known)}")


def called(source: Plugin, params: dict[str, Any]) -> Any:
    """What the function that is named returns; ``ValueError`` where it is none, or has no such parameters.

    The origin is none of them; a name that the suite gives is one where the function takes it.
    """
    origin(source)
    params = {key: value for key, value in params.items() if key != ORIGIN}
    function = resolve("datasets", source.target, TABLES)
    if not callable(function):
        raise ValueError(f"dataset {source.name!r} must be a function, got a {type(function).__name__}")
    if unknown := unknown_parameter(function, params):
        raise ValueError(f"dataset {source.name!r} has {unknown}")
    given = {} if source.name == Plugin.of(source.target).name else {"name": source.name}
    return construct(function, params, **given)


def is_module(name: str) -> bool:
    """Whether there is such a module."""
    try:
        return bool(name) and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
