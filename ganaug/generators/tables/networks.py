"""Generator and discriminator for encoded rows of a table."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.data.tables.layout import RowLayout
from ganaug.engine.conditioning import split_conditions
from ganaug.engine.devices import log_ndtr
from ganaug.engine.layers import ParallelLinear

__all__ = ["TableArchitecture", "TableDiscriminator", "TableGenerator", "build_networks"]

SLOPE = 0.2
MOST, MOST_LAYERS = 2**24, 64  # in descriptions that are read from files
ROUNDS = 20  # in which the parts of classes and groups are fitted to each other
SHRINKAGE = 0.9  # of their logits of levels, in each round
RARE = 0.02  # added to the frequencies of levels, so that none starts out impossible
LAYOUT = frozenset(field.name for field in fields(RowLayout))


@dataclass(frozen=True)
class TableArchitecture:
    """What both networks need to know to be built.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes : int
    members : int
        Networks of each kind, trained side by side.
    width, depth : int
        Units in a hidden layer, and hidden layers.
    latent_dim : int
        Length of the noise vector, without the noise that draws levels.
    temperature : float
        Of the straight-through Gumbel softmax.
    n_groups : int
        Groups that rows are conditioned on beside their class; 0 for none.
    """

    layout: RowLayout
    n_classes: int
    members: int = 1
    width: int = 128
    depth: int = 2
    latent_dim: int = 32
    temperature: float = 0.6
    n_groups: int = 0

    @property
    def noise_dim(self) -> int:
        """Length of the generator's input noise: the noise vector, and one number for each level."""
        return self.latent_dim + self.layout.n_levels

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``; those of the layout stand beside the others."""
        values = asdict(self)
        return values.pop("layout") | values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TableArchitecture:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        rest = {key: value for key, value in values.items() if key not in LAYOUT}
        arch = cls(RowLayout.from_dict(values), **rest)
        for name in ("n_classes", "members", "width", "latent_dim"):
            whole(getattr(arch, name), name, 1, MOST)
        whole(arch.n_groups, "n_groups", 0, MOST)
        whole(arch.depth, "depth", 1, MOST_LAYERS)
        number(arch.temperature, "temperature", least=1e-6)
        blocks = arch.layout.blocks
        whole(len(blocks) * max(blocks, default=0), "levels, all blocks being as wide as the widest,", 0, MOST)
        return arch


def _hidden(arch: TableArchitecture, inputs: int) -> nn.Sequential:
    widths = [inputs] + [arch.width] * arch.depth
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [ParallelLinear(arch.members, before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class TableGenerator(nn.Module):
    """Noise and conditions in, encoded rows out.

    Parameters
    ----------
    arch : TableArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (batch, ``arch.noise_dim``) and conditions as
    :func:`split_conditions` does, and returns (batch, ``arch.layout.width``): normal scores, and blocks that are
    one-hot but let gradients through as if they were soft (straight-through Gumbel softmax; Jang, Gu, Poole, ICLR
    2017). The first layer sums an embedding of the class and one of the group.

    What the last layer puts out is relative to statistics in buffers, see :meth:`set_statistics`: ``centre`` and
    ``scale`` of shape (n_classes, n_numbers) and ``level_logits`` of shape (n_classes, levels); with groups also
    ``group_centre`` and ``group_level_logits``, with a row for each group, which are added.
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

    def __init__(self, arch: TableArchitecture) -> None:
        super().__init__()
        self.arch = arch
        layout = arch.layout
        self.hidden = _hidden(arch, arch.latent_dim + arch.n_classes + arch.n_groups)
        self.out = ParallelLinear(arch.members, arch.width, layout.width, init_gain=0.5)
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
        self, rows: NDArray[np.float32], labels: NDArray[np.integer], groups: NDArray[np.integer] | None = None
    ) -> None:
        """Let the generator start from the mean and spread of the numbers of each class, and its frequencies of levels.

        With groups the mean is the sum of a class's and a group's part, fitted to all rows, so that pairs which do not
        occur start from what is known of both.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, arch.layout.width), float32
        labels : ndarray of shape (n_rows,)
            Class of each row; each occurs.
        groups : ndarray of shape (n_rows,), optional
            Group of each row; each occurs, and -1 stands for an unknown one.
        """
        encoded, present = torch.from_numpy(rows), torch.from_numpy(self.arch.layout.present(rows)).float()
        if groups is not None:
            self._fit_sums(encoded, present, torch.from_numpy(np.stack([labels, groups], 1)))
            return
        n_numbers = self.arch.layout.n_numbers
        for c in range(self.arch.n_classes):
            chosen = torch.from_numpy(labels == c)
            part, there = encoded[chosen], present[chosen]
            count = there.sum(0).clamp(min=1)
            self.centre[c] = (part[:, :n_numbers] * there).sum(0) / count
            self.scale[c] = (((part[:, :n_numbers] - self.centre[c]) ** 2 * there).sum(0) / count).sqrt() + 0.1
            self.level_logits[c] = (part[:, n_numbers:].mean(0) + RARE).log()

    def _fit_sums(self, encoded: Tensor, present: Tensor, conditions: Tensor) -> None:
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
                missing = ((levels[chosen].mean(0) + RARE) / (expected[chosen].mean(0) + RARE)).log()
                # Shrunk, for a level that a pair never shows may lack in the class as well as in the group.
                level_logits[k] = SHRINKAGE * (level_logits[k] + missing)
        left = (numbers - self._statistics(labels, groups)[0]) * present
        for c in range(self.arch.n_classes):
            chosen = labels == c
            self.scale[c] = (left[chosen].square().sum(0) / present[chosen].sum(0).clamp(min=1)).sqrt() + 0.1

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Generate rows; shapes are in the notes of the class."""
        arch, layout = self.arch, self.arch.layout
        latents = noise[:, : arch.latent_dim]
        labels, groups = split_conditions(conditions)
        code = [latents, _indicators(labels, arch.n_classes, latents)]
        if arch.n_groups:
            code.append(_indicators(groups, arch.n_groups, latents))
        out = self.out(self.hidden(torch.cat(code, dim=1)))
        centre, scale, level_logits = self._statistics(labels, groups)
        numbers = centre + scale * out[:, : layout.n_numbers]
        if not layout.blocks:
            return numbers
        # The Gumbel variable of a standard normal one, by way of the uniform.
        gumbel = -torch.log(-log_ndtr(noise[:, arch.latent_dim :]))
        levels = self._choose(out[:, layout.n_numbers :] + level_logits + gumbel)
        if len(self.gated):
            keep = torch.ones_like(numbers)
            keep[:, self.gated] = levels[:, self.first]
            numbers = numbers * keep
        return torch.cat([numbers, levels], dim=1)

    def _statistics(self, labels: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Centre and scale of the numbers and logits of the levels of each row."""
        if groups is None or not self.arch.n_groups:
            return self.centre[labels], self.scale[labels], self.level_logits[labels]
        centre = _rows_of(self.centre, labels) + _rows_of(self.group_centre, groups)
        level_logits = _rows_of(self.level_logits, labels) + _rows_of(self.group_level_logits, groups)
        return centre, _rows_of(self.scale, labels, unknown=1.0), level_logits

    def _choose(self, logits: Tensor) -> Tensor:
        never = logits.new_full((len(logits), 1), -torch.inf)
        blocks = torch.cat([logits, never], dim=1)[:, self.padded]
        hard = F.one_hot(blocks.argmax(2), blocks.shape[2]).to(logits.dtype)
        if torch.is_grad_enabled():
            soft = (blocks / self.arch.temperature).softmax(2)
            hard = hard + soft - soft.detach()
        return hard.flatten(1)[:, self.place]


class TableDiscriminator(nn.Module):
    """Encoded rows and their conditions in, one logit each out.

    Parameters
    ----------
    arch : TableArchitecture

    Notes
    -----
    ``forward(rows, conditions)`` takes (batch, ``arch.layout.width``) and conditions as :func:`split_conditions` does,
    and returns (batch,): the sum of an output shared by all rows, one of the class and one of the group.
    """

    def __init__(self, arch: TableArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.hidden = _hidden(arch, arch.layout.width)
        self.out = ParallelLinear(arch.members, arch.width, 1 + arch.n_classes + arch.n_groups)

    def forward(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Compute logits; shapes are in the notes of the class."""
        out = self.out(self.hidden(rows))
        labels, groups = split_conditions(conditions)
        if groups is None:
            return out[:, 0] + out.gather(1, 1 + labels[:, None]).squeeze(1)
        logits = out[:, 0]
        for start, indices in ((1, labels), (1 + self.arch.n_classes, groups)):
            own = out.gather(1, start + indices.clamp(min=0)[:, None]).squeeze(1)
            logits = logits + own * (indices >= 0)
        return logits


def _indicators(indices: Tensor | None, n: int, like: Tensor) -> Tensor:
    """One-hot rows of shape (len(like), n); of zeros for unknown indices, and without any."""
    if indices is None:
        return like.new_zeros(len(like), n)
    return (indices[:, None] == torch.arange(n, device=like.device)).to(like.dtype)


def _rows_of(table: Tensor, indices: Tensor, unknown: float = 0.0) -> Tensor:
    """Rows of a table, those of unknown indices filled with a number."""
    return table[indices.clamp(min=0)].where(indices[:, None] >= 0, unknown)


def build_networks(arch: TableArchitecture) -> tuple[TableGenerator, TableDiscriminator]:
    """Build both networks, without weights."""
    return TableGenerator(arch), TableDiscriminator(arch)
