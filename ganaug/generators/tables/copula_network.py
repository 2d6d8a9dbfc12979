"""A Gaussian copula of encoded rows, for each class, as a network without training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from torch import Generator, Tensor, nn
from torch.special import ndtr, ndtri

from ganaug.data.json_values import whole
from ganaug.engine.conditioning import split_conditions
from ganaug.generators.tables.architecture import SIZE, RowArchitecture
from ganaug.generators.tables.heads import RowHead

__all__ = ["RowCopula", "TableCopulaArchitecture"]

KNOTS = 129  # quantiles that a margin is known by,
REACH = 4.0  # between this normal score below and above the median, in equal steps; the first and last are the ends
STEP = 2 * REACH / (KNOTS - 1)
MOST_FACTORS = 256
LEAST_SPREAD = 1e-3  # of what is a column's own in its latent number
BEYOND = 1e-3  # share of the numbers that would lie beyond all known ones on either side, as exp(-distance)
ATOM = 1e-3  # width of a number that is repeated,
LEAST_WIDTH = 1e-6  # and between two quantiles of others, for their densities
LEAST_FREQUENCY, SHRINKAGE = 1e-3, 0.98  # of levels of classes and groups: see RowHead.set_statistics
LEAST_SHARE = 1e-6  # of a level that a class does not show, so that its logarithm is finite
LEAST_ROWS = 3  # of a class, of two of which any two columns are correlated
MOST_ROWS = 20_000  # of a class that its correlation is taken from
ROUNDS = 20  # in which latent numbers of names, and of equal and missing values, are drawn
SMALLEST, FARTHEST = 1e-15, 8.0  # probability and distance of a latent number
EDGE = 1e-5  # probabilities this near to 0 and 1 count as this near


@dataclass(frozen=True)
class TableCopulaArchitecture(RowArchitecture):
    """What a copula of rows needs to know to be built.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes : int
    n_groups : int
        Groups that rows are conditioned on beside their class; 0 for none.
    """

    n_groups: int = 0

    temperature: ClassVar[float] = 1.0  # of soft levels, which nothing is trained by here

    @property
    def n_latents(self) -> int:
        """Correlated numbers that a row is made of: one for each number and each block of levels."""
        return self.layout.n_numbers + len(self.layout.blocks)

    @property
    def n_factors(self) -> int:
        """Factors of their correlation; as many as there are latent numbers say all of it."""
        return min(self.n_latents, MOST_FACTORS)

    @property
    def noise_dim(self) -> int:
        """Standard normal numbers that a row is drawn from."""
        return self.n_factors + self.n_latents

    def _check(self) -> None:
        whole(self.n_classes, "n_classes", 1, SIZE)
        whole(self.n_groups, "n_groups", 0, SIZE)
        self._check_blocks()


class RowCopula(RowHead):
    """Noise and conditions in, encoded rows out, by a Gaussian copula of each class.

    Parameters
    ----------
    arch : TableCopulaArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (batch, ``arch.noise_dim``) and conditions as
    :func:`split_conditions` does, and returns (batch, ``arch.layout.width``).

    With ``factors`` L of shape (n_classes, n_factors, n_latents) and ``own`` s of shape (n_classes, n_latents), latent
    numbers are z = e L + s * d for noise (e, d): of unit variance and with the correlation L'L + diag(s^2). The number
    that belongs to z is read off the quantiles of the class, ``knots`` of shape (n_classes, n_numbers, 129), at normal
    scores from -4 to 4, linear in between; where ``jumps``, of shape (n_classes, n_numbers, 128), say so, the nearer
    quantile counts: both are repeated values, and the class has none in between. The normal distribution function of z
    chooses the level of a block by the running sum of its probabilities, which is of the levels in an order of the
    class: ``order`` of shape (n_classes, n_blocks, levels of the largest block).
    """

    order: Tensor
    jumps: Tensor

    def __init__(self, arch: TableCopulaArchitecture) -> None:
        super().__init__(arch)
        self.register_buffer("order", torch.arange(self.padded.shape[1]).repeat(arch.n_classes, len(self.padded), 1))
        numbers, latents = arch.layout.n_numbers, arch.n_latents
        self.register_buffer("jumps", torch.zeros(arch.n_classes, numbers, KNOTS - 1, dtype=torch.bool))
        self.knots = nn.Parameter(torch.zeros(arch.n_classes, numbers, KNOTS), requires_grad=False)
        self.factors = nn.Parameter(torch.zeros(arch.n_classes, arch.n_factors, latents), requires_grad=False)
        self.own = nn.Parameter(torch.ones(arch.n_classes, latents), requires_grad=False)

    @torch.no_grad()
    def learn(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.integer],
        groups: NDArray[np.integer] | None,
        randomness: Generator,
    ) -> None:
        """Take quantiles, frequencies and correlations from training rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, arch.layout.width), float32
        labels : ndarray of shape (n_rows,)
            Class of each row; each occurs.
        groups : ndarray of shape (n_rows,), optional
            Group of each row; each occurs.
        randomness : torch.Generator
            Where in its share of probability a level lies, and what stands for numbers that are missing.
        """
        # Nothing is trained after it, so that what is added to frequencies stays.
        self.set_statistics(rows, labels, groups, rare=LEAST_FREQUENCY, shrinkage=SHRINKAGE)
        layout = self.arch.layout
        for c in range(self.arch.n_classes):
            chosen = labels == c
            picked = rows[chosen]
            part, there = torch.from_numpy(picked), torch.from_numpy(layout.present(picked))
            if groups is None:
                self.level_logits[c] = part[:, layout.n_numbers :].mean(0).clamp(min=LEAST_SHARE).log()
            of_groups = None if groups is None else torch.from_numpy(groups[chosen])
            centre, _, logits = self._statistics(torch.full((len(part),), c), of_groups)
            left = part[:, : layout.n_numbers] - centre
            before = torch.zeros(len(part), self.arch.n_latents)
            after = torch.ones_like(before)  # of a missing number nothing is known
            for j in range(layout.n_numbers):
                known = there[:, j]
                if known.any():
                    self.knots[c, j] = quantiles(left[known, j])
                    self.jumps[c, j] = jumps_between(self.knots[c, j], left[known, j])
                    before[known, j], after[known, j] = shares_of_ranks(left[known, j])
            if layout.blocks:
                numbers, levels = _ndtri((before + after) / 2)[:, : layout.n_numbers], part[:, layout.n_numbers :]
                for k, places in enumerate(orders_of_levels(numbers, levels, layout.blocks)):
                    self.order[c, k, : len(places)] = places
                before[:, layout.n_numbers :], after[:, layout.n_numbers :] = self._shares(c, logits, levels)
            latents = latent_numbers(before, after, randomness)
            self.factors[c], self.own[c] = factors_of(latents, self.arch.n_factors)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw rows; shapes are in the notes of the class."""
        layout = self.arch.layout
        labels, groups = split_conditions(conditions)
        centre, _, logits = self._statistics(labels, groups)
        common, own = noise.split([self.arch.n_factors, self.arch.n_latents], dim=1)
        numbers, levels = torch.empty_like(centre), torch.empty_like(logits)
        for c, chosen in _by_class(labels):
            z = common[chosen] @ self.factors[c] + own[chosen] * self.own[c]
            positions = ((z[:, : layout.n_numbers] + REACH) / STEP).clamp(0, KNOTS - 1)
            jumps = self.jumps[c].gather(1, positions.T.long().clamp(max=KNOTS - 2)).T
            numbers[chosen] = _between(self.knots[c], torch.where(jumps, positions.round(), positions))
            if layout.blocks:
                order, ends = self._ends(c, logits[chosen])
                widest = ends.shape[2]
                probabilities = ndtr(z[:, layout.n_numbers :, None]).clamp(EDGE, 1 - EDGE)
                place = order.gather(2, (probabilities > ends[:, :, : widest - 1]).sum(2, keepdim=True))[:, :, 0]
                levels[chosen] = F.one_hot(place, widest).to(levels.dtype).flatten(1)[:, self.place]
        numbers = numbers + centre
        return self.joined(numbers, levels) if layout.blocks else numbers

    def log_likelihood(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Logarithms of the densities of encoded rows, (n,), in nats.

        Beyond the range of its class the density of a number falls off exponentially. Of a number that is repeated the
        probability is spread over a thousandth. A level enters the correlation by the middle of its share of
        probability, as does a repeated number, and a missing number, or a level that was not there in training, not at
        all.
        """
        layout = self.arch.layout
        labels, groups = split_conditions(conditions)
        centre, _, logits = self._statistics(labels, groups)
        numbers, levels = rows.split([layout.n_numbers, layout.n_levels], dim=1)
        there = self.there(numbers, levels)
        total, latents = rows.new_zeros(len(rows)), rows.new_zeros(len(rows), self.arch.n_latents)
        known = torch.ones_like(latents, dtype=torch.bool)
        known[:, : layout.n_numbers] = there > 0
        left = numbers - centre
        for c, chosen in _by_class(labels):
            if layout.blocks:
                before, after = self._shares(c, logits[chosen], levels[chosen])
                total[chosen] += (after - before).clamp(min=LEAST_SHARE).log().sum(1)
                latents[chosen, layout.n_numbers :] = _ndtri((before + after) / 2)
                known[chosen, layout.n_numbers :] = after > before
            latents[chosen, : layout.n_numbers], logs = _margins(self.knots[c], left[chosen])
            total[chosen] += (logs * there[chosen]).sum(1) + self._correlation(c, latents[chosen], known[chosen])
        return total

    def _correlation(self, c: int, latents: Tensor, known: Tensor) -> Tensor:
        """Logarithm of the density of the copula of a class: of correlated normal numbers over that of others.

        Of each row only the numbers that are `known`, of shape (n, n_latents), count.
        """
        total = latents.new_zeros(len(latents))
        patterns, of_rows = known.unique(dim=0, return_inverse=True)
        for k, pattern in enumerate(patterns):
            chosen = of_rows == k
            own = _exact(self.own[c, pattern])
            z, factors = _exact(latents[chosen][:, pattern]), _exact(self.factors[c][:, pattern]) / own
            inner = torch.eye(len(factors), device=z.device, dtype=z.dtype) + factors @ factors.T
            root = torch.linalg.cholesky(inner)
            scaled = z / own
            explained = torch.linalg.solve_triangular(root, factors @ scaled.T, upper=False)
            squares = scaled.square().sum(1) - explained.square().sum(0)
            determinant = 2 * (root.diagonal().log().sum() + own.log().sum())
            total[chosen] = ((z.square().sum(1) - squares - determinant) / 2).to(total.dtype)
        return total

    def _ends(self, c: int, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Levels of a class in its order, and where their shares of probability end: (n, n_blocks, most levels)."""
        order = self.order[c].expand(len(logits), -1, -1)
        return order, self._by_block(logits).softmax(2).gather(2, order).cumsum(2)

    def _shares(self, c: int, logits: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Where the share of probability of the levels of rows of a class begins and ends: two of shape (n, n_blocks).

        A level that the training data lack has none: it begins and ends in the middle.
        """
        order, ends = self._ends(c, logits)
        padded = F.pad(levels, (0, 1))[:, self.padded].gather(2, order)
        place, known = padded.argmax(2, keepdim=True), padded.sum(2) > 0
        after = ends.gather(2, place)[:, :, 0]
        before = F.pad(ends, (1, 0)).gather(2, place)[:, :, 0]
        return before.where(known, 0.5), after.where(known, 0.5)


def quantiles(values: Tensor) -> Tensor:
    """Quantiles of values at normal scores from -4 to 4, of which the first and last are the ends."""
    scores = torch.linspace(-REACH, REACH, KNOTS, dtype=torch.float64)
    probabilities = ndtr(scores)
    probabilities[0], probabilities[-1] = 0, 1
    positions = probabilities * (len(values) - 1)
    return _between(values.sort().values[None], positions[:, None].to(values.dtype))[:, 0]


def jumps_between(knots: Tensor, values: Tensor) -> Tensor:
    """Find between which quantiles, (n_knots,), there is nothing but the ends of two values that are both repeated.

    Examples
    --------
    >>> jumps_between(torch.tensor([1.0, 1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0]))
    tensor([False,  True, False])
    """
    distinct, times = values.unique(return_counts=True)
    place = torch.searchsorted(distinct, knots.contiguous()).clamp(max=len(distinct) - 1)
    repeated = (distinct[place] == knots) & (times[place] > 1)
    return repeated[1:] & repeated[:-1] & (place.diff() == 1)


def shares_of_ranks(values: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities between which values lie by their ranks: of smaller ones, and of those that are not larger."""
    _, place, times = values.unique(return_inverse=True, return_counts=True)
    after = times.cumsum(0)
    before, after = (counts[place].to(values.dtype) / len(values) for counts in (after - times, after))
    return before, after


def orders_of_levels(numbers: Tensor, levels: Tensor, blocks: Sequence[int]) -> list[Tensor]:
    """For each block an order of its levels in which what comes after each other goes with similar other columns.

    Parameters
    ----------
    numbers : Tensor of shape (n_rows, n_numbers)
        Normal scores.
    levels : Tensor of shape (n_rows, n_levels)
        One-hot, block by block.
    blocks : sequence of int
        Levels of each.

    Returns
    -------
    list of Tensor of shape (n_levels_of_block,), int64
        By the first axis of a correspondence analysis of the block and all other columns.
    """
    shares = levels.mean(0).clamp(min=LEAST_SHARE).sqrt()
    every = torch.cat([numbers, levels / shares], dim=1).double()
    every -= every.mean(0)
    orders, start = [], numbers.shape[1]
    for width in blocks:
        own = slice(start, start + width)
        common = every[:, own].T @ every
        common[:, own] = 0
        axis = torch.linalg.svd(common, full_matrices=False).U
        position = axis[:, 0] / shares[own.start - numbers.shape[1] : own.stop - numbers.shape[1]]
        orders.append(position.argsort(stable=True))
        start += width
    return orders


def latent_numbers(before: Tensor, after: Tensor, randomness: Generator) -> Tensor:
    """Correlated normal numbers of which it is known between which probabilities they lie.

    Parameters
    ----------
    before, after : Tensor of shape (n_rows, n_latents)
        Where the share of probability of each value begins and ends; 0 and 1 of one that is missing.
    randomness : torch.Generator

    Returns
    -------
    Tensor of shape (n_rows, n_latents)
        Of 20,000 rows if there are more.

    Notes
    -----
    A column whose values are all different has its normal scores. Of others numbers are drawn anew in rounds, each from
    its normal distribution given the other numbers of its row, within its share, and the correlation of all is
    estimated from them: the extended rank likelihood of Hoff (2007), with the correlation shrunk in the place of a
    prior. Drawn without regard to the others, as they are first, they would be less correlated than what they stand
    for. So they stay beyond 256 columns, where this would take long.
    """
    if len(before) > MOST_ROWS:
        kept = torch.randperm(len(before), generator=randomness)[:MOST_ROWS]
        before, after = before[kept], after[kept]
    n, width = before.shape
    latents = _ndtri(before + (after - before) * torch.rand(before.shape, generator=randomness))
    wide = (after - before > 1.5 / n).any(0)
    latents[:, ~wide] = _ndtri((before + after) / 2)[:, ~wide]
    if n < LEAST_ROWS or width > MOST_FACTORS:
        return latents
    low, high = (ndtri(probabilities.double().clamp(0, 1)) for probabilities in (before, after))
    drawn, prior = latents.double(), (width + 1) * torch.eye(width, dtype=torch.float64)
    for _ in range(ROUNDS if width > 1 else 0):
        precision = torch.linalg.inv((drawn.T @ drawn + prior) / (n + width + 1))
        for j in wide.nonzero()[:, 0].tolist():
            spread = precision[j, j] ** -0.5
            mean = drawn[:, j] - drawn @ precision[:, j] * spread.square()
            least, most = ((bound[:, j] - mean) / spread for bound in (low, high))
            drawn[:, j] = mean + spread * _truncated(least, most, randomness)
    return drawn.float()


def _truncated(low: Tensor, high: Tensor, randomness: Generator) -> Tensor:
    """Standard normal numbers between bounds, drawn in the lower tail, where probabilities are exact."""
    flipped = low + high > 0
    low, high = torch.where(flipped, -high, low), torch.where(flipped, -low, high)
    share = torch.rand(len(low), generator=randomness, dtype=torch.float64)
    begin, end = ndtr(low), ndtr(high)
    found = ndtri((begin + (end - begin) * share).clamp(min=SMALLEST)).clamp(low, high).clamp(-FARTHEST, FARTHEST)
    return torch.where(flipped, -found, found)


def factors_of(latents: Tensor, n_factors: int) -> tuple[Tensor, Tensor]:
    """Factors and own spread of columns whose correlation is that of `latents`, shrunk as by Ledoit and Wolf (2004).

    Parameters
    ----------
    latents : Tensor of shape (n_rows, n_latents)
    n_factors : int
        The largest principal components are kept; what the others say of a column becomes its own.

    Returns
    -------
    factors : Tensor of shape (n_factors, n_latents)
    own : Tensor of shape (n_latents,)
        The squares of both sum up to 1 for each column.
    """
    n, width = latents.shape
    factors, own = torch.zeros(n_factors, width), torch.ones(width)
    if n < LEAST_ROWS:
        return factors, own
    centred = (latents - latents.mean(0)).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is but one column
        shrinkage = float(ledoit_wolf_shrinkage(centred.numpy(), assume_centered=True))
    _, singular, components = torch.linalg.svd(centred, full_matrices=False)
    kept = min(n_factors, len(singular))
    variances = centred.square().mean(0)
    whole_variances = (1 - shrinkage) * variances + shrinkage * variances.mean()
    scaled = ((1 - shrinkage) / n) ** 0.5 * singular[:kept, None] * components[:kept] / whole_variances.sqrt()
    factors[:kept] = scaled.float()
    own = (1 - factors.square().sum(0)).clamp(min=LEAST_SPREAD**2).sqrt()
    return factors, own


def _by_class(labels: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each class that occurs, and which rows are of it."""
    for c in labels.unique().tolist():
        yield c, labels == c


def _between(knots: Tensor, positions: Tensor) -> Tensor:
    """Values (n, n_columns) at positions of that shape among knots (n_columns, n_knots), linear in between."""
    steps = knots.shape[1] - 1
    if steps == 0:
        return knots[:, 0].expand(positions.shape)
    position = positions.T.clamp(0, steps)
    below = position.long().clamp(max=steps - 1)
    low, high = knots.gather(1, below), knots.gather(1, below + 1)
    return (low + (high - low) * (position - below)).T


def _margins(knots: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Normal scores of values, and logarithms of their densities: two of shape (n, n_columns)."""
    knots, columns = _exact(knots).contiguous(), _exact(values.T).contiguous()
    inside = columns.clamp(knots[:, :1], knots[:, -1:])
    scores, logs = _densities(knots, inside)
    distance = (columns - inside).abs()
    logs = torch.where(distance > 0, math.log(BEYOND) - distance, logs + math.log1p(-2 * BEYOND))
    return scores.T.to(values.dtype), logs.T.to(values.dtype)


def _densities(knots: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The same of values in the range of the knots, by column: two of shape (n_columns, n)."""
    steps = knots.shape[1] - 1
    first, after = (torch.searchsorted(knots, values.contiguous(), right=right) for right in (False, True))
    above = first.clamp(1, steps)
    low, high = knots.gather(1, above - 1), knots.gather(1, above)
    width = high - low
    scores = (above - 1 + ((values - low) / width.clamp(min=LEAST_WIDTH)).clamp(0, 1)) * STEP - REACH
    logs = -scores.square() / 2 - math.log(2 * math.pi) / 2 + math.log(STEP) - width.clamp(min=LEAST_WIDTH).log()
    # A number that is repeated is at several quantiles.
    before, until = _probability(first), _probability(after - 1)
    repeated = after - first > 1
    return (
        torch.where(repeated, ndtri(((before + until) / 2).clamp(EDGE, 1 - EDGE)), scores),
        torch.where(repeated, (until - before).clamp(min=LEAST_SHARE).log() - math.log(ATOM), logs),
    )


def _probability(knot: Tensor) -> Tensor:
    """Of smaller numbers than the quantile with that index."""
    found = ndtr(_exact(knot.float()) * STEP - REACH)
    return found.masked_fill(knot == 0, 0).masked_fill(knot == KNOTS - 1, 1)


def _exact(values: Tensor) -> Tensor:
    """In double precision, where the device has it."""
    return values if values.device.type == "mps" else values.double()


def _ndtri(probabilities: Tensor) -> Tensor:
    return ndtri(probabilities.clamp(EDGE, 1 - EDGE))
