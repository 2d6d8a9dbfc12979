"""Values out of JSON files that may come from anyone, checked before anything is made of them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug._text import visible
from ganaug.data.files import MOST_TEXT, read_regular

__all__ = ["clip", "distinct", "floats", "json_text", "number", "parsed", "read_json", "short", "whole"]

PLAIN = (str, bool, int, float)
SURROGATES = re.compile("[\\ud800-\\udfff]")
MOST_DIGITS = 309  # of what a float can be made of


def read_json(path: str | Path, *, finite: bool = True, most: int = MOST_TEXT) -> Any:
    """Content of a JSON file; errors as of :func:`parsed` and :func:`ganaug.data.files.read_regular`."""
    return parsed(read_regular(path, most), finite=finite)


def parsed(content: bytes | str, *, finite: bool = True) -> Any:
    """Value of a JSON text that leaves no doubt about what it holds.

    Parameters
    ----------
    content : bytes or str
        In UTF-8.
    finite : bool
        Refuse NaN and infinite numbers, which JSON does not have but Python writes.

    Raises
    ------
    ValueError
        For what is no JSON, nested too deeply, or holds a key twice in one object or a number that is too large.

    Examples
    --------
    >>> parsed('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' is there twice
    """
    hooks: dict[str, Any] = {"parse_constant": _refused, "parse_float": _finite} if finite else {}
    try:
        text = content if isinstance(content, str) else content.decode()
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole, **hooks)
    except RecursionError:
        raise ValueError("its parts are nested too deeply") from None
    except (json.JSONDecodeError, UnicodeError) as error:
        raise ValueError(f"it is not valid JSON ({clip(str(error))})") from None


def json_text(tree: Any, *, indent: int | None = None) -> str:
    """JSON values as a text that UTF-8 can hold, and that :func:`parsed` gives them back from.

    Raises
    ------
    ValueError
        For numbers that are not finite.
    """
    text = json.dumps(tree, indent=indent, ensure_ascii=False, allow_nan=False)
    # Names of folders whose bytes are no UTF-8 are such halves of characters in Python.
    return SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {short(counts.most_common(1)[0][0])} is there twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refused(digits)


def _refused(digits: str) -> Any:
    raise ValueError(f"it holds {clip(digits)}, which is no finite number")


def short(value: Any, most: int = 60) -> str:
    """Write a value out on one line, its middle left out where it is long.

    Examples
    --------
    >>> short("x" * 100, 20)
    "'xxxxxxxxxxxxxxx...'"
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # numbers of thousands of digits; lists in lists in lists
        text = f"a {type(value).__name__}"
    return clip(text, most)


def clip(text: str, most: int = 60) -> str:
    """Text on one line as a terminal may show it, its middle left out where it is long."""
    text = visible(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"


def whole(value: Any, name: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`; ``ValueError`` for anything else.

    Examples
    --------
    >>> whole(3, "width", 1, 8)
    3
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, got {short(value)}")
    return value


def number(value: Any, name: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from `least` to `most`; ``ValueError`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**1000:
        raise ValueError(f"{name} must be a finite number, got {short(value)}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g}, got {short(value)}")
    return value


def floats(value: Any, name: str, *shape: int) -> NDArray[np.float64]:
    """Finite numbers in an array of a shape, -1 in which stands for any length; ``ValueError`` for anything else."""
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be finite numbers, got {short(value)}") from None
    fits = array.ndim == len(shape) and all(n in (-1, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers of shape {shape}, got {short(value)}")
    return array


def distinct(value: Any, name: str) -> list[Any]:
    """A list of different strings, numbers and booleans; ``ValueError`` for anything else."""
    if not isinstance(value, list) or not all(isinstance(entry, PLAIN) for entry in value):
        raise ValueError(f"{name} must be a list of strings, numbers and booleans, got {short(value)}")
    if len(set(value)) < len(value):
        raise ValueError(f"{name} must be different from each other, got {short(value)}")
    return value
