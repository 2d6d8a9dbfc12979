"""Which classes or cells, and which real samples of them, a training batch holds."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.data.counting_sort import parts, position_dtype, positions_by_class
from ganaug.data.images.labelled import UNLABELLED

__all__ = ["CellBalancedSampler", "ClassBalancedSampler", "cells_of"]

MOST_UNLABELLED = 0.5  # of a batch


class ClassBalancedSampler:
    """Draws class indices with a temperature, and real samples of given classes.

    Class ``c`` with ``n_c`` samples is drawn with probability proportional to ``n_c ** temperature``:
    0 shows every class equally often, 1 as often as it occurs.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), integer
        Class index of each real sample; every class from 0 to the largest occurs. -1 stands for a sample without a
        class; such samples are drawn as often as they occur, but make up at most half of a batch.
    temperature : float in [0, 1]
    without : ndarray of int64, optional
        Positions of samples that are never drawn.

    Examples
    --------
    >>> import numpy as np, torch
    >>> sampler = ClassBalancedSampler(np.array([0, 0, 0, 1]), temperature=0.0)
    >>> sampler.probabilities.tolist()
    [0.5, 0.5]
    >>> labels = sampler.draw_labels(8, torch.Generator().manual_seed(0))
    >>> indices = sampler.draw_indices(labels, torch.Generator().manual_seed(0))
    >>> bool((torch.tensor([0, 0, 0, 1])[indices] == labels).all())
    True
    """

    def __init__(
        self, labels: NDArray[np.integer], temperature: float = 0.0, without: NDArray[np.int64] | None = None
    ) -> None:
        self._unlabelled = torch.from_numpy(np.flatnonzero(labels == UNLABELLED))
        self._share = min(len(self._unlabelled) / len(labels), MOST_UNLABELLED)
        if without is not None and len(without):
            labels = labels.copy()
            labels[without] = UNLABELLED
        self._order, counts = map(torch.from_numpy, positions_by_class(labels))
        # 0 to the power of 0 is 1, and classes may be left without a sample.
        weights = torch.where(counts > 0, counts.double() ** temperature, 0.0)
        self.probabilities = weights / weights.sum()
        self._counts = counts
        self._starts = counts.cumsum(0) - counts

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the real samples of a batch.

        Returns
        -------
        labels : Tensor of shape (n,), int64
            Classes of the batch.
        indices : Tensor of shape (n,), int64
            A real sample for each, of that class or without one.
        known_labels : Tensor of shape (n,), int64
            `labels`, with -1 where the real sample has no class.
        """
        labels = self.draw_labels(n, generator)
        indices = self.draw_indices(labels, generator)
        if len(self._unlabelled) == 0:
            return labels, indices, labels
        without = torch.rand(n, generator=generator) < self._share
        chosen = torch.randint(len(self._unlabelled), (n,), generator=generator)
        return (
            labels,
            torch.where(without, self._unlabelled[chosen], indices),
            torch.where(without, UNLABELLED, labels),
        )

    def draw_labels(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` class indices: int64 of shape (n,), on the CPU."""
        return torch.multinomial(self.probabilities, n, replacement=True, generator=generator)

    def draw_indices(self, labels: Tensor, generator: Generator) -> Tensor:
        """Draw, for each class index, one real sample of that class: int64 of shape (n,)."""
        uniform = torch.rand(len(labels), generator=generator, dtype=torch.float64)
        within = (uniform * self._counts[labels]).long()
        return self._order[self._starts[labels] + within].long()


class CellBalancedSampler(ClassBalancedSampler):
    """Draws cells, combinations of class and group that occur, with a temperature, and real samples of them.

    It is a :class:`ClassBalancedSampler` over cells in place of classes: with a temperature of 0 each cell is drawn
    equally often, however many samples it has.

    Parameters
    ----------
    conditions : ndarray of shape (n_samples, 2) or (n_samples,), integer
        Class and group index of each real sample; a group of -1 is a group of its own, which the generator is asked
        for as "no group". Classes alone give the batches of :class:`ClassBalancedSampler`. A class of -1 stands for a
        sample without a class, as there; the batch then asks for its group.
    temperature : float in [0, 1]
    without : ndarray of int64, optional
        Positions of samples that are never drawn.

    Examples
    --------
    >>> import numpy as np, torch
    >>> conditions = np.array([[0, 0], [0, 0], [0, 1], [1, 0]])
    >>> sampler = CellBalancedSampler(conditions)
    >>> sampler.cells.tolist(), sampler.probabilities.numpy().round(2).tolist()
    ([[0, 0], [0, 1], [1, 0]], [0.33, 0.33, 0.33])
    >>> asked, indices, known = sampler.draw(8, torch.Generator().manual_seed(0))
    >>> bool((torch.from_numpy(conditions)[indices] == asked).all()), torch.equal(asked, known)
    (True, True)
    """

    def __init__(
        self, conditions: NDArray[np.integer], temperature: float = 0.0, without: NDArray[np.int64] | None = None
    ) -> None:
        cells, of = cells_of(conditions)
        super().__init__(of, temperature, without)
        self.cells = torch.from_numpy(cells)
        self._conditions = torch.from_numpy(conditions)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the real samples of a batch.

        Returns
        -------
        asked : Tensor of shape (n, 2) or (n,), int64
            Conditions of the batch.
        indices : Tensor of shape (n,), int64
            A real sample for each, of that cell or without a class.
        known : Tensor of shape (n, 2) or (n,), int64
            Conditions of the real samples, with -1 for what they do not have.
        """
        cells, indices, _ = super().draw(n, generator)
        known = self._conditions[indices].long()
        return torch.where(known == UNLABELLED, self.cells[cells], known), indices, known


def cells_of(conditions: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.signedinteger]]:
    """Cells that occur, sorted, and of each sample which it is of; -1 for samples without a class.

    Parameters
    ----------
    conditions : ndarray of shape (n_samples, 2) or (n_samples,), integer
        As of :class:`CellBalancedSampler`.

    Returns
    -------
    cells : ndarray of shape (n_cells, 2) or (n_cells,), int64
    of : ndarray of shape (n_samples,), int32 or, of very many samples, int64

    Examples
    --------
    >>> [found.tolist() for found in cells_of(np.array([[1, 0], [0, -1], [-1, 0], [1, 0]]))]
    [[[0, -1], [1, 0]], [1, 0, -1, 1]]
    """
    n_groups = 1 if conditions.ndim == 1 else int(conditions[:, 1].max(initial=-1)) + 2  # -1 is a group

    def numbers(part: slice) -> NDArray[np.int64]:
        if conditions.ndim == 1:
            return conditions[part].astype(np.int64)
        classes, groups = conditions[part].T.astype(np.int64)
        return np.where(classes == UNLABELLED, -1, classes * n_groups + groups + 1)

    known = np.unique(np.concatenate([np.unique(numbers(part)) for part in parts(len(conditions))]))
    known = known[known >= 0]
    of = np.empty(len(conditions), position_dtype(len(conditions)))
    for part in parts(len(conditions)):
        found = numbers(part)
        of[part] = np.where(found < 0, UNLABELLED, np.searchsorted(known, found))
    cells = known if conditions.ndim == 1 else np.stack([known // n_groups, known % n_groups - 1], 1)
    return cells, of
