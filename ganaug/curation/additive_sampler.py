"""Encoded rows moved from other groups, in the interface of the other samplers of encoded rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.curation.additive import AdditiveTransfer
from ganaug.data.groups import ignore_classes_in_one_group
from ganaug.data.tables.layout import RowLayout

__all__ = ["AdditiveSampler"]


class AdditiveSampler:
    """Draws encoded rows of a cell from real rows of its class in other groups, as :class:`AdditiveTransfer` does.

    The second value of :meth:`sample` is the row that each was made of.

    Attributes
    ----------
    transfer_ : AdditiveTransfer

    Examples
    --------
    >>> rows = np.array([[1.0], [11.0], [5.0]], dtype=np.float32)
    >>> sampler = AdditiveSampler().fit(rows, np.array([0, 0, 1]), groups=np.array([0, 1, 0]))
    >>> drawn, anchors = sampler.sample(np.array([1]), np.random.default_rng(0), np.array([1]))
    >>> drawn.round(4).tolist(), anchors.tolist()
    ([[15.0]], [2])
    """

    transfer_: AdditiveTransfer

    def drawable(self, cell_counts: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say which cells can be drawn: those of classes that occur in another group.

        Parameters
        ----------
        cell_counts : ndarray of shape (n_classes, n_groups)

        Returns
        -------
        ndarray of shape (n_classes, n_groups), bool
        """
        return cell_counts.sum(1, keepdims=True) > cell_counts

    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
        groups: NDArray[np.integer] | None = None,
    ) -> AdditiveSampler:
        """Keep the rows, and estimate the effects of the groups.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        labels : ndarray of shape (n_rows,)
        layout : RowLayout, optional
        groups : ndarray of shape (n_rows,)

        Raises
        ------
        ValueError
            Without groups, and for those that :class:`AdditiveTransfer` refuses.
        """
        self._width = rows.shape[1]
        if not self._width:  # where nothing varies, rows have no entries, of which AdditiveTransfer needs one
            rows, layout = np.zeros((len(rows), 1), rows.dtype), None
        with ignore_classes_in_one_group():  # such cells are what it is there for
            self.transfer_ = AdditiveTransfer().fit(rows, labels, groups, layout=layout)
        return self

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator, groups: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label and group, and the index of the row that each was made of."""
        rows, donors = self.transfer_.sample_with_donors(labels, groups, random_state=randomness)
        return rows[:, : self._width], donors
