"""Class-conditional flow matching for images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ganaug.data import LabelledImages
from ganaug.engine.config import PRECISIONS, TrainingConfig
from ganaug.engine.devices import computes_bf16, resolve_device
from ganaug.engine.run_options import RunOptions
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.flow_sampler import FLOW_CONSTRAINTS, FlowSampling
from ganaug.generators.grouping import Grouping
from ganaug.generators.images.base import NeuralImageGenerator
from ganaug.generators.images.flow_networks import ImageFlowArchitecture, build_sampler
from ganaug.objectives.flow_matching import FlowMatchingConfig, FlowMatchingObjective

__all__ = ["ImageFlow", "ImageFlowConfig"]

BATCH_SIZE = 64
LEARNING_RATE = 2e-3
WIDTH = 64
IMAGES = 300_000  # shown in training, of 28x28 pixels or more and up to ten classes
CLASSES = 10


@dataclass(frozen=True)
class ImageFlowConfig:
    """Everything that training an :class:`ImageFlow` depends on beside the data and the seed.

    Attributes
    ----------
    architecture : ImageFlowArchitecture
    training : TrainingConfig
    objective : FlowMatchingConfig
    """

    architecture: ImageFlowArchitecture
    training: TrainingConfig
    objective: FlowMatchingConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageFlowConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        return cls(
            ImageFlowArchitecture.from_dict(values["architecture"]),
            TrainingConfig.from_dict(values["training"]),
            FlowMatchingConfig.from_dict(values["objective"]),
        )


class ImageFlow(FlowSampling, NeuralImageGenerator):
    """DOC"""

    config_class: ClassVar[Any] = ImageFlowConfig

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "pseudo_label_confidence": [Interval(Real, 0, 1, closed="right"), None],
        **FLOW_CONSTRAINTS,
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        steps: Any = "auto",
        batch_size: Any = "auto",
        learning_rate: Any = "auto",
        width: Any = "auto",
        guidance: float = 1.0,
        sampling_steps: int = 8,
        label_dropout: float = 0.1,
        label_temperature: float = 0.0,
        pseudo_label_confidence: float | None = 0.9,
        device: Any = "auto",
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
        self.label_temperature = label_temperature
        self.pseudo_label_confidence = pseudo_label_confidence
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    def _resolver(
        self, data: LabelledImages, n_images: int, grouping: Grouping | None
    ) -> Callable[..., ImageFlowConfig]:
        self._validate_params()
        options, device = self._run_options(), resolve_device(self.device)
        params = self.get_params(deep=False) | {"precision": options.precision}
        n_classes, n_groups = len(np.unique(data.labels)), 0 if grouping is None else len(grouping.groups)

        def resolve(**changed: Any) -> ImageFlowConfig:
            given = {name: value for name, value in (params | changed).items() if not _is_auto(value)}
            width, side = int(given.get("width", WIDTH)), math.sqrt(math.prod(data.image_shape[1:]))
            architecture = ImageFlowArchitecture(
                image_shape=data.image_shape,
                n_classes=n_classes,
                n_groups=n_groups,
                widths=(2 * width, width),
                sampling_steps=int(self.sampling_steps),
                guidance=float(self.guidance),
            )
            size = int(given.get("batch_size", BATCH_SIZE))
            images = IMAGES * min(1.0, side / 28) * max(1.0, n_classes / CLASSES)
            rate = float(given.get("learning_rate", LEARNING_RATE))
            training = TrainingConfig(
                steps=int(given.get("steps", max(1, round(images / size)))),
                batch_size=size,
                learning_rate=rate,
                final_learning_rate=rate / 10,
                label_temperature=float(self.label_temperature),
                validation_fraction=float(options.validation_fraction),
                precision=given.get("precision", "bf16" if computes_bf16(device) else "fp32"),
            )
            objective = FlowMatchingConfig(architecture.latent_dim, float(self.label_dropout))
            return ImageFlowConfig(architecture, training, objective)

        return resolve

    def _open_values(self, fitting: Fitting, resolve: Callable[..., ImageFlowConfig]) -> dict[str, Any]:
        """For the batch size and the precision that were left "auto", those of the run that is resumed."""
        training = fitting.found.get("training")
        found = training if isinstance(training, dict) else {}
        size, precision = found.get("batch_size"), found.get("precision")
        values: dict[str, Any] = {}
        if _is_auto(self.batch_size) and isinstance(size, int) and 0 < size <= BATCH_SIZE:
            values["batch_size"] = size
        if _is_auto(self._run_options().precision) and precision in list(PRECISIONS):
            values["precision"] = precision
            if precision == "bf16" and not computes_bf16(fitting.device):
                how = "in bfloat16, which this processor is slow in"
                fitting.warn_of_slow(how, "train in float32", stacklevel=4)
        return values

    def _objective(self, config: ImageFlowConfig, fitting: Fitting) -> Callable[..., FlowMatchingObjective]:
        return lambda networks, config, **engine: FlowMatchingObjective(
            networks["generator"], config.objective, **engine
        )

    @classmethod
    def _networks(cls, architecture: ImageFlowArchitecture) -> dict[str, nn.Module]:
        return {"generator": build_sampler(architecture)}


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"
