"""Generator and discriminator for encoded rows of a table."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.json_values import number, whole
from ganaug.engine.layers import ParallelLinear

__all__ = ["TableArchitecture", "TableDiscriminator", "TableGenerator", "build_networks"]

SLOPE = 0.2
MOST, MOST_LAYERS = 2**24, 64  # in descriptions out of files


@dataclass(frozen=True)
class TableArchitecture:
    """What both networks need to know to be built.

    Attributes
    ----------
    n_numbers : int
        The first entries of a row, which are normal scores.
    blocks : tuple of int
        Widths of the one-hot groups that follow.
    gates : tuple of int
        For each number the block whose first level says that there is a number at all, -1 for none.
    n_classes : int
    members : int
        Networks of each kind, trained side by side.
    width, depth : int
        Units in a hidden layer, and hidden layers.
    latent_dim : int
        Length of the noise vector, without the noise that draws levels.
    temperature : float
        Of the straight-through Gumbel softmax.
    """

    n_numbers: int
    blocks: tuple[int, ...]
    gates: tuple[int, ...]
    n_classes: int
    members: int = 1
    width: int = 128
    depth: int = 2
    latent_dim: int = 32
    temperature: float = 0.6

    @property
    def row_width(self) -> int:
        """Entries of an encoded row."""
        return self.n_numbers + sum(self.blocks)

    @property
    def layout(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """What the encoder of the table says too: numbers, blocks and gates."""
        return self.n_numbers, self.blocks, self.gates

    @property
    def noise_dim(self) -> int:
        """Entries of what the generator is fed: the noise vector, and one number for each level."""
        return self.latent_dim + sum(self.blocks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TableArchitecture:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        arch = cls(**{**values, "blocks": tuple(values["blocks"]), "gates": tuple(values["gates"])})
        whole(arch.n_numbers, "n_numbers", 0, MOST)
        for name in ("n_classes", "members", "width", "latent_dim"):
            whole(getattr(arch, name), name, 1, MOST)
        whole(arch.depth, "depth", 1, MOST_LAYERS)
        number(arch.temperature, "temperature", least=1e-6)
        for block in arch.blocks:
            whole(block, "a block", 2, MOST)
        whole(
            len(arch.blocks) * max(arch.blocks, default=0), "levels, all blocks being as wide as the widest,", 0, MOST
        )
        return arch


def _hidden(arch: TableArchitecture, inputs: int) -> nn.Sequential:
    widths = [inputs] + [arch.width] * arch.depth
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [ParallelLinear(arch.members, before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class TableGenerator(nn.Module):
    """Noise and class in, encoded rows out.

    Parameters
    ----------
    arch : TableArchitecture

    Notes
    -----
    ``forward(noise, labels)`` takes standard normal numbers of shape (batch, ``arch.noise_dim``) and class indices of
    shape (batch,), and returns (batch, ``arch.row_width``): normal scores, and blocks that are one-hot but let
    gradients through as if they were soft (straight-through Gumbel softmax; Jang, Gu, Poole, ICLR 2017). What the
    layers put out is relative to the statistics of each class in the buffers ``centre`` and ``scale``, of shape
    (n_classes, n_numbers), and ``level_logits``, of shape (n_classes, levels).
    """

    centre: Tensor
    scale: Tensor
    level_logits: Tensor
    padded: Tensor
    place: Tensor
    gated: Tensor
    first: Tensor

    def __init__(self, arch: TableArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.hidden = _hidden(arch, arch.latent_dim + arch.n_classes)
        self.out = ParallelLinear(arch.members, arch.width, arch.row_width, init_gain=0.5)
        n_levels = sum(arch.blocks)
        self.register_buffer("centre", torch.zeros(arch.n_classes, arch.n_numbers))
        self.register_buffer("scale", torch.ones(arch.n_classes, arch.n_numbers))
        self.register_buffer("level_logits", torch.zeros(arch.n_classes, n_levels))
        # Levels by block in a rectangle, filled up with the index of a level that is never chosen.
        widest = max(arch.blocks, default=0)
        padded = torch.full((len(arch.blocks), widest), n_levels)
        place = torch.empty(n_levels, dtype=torch.int64)
        start = 0
        for row, width in enumerate(arch.blocks):
            padded[row, :width] = torch.arange(start, start + width)
            place[start : start + width] = torch.arange(row * widest, row * widest + width)
            start += width
        self.register_buffer("padded", padded, persistent=False)
        self.register_buffer("place", place, persistent=False)
        # Numbers that may be missing, and the level of each that says it is there.
        gated = [n for n, block in enumerate(arch.gates) if block >= 0]
        starts = [0, *itertools.accumulate(arch.blocks)]
        first = [starts[arch.gates[n]] for n in gated]
        self.register_buffer("gated", torch.tensor(gated, dtype=torch.int64), persistent=False)
        self.register_buffer("first", torch.tensor(first, dtype=torch.int64), persistent=False)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Generate rows; shapes are in the notes of the class."""
        arch = self.arch
        latents = noise[:, : arch.latent_dim]
        code = torch.cat([latents, F.one_hot(labels, arch.n_classes).to(latents.dtype)], dim=1)
        out = self.out(self.hidden(code))
        numbers = self.centre[labels] + self.scale[labels] * out[:, : arch.n_numbers]
        if not arch.blocks:
            return numbers
        # The Gumbel variable of a standard normal one, by way of the uniform.
        gumbel = -torch.log(-torch.special.log_ndtr(noise[:, arch.latent_dim :]))
        levels = self._choose(out[:, arch.n_numbers :] + self.level_logits[labels] + gumbel)
        if len(self.gated):
            keep = torch.ones_like(numbers)
            keep[:, self.gated] = levels[:, self.first]
            numbers = numbers * keep
        return torch.cat([numbers, levels], dim=1)

    def _choose(self, logits: Tensor) -> Tensor:
        never = logits.new_full((len(logits), 1), -torch.inf)
        blocks = torch.cat([logits, never], dim=1)[:, self.padded]
        hard = F.one_hot(blocks.argmax(2), blocks.shape[2]).to(logits.dtype)
        if torch.is_grad_enabled():
            soft = (blocks / self.arch.temperature).softmax(2)
            hard = hard + soft - soft.detach()
        return hard.flatten(1)[:, self.place]


class TableDiscriminator(nn.Module):
    """Encoded rows and their classes in, one logit each out.

    Parameters
    ----------
    arch : TableArchitecture

    Notes
    -----
    ``forward(rows, labels)`` takes (batch, ``arch.row_width``) and (batch,) int64 and returns (batch,): the sum of an
    output shared by all classes and of one of the class.
    """

    def __init__(self, arch: TableArchitecture) -> None:
        super().__init__()
        self.arch = arch
        self.hidden = _hidden(arch, arch.row_width)
        self.out = ParallelLinear(arch.members, arch.width, 1 + arch.n_classes)

    def forward(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute logits; shapes are in the notes of the class."""
        out = self.out(self.hidden(rows))
        return out[:, 0] + out.gather(1, 1 + labels[:, None]).squeeze(1)


def build_networks(arch: TableArchitecture) -> tuple[TableGenerator, TableDiscriminator]:
    """Build both networks, without weights."""
    return TableGenerator(arch), TableDiscriminator(arch)
