"""Labels: whatever users call their classes, as one array."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug._text import visible

__all__ = [
    "class_positions",
    "is_missing",
    "label_matches",
    "labels_from_array",
    "like_first",
    "listed",
    "same_labels",
    "shared_classes",
]

NO_NAMES: Mapping[Any, str] = {}
NUMBER = re.compile(r"\d{1,15}(\.0+)?", re.ASCII)
TRUTH = {"false": 0.0, "true": 1.0}
LABEL_TYPES = (str, bool, int, float)


def labels_from_array(labels: Any, n: int, *, of: str = "images", called: str = "labels") -> NDArray[Any]:
    """Check labels and return them as an array of shape (n,).

    Parameters
    ----------
    labels : array-like of shape (n,) or (n, 1)
    n : int
        How many there must be.
    of : str
        What is labelled, for messages.
    called : str
        What the labels are called there: "labels" or "groups".

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
    if isinstance(labels, Sequence) and not isinstance(labels, str):
        labels = list(labels)  # numpy asks columns of datasets for one label after the other, which is slow
    array = _plain(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{called} must have one dimension, got shape {array.shape}; pass one value per sample, not one-hot rows"
        )
    if len(array) != n:
        raise ValueError(
            f"{of} and {called} must have the same length, got {n} {of} and {len(array)} {called}; pass one for each"
        )
    if any(map(is_missing, array.tolist())):
        raise ValueError(f"{called} contain missing values; remove those {of} or name their class")
    if np.issubdtype(array.dtype, np.floating) and not np.all(np.isfinite(array) & (array == np.rint(array))):
        raise ValueError(f"{called} must name classes, got continuous values; round or bin them first")
    others = sorted({type(value).__name__ for value in array.tolist() if not isinstance(value, LABEL_TYPES)})
    if others or array.dtype.kind not in "biufUO":
        raise TypeError(
            f"{called} must be integers, strings or booleans, got {listed(others or [array.dtype])}; convert them first"
        )
    try:
        np.unique(array)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in array.tolist()})
        raise TypeError(f"{called} must be of one type, got {listed(kinds)}; convert them to strings") from None
    return array


def _plain(labels: Any) -> NDArray[Any]:
    """An array of labels, of objects only where they are of several types."""
    array = np.asarray(labels)
    if array.dtype.kind == "U" and isinstance(labels, list | tuple) and not all(isinstance(v, str) for v in labels):
        # numpy has made strings of the numbers and missing values among them.
        array = np.array(labels, dtype=object)
    if array.dtype == object:
        array = np.frompyfunc(lambda value: value.item() if isinstance(value, np.generic) else value, 1, 1)(array)
        if array.size and all(type(value) is int for value in array.ravel().tolist()):
            array = np.array(array.tolist())  # as of a column of a table that has names too
    return array


def label_matches(
    labels: Iterable[Any],
    classes: Iterable[Any],
    *,
    label_names: Mapping[Any, str] = NO_NAMES,
    class_names: Mapping[Any, str] = NO_NAMES,
) -> dict[Any, Any]:
    """Find the class that each label means, where data and a model, or two sets of data, write them differently.

    Names are compared where both sides have them, as strings are names of themselves. Otherwise equal values are the
    same class, and so are a number and its text, such as the name of a folder: 7, 7.0, "7", "07" and "7.0", True and
    "true". That is only done where it is possible for all labels, and no two of them would become one.

    Parameters
    ----------
    labels, classes : iterable of labels
        Those of each side, distinct.
    label_names, class_names : mapping, optional
        Display names.

    Returns
    -------
    dict
        The class of each label that has one.

    Examples
    --------
    >>> label_matches(["00", "01"], [0, 1, 2])
    {'00': 0, '01': 1}
    >>> label_matches([0, 1], [5, 6], label_names={0: "cat", 1: "dog"}, class_names={5: "dog", 6: "cat"})
    {0: 6, 1: 5}
    """
    labels, classes = list(labels), list(classes)

    def by_name(value: Any, names: Mapping[Any, str]) -> str | None:
        return names.get(value, value if isinstance(value, str) else None)

    named = _matched([by_name(label, label_names) for label in labels], [by_name(c, class_names) for c in classes])
    equal = {label: place for place, label in enumerate(classes)}
    direct = {index: equal[label] for index, label in enumerate(labels) if label in equal}
    found = named or direct
    if len(found) < len(labels):
        found = _matched(list(map(_as_number, labels)), list(map(_as_number, classes))) or found
    return {labels[index]: classes[place] for index, place in found.items()}


def _matched(ours: list[Any], theirs: list[Any]) -> dict[int, int]:
    """Places of our keys among theirs; nothing where one is missing or not unique."""
    places = {key: place for place, key in enumerate(theirs) if key is not None}
    unique = len(set(ours)) == len(ours) and len(places) == len(theirs)
    return {i: places[key] for i, key in enumerate(ours)} if unique and places.keys() >= set(ours) else {}


def _as_number(label: Any) -> float | None:
    if isinstance(label, str):
        text = label.lower()
        return TRUTH.get(text, float(text) if NUMBER.fullmatch(text) else None)
    return float(label) if isinstance(label, LABEL_TYPES) else None


def same_labels(
    labels: NDArray[Any],
    classes: NDArray[Any],
    *,
    label_names: Mapping[Any, str] = NO_NAMES,
    class_names: Mapping[Any, str] = NO_NAMES,
) -> NDArray[Any]:
    """Write labels as the classes that they mean; see :func:`label_matches`.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,)
    label_names, class_names : mapping, optional

    Returns
    -------
    ndarray of shape (n,)
        `labels` themselves where they need no change, or where the meaning of some is unclear.

    Examples
    --------
    >>> same_labels(np.array(["1", "0", "1"]), np.array([0, 1])).tolist()
    [1, 0, 1]
    """
    own, which = np.unique(labels, return_inverse=True)
    found = label_matches(own.tolist(), classes.tolist(), label_names=label_names, class_names=class_names)
    if len(found) < len(own) or all(label == found[label] for label in own.tolist()):
        return labels
    return np.array([found[label] for label in own.tolist()], dtype=classes.dtype)[which.reshape(-1)]


def class_positions(
    labels: Any, classes: NDArray[Any], known: str, names: Mapping[Any, str] = NO_NAMES, *, what: str = "class"
) -> NDArray[np.int64]:
    """Translate labels into positions in `classes`.

    Parameters
    ----------
    labels : array-like of shape (n,)
        May be empty.
    classes : ndarray of shape (n_classes,)
        Sorted, distinct.
    known : str
        What is said before the classes, for messages.
    names : mapping, optional
        Display names of classes, which labels may be as well.
    what : str
        What one of them is, for messages.

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
        called = "label" if what == "class" else what
        raise ValueError(f"{called}s must have one dimension, one {called} per sample, got shape {asked.shape}")
    position = {label: index for index, label in enumerate(classes.tolist())}
    missing = {label for label in asked.tolist() if label not in position}
    if missing:
        own = dict.fromkeys(asked.tolist())
        found = label_matches(own, position, class_names=names)
        position, missing = {label: position[c] for label, c in found.items()}, own.keys() - found.keys()
    if unknown := sorted(map(repr, missing)):
        raise ValueError(f"cannot sample {what} {unknown[0]}: {known} {listed(list(map(repr, classes.tolist())))}")
    return np.array([position[label] for label in asked.tolist()], dtype=np.int64)


def is_missing(value: Any) -> bool:
    """Whether a label stands for a missing one.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing("")
    (True, True, False)
    """
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


def like_first(labels: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Write the labels of all sides as the first side does, where their meaning is clear.

    Parameters
    ----------
    labels : mapping of str to ndarray of shape (n,)
        Labels of each side under its name.

    Returns
    -------
    dict of str to ndarray of shape (n,)

    Examples
    --------
    >>> like_first({"real": np.array([0, 1]), "synthetic": np.array(["1", "0"])})["synthetic"].tolist()
    [1, 0]
    """
    classes = np.unique(next(iter(labels.values())))
    return {name: same_labels(values, classes) for name, values in labels.items()}


def shared_classes(labels: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Classes that every side holds.

    Parameters
    ----------
    labels : mapping of str to ndarray of shape (n,)
        Labels of each side under its name, which messages use.

    Returns
    -------
    ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        For a class that is missing on one side.

    Examples
    --------
    >>> shared_classes({"real": np.array(["b", "a"]), "synthetic": np.array(["a", "b", "a"])}).tolist()
    ['a', 'b']
    """
    found = {name: set(values.tolist()) for name, values in labels.items()}
    for name, there in found.items():
        for other, classes in found.items():
            if lacking := sorted(map(repr, classes - there)):
                raise ValueError(
                    f"class {lacking[0]} occurs among the {other} samples but not among the {name} ones; "
                    f"add {name} samples of it, or leave the class out"
                )
    return np.unique(next(iter(labels.values())))
