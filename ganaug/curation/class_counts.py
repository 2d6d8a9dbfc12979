"""How many synthetic images each class gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from ganaug.data.labels import listed

__all__ = ["images_to_add"]


def images_to_add(per_class: float | str | Mapping[Any, int], counts: Mapping[Any, int]) -> dict[Any, int]:
    """Number of synthetic images for each label.

    Examples
    --------
    >>> images_to_add("balance", {"cat": 5, "dog": 2}), images_to_add(0.5, {"cat": 5, "dog": 2})
    ({'cat': 0, 'dog': 3}, {'cat': 2, 'dog': 1})
    """
    if isinstance(per_class, Mapping):
        unknown = [label for label in per_class if label not in counts]
        if unknown:
            raise ValueError(f"per_class asks for class {unknown[0]!r}, there are {listed(list(counts))}")
        if not all(isinstance(n, Integral) for n in per_class.values()):
            raise ValueError(f"per_class must hold whole numbers, got {dict(per_class)}")
        added = {label: int(n) for label, n in per_class.items()}
    elif isinstance(per_class, str):
        if per_class != "balance":
            raise ValueError(f"per_class must be a number, a share, 'balance' or a dict, got {per_class!r}")
        added = {label: max(counts.values()) - n for label, n in counts.items()}
    elif isinstance(per_class, Integral):
        added = dict.fromkeys(counts, int(per_class))
    elif isinstance(per_class, Real):
        if not math.isfinite(per_class):
            raise ValueError(f"per_class must be a finite share, got {per_class}")
        added = {label: round(float(per_class) * n) for label, n in counts.items()}
    else:
        raise ValueError(f"per_class must be a number, a share, 'balance' or a dict, got {per_class!r}")
    if min(added.values(), default=0) < 0:
        raise ValueError(f"per_class must not be negative, got {per_class}")
    return added
