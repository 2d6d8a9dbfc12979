"""Synthetic rows from several samplers, selected for class consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganaug.curation.consistency import ClassConsistency
from ganaug.data.tables.layout import RowLayout

__all__ = ["Mixture", "RowSampler"]

MIN_SELECTION = 8  # rows of the largest class, below which classifiers are no help


class RowSampler(Protocol):
    """What a mixture takes: draws encoded rows of given classes.

    It may have ``min_rows``, the rows that a class must have for the sampler to draw it; 1 if it does not say.
    """

    def fit(self, rows: NDArray[np.float32], labels: NDArray[np.integer], layout: RowLayout | None = None) -> Any:
        """Learn from encoded rows and the positions of their classes."""

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label, and the index of the row that each grew from, or -1."""


class Mixture:
    """Draws encoded rows from several samplers in given shares.

    Parameters
    ----------
    members : sequence of (RowSampler, float)
        Samplers with their shares of each class, which need not sum to 1. A class that has fewer rows than the
        ``min_rows`` of a sampler is left to the others; a sampler of share 0 draws only what no other can.
    selection : ClassConsistency, optional
        Keeps the rows that are consistent with their class, as far as enough are drawn. It is not used where each class
        has fewer than eight rows.
    candidates : int, default=2
        Rows drawn for each row that is kept, with a selection.

    Examples
    --------
    Three quarters of the rows from a Gaussian of each class, the others near real rows:

    >>> from ganaug.curation import ClassConsistency, GaussianSampler, LocalSampler
    >>> labels = np.repeat([0, 1], [40, 20])
    >>> rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) + labels[:, None]
    >>> mixture = Mixture([(GaussianSampler(), 3), (LocalSampler(), 1)], selection=ClassConsistency())
    >>> drawn, anchors = mixture.fit(rows, labels).sample(np.repeat(1, 20), np.random.default_rng(0))
    >>> drawn.shape, int((anchors >= 0).sum())
    ((20, 3), 5)

    With a generator among the samplers:

    >>> from ganaug import TableGAN
    >>> from ganaug.curation import GeneratorSampler, encode_table
    >>> data = encode_table(rows, labels)
    >>> generator = GeneratorSampler(TableGAN(steps=2, random_state=0, verbose=False), data)
    >>> mixture = Mixture([(generator, 0.5), (LocalSampler(), 0.5)]).fit(data.rows, data.targets, data.layout)
    >>> drawn, _ = mixture.sample(np.array([1, 1, 0]), np.random.default_rng(0))
    >>> data.encoder.inverse_transform(drawn).shape
    (3, 3)
    """

    def __init__(
        self,
        members: Sequence[tuple[RowSampler, float]],
        *,
        selection: ClassConsistency | None = None,
        candidates: int = 2,
    ) -> None:
        shares = [float(share) for _, share in members]
        if not shares or min(shares) < 0 or sum(shares) == 0:
            raise ValueError(f"members must have shares that are not negative and not all 0, got {shares}")
        if candidates < 1:
            raise ValueError(f"candidates must be at least 1, got {candidates}")
        self.members = list(members)
        self.selection = selection
        self.candidates = candidates

    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
        randomness: np.random.Generator | int = 0,
    ) -> Mixture:
        """Fit the samplers and the selection.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, width), float32
        labels : ndarray of shape (n_rows,)
            Classes 0 to n_classes - 1.
        layout : RowLayout, optional
            Of the rows; None means numbers only.
        randomness : Generator or int
            For the selection.
        """
        self._width, self._counts = rows.shape[1], np.bincount(labels)
        for sampler, _ in self.members:
            sampler.fit(rows, labels, layout)
        self._selection: ClassConsistency | None = None
        if self.selection is not None and self._width and self._counts.max() >= MIN_SELECTION:
            self._selection = self.selection.fit(rows, labels, np.random.default_rng(randomness))
        return self

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
            Within a class, those of the first sampler come first.
        anchors : ndarray of shape (n,), int64
            Index of the row that each grew from, -1 for none.

        Raises
        ------
        ValueError
            For a class that is too small for all samplers.
        """
        rows = np.empty((len(labels), self._width), dtype=np.float32)
        anchors = np.full(len(labels), -1)
        if not len(labels):
            return rows, anchors
        classes, asked = np.unique(labels, return_counts=True)
        numbers = np.array([self._split(c, n) for c, n in zip(classes.tolist(), asked.tolist(), strict=True)])
        drawn = [
            self._from(sampler, classes, own, randomness)
            for (sampler, _), own in zip(self.members, numbers.T, strict=True)
            if own.any()
        ]
        new_rows, new_anchors, new_labels = map(np.concatenate, zip(*drawn, strict=True))
        order, places = (np.argsort(each, kind="stable") for each in (new_labels, labels))
        rows[places], anchors[places] = new_rows[order], new_anchors[order]
        return rows, anchors

    def _split(self, label: int, n: int) -> list[int]:
        """How many of `n` rows of a class each sampler draws; what rounding leaves goes to the first that can."""
        count = int(self._counts[label])
        able = [k for k, (sampler, _) in enumerate(self.members) if getattr(sampler, "min_rows", 1) <= count]
        if not able:
            least = min(getattr(sampler, "min_rows", 1) for sampler, _ in self.members)
            raise ValueError(
                f"class {label} has {count} rows and the samplers of the mixture need at least {least}; add a "
                "LocalSampler of share 0"
            )
        shares = {k: float(self.members[k][1]) for k in able}
        whole = sum(shares.values())
        numbers, left = [0] * len(self.members), n
        for k in able[:0:-1]:
            numbers[k] = min(left, round((shares[k] / whole if whole else 1 / len(able)) * n))
            left -= numbers[k]
        numbers[able[0]] = left
        return numbers

    def _from(
        self,
        sampler: RowSampler,
        classes: NDArray[np.integer],
        numbers: NDArray[np.int64],
        randomness: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.integer]]:
        """Rows of one sampler, class by class, with their anchors and labels."""
        labels = np.repeat(classes, numbers * (self.candidates if self._selection else 1))
        rows, anchors = sampler.sample(labels, randomness)
        if self._selection is None:
            return rows, anchors, labels
        chosen = self._selection.choose(rows, labels, numbers[numbers > 0], randomness, anchors)
        return rows[chosen], anchors[chosen], labels[chosen]
