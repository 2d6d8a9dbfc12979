"""Over-sampling by cells, the combinations of class and group: how many rows each gets, and where groups stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.groups import cell_counts, check_groups, has_group
from ganaug.data.json_values import short
from ganaug.data.labels import listed
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.group_column import part_groups

__all__ = ["NewRows", "RowGroups", "cells_to_fill", "extended", "groups_as_trained", "row_groups"]

ALL_CELLS = ("auto", "all", "not majority")  # strategies, which are the same where no cell may be left out


@dataclass(frozen=True)
class RowGroups:
    """Groups of the rows of a table, beside it or in one of its columns; :func:`row_groups` makes one.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        The group of each row; unknown ones are a group of their own.
    column : str, int or None
        Of the table that holds them.
    """

    values: NDArray[Any]
    column: Any = None

    def features(self, X: Any) -> Any:
        """The table without the column of the groups."""
        return X if self.column is None else part_groups(X, self.column)[0]

    @property
    def given(self) -> Any:
        """The groups as a sampler takes them."""
        return self.values if self.column is None else self.column

    def part(self, indices: NDArray[np.integer]) -> RowGroups:
        """Groups of some of the rows."""
        return RowGroups(self.values[indices], self.column)


@dataclass(frozen=True)
class NewRows:
    """Label and, where there are groups, group of each row to add."""

    labels: NDArray[Any]
    groups: NDArray[Any] | None


def extended(
    X: Any, table: pd.DataFrame, container: Container, rows: pd.DataFrame, groups: RowGroups | None, new: NewRows
) -> Any:
    """Put new rows behind a table, with their groups in the column that holds them.

    Parameters
    ----------
    X : table in any container
        As it came, with that column.
    table, container
        Of its features, as :func:`as_table` returns them.
    rows : DataFrame
        New rows of the features.
    groups : RowGroups or None
        Of `X`.
    new : NewRows
        Each of its groups occurs in `X`, and is written as in the first row of it.
    """
    if groups is not None and groups.column is not None and new.groups is not None:
        table, container = as_table(X)
        names = list(table.columns)
        place = names.index(groups.column) if groups.column in names else int(groups.column)
        known, first = np.unique(groups.values, return_index=True)
        values = table.iloc[first[np.searchsorted(known, new.groups)], place].reset_index(drop=True)
        rows = rows.set_axis(names[:place] + names[place + 1 :], axis=1)
        rows.insert(place, names[place], values)
    return container.extend(X, table, rows)


def row_groups(X: Any, y: NDArray[Any], groups: Any) -> RowGroups | None:
    """Check the groups of a table, before any training.

    Parameters
    ----------
    X : table in any container, or images of shape (n, height, width, channels)
    y : ndarray of shape (n_rows,)
    groups : array-like of shape (n_rows,), str, int or None
        Groups, or the column of `X` that holds them.

    Returns
    -------
    RowGroups or None

    Raises
    ------
    ValueError, TypeError
        For groups that :func:`part_groups` cannot find, or :func:`check_groups` refuses for conditioning.
    """
    _, values = part_groups(X, groups)
    if values is None:
        return None
    check_groups(y, values, use="conditioning", of="rows")
    in_column = isinstance(groups, str | Integral) and not isinstance(groups, bool)
    return RowGroups(values, groups if in_column else None)


def cells_to_fill(strategy: Any, y: NDArray[Any], groups: NDArray[Any] | None) -> dict[tuple[Any, Any], int]:
    """Rows to add to each cell.

    Parameters
    ----------
    strategy : str or dict
        "auto", "all" or "not majority" for all cells of known groups up to the largest of them; or rows by (class,
        group) that there are to be.
    y, groups : ndarray of shape (n_rows,)

    Returns
    -------
    dict
        By (class, group), classes and groups in ascending order.

    Raises
    ------
    ValueError
        Without groups, for another strategy, and for cells that cannot be.

    Examples
    --------
    >>> y, groups = np.array([0, 0, 1]), np.array(["a", "a", "b"])
    >>> cells_to_fill("auto", y, groups)
    {(0, 'a'): 0, (0, 'b'): 2, (1, 'a'): 2, (1, 'b'): 1}
    >>> cells_to_fill({(1, "a"): 4}, y, groups)
    {(1, 'a'): 4}
    """
    if groups is None:
        raise ValueError(
            "balance='cells' needs groups, got None; pass groups=, which a pipeline passes on after "
            "sklearn.set_config(enable_metadata_routing=True) and set_fit_resample_request(groups=True)"
        )
    table = cell_counts(y, groups)
    counts = {
        (label, group): int(n)
        for label, row in zip(table.index.tolist(), table.to_numpy(), strict=True)
        for group, n in zip(table.columns.tolist(), row, strict=True)
    }
    if isinstance(strategy, Mapping):
        wanted = {_cell(key, table): n for key, n in strategy.items()}
        for (label, group), n in wanted.items():
            if not isinstance(n, Integral) or n < counts[label, group]:
                raise ValueError(
                    f"sampling_strategy asks for {short(n)} rows of class {label!r} in group {group!r}, which has "
                    f"{counts[label, group]}; pass a whole number that is at least as large"
                )
        return {cell: int(wanted[cell]) - counts[cell] for cell in counts if cell in wanted}
    if not isinstance(strategy, str) or strategy not in ALL_CELLS:
        raise ValueError(
            f"sampling_strategy must be 'auto' or a dict of rows by (class, group) with balance='cells', got "
            f"{short(strategy)}; change it, or pass balance='classes'"
        )
    # Rows of nobody in particular are no one's to be filled up.
    known = dict(zip(table.columns.tolist(), has_group(table.columns.to_numpy()).tolist(), strict=True))
    largest = max((n for (_, group), n in counts.items() if known[group]), default=0)
    return {(label, group): largest - n if known[group] else 0 for (label, group), n in counts.items()}


def _cell(key: Any, table: pd.DataFrame) -> tuple[Any, Any]:
    """A key of a dict of rows as the class and the group that it means."""
    if not isinstance(key, tuple) or len(key) != 2:
        raise ValueError(
            f"sampling_strategy must hold rows by (class, group) with balance='cells', got {short(key)}; pass pairs"
        )
    for what, value, known in zip(("class", "group"), key, (table.index, table.columns), strict=True):
        if value not in known:
            raise ValueError(
                f"sampling_strategy asks for {what} {short(value)}, which is none of "
                f"{listed(list(map(repr, known.tolist())))}; pass one of these"
            )
    label, group = key
    return table.index.tolist()[table.index.get_loc(label)], table.columns.tolist()[table.columns.get_loc(group)]


def groups_as_trained(
    labels: NDArray[Any], y: NDArray[Any], groups: NDArray[Any], randomness: np.random.Generator
) -> NDArray[Any]:
    """Draw a group for each label, as often as rows show them together, sorted within each label."""
    drawn = np.empty(len(labels), dtype=groups.dtype)
    for label in np.unique(labels):
        chosen = labels == label
        drawn[chosen] = np.sort(randomness.choice(groups[y == label], int(chosen.sum())))
    return drawn
