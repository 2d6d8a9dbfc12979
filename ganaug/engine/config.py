"""How a GAN is trained, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ganaug.data.json_values import number, short, whole

__all__ = ["PRECISIONS", "TrainingConfig", "cosine"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class TrainingConfig:
    """How a GAN is trained.

    Attributes
    ----------
    steps : int
        Updates of each player.
    batch_size : int
        Real samples a step; as many are generated.
    learning_rate, final_learning_rate : float
        Of both players: start and end of a cosine schedule.
    gamma, final_gamma : float
        Start and end of a cosine schedule of the weight of (R1 + R2) / 2.
    penalty_every : int
        The penalty is taken every so many steps, its weight multiplied by as much (lazy regularisation,
        Karras et al., CVPR 2020).
    augment_p : float
        Probability of each augmentation in front of the discriminator, ramped up from 0 over the first fifth.
    label_temperature : float
        0 shows all classes equally often, 1 as often as they occur.
    latent_dim : int
        Length of the noise vector.
    precision : {"fp32", "bf16"}
        What the networks compute in while they are trained.
    validation_fraction : float
        Share of each class that is held out to choose the best of the moving averages by; 0 takes the last.
    """

    steps: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    gamma: float
    final_gamma: float
    penalty_every: int
    augment_p: float
    label_temperature: float
    latent_dim: int
    precision: str = "fp32"
    validation_fraction: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        config = cls(**values)
        for name in ("steps", "batch_size", "penalty_every", "latent_dim"):
            whole(values[name], name, 1, 2**53)
        for name in ("learning_rate", "final_learning_rate", "gamma", "final_gamma"):
            number(values[name], name, least=0)
        for name in ("augment_p", "label_temperature"):
            number(values[name], name, least=0, most=1)
        number(config.validation_fraction, "validation_fraction", least=0, most=1)
        if config.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {short(config.precision)}")
        return config


def cosine(start: float, end: float, progress: float) -> float:
    """Value of a cosine schedule; `progress` runs from 0 to 1.

    Examples
    --------
    >>> cosine(1.0, 0.0, 0.5)
    0.5
    """
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
