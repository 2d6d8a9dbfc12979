"""Synthetic rows near real ones: what SMOTE does, with the local covariance of more than one neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from ganaug.data.host_states import plain_states
from ganaug.data.tables.layout import RowLayout

__all__ = ["LocalSampler"]

MAX_REFERENCE = 10_000  # rows of a class among which neighbours are sought


class LocalSampler:
    """Draws encoded rows around real ones of the same class.

    From an anchor ``x`` and its nearest neighbours ``x_j`` of the class, a row is drawn as ``x + sum_j w_j (x_j - x)``
    with normal weights ``w_j``: a Gaussian around the anchor with the covariance of its surroundings. Each block of
    levels is the anchor's, or that of a random neighbour. Where the block says whether there is a number, the number is
    the neighbour's too if it has another level.

    The rows vary more than the real ones: a class of n rows that are all neighbours of each other has the variance of
    its rows ``1 - 1 / n + 2 * spread**2`` times, and a large class the less above once the nearer its neighbours are.

    Parameters
    ----------
    n_neighbors : int
        Neighbours of an anchor, fewer where the class has fewer.
    spread : float
        Standard deviation of the sum of the weights.
    swap : float in [0, 1]
        Probability with which a block of levels is taken from a neighbour.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [1.0], [9.0]], dtype=np.float32)
    >>> sampler = LocalSampler(spread=0.1).fit(rows, np.array([0, 0, 1]))
    >>> drawn, anchors = sampler.sample(np.array([0, 0, 1]), np.random.default_rng(0))
    >>> bool(np.all(np.abs(drawn[:2]) < 2)), drawn[2].tolist(), anchors.tolist()[2]
    (True, [9.0], 2)
    """

    def __init__(self, n_neighbors: int = 8, spread: float = 0.7, swap: float = 0.33) -> None:
        self.n_neighbors = n_neighbors
        self.spread = spread
        self.swap = swap

    @plain_states()
    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
    ) -> LocalSampler:
        """Keep the rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width)
        labels : ndarray of shape (n_rows,)
            Class of each row.
        layout : RowLayout, optional
            Which columns are blocks of levels, and which numbers may be missing. None means present numbers only.
        """
        self._rows, self._labels = rows, labels
        self._layout = layout or RowLayout(rows.shape[1])
        self._numbers = rows[:, : self._layout.n_numbers]
        self._present = self._layout.present(rows) if self._layout.presence else None
        return self

    @plain_states()
    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label.

        Parameters
        ----------
        labels : ndarray of shape (n,)
        randomness : Generator

        Returns
        -------
        rows : ndarray of shape (n, width), float32
        anchors : ndarray of shape (n,), int64
            Index of the real row that each grew from. The only row of a class is repeated as it is.
        """
        if not hasattr(self, "_rows"):
            raise NotFittedError("the sampler is not fitted; call fit with encoded rows and their classes first")
        drawn = np.empty((len(labels), self._rows.shape[1]), dtype=np.float32)
        anchors = np.empty(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            chosen = np.flatnonzero(labels == label)
            members = np.flatnonzero(self._labels == label)
            anchors[chosen] = randomness.choice(members, len(chosen))
            drawn[chosen] = self._around(anchors[chosen], members, randomness)
        return drawn, anchors

    def _around(
        self, anchors: NDArray[np.int64], members: NDArray[np.int64], randomness: np.random.Generator
    ) -> NDArray[np.float32]:
        drawn = self._rows[anchors].copy()
        k = min(self.n_neighbors, len(members) - 1)
        if k < 1 or drawn.shape[1] == 0:
            return drawn
        reference = members if len(members) <= MAX_REFERENCE else randomness.choice(members, MAX_REFERENCE, False)
        different, inverse = np.unique(anchors, return_inverse=True)
        found = (
            NearestNeighbors(n_neighbors=k + 1)
            .fit(self._rows[reference])
            .kneighbors(self._rows[different], return_distance=False)
        )
        found = reference[found]
        # The anchor itself is left out; it need not be the first among equals, nor be there at all.
        itself = found == different[:, None]
        itself[~itself.any(1), -1] = True
        found = found[~itself].reshape(len(different), k)[inverse]
        weights = randomness.normal(scale=self.spread / np.sqrt(k), size=(len(anchors), k)).astype(np.float32)
        present = self._present
        for j in range(k):
            step = self._numbers[found[:, j]] - self._numbers[anchors]
            if present is not None:  # a number moves along neighbours that have one
                step *= present[found[:, j]] & present[anchors]
            drawn[:, : self._layout.n_numbers] += weights[:, j : j + 1] * step
        for index, block in enumerate(self._layout.slices):
            swapped = np.flatnonzero(randomness.random(len(anchors)) < self.swap)
            source = found[swapped, randomness.integers(k, size=len(swapped))]
            # A number that both have has moved already, with the others, from which the neighbour's would part it.
            other = (self._rows[source, block] != drawn[swapped, block]).any(1)
            swapped, source = swapped[other], source[other]
            drawn[swapped, block] = self._rows[source, block]
            if index in self._layout.gates:
                number = self._layout.gates.index(index)
                drawn[swapped, number] = self._rows[source, number]
        return drawn
