"""Which columns of an encoded row hold what."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.json_values import floats, whole

__all__ = ["RowLayout"]

MOST = 2**24  # columns, in layouts that are read from files


@dataclass(frozen=True)
class RowLayout:
    """Layout of an encoded row: numbers first, then one-hot blocks of levels.

    Attributes
    ----------
    n_numbers : int
        The first entries of a row, which are normal scores.
    blocks : tuple of int
        Widths of the one-hot blocks that follow.
    gates : tuple of int
        For each number the block whose first level says that the number is present, -1 for a number that always is.
        Empty if all of them always are.
    few_scores : tuple of tuple of float
        For each number all that it can be, ascending, where that are a few normal scores; else an empty tuple. Empty if
        all can be any number.

    Examples
    --------
    A number that may be missing, with its block (present, missing), and a column of three levels:

    >>> layout = RowLayout(n_numbers=1, blocks=(2, 3), gates=(0,))
    >>> layout.width, layout.slices
    (6, (slice(1, 3, None), slice(3, 6, None)))
    >>> layout.present(np.array([[0.7, 1, 0, 1, 0, 0], [0.0, 0, 1, 1, 0, 0]])).tolist()
    [[True], [False]]
    >>> RowLayout.from_dict(layout.to_dict()) == layout
    True
    """

    n_numbers: int
    blocks: tuple[int, ...] = ()
    gates: tuple[int, ...] = ()
    few_scores: tuple[tuple[float, ...], ...] = ()

    @property
    def n_levels(self) -> int:
        """Entries of all blocks together."""
        return sum(self.blocks)

    @property
    def width(self) -> int:
        """Entries of an encoded row."""
        return self.n_numbers + self.n_levels

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where each block is in a row."""
        ends = itertools.accumulate(self.blocks, initial=self.n_numbers)
        return tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))

    @property
    def presence(self) -> dict[int, int]:
        """By the column of each number that may be missing, the column that is 1 where it is present."""
        slices = self.slices
        return {number: slices[block].start for number, block in enumerate(self.gates) if block >= 0}

    def present(self, rows: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Find which numbers of encoded rows are present, that is, not missing.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)

        Returns
        -------
        ndarray of shape (n_rows, n_numbers), bool
        """
        found = np.ones((len(rows), self.n_numbers), dtype=bool)
        for number, column in self.presence.items():
            found[:, number] = rows[:, column] == 1
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RowLayout:
        """Inverse of :meth:`to_dict`, also from JSON.

        Raises
        ------
        ValueError, TypeError, KeyError
            For values that describe no layout.
        """
        few = tuple(tuple(scores) for scores in values.get("few_scores", ()))  # older files have none
        layout = cls(values["n_numbers"], tuple(values["blocks"]), tuple(values["gates"]), few)
        whole(layout.n_numbers, "n_numbers", 0, MOST)
        for block in layout.blocks:
            whole(block, "a block", 2, MOST)
        for gate in layout.gates:
            whole(gate, "a gate", -1, len(layout.blocks) - 1)
        if len(layout.gates) not in (0, layout.n_numbers):
            raise ValueError(f"there must be a gate for each of {layout.n_numbers} numbers, got {len(layout.gates)}")
        if len(few) not in (0, layout.n_numbers):
            raise ValueError(f"there must be scores for each of {layout.n_numbers} numbers, or none, got {len(few)}")
        for scores in few:
            if len(scores) == 1 or (np.diff(floats(scores, "few_scores", -1)) <= 0).any():
                raise ValueError("few_scores must be empty, or two and more that ascend")
        return layout
