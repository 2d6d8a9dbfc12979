"""Generator and discriminator for encoded rows of a table."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.conditioning import split_conditions
from ganaug.engine.layers import ParallelLinear
from ganaug.generators.tables.architecture import LAYERS, SIZE, RowArchitecture
from ganaug.generators.tables.heads import RowHead, indicators

__all__ = ["TableArchitecture", "TableDiscriminator", "TableGenerator", "build_networks"]

SLOPE = 0.2


@dataclass(frozen=True)
class TableArchitecture(RowArchitecture):
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

    def _check(self) -> None:
        for name in ("n_classes", "members", "width", "latent_dim"):
            whole(getattr(self, name), name, 1, SIZE)
        whole(self.n_groups, "n_groups", 0, SIZE)
        whole(self.depth, "depth", 1, LAYERS)
        number(self.temperature, "temperature", least=1e-6)
        self._check_blocks()


def _hidden(arch: TableArchitecture, inputs: int) -> nn.Sequential:
    widths = [inputs] + [arch.width] * arch.depth
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [ParallelLinear(arch.members, before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class TableGenerator(RowHead):
    """Noise and conditions in, encoded rows out.

    Parameters
    ----------
    arch : TableArchitecture

    Notes
    -----
    ``forward(noise, conditions)`` takes standard normal numbers of shape (batch, ``arch.noise_dim``) and conditions as
    :func:`split_conditions` does, and returns (batch, ``arch.layout.width``): normal scores, and blocks as
    :meth:`RowHead.rows` draws them. The first layer sums an embedding of the class and one of the group.
    """

    def __init__(self, arch: TableArchitecture) -> None:
        super().__init__(arch)
        self.hidden = _hidden(arch, arch.latent_dim + arch.n_classes + arch.n_groups)
        self.out = ParallelLinear(arch.members, arch.width, arch.layout.width, init_gain=0.5)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Generate rows; shapes are in the notes of the class."""
        arch = self.arch
        latents = noise[:, : arch.latent_dim]
        labels, groups = split_conditions(conditions)
        code = [latents, indicators(labels, arch.n_classes, latents)]
        if arch.n_groups:
            code.append(indicators(groups, arch.n_groups, latents))
        outputs = self.out(self.hidden(torch.cat(code, dim=1)))
        return self.rows(*self.numbers_and_logits(outputs, conditions), noise[:, arch.latent_dim :])


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


def build_networks(arch: TableArchitecture) -> tuple[TableGenerator, TableDiscriminator]:
    """Build both networks, without weights."""
    return TableGenerator(arch), TableDiscriminator(arch)
