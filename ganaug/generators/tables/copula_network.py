"""A Gaussian copula of encoded rows, for each class, as a network without training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
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

KNOTS = 129  # quantiles that a margin is known by
MOST_FACTORS = 256
LEAST_SPREAD = 1e-3  # of what is a column's own in its latent number, and of numbers between two quantiles
LEAST_SHARE = 1e-6  # of a level that a class does not show, so that its logarithm is finite
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
    numbers are z = e L + s * d for noise (e, d): of unit variance and with the correlation L'L + diag(s^2). Their
    normal distribution function goes through the quantiles of a class, ``knots`` of shape (n_classes, n_numbers, 129),
    linear in between, and chooses the level of a block by the running sum of its probabilities.
    """

    def __init__(self, arch: TableCopulaArchitecture) -> None:
        super().__init__(arch)
        numbers, latents = arch.layout.n_numbers, arch.n_latents
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
        self.set_statistics(rows, labels, groups)
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
            latents = torch.randn(len(part), self.arch.n_latents, generator=randomness)
            for j in range(layout.n_numbers):
                known = there[:, j]
                if known.any():
                    self.knots[c, j] = quantiles(left[known, j])
                    latents[known, j] = normal_scores(left[known, j], randomness)
            if layout.blocks:
                before, after = self._shares(logits, part[:, layout.n_numbers :])
                within = torch.rand(before.shape, generator=randomness)
                latents[:, layout.n_numbers :] = _ndtri(before + (after - before) * within)
            self.factors[c], self.own[c] = factors_of(latents, self.arch.n_factors)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw rows; shapes are in the notes of the class."""
        layout = self.arch.layout
        labels, groups = split_conditions(conditions)
        centre, _, logits = self._statistics(labels, groups)
        common, own = noise.split([self.arch.n_factors, self.arch.n_latents], dim=1)
        probabilities = torch.empty_like(own)
        numbers = torch.empty_like(centre)
        for c, chosen in _by_class(labels):
            z = common[chosen] @ self.factors[c] + own[chosen] * self.own[c]
            probabilities[chosen] = ndtr(z).clamp(EDGE, 1 - EDGE)
            numbers[chosen] = _between(self.knots[c], probabilities[chosen, : layout.n_numbers])
        numbers = numbers + centre
        if not layout.blocks:
            return numbers
        ends = self._by_block(logits).softmax(2).cumsum(2)
        widest = ends.shape[2]
        place = (probabilities[:, layout.n_numbers :, None] > ends[:, :, : widest - 1]).sum(2)
        return self.joined(numbers, F.one_hot(place, widest).to(numbers.dtype).flatten(1)[:, self.place])

    def log_likelihood(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Logarithms of the densities of encoded rows, (n,), in nats.

        A number beyond the range of its class counts as at the end of it, less the distance. A level enters the
        correlation by the middle of its share of probability, and a missing number not at all.
        """
        layout = self.arch.layout
        labels, groups = split_conditions(conditions)
        centre, _, logits = self._statistics(labels, groups)
        numbers, levels = rows.split([layout.n_numbers, layout.n_levels], dim=1)
        there = self.there(numbers, levels)
        total, latents = rows.new_zeros(len(rows)), rows.new_zeros(len(rows), self.arch.n_latents)
        if layout.blocks:
            before, after = self._shares(logits, levels)
            total += (after - before).clamp(min=LEAST_SHARE).log().sum(1)
            latents[:, layout.n_numbers :] = _ndtri((before + after) / 2)
        left = numbers - centre
        for c, chosen in _by_class(labels):
            probabilities, logs = _margins(self.knots[c], left[chosen])
            latents[chosen, : layout.n_numbers] = _ndtri(probabilities) * there[chosen]
            total[chosen] += (logs * there[chosen]).sum(1) + self._correlation(c, latents[chosen])
        return total

    def _correlation(self, c: int, z: Tensor) -> Tensor:
        """Logarithm of the density of the copula of a class: of correlated normal numbers over that of others."""
        scaled, factors = z / self.own[c], self.factors[c] / self.own[c]
        inner = torch.eye(len(factors), device=z.device) + factors @ factors.T
        root = torch.linalg.cholesky(inner)
        explained = torch.linalg.solve_triangular(root, factors @ scaled.T, upper=False)
        squares = scaled.square().sum(1) - explained.square().sum(0)
        determinant = 2 * (root.diagonal().log().sum() + self.own[c].log().sum())
        return (z.square().sum(1) - squares - determinant) / 2

    def _shares(self, logits: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Where the share of probability of each row's levels begins and ends: two of shape (n, n_blocks).

        A level that the training data lack has none: it begins and ends in the middle.
        """
        ends = self._by_block(logits).softmax(2).cumsum(2)
        padded = F.pad(levels, (0, 1))[:, self.padded]
        place, known = padded.argmax(2, keepdim=True), padded.sum(2) > 0
        after = ends.gather(2, place)[:, :, 0]
        before = F.pad(ends, (1, 0)).gather(2, place)[:, :, 0]
        return before.where(known, 0.5), after.where(known, 0.5)


def quantiles(values: Tensor) -> Tensor:
    """Smallest to largest value in 128 equal steps of probability."""
    ordered = values.sort().values
    return _between(ordered[None], torch.linspace(0, 1, KNOTS)[:, None])[:, 0]


def normal_scores(values: Tensor, randomness: Generator) -> Tensor:
    """Standard normal numbers of the ranks of values; equal values are in an order that is drawn."""
    drawn = torch.randperm(len(values), generator=randomness)
    ranks = torch.empty(len(values))
    ranks[drawn[values[drawn].argsort(stable=True)]] = torch.arange(len(values), dtype=torch.float32)
    return ndtri((ranks + 0.5) / len(values))


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
    if n < 2:
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


def _between(knots: Tensor, probabilities: Tensor) -> Tensor:
    """Quantiles (n, n_columns) at probabilities of that shape, by knots (n_columns, n_knots), linear in between."""
    steps = knots.shape[1] - 1
    if steps == 0:
        return knots[:, 0].expand(probabilities.shape)
    position = probabilities.T * steps
    below = position.long().clamp(max=steps - 1)
    low, high = knots.gather(1, below), knots.gather(1, below + 1)
    return (low + (high - low) * (position - below)).T


def _margins(knots: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of smaller values than these, and logarithms of their densities: two of shape (n, n_columns)."""
    steps, columns = knots.shape[1] - 1, values.T.contiguous()
    inside = columns.clamp(knots[:, :1], knots[:, -1:])
    above = torch.searchsorted(knots.contiguous(), inside).clamp(1, steps)
    low, high = knots.gather(1, above - 1), knots.gather(1, above)
    width = (high - low).clamp(min=LEAST_SPREAD)
    probabilities = (above - 1 + ((inside - low) / width).clamp(0, 1)) / steps
    return probabilities.T, (-(steps * width).log() - (columns - inside).abs()).T


def _ndtri(probabilities: Tensor) -> Tensor:
    return ndtri(probabilities.clamp(EDGE, 1 - EDGE))
