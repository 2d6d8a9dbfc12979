"""The velocity of a flow of encoded rows, relative to what is known of classes and groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.conditioning import ConditionEmbedding, split_conditions
from ganaug.engine.layers import Linear
from ganaug.generators.flow_sampler import FlowSampler
from ganaug.generators.tables.architecture import LAYERS, SIZE, RowArchitecture
from ganaug.generators.tables.heads import RowHead
from ganaug.objectives.flow_matching import gaussian_velocity

__all__ = ["RowVelocity", "TableFlowArchitecture", "build_sampler"]

FREQUENCIES = 16
LEVEL = 2.0  # what a level that is there has in place of 0
LEVEL_NOISE = 0.2  # standard deviation of what is added to levels in training


@dataclass(frozen=True)
class TableFlowArchitecture(RowArchitecture):
    """What the network needs to know to be built, and how it is sampled.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes, n_groups : int
        0 groups for a network that is conditioned on the class alone.
    width, depth : int
        Units in a residual block, and such blocks.
    sampling_steps : int
        Of the solver, of two calls each.
    guidance : float
        1 draws from what was learnt of the conditions, more exaggerates what distinguishes them.
    """

    n_groups: int = 0
    width: int = 128
    depth: int = 2
    sampling_steps: int = 4
    guidance: float = 1.0

    @property
    def noise_dim(self) -> int:
        """Length of the noise: a number for each entry of an encoded row."""
        return self.layout.width

    @property
    def temperature(self) -> float:
        """Of the softmax of a :class:`RowHead`, through which no gradient goes here."""
        return 1.0

    def _check(self) -> None:
        for name in ("n_classes", "width", "sampling_steps"):
            whole(getattr(self, name), name, 1, SIZE)
        whole(self.n_groups, "n_groups", 0, SIZE)
        whole(self.depth, "depth", 1, LAYERS)
        number(self.guidance, "guidance", 0, SIZE)
        self._check_blocks()


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Linear(width, width)
        self.second = Linear(width, width, init_gain=0.0)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x + code))))


class RowVelocity(RowHead):
    """Encoded rows on their way from noise, the time and conditions in, velocities out.

    Parameters
    ----------
    arch : TableFlowArchitecture

    Notes
    -----
    ``forward(x, t, conditions)`` takes (batch, ``arch.noise_dim``), times of shape (batch,) and conditions as
    :func:`split_conditions` does, and returns (batch, ``arch.noise_dim``), relative to the velocity of normal numbers
    of the mean and the spread that numbers and levels of these conditions have, see :func:`gaussian_velocity`: before
    it is trained, it draws such numbers.

    The flow ends at the numbers of a row, and at 2 for a level that is there and 0 for one that is not, with a little
    noise (:meth:`encode`). Missing numbers are filled up with noise, for what they are says nothing. Back again,
    each block takes its largest level, and numbers whose block says that they are missing are left out
    (:meth:`decode`).
    """

    def __init__(self, arch: TableFlowArchitecture) -> None:
        super().__init__(arch)
        entries, width = arch.layout.width, arch.width
        self.time = nn.Sequential(Linear(FREQUENCIES, width), nn.SiLU(), Linear(width, width))
        self.embedding = ConditionEmbedding(arch.n_classes, width, arch.n_groups)
        self.enter = Linear(entries, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(arch.depth))
        self.leave = Linear(width, entries, init_gain=0.0)

    def forward(self, x: Tensor, t: Tensor, conditions: Tensor) -> Tensor:
        """Compute velocities; shapes are in the notes of the class."""
        mean, scale = self.gaussian(conditions)
        time = t[:, None]
        known, spread = gaussian_velocity(x, time, mean, scale)
        angles = time * torch.arange(1, FREQUENCIES + 1, device=t.device) * (math.pi / 2)
        code = self.time(angles.cos()) + self.embedding(conditions)
        h = self.enter((x - time * mean) / (time**2 * scale**2 + (1 - time) ** 2).sqrt())
        for block in self.blocks:
            h = block(h, code)
        return known + spread * self.leave(F.silu(h)).float()

    def gaussian(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of what the flow ends at, entry by entry, of shape (n, ``arch.noise_dim``)."""
        classes, groups = split_conditions(conditions)
        if groups is None:
            known = (classes >= 0)[:, None]
            centre, scale, logits = self._statistics(classes.clamp(min=0), None)
            centre, scale, logits = centre.where(known, 0.0), scale.where(known, 1.0), logits.where(known, 0.0)
        else:
            centre, scale, logits = self._statistics(classes, groups)
        if not self.arch.layout.blocks:
            return centre, scale
        shares = torch.cat([block.softmax(1) for block in logits.split([*self.arch.layout.blocks], 1)], 1)
        spread = (LEVEL**2 * shares * (1 - shares) + LEVEL_NOISE**2).sqrt()
        return torch.cat([centre, LEVEL * shares], 1), torch.cat([scale, spread], 1)

    def encode(self, rows: Tensor, conditions: Tensor, noise: Tensor | None = None) -> Tensor:
        """Encoded rows as the flow ends at them; without noise in the middle of where each may end."""
        layout = self.arch.layout
        if not layout.blocks:
            return rows
        numbers, levels = rows.split([layout.n_numbers, layout.n_levels], 1)
        mean, scale = self.gaussian(conditions)
        fill, levels = mean[:, : layout.n_numbers], LEVEL * levels
        if noise is not None:
            fill = fill + scale[:, : layout.n_numbers] * noise[:, : layout.n_numbers]
            levels = levels + LEVEL_NOISE * noise[:, layout.n_numbers :]
        return torch.cat([numbers.where(self.present(rows), fill), levels], 1)

    def present(self, rows: Tensor) -> Tensor:
        """Which numbers of encoded rows are there: bool of shape (n, n_numbers)."""
        there = torch.ones(len(rows), self.arch.layout.n_numbers, dtype=torch.bool, device=rows.device)
        there[:, self.gated] = rows[:, self.arch.layout.n_numbers + self.first] == 1
        return there

    def decode(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Encoded rows of what the flow ended at."""
        numbers, levels = x.split([self.arch.layout.n_numbers, self.arch.layout.n_levels], 1)
        return self.rows(numbers, levels, torch.zeros_like(levels))


def build_sampler(arch: TableFlowArchitecture) -> FlowSampler:
    """Build the network inside of what samples it, without weights."""
    return FlowSampler(RowVelocity(arch), arch)
