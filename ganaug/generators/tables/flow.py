"""Class-conditional flow matching for tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ganaug.data.tables.encoder import Encoder
from ganaug.engine.config import TrainingConfig
from ganaug.engine.devices import random_generator
from ganaug.engine.run_options import RunOptions
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.flow_sampler import FLOW_CONSTRAINTS, FlowSampling, log_likelihood
from ganaug.generators.grouping import Grouping
from ganaug.generators.tables.base import TableScoring
from ganaug.generators.tables.flow_networks import RowVelocity, TableFlowArchitecture, build_sampler
from ganaug.objectives.flow_matching import FlowMatchingConfig, FlowMatchingObjective

__all__ = ["TableFlow", "TableFlowConfig"]

EXACT = 32  # entries of an encoded row up to which the divergence is exact
PROBES = 16  # random directions that it is estimated from otherwise
SCORING_STEPS = 16


@dataclass(frozen=True)
class TableFlowConfig:
    """Everything that training a :class:`TableFlow` depends on beside the data and the seed.

    Attributes
    ----------
    architecture : TableFlowArchitecture
    training : TrainingConfig
    objective : FlowMatchingConfig
    """

    architecture: TableFlowArchitecture
    training: TrainingConfig
    objective: FlowMatchingConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self) | {"architecture": self.architecture.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableFlowConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        return cls(
            TableFlowArchitecture.from_dict(values["architecture"]),
            TrainingConfig.from_dict(values["training"]),
            FlowMatchingConfig.from_dict(values["objective"]),
        )


class TableFlow(FlowSampling, TableScoring):
    """DOC"""

    config_class: ClassVar[Any] = TableFlowConfig

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        **FLOW_CONSTRAINTS,
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        steps: int = 1000,
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        width: int = 128,
        guidance: float = 1.0,
        sampling_steps: int = 8,
        label_dropout: float = 0.1,
        categorical_features: Any = "auto",
        label_temperature: float = 0.0,
        device: Any = "cpu",
        random_state: Any = None,
        verbose: Any = "auto",
        run: RunOptions | None = None,
    ) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.width = width
        self.guidance = guidance
        self.sampling_steps = sampling_steps
        self.label_dropout = label_dropout
        self.categorical_features = categorical_features
        self.label_temperature = label_temperature
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    def _config(self, encoder: Encoder, n_classes: int, grouping: Grouping | None) -> TableFlowConfig:
        architecture = TableFlowArchitecture(
            layout=encoder.layout_,
            n_classes=n_classes,
            n_groups=0 if grouping is None else len(grouping.groups),
            width=int(self.width),
            sampling_steps=int(self.sampling_steps),
            guidance=float(self.guidance),
        )
        training = TrainingConfig(
            steps=int(self.steps),
            batch_size=int(self.batch_size),
            learning_rate=float(self.learning_rate),
            final_learning_rate=float(self.learning_rate) / 10,
            label_temperature=float(self.label_temperature),
            validation_fraction=float(self._run_options().validation_fraction),
        )
        objective = FlowMatchingConfig(
            latent_dim=architecture.noise_dim,
            label_dropout=float(self.label_dropout),
            encoding_noise=bool(encoder.layout_.blocks),
        )
        return TableFlowConfig(architecture, training, objective)

    @classmethod
    def _networks(cls, architecture: TableFlowArchitecture) -> dict[str, nn.Module]:
        return {"generator": build_sampler(architecture)}

    def _start(
        self,
        networks: dict[str, nn.Module],
        rows: NDArray[np.float32],
        classes: NDArray[np.integer],
        groups: NDArray[np.integer] | None,
    ) -> None:
        sampler: Any = networks["generator"]
        sampler.velocity.set_statistics(rows, classes, groups)

    def _objective(self, config: TableFlowConfig, fitting: Fitting) -> Callable[..., FlowMatchingObjective]:
        return lambda networks, config, **engine: FlowMatchingObjective(
            networks["generator"], config.objective, **engine
        )

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        velocity: RowVelocity = self.generator_.velocity
        width = self.config_.architecture.layout.width
        if width <= EXACT:
            probes = torch.eye(width)
        else:
            signs = torch.randint(2, (PROBES, width), generator=random_generator(0, "probes"))
            probes = (2 * signs - 1) / math.sqrt(PROBES)
        x = velocity.encode(rows, conditions)
        found = log_likelihood(lambda x, t: velocity(x, t, conditions), x, SCORING_STEPS, probes.to(rows.device))
        # Numbers that are missing were filled up in training, by normal numbers that do not belong to the row.
        scale = velocity.gaussian(conditions)[1][:, : self.config_.architecture.layout.n_numbers]
        filled = ~velocity.present(rows)
        return found + ((math.log(2 * math.pi) / 2 + scale.log()) * filled).sum(1)
