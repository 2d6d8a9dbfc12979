"""Values out of JSON files that may come from anyone, checked before anything is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["clip", "distinct", "floats", "number", "short", "whole"]

PLAIN = (str, bool, int, float)


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
    """Text on one line, its middle left out where it is long."""
    text = " ".join(text.split())
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
