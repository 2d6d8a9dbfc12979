"""Groups: the speaker, scanner, site or customer that each sample comes from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from ganaug.data.json_values import short
from ganaug.data.labels import class_positions, is_missing, labels_from_array, listed, same_labels

__all__ = [
    "FOLDER",
    "UNKNOWN_NAME",
    "UNKNOWN_NUMBER",
    "cell_counts",
    "check_group_array",
    "check_groups",
    "groups_from_array",
    "groups_from_files",
    "groups_like",
    "has_group",
    "ignore_classes_in_one_group",
    "named_groups_among",
    "positions_of_groups",
]

UNKNOWN_NAME, UNKNOWN_NUMBER = "unknown", -1
FOLDER = "folder"
FROM_NAME = "group"  # of a capture
USES = ("splits", "conditioning")


def groups_from_array(groups: Any, n: int, *, of: str = "images", unknown: bool = True) -> NDArray[Any]:
    """Check groups and return them as an array of shape (n,).

    Missing groups (None, NaN, NaT, NA and blank text) become a group of their own: "unknown" among strings and -1 among
    numbers, as -1 marks missing labels. Groups that are given so count as missing too; a warning says so where they are
    put together with others. Since an array has no third truth value, booleans with missing values among
    them become 0, 1 and -1, which are equal to False and True; floats with missing values, as pandas makes of integers,
    become integers again. Without missing values groups stay as they are.

    Parameters
    ----------
    groups : array-like of shape (n,) or (n, 1)
        Integers, strings or booleans.
    n : int
        How many there must be.
    of : str
        What is grouped, for messages.
    unknown : bool
        Whether groups may be missing.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        For another length or number of dimensions, continuous values, nothing but missing values, and missing values
        where there must be none.
    TypeError
        For groups that cannot be sorted together, or are neither numbers, strings nor booleans.

    Examples
    --------
    >>> groups_from_array(["old", None, "new"], 3).tolist(), groups_from_array([3.0, float("nan")], 2).tolist()
    (['old', 'unknown', 'new'], [3, -1])
    """
    values = _values(groups)
    missing = np.array([_is_missing(v) for v in values], dtype=bool)
    if len(values) != n or not missing.any():
        return labels_from_array(groups, n, of=of, called="groups")
    if not unknown:
        raise ValueError(
            f"groups are missing for {missing.sum()} of {n} {of}, the first at index {missing.argmax()}; name their "
            f"group, or leave those {of} out"
        )
    if missing.all():
        raise ValueError(f"groups are missing for all {n} {of}; name some, or pass groups=None")
    known = labels_from_array(
        [v for v, gone in zip(values, missing, strict=True) if not gone], (~missing).sum(), of=of, called="groups"
    )
    if known.dtype.kind in "bf":
        known = known.astype(np.int64)
    unknown_is = _unknown_among(known)
    if unknown_is in known.tolist():
        warnings.warn(
            f"group {unknown_is!r} is what groups that are missing are called, so that its {of} and the "
            f"{missing.sum():,} without a group are one; rename it if it is another",
            UserWarning,
            stacklevel=3,
        )
    filled = np.full(n, unknown_is, dtype=object)
    filled[~missing] = known.tolist()
    return np.array(filled.tolist())


def _is_missing(group: Any) -> bool:
    return is_missing(group) or (isinstance(group, str) and not group.strip())


def _unknown_among(groups: NDArray[Any]) -> str | int:
    """What an unknown group is called beside these, some."""
    return UNKNOWN_NAME if isinstance(groups.tolist()[0], str) else UNKNOWN_NUMBER


def positions_of_groups(groups: Any, known: NDArray[Any], said: str) -> NDArray[np.int64]:
    """Translate groups into positions among known ones, missing ones into that of the unknown group.

    Parameters
    ----------
    groups : array-like of shape (n,)
        May be empty.
    known : ndarray of shape (n_groups,)
        Sorted, distinct; some.
    said : str
        What is said before the known groups, for messages.

    Returns
    -------
    ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        For a group that is not among the known ones.

    Examples
    --------
    >>> positions_of_groups(["old", None], np.array(["new", "old", "unknown"]), "there are the groups").tolist()
    [1, 2]
    """
    values = _values(groups)
    if any(map(_is_missing, values)):
        groups = np.array(named_groups_among(groups, known), dtype=object)
    return class_positions(groups, known, said, what="group")


def named_groups_among(groups: Any, known: NDArray[Any]) -> list[Any]:
    """Groups as Python values, the unknown one in the place of missing ones, if it is known.

    Parameters
    ----------
    groups : array-like of shape (n,)
    known : ndarray of shape (n_groups,)
        Some.

    Returns
    -------
    list of length n

    Examples
    --------
    >>> named_groups_among([np.str_("old"), None], np.array(["old", "unknown"]))
    ['old', 'unknown']
    """
    unknown = _unknown_among(known)
    if unknown not in known.tolist():
        return _values(groups)
    return [unknown if _is_missing(group) else group for group in _values(groups)]


def groups_like(groups: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Write groups of synthetic samples as real ones are, where their meaning is clear.

    Parameters
    ----------
    groups : ndarray of shape (n,)
        As a generator or a pool holds them.
    others : ndarray of shape (n_real,)
        Of the real samples; some.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        For numbers beside names that are no numbers, and the reverse.

    Examples
    --------
    >>> groups_like(np.array([1, -1, 2]), np.array(["1", "2", "unknown"])).tolist()
    ['1', 'unknown', '2']
    """
    if len(groups) == 0:
        return others[:0]
    there, unknown = has_group(groups), _unknown_among(others)
    written = same_labels(groups[there], np.unique(others[has_group(others)])).tolist()
    if written and isinstance(written[0], str) != isinstance(unknown, str):
        raise ValueError(
            f"groups of the source, such as {written[0]!r}, are of another type than those of the real samples, such "
            f"as {others.tolist()[0]!r}; convert these, or leave them out"
        )
    filled = np.full(len(groups), unknown, dtype=object)
    filled[there] = written
    return np.array(filled.tolist())


def _values(groups: Any) -> list[Any]:
    """Groups as Python values, one after the other."""
    if isinstance(groups, torch.Tensor):
        groups = groups.detach().cpu().numpy()
    if isinstance(groups, np.ndarray):
        return groups.reshape(-1).tolist() if groups.ndim and groups.size == len(groups) else []
    for convert in ("to_pylist", "tolist", "to_list"):  # of pyarrow, pandas and polars
        if hasattr(groups, convert):
            converted = getattr(groups, convert)()
            return converted if isinstance(converted, list) else []
    values = list(groups) if isinstance(groups, Sequence) else []
    values = [v[0] if isinstance(v, list | tuple) and len(v) == 1 else v for v in values]
    return [v.item() if isinstance(v, np.generic) else v for v in values]


def check_group_array(groups: Any, n: int) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless groups are an array with one for each of `n` images."""
    if not isinstance(groups, np.ndarray):
        raise TypeError(
            f"groups must be a numpy array or None, got {type(groups).__name__}; use ganaug.labelled_images to "
            "convert them"
        )
    if groups.shape != (n,):
        raise ValueError(
            f"groups must have shape (n,) and the length of images, got shape {groups.shape} beside {n} images"
        )


def has_group(groups: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples have a known group.

    Parameters
    ----------
    groups : ndarray of shape (n,)
        As :func:`groups_from_array` returns them.

    Returns
    -------
    ndarray of shape (n,), bool

    Examples
    --------
    >>> has_group(np.array(["old", "unknown"])).tolist(), has_group(np.array([0, -1, 1])).tolist()
    ([True, False], [True, False, True])
    """
    return np.array([group not in (UNKNOWN_NAME, UNKNOWN_NUMBER) for group in groups.tolist()], dtype=bool)


def groups_from_files(files: Sequence[str], groups: str | re.Pattern[str]) -> NDArray[np.str_]:
    """Find the group of each file in its path.

    Parameters
    ----------
    files : sequence of str
        Paths with forward slashes; for "folder" those below the folder of all classes.
    groups : str or Pattern
        "folder" for the folder inside that of the class (``class/group/file``); or a regular expression, searched for
        in the path, that captures the group as ``(?P<group>...)`` or in its only parentheses. Files for which an
        optional capture takes part in no match have an unknown group.

    Returns
    -------
    ndarray of shape (n_files,), str

    Raises
    ------
    ValueError
        For files without such a folder, an expression that cannot be read or captures no group or several, and one
        that does not match all files.

    Examples
    --------
    >>> groups_from_files(["cat/ann/0.png", "dog/bob/0.png"], "folder").tolist()
    ['ann', 'bob']
    >>> groups_from_files(["7/7_ann_0.png", "7/7_bob_3.png"], r"_(?P<group>[a-z]+)_").tolist()
    ['ann', 'bob']
    """
    if groups == FOLDER:
        flat = [file for file in files if file.count("/") < 2]
        if flat:
            raise ValueError(
                f"groups='{FOLDER}' needs files at class/group/file, got {len(flat)} of {len(files)} without a folder "
                f"between class and file, such as {short(flat[0], 200)}; move them, or pass a pattern on file names"
            )
        return groups_from_array([file.split("/")[1] for file in files], len(files))
    pattern = _pattern(groups)
    found = [pattern.search(file) for file in files]
    unmatched = [file for file, match in zip(files, found, strict=True) if match is None]
    if unmatched:
        raise ValueError(
            f"the groups pattern {short(pattern.pattern, 200)} does not match {len(unmatched)} of {len(files)} files, "
            f"such as {short(unmatched[0], 200)}; change it, or make the group optional to call theirs unknown"
        )
    key = FROM_NAME if FROM_NAME in pattern.groupindex else 1
    return groups_from_array([match[key] for match in found if match], len(files))


def _pattern(groups: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        pattern = re.compile(groups)
    except re.error as error:
        raise ValueError(f"groups must be a regular expression, got {short(groups, 200)}: {error}; mend it") from None
    if FROM_NAME not in pattern.groupindex and pattern.groups != 1:
        raise ValueError(
            f"groups must be '{FOLDER}' or a pattern that captures the group, as (?P<group>...) or in its only "
            f"parentheses, got {short(pattern.pattern, 200)} with {pattern.groups} captures"
        )
    return pattern


def cell_counts(labels: Any, groups: Any) -> pd.DataFrame:
    """Count the samples of each class in each group.

    Parameters
    ----------
    labels, groups : array-like of shape (n,)

    Returns
    -------
    DataFrame of shape (n_classes, n_groups), int64
        Its index holds the sorted classes and its columns the sorted groups, unknown ones among them; 0 where a group
        has no sample of a class.

    Examples
    --------
    >>> cell_counts(["cat", "cat", "dog"], [1, 2, 2]).to_numpy().tolist()
    [[1, 1], [0, 1]]
    """
    labels = labels_from_array(labels, len(labels), of="samples")
    groups = groups_from_array(groups, len(labels), of="samples")
    classes, rows = np.unique(labels, return_inverse=True)
    names, columns = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(classes), len(names)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return pd.DataFrame(counts, pd.Index(classes, name="class"), pd.Index(names, name="group"))


def check_groups(labels: NDArray[Any], groups: NDArray[Any], *, use: str, of: str = "images") -> None:
    """Refuse groups that cannot serve their use, before any training.

    A class that occurs in one group only is no error in splits: a fold by groups then tests on a class that it has not
    trained on, or cannot test it. For conditioning it is a warning as long as its group holds other classes that occur
    elsewhere, since the group can be learnt from these; otherwise nothing separates the class from the group, an error.

    Parameters
    ----------
    labels, groups : ndarray of shape (n,)
        Of samples that have a label.
    use : {"splits", "conditioning"}
        "splits" keeps groups apart, so that each must be known; "conditioning" learns from class and group, and takes
        the unknown group for one of them.
    of : str
        What is grouped, for messages.

    Raises
    ------
    ValueError
        For fewer than two groups, a group for each sample, groups that equal the labels, an unknown group in splits,
        and for conditioning classes that share no group with others, directly or through further classes.

    Examples
    --------
    >>> check_groups(np.array([0, 0, 1, 1]), np.array(["a", "b", "a", "b"]), use="conditioning")
    >>> check_groups(np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"]), use="splits")
    Traceback (most recent call last):
    ...
    ValueError: groups equal the labels, such as group 'a' for class 0; name who or what the images come from instead
    """
    if use not in USES:
        raise ValueError(f"use must be one of {', '.join(USES)}, got {use!r}")
    known = has_group(groups)
    counts = cell_counts(labels, groups)
    if counts.shape[1] < 2:
        raise ValueError(
            f"at least two groups are needed, got one, {_shown(counts.columns)}, for all; pass groups=None"
        )
    n_known = len(np.unique(groups[known]))
    if n_known == known.sum() and n_known > 1:
        raise ValueError(
            f"groups must be shared by {of}, got a different one for each of {n_known}; name who or what the {of} come "
            "from"
        )
    there = counts.to_numpy() > 0
    if (there.sum(0) == 1).all() and (there.sum(1) == 1).all():
        first, label = counts.columns.tolist()[int(there[0].argmax())], counts.index.tolist()[0]
        raise ValueError(
            f"groups equal the labels, such as group {first!r} for class {label!r}; name who or what the {of} come "
            "from instead"
        )
    if use == "conditioning":
        _check_separable(counts, there)
    elif not known.all():
        raise ValueError(
            f"splits by group need the group of all {of}, which {(~known).sum()} of {len(groups)} lack; name it, or "
            "leave them out"
        )


def _check_separable(counts: pd.DataFrame, there: NDArray[np.bool_]) -> None:
    """Classes and groups are the two sides of a graph; effects of both are separable within its components."""
    n_classes = len(there)
    graph = np.block([[np.zeros((n_classes, n_classes)), there], [there.T, np.zeros((there.shape[1],) * 2)]])
    n_parts, part = connected_components(graph, directed=False)
    if n_parts > 1:
        small = np.bincount(part).argmin()
        classes = counts.index[part[:n_classes] == small]
        groups = counts.columns[part[n_classes:] == small]
        raise ValueError(
            f"nothing separates class {_shown(classes)} from group {_shown(groups)}, since they occur with no other "
            "group and class; add samples of another cell, or pass groups=None"
        )
    alone = there.sum(1) == 1
    if alone.any():
        group = counts.columns.tolist()[int(there[alone][0].argmax())]
        classes, occur, they = ("class", "occurs", "it is") if alone.sum() == 1 else ("classes", "occur", "they are")
        warnings.warn(
            f"{classes} {_shown(counts.index[alone])} {occur} in one group only, the first in {group!r}; in other "
            f"groups {they} drawn from what other classes show of them",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def ignore_classes_in_one_group() -> Iterator[None]:
    """Within it :func:`check_groups` does not warn of classes that occur in one group only.

    Examples
    --------
    >>> with ignore_classes_in_one_group():
    ...     check_groups(np.array(["a", "a", "b", "b"]), np.array([0, 1, 0, 0]), use="conditioning")
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "class.* in one group only", UserWarning)
        yield


def _shown(values: Any) -> str:
    return listed(list(map(repr, values.tolist())))
