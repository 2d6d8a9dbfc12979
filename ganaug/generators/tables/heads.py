"""From what networks put out to encoded rows of a table: relative to what is known of classes and groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.engine.conditioning import split_conditions
from ganaug.engine.devices import log_ndtr

__all__ = ["RowHead", "indicators"]

ROUNDS = 20  # in which the parts of classes and groups are fitted to each other
SHRINKAGE = 0.9  # of their logits of levels, in each round, where a network is trained after it
RARE = 0.02  # added to the frequencies of levels, so that none starts out impossible


class RowHead(nn.Module):
    """Base of networks whose outputs stand for encoded rows, relative to statistics of the training data.

    Parameters
    ----------
    arch : object
        With `layout`, a :class:`RowLayout`, `n_classes`, `n_groups`, and `temperature`, that of the straight-through
        Gumbel softmax.

    Notes
    -----
    The statistics are buffers, see :meth:`set_statistics`: ``centre`` and ``scale`` of shape (n_classes, n_numbers) and
    ``level_logits`` of shape (n_classes, levels); with groups also ``group_centre`` and ``group_level_logits``, with a
    row for each group, which are added.
    """

    centre: Tensor
    scale: Tensor
    level_logits: Tensor
    group_centre: Tensor
    group_level_logits: Tensor
    padded: Tensor
    place: Tensor
    gated: Tensor
    first: Tensor

    def __init__(self, arch: Any) -> None:
        super().__init__()
        self.arch = arch
        layout = arch.layout
        self.register_buffer("centre", torch.zeros(arch.n_classes, layout.n_numbers))
        self.register_buffer("scale", torch.ones(arch.n_classes, layout.n_numbers))
        self.register_buffer("level_logits", torch.zeros(arch.n_classes, layout.n_levels))
        if arch.n_groups:
            self.register_buffer("group_centre", torch.zeros(arch.n_groups, layout.n_numbers))
            self.register_buffer("group_level_logits", torch.zeros(arch.n_groups, layout.n_levels))
        # Levels by block in a rectangle, filled up with the index of a level that is never chosen.
        widest = max(layout.blocks, default=0)
        padded = torch.full((len(layout.blocks), widest), layout.n_levels)
        place = torch.empty(layout.n_levels, dtype=torch.int64)
        start = 0
        for row, width in enumerate(layout.blocks):
            padded[row, :width] = torch.arange(start, start + width)
            place[start : start + width] = torch.arange(row * widest, row * widest + width)
            start += width
        self.register_buffer("padded", padded, persistent=False)
        self.register_buffer("place", place, persistent=False)
        # Numbers that may be missing, and the level of each that says it is present.
        gated = torch.tensor(list(layout.presence), dtype=torch.int64)
        first = torch.tensor(list(layout.presence.values()), dtype=torch.int64) - layout.n_numbers
        self.register_buffer("gated", gated, persistent=False)
        self.register_buffer("first", first, persistent=False)

    @torch.no_grad()
    def set_statistics(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        groups: NDArray[np.integer] | None = None,
        *,
        rare: float = RARE,
        shrinkage: float = SHRINKAGE,
    ) -> None:
        """Let outputs be relative to mean and spread of the numbers of each class, and its frequencies of levels.

        With groups the mean is the sum of a class's and a group's part, fitted to all rows, so that pairs which do not
        occur start from what is known of both.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, arch.layout.width), float32
        labels : ndarray of shape (n_rows,)
            Class of each row; each occurs.
        groups : ndarray of shape (n_rows,), optional
            Group of each row; each occurs, and -1 stands for an unknown one.
        rare : float
            Added to the frequencies of levels, so that none is impossible.
        shrinkage : float
            By which the logits of levels are multiplied in each round of the fit of a sum.
        """
        encoded, present = torch.from_numpy(rows), torch.from_numpy(self.arch.layout.present(rows)).float()
        if groups is not None:
            self._fit_sums(encoded, present, torch.from_numpy(np.stack([labels, groups], 1)), rare, shrinkage)
            return
        n_numbers = self.arch.layout.n_numbers
        for c in range(self.arch.n_classes):
            chosen = torch.from_numpy(labels == c)
            part, there = encoded[chosen], present[chosen]
            count = there.sum(0).clamp(min=1)
            self.centre[c] = (part[:, :n_numbers] * there).sum(0) / count
            self.scale[c] = (((part[:, :n_numbers] - self.centre[c]) ** 2 * there).sum(0) / count).sqrt() + 0.1
            # All levels together no more than half a row: many that a class lacks would be drawn often.
            most = 0.5 / (len(part) * max(self.arch.layout.blocks, default=1))
            self.level_logits[c] = (part[:, n_numbers:].mean(0) + min(rare, most)).log()

    def _fit_sums(self, encoded: Tensor, present: Tensor, conditions: Tensor, rare: float, shrinkage: float) -> None:
        """Fit the parts of classes and groups in turn to what their sum leaves of numbers and levels."""
        layout, (labels, groups) = self.arch.layout, conditions.unbind(1)
        numbers, levels = encoded.split([layout.n_numbers, layout.n_levels], dim=1)
        parts = (self.centre, self.level_logits, labels), (self.group_centre, self.group_level_logits, groups)
        for centre, level_logits, indices in parts * ROUNDS:
            centre_of_rows, _, logits = self._statistics(labels, groups)
            left = (numbers - centre_of_rows) * present
            expected = torch.cat([block.softmax(1) for block in logits.split([*layout.blocks, 0], dim=1)], dim=1)
            for k in range(len(centre)):
                chosen = indices == k
                centre[k] += left[chosen].sum(0) / present[chosen].sum(0).clamp(min=1)
                missing = ((levels[chosen].mean(0) + rare) / (expected[chosen].mean(0) + rare)).log()
                # Shrunk, for a level that a pair never shows may lack in the class as well as in the group.
                level_logits[k] = shrinkage * (level_logits[k] + missing)
        left = (numbers - self._statistics(labels, groups)[0]) * present
        for c in range(self.arch.n_classes):
            chosen = labels == c
            self.scale[c] = (left[chosen].square().sum(0) / present[chosen].sum(0).clamp(min=1)).sqrt() + 0.1

    def numbers_and_logits(self, outputs: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """What outputs say of rows of these conditions.

        Parameters
        ----------
        outputs : Tensor of shape (n, arch.layout.width)
            Of about unit size.
        conditions : Tensor of shape (n,) or (n, 2), int64
            As :func:`split_conditions` takes them.

        Returns
        -------
        numbers : Tensor of shape (n, arch.layout.n_numbers)
        logits : Tensor of shape (n, arch.layout.n_levels)
            Of the levels, by block.
        """
        centre, scale, level_logits = self._statistics(*split_conditions(conditions))
        layout = self.arch.layout
        numbers, logits = outputs.split([layout.n_numbers, layout.n_levels], dim=1)
        return centre + scale * numbers, logits + level_logits

    def rows(self, numbers: Tensor, logits: Tensor, noise: Tensor) -> Tensor:
        """Rows whose levels are drawn from their logits, with numbers of 0 where those are missing.

        Blocks are one-hot but let gradients through as if they were soft (straight-through Gumbel softmax; Jang, Gu,
        Poole, ICLR 2017).

        Parameters
        ----------
        numbers, logits : Tensor
            As of :meth:`numbers_and_logits`.
        noise : Tensor of shape (n, arch.layout.n_levels)
            Standard normal; levels are drawn by it.

        Returns
        -------
        Tensor of shape (n, arch.layout.width)
        """
        if not self.arch.layout.blocks:
            return numbers
        # The Gumbel variable of a standard normal one, by way of the uniform.
        gumbel = -torch.log(-log_ndtr(noise))
        return self.joined(numbers, self._choose(logits + gumbel))

    def joined(self, numbers: Tensor, levels: Tensor) -> Tensor:
        """Rows of numbers and levels, with numbers of 0 where the levels say that they are missing."""
        if len(self.gated):
            numbers = numbers * self.there(numbers, levels)
        return torch.cat([numbers, levels], dim=1)

    def there(self, numbers: Tensor, levels: Tensor) -> Tensor:
        """1 for numbers that the levels say are present, and those that always are, 0 for others; shaped as numbers."""
        there = torch.ones_like(numbers)
        if len(self.gated):
            there[:, self.gated] = levels[:, self.first]
        return there

    def _statistics(self, labels: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Centre and scale of the numbers and logits of the levels of each row."""
        if groups is None or not self.arch.n_groups:
            return self.centre[labels], self.scale[labels], self.level_logits[labels]
        centre = _rows_of(self.centre, labels) + _rows_of(self.group_centre, groups)
        level_logits = _rows_of(self.level_logits, labels) + _rows_of(self.group_level_logits, groups)
        return centre, _rows_of(self.scale, labels, unknown=1.0), level_logits

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Logarithms of the softmax over each block, of the shape of `logits`, (n, arch.layout.n_levels)."""
        return self._by_block(logits).log_softmax(2).flatten(1)[:, self.place]

    def _by_block(self, logits: Tensor) -> Tensor:
        never = logits.new_full((len(logits), 1), -torch.inf)
        return torch.cat([logits, never], dim=1)[:, self.padded]

    def _choose(self, logits: Tensor) -> Tensor:
        blocks = self._by_block(logits)
        hard = F.one_hot(blocks.argmax(2), blocks.shape[2]).to(logits.dtype)
        if torch.is_grad_enabled():
            soft = (blocks / self.arch.temperature).softmax(2)
            hard = hard + soft - soft.detach()
        return hard.flatten(1)[:, self.place]


def indicators(indices: Tensor | None, n: int, like: Tensor) -> Tensor:
    """One-hot rows of shape (len(like), n); of zeros for unknown indices, and without any."""
    if indices is None:
        return like.new_zeros(len(like), n)
    return (indices[:, None] == torch.arange(n, device=like.device)).to(like.dtype)


def _rows_of(table: Tensor, indices: Tensor, unknown: float = 0.0) -> Tensor:
    """Rows of a table, those of unknown indices filled with a number."""
    return table[indices.clamp(min=0)].where(indices[:, None] >= 0, unknown)
