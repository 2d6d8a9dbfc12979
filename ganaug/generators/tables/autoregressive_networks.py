"""The network of an autoregressive model of encoded rows: columns in any order, numbers by the bin that they are in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.special import ndtr, ndtri

from ganaug.data.json_values import whole
from ganaug.engine.conditioning import ConditionEmbedding, split_conditions
from ganaug.engine.layers import Linear
from ganaug.generators.tables.architecture import LAYERS, SIZE, RowArchitecture

__all__ = ["AnyOrderNetwork", "AutoregressiveArchitecture"]

ORDERS = 4  # in which rows are drawn and scored
PRIOR = 0.2  # rows like all others that are added to those of a class or group
ROUNDS, SHRINKAGE = 100, 0.98  # in which what is known of classes and groups is fitted to each other, and its factor
REPEATED = 3  # times that a value occurs at least, for a bin of its own
NEVER = -1e4  # logit of a level that does not occur
BEYOND = 1e5  # a normal score that no number has
LARGEST_UNIFORM = 1 - 2**-20
SMOOTHNESS = 3  # from which wave on they weigh less
WAVES = 12  # of which the logits of bins are sums
FARTHEST = 4.75  # normal score beyond which less than a millionth lies
NARROW = 24  # the counts of bins are smoothed by a kernel that is as wide as all bins by this
CHUNK = 4096  # rows that are counted at once


@dataclass(frozen=True)
class AutoregressiveArchitecture(RowArchitecture):
    """What the network needs to know to be built.

    A *column* here is what is drawn at once: a number together with the block that says whether it is present, or a
    block of its own. Its *levels* are the bins of the number, followed by the levels of the block.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes : int
    bins : int
        Most bins of a number.
    width, depth : int
        Units in a hidden layer, and hidden layers.
    n_groups : int
        Groups that rows are conditioned on beside their class; 0 for none.

    Examples
    --------
    A number that may be missing, a number that always is there, and three names:

    >>> from ganaug.data.tables.layout import RowLayout
    >>> arch = AutoregressiveArchitecture(RowLayout(2, blocks=(2, 3), gates=(0, -1)), n_classes=2, bins=8)
    >>> arch.n_columns, arch.sizes
    (3, (9, 8, 3))
    """

    bins: int
    width: int = 128
    depth: int = 2
    n_groups: int = 0

    @property
    def gates(self) -> tuple[int, ...]:
        """For each number the block that says whether it is present, or -1."""
        return self.layout.gates or (-1,) * self.layout.n_numbers

    @property
    def free(self) -> tuple[int, ...]:
        """Blocks that are columns of their own."""
        return tuple(sorted(set(range(len(self.layout.blocks))) - set(self.gates)))

    @property
    def n_columns(self) -> int:
        """Numbers, and blocks of their own."""
        return self.layout.n_numbers + len(self.free)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each column."""
        blocks = self.layout.blocks
        numbers = [self.bins + (blocks[gate] - 1 if gate >= 0 else 0) for gate in self.gates]
        return (*numbers, *(blocks[block] for block in self.free))

    @property
    def outputs(self) -> tuple[int, ...]:
        """Outputs of the network for each column: a wave is shared by all bins."""
        bins = [self.bins] * self.layout.n_numbers + [0] * len(self.free)
        return tuple(size - n + min(n, WAVES) for size, n in zip(self.sizes, bins, strict=True))

    @property
    def noise_dim(self) -> int:
        """Length of the input noise: the order, and for each column its level and the place inside a bin."""
        return 1 + 2 * self.n_columns

    def _check(self) -> None:
        for name in ("n_classes", "width"):
            whole(getattr(self, name), name, 1, SIZE)
        whole(self.bins, "bins", 2, SIZE)
        whole(self.n_groups, "n_groups", 0, SIZE)
        whole(self.depth, "depth", 1, LAYERS)
        whole(self.n_columns * max(self.sizes, default=0), "levels, all columns having as many,", 1, SIZE)


class AnyOrderNetwork(nn.Module):
    r"""The distribution of each column of a row, given any others and the class or group.

    One network serves all orders of the columns (Uria, Murray, Larochelle, ICML 2014; Hoogeboom et al., ICLR 2022): it
    sees the columns that are known, zeros in place of the others, and which are known.

    Parameters
    ----------
    arch : AutoregressiveArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (n, ``arch.noise_dim``) and conditions as
    :func:`split_conditions` does, and returns encoded rows of shape (n, ``arch.layout.width``), drawn column by column
    in one of a few fixed orders, which is drawn, too. So rows have the distribution

    .. math:: p(x \mid c) = \frac{1}{K} \sum_{k=1}^K \prod_{d=1}^D p(x_{o_k(d)} \mid x_{o_k(1..d-1)}, c),

    of which :meth:`log_density` is the logarithm. Of numbers the bin is seen, by cosine waves over the bins, of which
    its logits are sums, too. Numbers are spread inside it as in the training data: evenly by rank, that is, as a normal
    distribution.

    Logits are relative to the frequencies of levels in the class, and in the group, see :meth:`set_statistics`. What
    is learnt takes memory in proportion to `arch.n_columns` times the largest of `arch.sizes`.

    Attributes
    ----------
    temperature : float
        Logits are divided by it where rows are drawn.
    """

    edges: Tensor
    low: Tensor
    high: Tensor
    basis: Tensor
    class_logits: Tensor
    group_logits: Tensor
    class_part: Tensor
    group_part: Tensor
    orders: Tensor
    block: Tensor
    level: Tensor
    gates: Tensor
    free: Tensor

    def __init__(self, arch: AutoregressiveArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.temperature = 1.0
        layout, self.n_columns = arch.layout, arch.n_columns
        self.levels = max(arch.sizes)
        self.outputs = max(arch.outputs)
        self.first = Linear(self.n_columns * (self.outputs + 1), arch.width)
        self.condition = ConditionEmbedding(arch.n_classes, arch.width, arch.n_groups)
        self.hidden = nn.ModuleList(Linear(arch.width, arch.width) for _ in range(arch.depth - 1))
        self.out = Linear(arch.width, self.n_columns * self.outputs, init_gain=0.1)

        self.register_buffer("edges", torch.full((layout.n_numbers, arch.bins - 1), BEYOND))
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(layout.n_numbers, arch.bins))
        self.register_buffer("basis", torch.zeros(self.n_columns, self.outputs, self.levels))
        # The last rows are of an unknown class and an unknown group.
        self.register_buffer("class_logits", torch.zeros(arch.n_classes + 1, self.n_columns, self.levels))
        if arch.n_groups:
            self.register_buffer("group_logits", torch.zeros(arch.n_groups + 1, self.n_columns, self.levels))
            # Where both are known they are summed.
            self.register_buffer("class_part", torch.zeros(arch.n_classes, self.n_columns, self.levels))
            self.register_buffer("group_part", torch.zeros(arch.n_groups, self.n_columns, self.levels))
        randomness = np.random.default_rng(0)
        orders = np.stack([randomness.permutation(self.n_columns) for _ in range(ORDERS)])
        self.register_buffer("orders", torch.from_numpy(orders), persistent=False)
        # Of each entry of a block that block and the place in it.
        blocks = np.repeat(np.arange(len(layout.blocks)), layout.blocks)
        self.register_buffer("block", torch.from_numpy(blocks).long(), persistent=False)
        level = np.concatenate([np.arange(width) for width in layout.blocks] or [np.empty(0, dtype=int)])
        self.register_buffer("level", torch.from_numpy(level).float(), persistent=False)
        for name, found in (("gates", arch.gates), ("free", arch.free)):
            self.register_buffer(name, torch.tensor(found, dtype=torch.int64), persistent=False)

    @torch.no_grad()
    def set_statistics(
        self, rows: NDArray[np.float32], classes: NDArray[np.integer], groups: NDArray[np.integer] | None = None
    ) -> None:
        """Choose the bins of the numbers, and count the levels of each class and group.

        Bins hold about equally many numbers, but values that are repeated may have one of their own. Others reach
        halfway to the next value outside, and not beyond the least and the largest.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, arch.layout.width), float32
        classes : ndarray of shape (n_rows,)
        groups : ndarray of shape (n_rows,), optional
        """
        present, used = self.arch.layout.present(rows), []
        for column in range(self.n_columns):
            n, bins = 0, 0
            if column < self.arch.layout.n_numbers:
                values = np.unique(rows[present[:, column], column], return_counts=True)
                n, bins = self._set_bins(column, *values), self.arch.bins
                used.append(n)
            waves = torch.arange(min(n, WAVES))
            self.basis[column, : len(waves), :n] = torch.cos(
                math.pi * waves[:, None] * (torch.arange(n) + 0.5) / max(1, n)
            ) / (1 + waves[:, None] / SMOOTHNESS)
            rest = torch.arange(self.arch.sizes[column] - bins)
            self.basis[column, rest + min(bins, WAVES), rest + bins] = 1.0
        of_classes = self._counts(rows, classes, self.arch.n_classes, used)
        total = of_classes.sum(0)
        frequencies = total / total.sum(1, keepdim=True).clamp(min=1)
        overall = torch.where(total > 0, frequencies.log(), NEVER)
        self.class_logits[:] = overall
        self.class_logits[:-1] += _log_ratio(of_classes, of_classes.sum(2, keepdim=True) * frequencies, frequencies)
        if groups is None:
            return
        of_groups = self._counts(rows, groups, self.arch.n_groups, used)
        self.group_logits[:-1] = _log_ratio(of_groups, of_groups.sum(2, keepdim=True) * frequencies, frequencies)
        cells = torch.zeros(self.arch.n_classes, self.arch.n_groups, dtype=torch.float64)
        cells.index_put_(tuple(torch.from_numpy(np.stack([classes, groups]))), torch.ones(()).double(), accumulate=True)
        parts = [torch.zeros_like(of_classes), torch.zeros_like(of_groups)]
        # In turn, each is fitted to what the other leaves of the frequencies.
        for own, other, counts, sizes in [(*parts, of_classes, cells), (*parts[::-1], of_groups, cells.T)] * ROUNDS:
            for k in range(len(own)):
                beside = sizes[k].nonzero()[:, 0]
                shares = (overall + own[k] + other[beside]).softmax(2)
                expected = (shares * sizes[k, beside, None, None]).sum(0)
                own[k] = SHRINKAGE * (own[k] + _log_ratio(counts[k], expected, frequencies))
        self.class_part[:], self.group_part[:] = overall + parts[0], parts[1]

    def _set_bins(self, number: int, values: NDArray[np.float32], counts: NDArray[np.integer]) -> int:
        if len(values) == 0:
            return 0
        n, bins = counts.sum(), np.arange(len(values))
        most = self.arch.bins if n >= REPEATED * len(values) else min(self.arch.bins, max(2, n // REPEATED))
        if len(values) > most:
            shares = (np.cumsum(counts) - counts / 2) / n
            bins = np.unique((shares * most).astype(int), return_inverse=True)[1]
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        last = np.append(first[1:], len(values)) - 1
        # Between bins lies the share of smaller numbers. What is drawn beyond the outermost number is decoded to it.
        scores = scipy.special.ndtri(np.cumsum(counts)[last[:-1]] / n)
        below, above = values[last[:-1]], values[first[1:]]
        # The score comes from these rows, the numbers from all: where it is beyond both, any bound in between is right.
        between = np.where(scores < above, np.maximum(scores, below), (below + above) / 2).astype(np.float32)
        between = np.minimum(between, np.nextafter(above, below))
        ends = np.minimum(values[0], -FARTHEST), np.maximum(values[-1], FARTHEST)
        low, high = np.concatenate([ends[:1], between]), np.concatenate([between, ends[1:]])
        single = (first == last) & (counts[first] >= REPEATED)
        found = {"edges": between, "low": np.where(single, values[first], low)}
        found["high"] = np.where(single, values[first], high)
        for name, bounds in found.items():
            getattr(self, name)[number, : len(bounds)] = torch.from_numpy(bounds.astype(np.float32))
        return len(first)

    def _counts(self, rows: NDArray[np.float32], indices: NDArray[np.integer], n: int, used: Sequence[int]) -> Tensor:
        """How often each level occurs with each index, smoothed over the used bins: shape (n, columns, levels)."""
        counts = torch.zeros(n * self.n_columns * self.levels, dtype=torch.float64)
        offsets = torch.arange(self.n_columns) * self.levels
        for start in range(0, len(rows), CHUNK):
            levels = self.discretise(torch.from_numpy(rows[start : start + CHUNK]))
            of = torch.from_numpy(np.asarray(indices[start : start + CHUNK], dtype=np.int64))
            places = (of[:, None] * self.n_columns * self.levels + offsets + levels)[levels >= 0]
            counts += torch.bincount(places, minlength=len(counts))
        found = counts.view(n, self.n_columns, self.levels)
        for column, bins in enumerate(used):
            place = torch.arange(bins, dtype=torch.float64)
            kernel = (-0.5 * ((place[:, None] - place) * NARROW / max(1, bins)) ** 2).exp()
            single = (self.low[column, :bins] == self.high[column, :bins]).double()
            # What a repeated number has of its own is no matter of its neighbours.
            kernel = kernel * (1 - single) * (1 - single[:, None]) + torch.diag(single)
            found[:, column, :bins] = found[:, column, :bins] @ (kernel / kernel.sum(1, keepdim=True))
        return found

    def discretise(self, rows: Tensor) -> Tensor:
        """Find the level of each column.

        Parameters
        ----------
        rows : Tensor of shape (n, arch.layout.width)
            Encoded rows.

        Returns
        -------
        Tensor of shape (n, arch.n_columns), int64
            -1 where a block is empty.
        """
        arch, layout = self.arch, self.arch.layout
        numbers, blocks = rows.split([layout.n_numbers, layout.n_levels], dim=1)
        bins = torch.searchsorted(self.edges, numbers.T.contiguous())
        places = rows.new_zeros(len(rows), len(layout.blocks) + 1).index_add_(1, self.block, blocks * self.level)
        filled = rows.new_zeros(len(rows), len(layout.blocks) + 1).index_add_(1, self.block, blocks)
        filled[:, -1] = 1  # stands for the block of a number that is always present
        places = torch.where(filled > 0, places, -1).long()
        gate = places[:, self.gates]
        levels = torch.where(gate > 0, gate + arch.bins - 1, torch.where(gate == 0, bins.T, -1))
        return torch.cat([levels, places[:, self.free]], 1)

    def logits(self, levels: Tensor, known: Tensor, conditions: Tensor) -> Tensor:
        """Logits of the levels of all columns, given what is known.

        Parameters
        ----------
        levels : Tensor of shape (n, arch.n_columns), int64
            As :meth:`discretise` returns them.
        known : Tensor of shape (n, arch.n_columns), bool
        conditions : Tensor of shape (n,) or (n, 2), int64

        Returns
        -------
        Tensor of shape (n, arch.n_columns, levels)
            Float32; columns are filled up with levels that never occur.
        """
        hidden = self._hidden(self._entered(levels, known, conditions))
        out = self.out(hidden).float().unflatten(1, (self.n_columns, self.outputs))
        return (out.transpose(0, 1) @ self.basis).transpose(0, 1) + self._frequencies(conditions, slice(None))

    def _entered(self, levels: Tensor, known: Tensor, conditions: Tensor) -> Tensor:
        """What the first layer makes of what is known."""
        columns = torch.arange(self.n_columns, device=levels.device)
        seen = self.basis[columns, :, levels.clamp(min=0)] * (known & (levels >= 0))[:, :, None]
        return self.first(torch.cat([seen.flatten(1), known.to(seen.dtype)], 1)) + self.condition(conditions)

    def _entered_later(self, levels: Tensor, column: int) -> Tensor:
        """What is added to :meth:`_entered` once a column is known, at levels of shape (n,)."""
        part = slice(column * self.outputs, (column + 1) * self.outputs)
        of_levels = self.basis[column].T @ self.first.weight[:, part].T
        return of_levels[levels] + self.first.weight[:, self.n_columns * self.outputs + column]

    def _hidden(self, entered: Tensor) -> Tensor:
        hidden = entered
        for layer in self.hidden:
            hidden = hidden + layer(F.silu(hidden))
        return F.silu(hidden)

    def _logits_of(self, column: int, entered: Tensor, conditions: Tensor) -> Tensor:
        """Logits of the levels of one column, of shape (n, levels), given :meth:`_entered`."""
        part = slice(column * self.outputs, (column + 1) * self.outputs)
        out = F.linear(self._hidden(entered), self.out.weight[part], self.out.bias[part]).float() @ self.basis[column]
        return out + self._frequencies(conditions, column)

    def _frequencies(self, conditions: Tensor, column: int | slice) -> Tensor:
        """Logarithms of the frequencies of levels, as far as class and group tell them."""
        classes, groups = split_conditions(conditions)
        of_class = self.class_logits[:, column][classes]
        if groups is None or not self.arch.n_groups:
            return of_class
        alone = of_class + self.group_logits[:, column][groups]
        both = self.class_part[:, column][classes] + self.group_part[:, column][groups]
        known = ((classes >= 0) & (groups >= 0)).view(-1, *[1] * (both.ndim - 1))
        return torch.where(known, both, alone)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw rows; shapes are in the notes of the class."""
        rows = noise.new_zeros(len(noise), self.arch.layout.width)
        return self.complete(rows, rows.new_zeros(len(rows), self.n_columns, dtype=torch.bool), noise, conditions)

    @torch.no_grad()
    def complete(
        self, rows: Tensor, known: Tensor, noise: Tensor, conditions: Tensor, refused: Tensor | None = None
    ) -> Tensor:
        """Draw the columns that are not known, given those that are.

        Parameters
        ----------
        rows : Tensor of shape (n, arch.layout.width)
            Encoded rows; what is not known is ignored.
        known : Tensor of shape (n, arch.n_columns), bool
        noise : Tensor of shape (n, arch.noise_dim)
            Standard normal.
        conditions : Tensor of shape (n,) or (n, 2), int64
        refused : Tensor of shape (arch.n_columns,), int64, optional
            For each column a level that is not drawn, -1 for none.

        Returns
        -------
        Tensor of shape (n, arch.layout.width)
            Encoded rows, with the numbers that were known as they were.
        """
        uniform = ndtr(noise).clamp(max=LARGEST_UNIFORM)
        inside = uniform[:, 1 + self.n_columns :]
        completed, levels = rows.clone(), self.discretise(rows)
        which = (uniform[:, 0] * len(self.orders)).long()
        for order, part in [(order, (which == k).nonzero()[:, 0]) for k, order in enumerate(self.orders.tolist())]:
            given, asked, drawn = known[part], conditions[part], completed[part]
            entered = self._entered(levels[part], given, asked)
            for column in order:
                logits = self._logits_of(column, entered, asked)
                if refused is not None and refused[column] >= 0:
                    logits[:, refused[column]] = NEVER
                cumulated = self._tempered(logits, column).softmax(1).cumsum(1)
                place = uniform[part, 1 + column, None] * cumulated[:, -1:]
                new = (cumulated <= place).sum(1).clamp(max=self.levels - 1)
                unknown = ~given[:, column]
                self._write(drawn, new, inside[part, column], column, unknown)
                entered = entered + self._entered_later(new, column) * unknown[:, None]
            completed[part] = drawn
        return completed

    def _tempered(self, logits: Tensor, column: int) -> Tensor:
        """Logits by the temperature: a number against the other levels as a whole, then its bins."""
        if self.temperature == 1.0:
            return logits
        if column >= self.arch.layout.n_numbers:
            return logits / self.temperature
        bins = logits[:, : self.arch.bins]
        within = (bins / self.temperature).log_softmax(1) + bins.logsumexp(1, keepdim=True) / self.temperature
        return torch.cat([within, logits[:, self.arch.bins :] / self.temperature], 1)

    def _write(self, rows: Tensor, levels: Tensor, uniform: Tensor, column: int, where: Tensor) -> None:
        """Enter levels of a column into rows, and numbers inside their bins."""
        n_numbers, places, bins = self.arch.layout.n_numbers, levels, self.arch.bins
        block = self.arch.gates[column] if column < n_numbers else self.arch.free[column - n_numbers]
        if column < n_numbers:
            rows[:, column] = torch.where(where, self._inside(levels, uniform, column), rows[:, column])
            places = torch.where(levels < bins, 0, levels - bins + 1)
        if block >= 0:
            part = self.arch.layout.slices[block]
            width = part.stop - part.start
            rows[:, part] = torch.where(where[:, None], F.one_hot(places, width).to(rows.dtype), rows[:, part])

    def _inside(self, levels: Tensor, uniform: Tensor, column: int) -> Tensor:
        """Numbers inside their bins; 0 for levels that are none."""
        bins = levels.clamp(max=self.arch.bins - 1)
        low, high = self.low[column][bins], self.high[column][bins]
        drawn = ndtri(ndtr(low) + uniform * (ndtr(high) - ndtr(low)))
        return torch.minimum(torch.maximum(drawn, low), high) * (levels < self.arch.bins)

    def log_density(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Logarithm of the density of rows.

        Parameters
        ----------
        rows : Tensor of shape (n, arch.layout.width)
            Encoded rows. Columns with an empty block are left out: the density is that of the others.
        conditions : Tensor of shape (n,) or (n, 2), int64

        Returns
        -------
        Tensor of shape (n,)
            In nats: of the levels and of single values the probability, of other numbers the density by rank, which is
            1 for a number that is spread as in all training data.
        """
        levels = self.discretise(rows)
        scored = levels >= 0
        levels = levels.clamp(min=0)
        found = rows.new_zeros(len(self.orders), len(rows))
        for k, order in enumerate(self.orders.tolist()):
            entered = self._entered(levels, torch.zeros_like(scored), conditions)
            for column in order:
                log_p = self._logits_of(column, entered, conditions).log_softmax(1)
                found[k] += log_p.gather(1, levels[:, column, None])[:, 0] * scored[:, column]
                entered = entered + self._entered_later(levels[:, column], column) * scored[:, column, None]
        return torch.logsumexp(found, 0) - np.log(len(self.orders)) - self._log_ranks(levels).mul(scored).sum(1)

    def _log_ranks(self, levels: Tensor) -> Tensor:
        """Logarithm of the width by rank of each column's bin; 0 for single values and levels."""
        widths = ndtr(self.high) - ndtr(self.low)
        logs = torch.where(widths > 0, widths.clamp(min=1e-12).log(), 0.0)
        table = logs.new_zeros(self.n_columns, self.levels)
        if len(logs):
            table[: len(logs), : self.arch.bins] = logs
        return table[torch.arange(self.n_columns, device=levels.device), levels]


def _log_ratio(counts: Tensor, expected: Tensor, frequencies: Tensor) -> Tensor:
    """Logarithm of counts over those that are expected, both with some rows more; 0 where a level does not occur."""
    more = PRIOR * frequencies
    return torch.where(more > 0, ((counts + more) / (expected + more)).log(), 0.0)
