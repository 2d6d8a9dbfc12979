"""Which synthetic images are added to real ones: their classes and, where there are groups, their groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.curation import images_to_add
from ganaug.curation.cells import cells_to_add, repeated, spread_over_groups
from ganaug.data.groups import cell_counts, check_groups, groups_from_array, groups_like
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.labels import NO_NAMES, listed
from ganaug.transforms.source import Source

__all__ = ["NewSamples", "joined_groups", "new_samples"]


@dataclass(frozen=True)
class NewSamples:
    """What is to be drawn.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        As the real data write them.
    positions : ndarray of shape (n,), int64
        In the classes of the source.
    groups : ndarray of shape (n,) or None
        As the real data write them; None where they or the source have none.
    group_positions : ndarray of shape (n,), int64, or None
        In the groups of the source.
    """

    labels: NDArray[Any]
    positions: NDArray[np.int64]
    groups: NDArray[Any] | None = None
    group_positions: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def new_samples(
    per_class: Any,
    per_cell: Any,
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    source: Source,
    names: Mapping[Any, str] = NO_NAMES,
    *,
    remedy: str = "pass groups=",
) -> NewSamples:
    """Find out what to add to labelled images; nothing to those without a label.

    Parameters
    ----------
    per_class : float, str, mapping or None
        As for :func:`ganaug.curation.images_to_add`; None is "balance".
    per_cell : int, str, mapping, DataFrame or None
        As for :func:`ganaug.curation.cells.cells_to_add`, in place of `per_class`.
    labels : ndarray of shape (n_images,)
    groups : ndarray of shape (n_images,) or None
        Of the real images.
    source : Source
        A class -1 of its own is one.
    names : mapping
        Of classes, which keys of `per_class` and `per_cell` may be.
    remedy : str
        What to do where `per_cell` lacks groups.

    Returns
    -------
    NewSamples

    Raises
    ------
    ValueError
        For both of `per_class` and `per_cell`, and for groups that are missing or serve no use.
    """
    if labels.dtype.kind == "i" and UNLABELLED not in source.classes.tolist():
        known = labels != UNLABELLED
        labels, groups = labels[known], None if groups is None else groups[known]
    if per_cell is not None:
        if per_class is not None:
            raise ValueError("per_class and per_cell exclude each other, got both; pass one of them")
        if groups is None:
            raise ValueError(f"per_cell needs the group of each real image, got none; {remedy}")
        return _of_cells(per_cell, labels, groups, source, names)
    distinct, counts = np.unique(labels, return_counts=True)
    if isinstance(per_class, Mapping):
        per_class = _by_label(per_class, distinct.tolist(), names)
    added = images_to_add(
        "balance" if per_class is None else per_class, dict(zip(distinct.tolist(), counts.tolist(), strict=True))
    )
    new_labels = np.repeat(np.array(list(added), dtype=labels.dtype), list(added.values()))
    positions = source.positions(new_labels)
    new_labels, positions = new_labels[positions >= 0], positions[positions >= 0]
    if groups is None or source.groups is None or source.cell_counts is None:
        return NewSamples(new_labels, positions)
    spread = spread_over_groups(np.bincount(positions, minlength=len(source.classes)), source.cell_counts)
    of = np.empty(len(positions), dtype=np.int64)
    of[np.argsort(positions, kind="stable")] = repeated(spread)[1]
    return NewSamples(new_labels, positions, groups_like(source.groups[of], groups), of)


def _by_label(per_class: Mapping[Any, int], labels: list[Any], names: Mapping[Any, str]) -> dict[Any, int]:
    """Numbers of classes by their labels, where they are asked for by their names."""
    known = {name: label for label, name in names.items()}
    asked = {key if key in labels else known.get(key, key): n for key, n in per_class.items()}
    if len(asked) < len(per_class):
        raise ValueError(f"per_class asks for a class by its label and its name, got {listed(list(per_class))}")
    return asked


def _of_cells(
    per_cell: Any, labels: NDArray[Any], groups: NDArray[Any], source: Source, names: Mapping[Any, str]
) -> NewSamples:
    source.check_cells()
    check_groups(labels, groups, use="conditioning")
    counts = cell_counts(labels, groups)
    places, of = repeated(cells_to_add(per_cell, counts, names).to_numpy())
    new = NewSamples(np.unique(labels)[places], places, np.unique(groups)[of], of)
    assert new.groups is not None
    positions, at = source.positions(new.labels), source.group_positions(new.groups)
    there = (positions >= 0) & (at >= 0)
    if source.missing == "keep":
        there &= source.holds(positions, at)
    return NewSamples(new.labels[there], positions[there], new.groups[there], at[there])


def joined_groups(groups: NDArray[Any] | None, new: NDArray[Any] | None, n_new: int) -> NDArray[Any] | None:
    """Groups of real images and, behind them, of synthetic ones; unknown ones where `new` is None.

    Examples
    --------
    >>> joined_groups(np.array(["old", "new"]), None, 1).tolist()
    ['old', 'new', 'unknown']
    """
    if groups is None:
        return None
    behind = [None] * n_new if new is None else new.tolist()
    return groups_from_array([*groups.tolist(), *behind], len(groups) + n_new)
