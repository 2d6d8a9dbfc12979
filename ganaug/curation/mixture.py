"""Synthetic rows from several samplers, selected for class consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from ganaug.curation.additive import group_effects
from ganaug.curation.consistency import ClassConsistency
from ganaug.data.json_values import short
from ganaug.data.tables.layout import RowLayout

__all__ = ["CellSampler", "Mixture", "RowSampler"]

MIN_SELECTION = 8  # rows of the largest class, below which classifiers are no help


class RowSampler(Protocol):
    """What a mixture takes: draws encoded rows of given classes.

    It may have ``min_rows``, the rows that a class must have for the sampler to draw it; 1 if it does not say.

    Where rows have groups, the sampler learns each cell of a class and a group as if it were a class, unless it is a
    :class:`CellSampler`.

    Examples
    --------
    A sampler that repeats rows, in a mixture with another:

    >>> import numpy as np
    >>> from ganaug.curation import LocalSampler, Mixture
    >>> class Repeat:
    ...     def fit(self, rows, labels, layout=None):
    ...         self.rows, self.labels = rows, labels
    ...         return self
    ...     def sample(self, labels, randomness):
    ...         anchors = np.array([randomness.choice(np.flatnonzero(self.labels == label)) for label in labels])
    ...         return self.rows[anchors], anchors
    ...
    >>> labels = np.repeat([0, 1], 10)
    >>> rows = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    >>> mixture = Mixture([(Repeat(), 1), (LocalSampler(), 1)]).fit(rows, labels)
    >>> drawn, anchors = mixture.sample(np.array([1, 1, 1, 1]), np.random.default_rng(0))
    >>> drawn.shape, bool((anchors >= 10).all())
    ((4, 2), True)
    """

    def fit(self, rows: NDArray[np.float32], labels: NDArray[np.integer], layout: RowLayout | None = None) -> Any:
        """Learn from encoded rows and the positions of their classes."""

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label, and the index of the row that each grew from, or -1."""


class CellSampler(Protocol):
    """A sampler that learns from several cells of class and group at once, and may draw those that have no rows."""

    def drawable(self, cell_counts: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say which cells it can draw, by their rows; both of shape (n_classes, n_groups)."""

    def fit(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        layout: RowLayout | None = None,
        groups: NDArray[np.integer] | None = None,
    ) -> Any:
        """Learn from encoded rows and the positions of their classes and groups; without groups as a RowSampler."""

    def sample(
        self, labels: NDArray[Any], randomness: np.random.Generator, groups: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label and group, and the index of the row that each grew from, or -1."""


class Mixture:
    """Draws encoded rows from several samplers in given shares.

    Parameters
    ----------
    members : sequence of (RowSampler or CellSampler, float)
        Samplers with their shares of each class or, where rows have groups, of each cell of a class and a group. They
        need not sum to 1. A class that has fewer rows than the ``min_rows`` of a sampler is left to the others; a
        sampler of share 0 draws only what no other can. A cell of a single row is left to samplers of cells.
    selection : ClassConsistency, optional
        Keeps the rows that are consistent with their class, as far as enough are drawn. It is not used where each class
        has fewer than eight rows.
    candidates : int, default=2
        Rows drawn for each row that is kept, with a selection.

    Notes
    -----
    Where rows have groups, rows of a cell are selected among each other, by classifiers of the class that see all rows
    without the effects of their groups, which :func:`group_effects` estimates. Otherwise they would learn that what
    looks like a group is none of the classes which that group lacks.

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

    Of rows with groups, in a cell that has none:

    >>> from ganaug.curation import AdditiveSampler
    >>> groups = np.where(labels == 1, 0, np.arange(60) % 2)
    >>> mixture = Mixture([(AdditiveSampler(), 1), (LocalSampler(), 1)]).fit(rows, labels, groups=groups)
    >>> drawn, anchors = mixture.sample(np.array([1]), np.random.default_rng(0), np.array([1]))
    >>> drawn.shape, int(labels[anchors[0]])
    ((1, 3), 1)
    """

    def __init__(
        self,
        members: Sequence[tuple[RowSampler | CellSampler, float]],
        *,
        selection: ClassConsistency | None = None,
        candidates: int = 2,
    ) -> None:
        if wrong := [member for member in members if not isinstance(member, tuple | list) or len(member) != 2]:
            raise ValueError(
                f"members must hold pairs of a sampler and its share, got {short(wrong[0])}; pass such as "
                "(LocalSampler(), 1)"
            )
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
        groups: NDArray[np.integer] | None = None,
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
        groups : ndarray of shape (n_rows,), optional
            Groups 0 to n_groups - 1.
        """
        self._layout = layout or RowLayout(rows.shape[1])
        counts = np.bincount(labels)
        self._n_groups = 0 if groups is None else int(groups.max()) + 1
        if groups is None:
            self._counts, cells = counts, labels
        else:
            cells = self._cells(labels, groups)
            self._counts = np.bincount(cells, minlength=len(counts) * self._n_groups)
            self._effects = group_effects(rows, np.stack([labels, groups], axis=1), self._movable(rows))
        self._drawable = self._able()
        self._among_cells = np.cumsum(self._counts > 0) - 1  # position of each cell among those that have rows
        for sampler, _ in self.members:
            if groups is not None and _of_cells(sampler):
                sampler.fit(rows, labels, layout, groups)
            else:
                sampler.fit(rows, self._among_cells[cells] if self._n_groups else labels, layout)
        self._selection: ClassConsistency | None = None
        if self.selection is not None and rows.shape[1] and counts.max() >= MIN_SELECTION:
            neutral = self._without_effects(rows, groups)
            self._selection = self.selection.fit(neutral, labels, np.random.default_rng(randomness))
        return self

    def sample(
        self,
        labels: NDArray[Any],
        randomness: np.random.Generator,
        groups: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a row for each label.

        Parameters
        ----------
        labels : ndarray of shape (n,)
        randomness : Generator
        groups : ndarray of shape (n,), optional
            A group for each label, where the rows have groups.

        Returns
        -------
        rows : ndarray of shape (n, width), float32
            Within a class or cell, those of the first sampler come first.
        anchors : ndarray of shape (n,), int64
            Index of the row that each grew from, -1 for none.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            For a class or cell that no sampler can draw, and for groups where the rows have none, or the reverse.
        """
        if not hasattr(self, "_layout"):
            raise NotFittedError("the mixture is not fitted; call fit with encoded rows and their classes first")
        if (groups is None) == bool(self._n_groups):
            how, remedy = ("with", "pass a group for each label") if self._n_groups else ("without", "pass none")
            raise ValueError(f"the mixture was fitted {how} groups, got groups={short(groups)}; {remedy}")
        rows = np.empty((len(labels), self._layout.width), dtype=np.float32)
        anchors = np.full(len(labels), -1)
        if not len(labels):
            return rows, anchors
        cells = labels if groups is None else self._cells(labels, groups)
        different, asked = np.unique(cells, return_counts=True)
        numbers = np.array([self._split(c, n) for c, n in zip(different.tolist(), asked.tolist(), strict=True)])
        drawn = [
            self._from(sampler, different, own, randomness)
            for (sampler, _), own in zip(self.members, numbers.T, strict=True)
            if own.any()
        ]
        new_rows, new_anchors, new_cells = map(np.concatenate, zip(*drawn, strict=True))
        order, places = (np.argsort(each, kind="stable") for each in (new_cells, cells))
        rows[places], anchors[places] = new_rows[order], new_anchors[order]
        return rows, anchors

    def _cells(self, labels: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
        return labels * self._n_groups + groups

    def _movable(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which entries groups have an effect on: all but numbers that are missing."""
        movable = np.ones(rows.shape, dtype=bool)
        movable[:, : self._layout.n_numbers] = self._layout.present(rows.round())
        return movable

    def _without_effects(self, rows: NDArray[np.float32], groups: NDArray[Any] | None) -> NDArray[np.float32]:
        if groups is None:
            return rows
        return np.where(self._movable(rows), rows - self._effects[groups], rows).astype(np.float32)

    def _able(self) -> NDArray[np.bool_]:
        """Which samplers can draw which classes or cells; of shape (n_members, n_cells)."""
        counts = self._counts.reshape(-1, self._n_groups or 1)
        of_cells = [bool(self._n_groups) and _of_cells(sampler) for sampler, _ in self.members]
        able = np.stack(
            [
                sampler.drawable(counts)
                if self._n_groups and _of_cells(sampler)
                else counts >= getattr(sampler, "min_rows", 1)
                for sampler, _ in self.members
            ]
        )
        if any(of_cells):
            # Of a single row a sampler within the cell can make nothing new, and is asked where no other can.
            able[np.logical_not(of_cells)] &= (counts > 1) | ~able[of_cells].any(0)
        return able.reshape(len(self.members), -1)

    def _split(self, cell: int, n: int) -> list[int]:
        """How many of `n` rows of a class or cell each sampler draws; what rounding leaves goes to the first."""
        able = np.flatnonzero(self._drawable[:, cell]).tolist()
        if not able:
            raise ValueError(self._undrawable(cell))
        shares = {k: float(self.members[k][1]) for k in able}
        able = [k for k in able if shares[k]] or able  # what rounding leaves is not for a sampler of share 0
        whole = sum(shares.values())
        numbers, left = [0] * len(self.members), n
        for k in able[:0:-1]:
            numbers[k] = min(left, round((shares[k] / whole if whole else 1 / len(able)) * n))
            left -= numbers[k]
        numbers[able[0]] = left
        return numbers

    def _undrawable(self, cell: int) -> str:
        if self._n_groups:
            c, g = divmod(cell, self._n_groups)
            return (
                f"class {c} has {self._counts[cell]} rows in group {g}, which no sampler of the mixture can draw from; "
                "add an AdditiveSampler and a LocalSampler of share 0"
            )
        least = min(getattr(sampler, "min_rows", 1) for sampler, _ in self.members)
        return (
            f"class {cell} has {self._counts[cell]} rows and the samplers of the mixture need at least {least}; add a "
            "LocalSampler of share 0"
        )

    def _from(
        self,
        sampler: RowSampler | CellSampler,
        cells: NDArray[np.integer],
        numbers: NDArray[np.int64],
        randomness: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.integer]]:
        """Rows of one sampler, class by class or cell by cell, with their anchors and cells."""
        cells = np.repeat(cells, numbers * (self.candidates if self._selection else 1))
        labels, groups = divmod(cells, self._n_groups) if self._n_groups else (cells, None)
        if groups is None:
            rows, anchors = sampler.sample(labels, randomness)
        elif _of_cells(sampler):
            rows, anchors = sampler.sample(labels, randomness, groups)
        else:
            rows, anchors = sampler.sample(self._among_cells[cells], randomness)
        if self._selection is None:
            return rows, anchors, cells
        neutral = self._without_effects(rows, groups)
        repeats = _moved_before(cells, anchors) if _of_cells(sampler) else None
        chosen = self._selection.choose(neutral, labels, numbers[numbers > 0], randomness, anchors, cells, repeats)
        return rows[chosen], anchors[chosen], cells[chosen]


def _moved_before(cells: NDArray[np.integer], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often before the same real row was moved into the same cell, which gives the same row again."""
    times = pd.DataFrame({"cell": cells, "anchor": anchors}).groupby(["cell", "anchor"]).cumcount().to_numpy()
    return np.where(anchors >= 0, times, 0)


def _of_cells(sampler: Any) -> TypeGuard[CellSampler]:
    return hasattr(sampler, "drawable")
