"""What describes the groups of encoded rows: columns that have one value in all rows of a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from ganaug.data.json_values import floats, whole
from ganaug.data.tables.layout import RowLayout

__all__ = ["GroupValues", "not_by_chance"]

CHANCE = 1e-4  # with which a column that has nothing to do with groups would look as if it described them
PART = 2**22  # numbers that are looked at at a time


@dataclass(frozen=True)
class GroupValues:
    """Columns that describe groups, such as the country of a hospital, and their values in each group.

    A column describes the groups if it has one value in every group, and a column of the same values in a random order
    would have so with a probability below 1 in 10,000, divided by the number of columns. That probability is
    ``prod_g sum_v p_v**n_g`` with shares ``p_v`` of values and ``n_g`` rows of a group.

    A column that is always missing in some groups, and always there and varies in others, describes the groups in which
    it is missing.

    Attributes
    ----------
    entries : ndarray of shape (n_entries,), int64
        Which entries of an encoded row these columns have, ascending.
    values : ndarray of shape (n_groups, n_entries), floating
        What they are in each group; NaN where the group does not say.

    Examples
    --------
    A number that varies, and a column of two levels, the second in group 1 alone:

    >>> rows = np.column_stack([np.arange(60), [1, 0] * 30, [0, 1] * 30]).astype(np.float32)
    >>> known = GroupValues.of(rows, np.array([0, 1] * 30), 2, RowLayout(1, (2,)))
    >>> known.entries.tolist(), known.values.tolist()
    ([1, 2], [[1.0, 0.0], [0.0, 1.0]])
    >>> drawn = np.array([[0.5, 0, 1], [0.7, 0, 1]], dtype=np.float32)
    >>> known.put(drawn, np.array([0, 1])).round(1).tolist()
    [[0.5, 1.0, 0.0], [0.699999988079071, 0.0, 1.0]]
    """

    entries: NDArray[np.int64]
    values: NDArray[np.floating]

    @property
    def lacks_numbers(self) -> NDArray[np.bool_]:
        """Where a group has no number in a column in which others have different ones; (n_groups, n_entries)."""
        known = ~np.isnan(self.values)
        return known & ~known.all(0)

    @classmethod
    def none(cls, n_groups: int = 0) -> GroupValues:
        """No column describes the groups."""
        return cls(np.empty(0, dtype=np.int64), np.empty((n_groups, 0), dtype=np.float32))

    @classmethod
    def of(
        cls, rows: NDArray[np.floating], groups: NDArray[np.integer], n_groups: int, layout: RowLayout
    ) -> GroupValues:
        """Find the columns.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
            Encoded, in memory or in a file.
        groups : ndarray of shape (n_rows,), integer
            Positions of groups, of which each occurs.
        n_groups : int
        layout : RowLayout

        Returns
        -------
        GroupValues
        """
        if not layout.width:
            return cls.none(n_groups)
        first = np.full(n_groups, len(rows))
        np.minimum.at(first, groups, np.arange(len(rows)))
        examples = np.asarray(rows[first], dtype=np.result_type(rows.dtype, np.float32))
        same = _same_in_groups(rows, groups, examples)
        sizes = np.bincount(groups, minlength=n_groups)
        n_columns = sum(gate < 0 for gate in layout.gates or [-1] * layout.n_numbers) + len(layout.blocks)
        values = np.full(examples.shape, np.nan, dtype=examples.dtype)
        for number, gate in enumerate(layout.gates or [-1] * layout.n_numbers):
            if gate < 0 and same[number] and not_by_chance(examples[:, [number]], sizes, n_columns):
                values[:, number] = examples[:, number]
        for block, entries in enumerate(layout.slices):
            if not same[entries].all():
                continue
            own = [number for number, gate in enumerate(layout.gates) if gate == block]
            columns = [*own, *range(entries.start, entries.stop)]
            constant = bool(same[own].all())
            if not not_by_chance(examples[:, columns if constant else entries], sizes, n_columns):
                continue
            settled = np.full(n_groups, constant) | (examples[:, entries.start] == 0 if own else True)
            values[np.ix_(settled, columns)] = examples[np.ix_(settled, columns)]
        found = np.flatnonzero(~np.isnan(values).all(0))
        return cls(found, values[:, found])

    def put(self, rows: NDArray[Any], groups: NDArray[np.integer]) -> NDArray[Any]:
        """Give encoded rows the values of their groups, in place.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        groups : ndarray of shape (n_rows,), integer

        Returns
        -------
        ndarray of shape (n_rows, width)
            `rows`.
        """
        if len(self.entries):
            of_group = self.values[groups]
            rows[:, self.entries] = np.where(np.isnan(of_group), rows[:, self.entries], of_group)
        return rows

    def to_state(self) -> dict[str, Any]:
        """JSON values."""
        values = [[None if np.isnan(value) else value for value in row] for row in self.values.tolist()]
        return {"entries": self.entries.tolist(), "values": values}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_groups: int, width: int) -> GroupValues:
        """Inverse of :meth:`to_state`; ``ValueError``, ``TypeError`` or ``KeyError`` for what cannot be."""
        entries = [whole(entry, "an entry of group values", 0, width - 1) for entry in state["entries"]]
        if (np.diff(entries) <= 0).any():
            raise ValueError("entries of group values must ascend")
        known = [[0.0 if value is None else value for value in row] for row in state["values"]]
        values = floats(known, "group values", n_groups, len(entries)).astype(np.float32)
        unknown = [[value is None for value in row] for row in state["values"]]
        values[np.array(unknown, dtype=bool).reshape(values.shape)] = np.nan
        return cls(np.array(entries, dtype=np.int64), values)


def _same_in_groups(
    rows: NDArray[np.floating], groups: NDArray[np.integer], examples: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which entries are those of the example of its group in every row; of shape (width,)."""
    same = np.ones(rows.shape[1], dtype=bool)
    at_a_time = max(1, PART // rows.shape[1])
    for start in range(0, len(rows), at_a_time):
        if not same.any():
            break
        part = slice(start, start + at_a_time)
        same &= (np.asarray(rows[part]) == examples[groups[part]]).all(0)
    return same


def not_by_chance(values: NDArray[Any], sizes: NDArray[np.integer], looked_at: int = 1) -> bool:
    """Whether a column with one value in each group is too unlikely to have so in a random order of its rows.

    Parameters
    ----------
    values : ndarray of shape (n_groups, n_entries)
        The value of each group.
    sizes : ndarray of shape (n_groups,), integer
        Its rows.
    looked_at : int
        Columns, or pairs of columns, that were looked at: of many, some are unlikely.

    Examples
    --------
    >>> not_by_chance(np.array([[0], [1]]), np.array([3, 3])), not_by_chance(np.array([[0], [1]]), np.array([9, 9]))
    (False, True)
    """
    _, of = np.unique(values, axis=0, return_inverse=True)
    shares = np.bincount(of.reshape(-1), weights=sizes) / sizes.sum()
    different, times = np.unique(sizes, return_counts=True)
    log_chances = scipy.special.logsumexp(different[:, None] * np.log(shares), axis=1)
    return bool(times @ log_chances < np.log(CHANCE / looked_at))
