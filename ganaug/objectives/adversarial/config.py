"""How the adversarial objective is weighted, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganaug.data.json_values import number, whole
from ganaug.objectives.adversarial.marginals import Marginals

__all__ = ["AdversarialConfig"]


@dataclass(frozen=True)
class AdversarialConfig:
    """What the adversarial objective adds to a :class:`TrainingConfig`.

    Attributes
    ----------
    gamma, final_gamma : float
        Start and end of a cosine schedule of the weight of (R1 + R2) / 2.
    penalty_every : int
        The penalty is taken every so many steps, its weight multiplied by as much (lazy regularisation,
        Karras et al., CVPR 2020).
    augment_p : float
        Probability of each augmentation in front of the discriminator, ramped up from 0 over the first fifth.
    latent_dim : int
        Length of the noise vector.
    marginals : Marginals or None
        Where the networks are conditioned on class and group; None scores every sample by all that is known of it.
    """

    gamma: float
    final_gamma: float
    penalty_every: int
    augment_p: float
    latent_dim: int
    marginals: Marginals | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdversarialConfig:
        """Inverse of ``asdict``, also after a trip through JSON; ``ValueError`` for what cannot be."""
        marginals = values.get("marginals")
        config = cls(**{**values, "marginals": None if marginals is None else Marginals.from_dict(marginals)})
        for name in ("penalty_every", "latent_dim"):
            whole(values[name], name, 1, 2**53)
        for name in ("gamma", "final_gamma"):
            number(values[name], name, least=0)
        number(config.augment_p, "augment_p", least=0, most=1)
        return config
