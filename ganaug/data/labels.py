"""Labels: whatever users call their classes, as one array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug._text import visible

__all__ = ["class_positions", "labels_from_array", "listed"]

LABEL_TYPES = (str, bool, int, float)


def labels_from_array(labels: Any, n: int, *, of: str = "images") -> NDArray[Any]:
    """Check labels and return them as an array of shape (n,).

    Parameters
    ----------
    labels : array-like of shape (n,) or (n, 1)
    n : int
        How many there must be.
    of : str
        What is labelled, for messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        For another length or number of dimensions, missing values, or continuous values.
    TypeError
        For labels that cannot be sorted together, or are neither numbers, strings nor booleans.

    Examples
    --------
    >>> labels_from_array(["cat", "dog"], 2).tolist()
    ['cat', 'dog']
    """
    if labels is None:
        raise ValueError(f"labels are needed beside {of}, got None; pass y")
    if isinstance(labels, torch.Tensor):
        labels = labels.detach().cpu().numpy()
    array = np.asarray(labels)
    if array.dtype.kind == "U" and isinstance(labels, list | tuple) and not all(isinstance(v, str) for v in labels):
        # numpy has made strings of the numbers and missing values among them.
        array = np.array(labels, dtype=object)
    if array.dtype == object:
        array = np.frompyfunc(lambda value: value.item() if isinstance(value, np.generic) else value, 1, 1)(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"labels must have one dimension, got shape {array.shape}; pass class labels, not one-hot rows"
        )
    if len(array) != n:
        raise ValueError(f"{of} and labels must have the same length, got {n} {of} and {len(array)} labels")
    if any(map(_is_missing, array.tolist())):
        raise ValueError(f"labels contain missing values; remove those {of} or name their class")
    if np.issubdtype(array.dtype, np.floating) and not np.all(np.isfinite(array) & (array == np.rint(array))):
        raise ValueError("labels must name classes, got continuous values; round or bin them first")
    others = sorted({type(value).__name__ for value in array.tolist() if not isinstance(value, LABEL_TYPES)})
    if others or array.dtype.kind not in "biufUO":
        raise TypeError(
            f"labels must be integers, strings or booleans, got {listed(others or [array.dtype])}; convert them first"
        )
    try:
        np.unique(array)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in array.tolist()})
        raise TypeError(f"labels must be of one type, got {listed(kinds)}; convert them to strings") from None
    return array


def class_positions(labels: Any, classes: NDArray[Any], known: str) -> NDArray[np.int64]:
    """Translate labels into positions in `classes`.

    Parameters
    ----------
    labels : array-like of shape (n,)
        May be empty.
    classes : ndarray of shape (n_classes,)
        Sorted, distinct.
    known : str
        What is said before the classes, for messages.

    Returns
    -------
    ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        For a label that is not among the classes.

    Examples
    --------
    >>> class_positions(["dog", "cat", "dog"], np.array(["cat", "dog"]), "there are the classes").tolist()
    [1, 0, 1]
    """
    if isinstance(labels, torch.Tensor):
        labels = labels.detach().cpu().numpy()
    asked = np.asarray(labels)
    if asked.ndim != 1:
        raise ValueError(f"labels must have one dimension, one label per sample, got shape {asked.shape}")
    position = {label: index for index, label in enumerate(classes.tolist())}
    unknown = sorted({repr(label) for label in asked.tolist() if label not in position})
    if unknown:
        raise ValueError(f"cannot sample class {unknown[0]}: {known} {listed(list(map(repr, classes.tolist())))}")
    return np.array([position[label] for label in asked.tolist()], dtype=np.int64)


def _is_missing(value: Any) -> bool:
    # pandas is not needed here, so its missing values are known by their names.
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in {"NAType", "NaTType"}
    )


def listed(values: Any) -> str:
    """Write a few values out, and how many more there are.

    Examples
    --------
    >>> listed([1, 2, 3, 4, 5, 6])
    '1, 2, 3, 4 and 2 more'
    """
    texts = [visible(value) for value in list(values)[:4]]
    rest = len(values) - len(texts)
    return ", ".join(texts) + (f" and {rest} more" if rest else "")
