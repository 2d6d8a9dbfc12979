"""How networks are trained, whatever the objective, in numbers."""

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
    """How networks are trained, whatever the objective.

    Attributes
    ----------
    steps : int
        Updates of each network.
    batch_size : int
        Real samples a step.
    learning_rate, final_learning_rate : float
        Of all optimisers: start and end of a cosine schedule.
    label_temperature : float
        0 shows all classes equally often, 1 as often as they occur.
    precision : {"fp32", "bf16"}
        What the networks compute in while they are trained.
    validation_fraction : float
        Share of each class that is held out to choose the best of the moving averages by; 0 takes the last.

    Examples
    --------
    >>> from ganaug.engine import TrainingConfig
    >>> config = TrainingConfig(
    ...     steps=100, batch_size=32, learning_rate=1e-3, final_learning_rate=1e-5, label_temperature=0
    ... )
    >>> config.precision, config.validation_fraction
    ('fp32', 0.0)
    """

    steps: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    label_temperature: float
    precision: str = "fp32"
    validation_fraction: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        config = cls(**values)
        for name in ("steps", "batch_size"):
            whole(values[name], name, 1, 2**53)
        for name in ("learning_rate", "final_learning_rate"):
            number(values[name], name, least=0)
        number(config.label_temperature, "label_temperature", least=0, most=1)
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
