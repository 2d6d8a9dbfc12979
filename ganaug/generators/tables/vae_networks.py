"""Encoder and decoder of a variational autoencoder of encoded rows."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.conditioning import split_conditions
from ganaug.engine.devices import log_ndtr
from ganaug.engine.layers import Linear
from ganaug.generators.tables.architecture import LAYERS, SIZE, RowArchitecture
from ganaug.generators.tables.heads import RARE, RowHead, indicators
from ganaug.objectives.latent_prior import LatentPrior
from ganaug.objectives.likelihoods import FAR, gaussian, logistic_between

__all__ = ["RowDecoder", "RowEncoder", "TableVAEArchitecture", "build_vae_networks"]

SLOPE = 0.2
# Logarithms of standard deviations: of normal scores at the start, and limits, of those of latent numbers too.
START, LEAST, MOST = -1.0, -5.0, 2.0


@dataclass(frozen=True)
class TableVAEArchitecture(RowArchitecture):
    """What both networks need to know to be built.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes : int
    width, depth : int
        Units in a hidden layer, and hidden layers.
    latent_dim : int
        Length of the latent vector.
    temperature : float
        Of the straight-through Gumbel softmax; without effect on what is drawn.
    n_groups : int
        Groups that rows are conditioned on beside their class; 0 for none.
    """

    width: int = 128
    depth: int = 2
    latent_dim: int = 32
    n_groups: int = 0
    temperature: float = 1.0

    @property
    def noise_dim(self) -> int:
        """Numbers that a row is drawn from: the latent vector, and one for each number and level."""
        return self.latent_dim + self.layout.width

    def _check(self) -> None:
        for name in ("n_classes", "width", "latent_dim"):
            whole(getattr(self, name), name, 1, SIZE)
        whole(self.n_groups, "n_groups", 0, SIZE)
        whole(self.depth, "depth", 1, LAYERS)
        number(self.temperature, "temperature", least=1e-6)
        self._check_blocks()


def _hidden(arch: TableVAEArchitecture, inputs: int) -> nn.Sequential:
    widths = [inputs + arch.n_classes + arch.n_groups] + [arch.width] * arch.depth
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [Linear(before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _with_conditions(arch: TableVAEArchitecture, x: Tensor, conditions: Tensor) -> Tensor:
    labels, groups = split_conditions(conditions)
    parts = [x, indicators(labels, arch.n_classes, x)]
    if arch.n_groups:
        parts.append(indicators(groups, arch.n_groups, x))
    return torch.cat(parts, dim=1)


class RowDecoder(RowHead):
    """Noise and conditions in, encoded rows out.

    Parameters
    ----------
    arch : TableVAEArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (batch, ``arch.noise_dim``) and conditions as
    :func:`split_conditions` does, and returns (batch, ``arch.layout.width``). Given the latent vector the columns are
    independent: numbers are normal, with a standard deviation that is learnt for each, and levels have the
    probabilities of a softmax over their block, among them those that say whether a number is present. Numbers of a few
    values are logistic, cut half-way between the values: a density would be unbounded there, and learnt at the cost of
    all other columns.
    """

    few: Tensor
    cuts: Tensor

    def __init__(self, arch: TableVAEArchitecture) -> None:
        super().__init__(arch)
        self.hidden = _hidden(arch, arch.latent_dim)
        self.prior = LatentPrior(arch.n_classes, arch.n_groups, arch.latent_dim)
        self.out = Linear(arch.width, arch.layout.width, init_gain=0.5)
        self.spread = Linear(arch.width, arch.layout.n_numbers, init_gain=0.1)
        # Numbers of a few values, and where these are cut, filled up to the longest.
        few = {number: scores for number, scores in enumerate(arch.layout.few_scores) if scores}
        cuts = torch.full((len(few), max(map(len, few.values()), default=1) - 1), FAR)
        for row, scores in zip(cuts, few.values(), strict=True):
            row[: len(scores) - 1] = torch.tensor([(a + b) / 2 for a, b in itertools.pairwise(scores)])
        self.register_buffer("few", torch.tensor(list(few), dtype=torch.int64), persistent=False)
        self.register_buffer("cuts", cuts, persistent=False)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Draw rows; shapes are in the notes of the class."""
        layout = self.arch.layout
        latents, of_numbers, of_levels = noise.split([self.arch.latent_dim, layout.n_numbers, layout.n_levels], dim=1)
        means, log_std, logits = self._given(self.prior(latents, conditions), conditions)
        if len(self.few):
            of_few = of_numbers[:, self.few]
            of_numbers = of_numbers.index_copy(1, self.few, log_ndtr(of_few) - log_ndtr(-of_few))  # logistic
        return self.rows(means + log_std.exp() * of_numbers, logits, of_levels)

    def log_likelihood(self, rows: Tensor, latents: Tensor, conditions: Tensor) -> Tensor:
        """Give log p(x|z,c) of each encoded row, (n,), in nats: densities of normal scores, probabilities of others.

        Numbers that are missing have no part in it, and levels that the training data lack count as rare ones.
        """
        layout = self.arch.layout
        means, log_std, logits = self._given(latents, conditions)
        numbers, levels = rows.split([layout.n_numbers, layout.n_levels], dim=1)
        of_numbers = gaussian(numbers, means, log_std)
        if len(self.few):
            of_few = (part[:, self.few] for part in (numbers, means, log_std))
            of_numbers = of_numbers.index_copy(1, self.few, self._of_few(*of_few))
        if not layout.blocks:
            return of_numbers.sum(1)
        if len(self.gated):
            of_numbers = of_numbers * self.there(numbers, levels)
        unknown = len(layout.blocks) - levels.sum(1)
        return of_numbers.sum(1) + (levels * self.log_probabilities(logits)).sum(1) + math.log(RARE) * unknown

    def _of_few(self, numbers: Tensor, means: Tensor, log_scale: Tensor) -> Tensor:
        """Log-probabilities of numbers of a few values, all of shape (n, len(few))."""
        place = (numbers[..., None] > self.cuts).sum(2)
        ends = self.cuts.new_full((len(self.cuts), 1), FAR)
        bounds = torch.cat([-ends, self.cuts, ends], dim=1).expand(len(numbers), -1, -1)
        lower, upper = (bounds.gather(2, (place + k)[..., None])[..., 0] for k in range(2))
        return logistic_between(lower, upper, means, log_scale)

    def _given(self, latents: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and logarithms of standard deviations of the numbers, and logits of the levels."""
        hidden = self.hidden(_with_conditions(self.arch, latents, conditions))
        means, logits = self.numbers_and_logits(self.out(hidden), conditions)
        scale = self._statistics(*split_conditions(conditions))[1]
        return means, (START + self.spread(hidden)).clamp(LEAST, MOST) + scale.log(), logits


class RowEncoder(nn.Module):
    """Encoded rows and their conditions in, mean and logarithm of the standard deviation of their latent vectors out.

    Parameters
    ----------
    arch : TableVAEArchitecture

    Notes
    -----
    ``forward(rows, conditions)`` takes (batch, ``arch.layout.width``) and conditions as :func:`split_conditions` does,
    and returns two tensors of shape (batch, ``arch.latent_dim``).
    """

    def __init__(self, arch: TableVAEArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.hidden = _hidden(arch, arch.layout.width)
        self.out = Linear(arch.width, 2 * arch.latent_dim, init_gain=0.1)

    def forward(self, rows: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Encode rows; shapes are in the notes of the class."""
        mean, log_std = self.out(self.hidden(_with_conditions(self.arch, rows, conditions))).chunk(2, dim=1)
        return mean, log_std.clamp(LEAST, MOST)


def build_vae_networks(arch: TableVAEArchitecture) -> tuple[RowDecoder, RowEncoder]:
    """Build both networks, without weights."""
    return RowDecoder(arch), RowEncoder(arch)
