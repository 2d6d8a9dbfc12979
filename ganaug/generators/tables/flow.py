"""Class-conditional flow matching for tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn
from typing_extensions import override

from ganaug.data.tables.encoder import Encoder
from ganaug.engine.devices import DeviceLike, RandomStateLike, random_generator
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.flow_sampler import FLOW_CONSTRAINTS, FlowSampling, log_likelihood
from ganaug.generators.grouping import likelihood_over_groups
from ganaug.generators.tables.base import Table, TableScoring, TakenTable
from ganaug.generators.tables.flow_networks import RowVelocity, TableFlowArchitecture, build_sampler
from ganaug.objectives.flow_matching import FlowMatchingConfig, FlowMatchingObjective

__all__ = ["TableFlow", "TableFlowConfig"]

EXACT = 32  # entries of an encoded row up to which the divergence is exact
PROBES = 16  # random directions that it is estimated from otherwise
SCORING_STEPS = 16


@dataclass(frozen=True)
class TableFlowConfig(GeneratorConfig):
    """Everything that training a :class:`TableFlow` depends on beside the data and the seed."""

    architecture: TableFlowArchitecture
    objective: FlowMatchingConfig


class TableFlow(FlowSampling, TableScoring[Table]):
    """Class-conditional flow matching for tables of mixed columns.

    Learns the velocity of a flow that carries noise to rows, and draws by following it. A row costs 8 calls of the
    network by default, where a :class:`TableGAN` makes one.

    Parameters
    ----------
    steps : int, default=800
        Updates of the network, whatever the number of rows.
    batch_size : int, default=128
        Rows per step.
    learning_rate : float, default=2e-3
        At the start of a cosine schedule that ends at a tenth of it.
    width : int, default=128
        Units in each layer.
    guidance : float, default=1.0
        Of the samples (Ho and Salimans, "Classifier-free diffusion guidance", 2022): more than 1 draws what is more
        clearly of its class and varies less, at twice the cost; 0 leaves the class out. See :meth:`with_sampling`.
    sampling_steps : int, default=4
        Of the solver, a midpoint method of second order: 2 calls of the network each, and 4 with guidance.
    label_dropout : float in [0, 0.3), default=0.1
        Share of each batch that is learnt without its conditions, which guidance needs. With groups another such share
        is learnt without its class, and another without its group.
    categorical_features : "auto", None or array-like, default="auto"
        Columns to take for names though they hold numbers, or text that is numbers: positions, names or a mask.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs. With groups that is so of cells, the
        combinations of class and group that occur.
    device : str, default="cpu"
        "cpu", "cuda", "cuda:N", "mps" or "auto". Networks this small are no faster on a GPU.
    random_state : int, RandomState, Generator or None, default=None
        Source of all randomness; the global states are neither read nor changed.
    verbose : bool or "auto", default="auto"
        Rate and time left: a bar on a terminal or in a notebook, else lines, those not for "auto".
    run : RunOptions or None, default=None
        Logging, checkpoints, health, validation, several processes and callbacks; None stands for ``RunOptions()``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    groups_ : ndarray of shape (n_groups,) or None
        Groups as they were given, sorted; None where the flow was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training rows of each class in each group; any cell may be sampled, an empty one too.
    encoder_ : TableEncoder or WideEncoder
        Between rows and what the network sees.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : TableFlowConfig
        What was trained.
    history_ : list of dict
        Readings every 50 steps.
    health_ : list of dict
        What went wrong in the training: "finding", "step", "class", "value", "threshold" and the "action" taken.
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, "step", "score" and those of the "classes" of twenty readings.
    generator_ : Module
        The solver around the moving average of the trained network.

    Notes
    -----
    With noise x0 and an encoded row x1, the network v is trained on ||v(x_t, t | class) - (x1 - x0)||^2 at
    x_t = (1 - t) x0 + t x1 (Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023), for uniform times t.
    Within each batch and class noise and rows are paired so that the lines between them are shortest (Tong et al., TMLR
    2024). A row is the end of dx/dt = v(x, t | class), integrated from noise at t = 0 to t = 1.

    Numbers are normal scores, relative to their mean and spread in the class (and group), so that an untrained flow
    draws independent normal numbers of that mean and spread. Levels are relaxed: the flow ends at 2 for the level that
    is there and at 0 for the others, with noise of standard deviation 0.2, and of each column the largest is taken.
    Numbers that may be missing have such levels for "present" and "missing", and noise in their place where missing.

    ``score_samples`` is the log-density of the encoded row, by the instantaneous change of variables along the flow
    (Chen et al., "Neural Ordinary Differential Equations", NeurIPS 2018) in 16 steps of the solver, without guidance;
    of a relaxed level it is that at its centre. The divergence is exact up to 32 entries of an encoded row, and beyond
    an estimate from 16 random directions, the same for every row. A row costs 32 calls and, for each entry or
    direction, as many gradients.

    There is no ``export`` as :class:`ImageFlow` has: the flow draws codes, and only the encoder makes rows of them.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> flow = TableFlow(steps=5, random_state=0, verbose=False).fit(X, y)
    >>> rows = flow.sample([2, 2, 0], random_state=1)
    >>> rows.shape, list(rows.columns) == list(X.columns)
    ((3, 13), True)
    >>> flow.score_samples(X[:5], y[:5]).shape
    (5,)
    """

    family: ClassVar[str] = "flow-matching model"
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
        steps: int = 800,
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        width: int = 128,
        guidance: float = 1.0,
        sampling_steps: int = 4,
        label_dropout: float = 0.1,
        categorical_features: ArrayLike | None = "auto",
        label_temperature: float = 0.0,
        device: DeviceLike = "cpu",
        random_state: RandomStateLike = None,
        verbose: bool | Literal["auto"] = "auto",
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

    if TYPE_CHECKING:  # rows that are drawn have the type of those that it was trained on

        @override
        def fit(
            self, X: TakenTable, y: Any, groups: Any = None, *, metadata: dict[str, Any] | None = None
        ) -> TableFlow[TakenTable]: ...

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> TableFlowConfig:
        architecture = TableFlowArchitecture(
            layout=encoder.layout_,
            n_classes=n_classes,
            n_groups=n_groups,
            width=int(self.width),
            sampling_steps=int(self.sampling_steps),
            guidance=float(self.guidance),
        )
        training = self._training_config(steps=self.steps, batch_size=self.batch_size, learning_rate=self.learning_rate)
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
        super()._start({"generator": sampler.velocity}, rows, classes, groups)

    def _objective(self, config: TableFlowConfig, fitting: Fitting) -> Callable[..., FlowMatchingObjective]:
        return lambda networks, config, **engine: FlowMatchingObjective(
            networks["generator"], config.objective, **engine
        )

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        density = partial(self._log_likelihood, rows)
        if self.config_.objective.label_dropout:
            return density(conditions)
        # It was never trained by the class alone.
        return likelihood_over_groups(density, conditions, self.cell_counts_, self._temperature)

    def _log_likelihood(self, rows: Tensor, conditions: Tensor) -> Tensor:
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
