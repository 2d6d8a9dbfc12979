"""Everything that training a generator depends on beside the data and the seed, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, get_type_hints

from ganaug.engine.config import TrainingConfig

__all__ = ["GeneratorConfig"]


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that training a generator depends on beside the data and the seed.

    A family derives from this class, and says by annotations of which types its architecture and objective are. These
    are dataclasses with a class method ``from_dict(values)`` that refuses what cannot be; the architecture has
    ``to_dict()`` too.

    Attributes
    ----------
    architecture : object
        Of the networks.
    training : TrainingConfig
    objective : object
        What the objective is weighted by.
    """

    architecture: Any
    training: TrainingConfig
    objective: Any

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self) | {"architecture": self.architecture.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        return cls(**{name: part.from_dict(values[name]) for name, part in get_type_hints(cls).items()})
