"""Synthetic rows from a Gaussian of each class with a covariance common to all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from ganaug.data.host_states import plain_states
from ganaug.data.tables.layout import RowLayout

__all__ = ["GaussianSampler"]


class GaussianSampler:
    """Draws encoded rows from a Gaussian around the mean of their class.

    The covariance is pooled over the classes and shrunk (Ledoit and Wolf, 2004): with a few rows a class, in many
    dimensions, it is all that can be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    >>> sampler = GaussianSampler().fit(rows, np.arange(60) % 3)
    >>> drawn, anchors = sampler.sample(np.array([2, 2]), np.random.default_rng(0))
    >>> drawn.shape, anchors.tolist()
    ((2, 5), [-1, -1])
    """

    @plain_states()
    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
    ) -> GaussianSampler:
        """Estimate means and covariance; all columns must be numbers.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        labels : ndarray of shape (n_rows,)
            Classes 0 to n_classes - 1.
        layout : RowLayout, optional
            There must be no blocks of levels in it.

        Raises
        ------
        ValueError
            For a layout with blocks.
        """
        if layout is not None and layout.blocks:
            raise ValueError(
                f"layout has {len(layout.blocks)} blocks of levels and GaussianSampler draws numbers only; use "
                "LocalSampler for tables with categories or missing values"
            )
        counts = np.bincount(labels)
        self._means = np.stack([rows[labels == c].mean(0) for c in range(len(counts))]).astype(np.float64)
        within = rows - self._means[labels]
        covariance, _ = ledoit_wolf(within, assume_centered=True)
        # Means take a degree of freedom each.
        covariance *= len(rows) / max(1, len(rows) - len(counts))
        self._root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance)))
        return self

    @plain_states()
    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label; the second value is -1 throughout: there are no anchors."""
        noise = randomness.normal(size=(len(labels), len(self._root)))
        rows = self._means[labels] + noise @ self._root.T
        return rows.astype(np.float32), np.full(len(labels), -1)
