"""What "auto" stands for among the parameters of generators of images, in all families alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FEW_CLASSES", "given", "times_for_classes"]

FEW_CLASSES = 10  # up to so many a training need not be longer for its classes


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the parameters that are "auto".

    Examples
    --------
    >>> given({"steps": "auto", "width": 48})
    {'width': 48}
    """
    return {name: value for name, value in params.items() if not (isinstance(value, str) and value == "auto")}


def times_for_classes(n_classes: int) -> float:
    """How many times as many images a training is shown, so that each class is shown as often as one of few.

    A class is learnt only in the samples of a batch that are of it: by its rows of the embeddings.

    Examples
    --------
    >>> times_for_classes(2), times_for_classes(183)
    (1.0, 18.3)
    """
    return max(1.0, n_classes / FEW_CLASSES)
