"""How many synthetic samples each cell gets; a cell is a combination of class and group."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.groups import has_group, positions_of_groups
from ganaug.data.json_values import short
from ganaug.data.labels import NO_NAMES, class_positions
from ganaug.generators.contract import has_groups

__all__ = ["balancing_shares", "cells_to_add", "check_cells", "repeated", "spread_over_groups", "training_cells"]


def check_cells(generator: Any, argument: str = "per_cell", remedy: str = "pass per_class") -> None:
    """Raise ``ValueError`` for a generator that knows no groups, which `argument` asks for."""
    if not has_groups(generator):
        raise ValueError(
            f"{argument} needs groups, and the {type(generator).__name__} was trained without; {remedy}, or fit one "
            "with groups"
        )


def training_cells(generator: Any) -> pd.DataFrame:
    """Training samples of each cell of a generator that has groups; as :func:`ganaug.data.groups.cell_counts`."""
    return pd.DataFrame(
        np.asarray(generator.cell_counts_, dtype=np.int64),
        pd.Index(generator.classes_, name="class"),
        pd.Index(generator.groups_, name="group"),
    )


def cells_to_add(
    per_cell: int | str | Mapping[tuple[Any, Any], int] | pd.DataFrame,
    counts: pd.DataFrame,
    class_names: Mapping[Any, str] = NO_NAMES,
) -> pd.DataFrame:
    """Number of synthetic samples for each cell.

    Parameters
    ----------
    per_cell : int, "balance", dict or DataFrame
        The same number for each cell; as many as a cell has fewer than the largest one; or numbers by (class, group),
        in a DataFrame with a row for each class and a column for each group: cells that are not in it get none. The
        unknown group gets samples only where such a dict or DataFrame asks for them.
    counts : DataFrame of shape (n_classes, n_groups), int64
        Real samples, as :func:`ganaug.data.groups.cell_counts` returns them.
    class_names : mapping, optional
        Display names of classes, which keys may be as well.

    Returns
    -------
    DataFrame of shape (n_classes, n_groups), int64

    Raises
    ------
    ValueError
        For anything else, negative numbers, and a class or a group that is not in `counts`.

    Examples
    --------
    >>> counts = pd.DataFrame({"new": [0, 2], "old": [5, 3]}, index=["cat", "dog"])
    >>> [cells_to_add(n, counts).to_numpy().tolist() for n in ("balance", {("cat", "new"): 4})]
    [[[5, 0], [3, 2]], [[4, 0], [0, 0]]]
    """
    there, known = counts.to_numpy(), has_group(counts.columns.to_numpy())
    if isinstance(per_cell, pd.DataFrame | Mapping):
        added = _asked(per_cell, counts, class_names)
    elif isinstance(per_cell, str) and per_cell == "balance":
        added = np.where(known, there[:, known].max(initial=0) - there, 0)
    elif isinstance(per_cell, Integral) and not isinstance(per_cell, bool):
        added = np.where(known, int(per_cell), np.zeros_like(there))
    else:
        raise ValueError(
            f"per_cell must be a whole number, 'balance', or numbers by (class, group), got {short(per_cell)}; pass "
            "one of these"
        )
    if added.min(initial=0) < 0:
        raise ValueError(f"per_cell must not be negative, got {added.min()}; pass 0 for a cell that shall get none")
    return pd.DataFrame(added, counts.index, counts.columns)


def _asked(per_cell: Any, counts: pd.DataFrame, class_names: Mapping[Any, str]) -> NDArray[np.int64]:
    added = np.zeros(counts.shape, dtype=np.int64)
    if isinstance(per_cell, pd.DataFrame):
        rows, columns = per_cell.index.tolist(), per_cell.columns.tolist()
        values = [[per_cell.iat[i, j] for j in range(len(columns))] for i in range(len(rows))]
        per_cell = {(row, column): values[i][j] for i, row in enumerate(rows) for j, column in enumerate(columns)}
    if wrong := [key for key in per_cell if not isinstance(key, tuple) or len(key) != 2]:
        raise ValueError(f"per_cell must hold numbers by (class, group), got the key {short(wrong[0])}; pass pairs")
    if strange := [n for n in per_cell.values() if not isinstance(n, Integral) or isinstance(n, bool)]:
        raise ValueError(f"per_cell must hold whole numbers, got {short(strange[0])}; pass 0 for cells without")
    labels, groups = [label for label, _ in per_cell], [group for _, group in per_cell]
    places = class_positions(labels, counts.index.to_numpy(), "there are the classes", class_names)
    of = positions_of_groups(groups, counts.columns.to_numpy(), "there are the groups")
    added[places, of] = [int(n) for n in per_cell.values()]
    return added


def repeated(added: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of class and group of each sample that is to be added, cell by cell; both of shape (n,).

    Examples
    --------
    >>> [place.tolist() for place in repeated(np.array([[0, 2], [1, 0]]))]
    [[0, 0, 1], [1, 1, 0]]
    """
    classes, groups = np.indices(added.shape).reshape(2, -1)
    return np.repeat(classes, added.ravel()), np.repeat(groups, added.ravel())


def balancing_shares(counts: NDArray[np.integer], p: float, fillable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shares of synthetic samples by cell, such that they and real ones together show the cells equally often.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups), integer
        Real samples; some.
    p : float in [0, 1]
        Share of the real samples that synthetic ones replace, whatever their cell.
    fillable : ndarray of shape (n_classes, n_groups), bool
        Cells that may get samples; some.

    Returns
    -------
    ndarray of shape (n_classes, n_groups)
        Sums to 1. If `p` is too small to make all cells equal, the rarest come to one level, as high as it can be.

    Examples
    --------
    >>> counts = np.array([[0, 30], [30, 40]])
    >>> [balancing_shares(counts, p, counts >= 0).round(2).tolist() for p in (0.5, 0.1)]
    [[[0.5, 0.2], [0.2, 0.1]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    kept = (1 - p) * counts / counts.sum()
    rising = np.sort(kept[fillable])
    levels = (p + np.cumsum(rising)) / np.arange(1, len(rising) + 1)  # of the first cells, if they shared all of p
    level = levels[np.flatnonzero(levels >= rising).max()]
    missing = np.where(fillable, (level - kept).clip(0), 0)
    return missing / missing.sum() if missing.sum() > 0 else fillable / fillable.sum()


def spread_over_groups(wanted: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Divide numbers by class among the groups, in the proportions in which they occur with each class.

    Parameters
    ----------
    wanted : ndarray of shape (n_classes,), int64
    counts : ndarray of shape (n_classes, n_groups), int64
        Classes of which some are wanted occur.

    Returns
    -------
    ndarray of shape (n_classes, n_groups), int64
        Its rows sum to `wanted`. No cell gets more than it has as long as its class has as many as are wanted.

    Notes
    -----
    The largest remainders are rounded up. Among equal ones another group comes first in each class, so that a single
    sample of each class is not always of the first group.

    Examples
    --------
    >>> spread_over_groups(np.array([4, 1, 1]), np.array([[5, 0, 15], [2, 2, 2], [2, 2, 2]])).tolist()
    [[1, 0, 3], [0, 1, 0], [0, 0, 1]]
    """
    n_classes, n_groups = counts.shape
    spread, remainder = np.divmod(wanted[:, None] * counts, counts.sum(1, keepdims=True).clip(1))
    turn = (np.arange(n_groups) - np.arange(n_classes)[:, None]) % n_groups
    rank = np.lexsort((turn, -remainder), axis=1).argsort(axis=1)
    return spread + (rank < (wanted - spread.sum(1))[:, None])
