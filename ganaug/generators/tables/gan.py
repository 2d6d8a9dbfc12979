"""A class-conditional GAN for tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Generator, Tensor, nn
from typing_extensions import override

from ganaug.data.tables.encoder import Encoder
from ganaug.engine.devices import DeviceLike, RandomStateLike
from ganaug.engine.distributed import DistributedContext
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.grouping import mean_over_groups
from ganaug.generators.tables.base import Table, TableScoring, TakenTable
from ganaug.generators.tables.networks import TableArchitecture, TableDiscriminator, TableGenerator, build_networks
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.marginals import Marginals
from ganaug.objectives.adversarial.objective import AdversarialObjective

__all__ = ["TableGAN", "TableGANConfig"]

INPUT_NOISE = 0.1  # standard deviation of what is added to the rows that the discriminator sees


@dataclass(frozen=True)
class TableGANConfig(GeneratorConfig):
    """Everything that training a :class:`TableGAN` depends on beside the data and the seed."""

    architecture: TableArchitecture
    objective: AdversarialConfig


class TableGAN(TableScoring[Table]):
    """Class-conditional GAN for tables of mixed columns.

    Parameters
    ----------
    steps : int, default=1000
        Updates of generator and discriminator, whatever the number of rows.
    batch_size : int, default=64
        Real rows per step and member; as many are generated.
    members : int, default=1
        GANs trained side by side from different starts; each draws its share of the rows.
    width : int, default=128
        Units in each of the two hidden layers.
    learning_rate : float, default=1e-3
        Of both networks at the start of a cosine schedule that ends at a tenth of it.
    gamma : float, default=1.0
        Weight of the gradient penalty (R1 + R2) / 2 at the start; falls to a tenth.
    categorical_features : "auto", None or array-like, default="auto"
        Columns to take for names though they hold numbers, or text that is numbers: positions, names or a mask.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs. With groups that is so of cells, the
        combinations of class and group that occur.
    marginal_share : float in [0, 1], default=0.5
        With groups, the share of each batch that is judged by its class alone or by its group alone, one half each.
        There the GAN is asked for any pair of class and group, and so learns to draw those that the data lack; 0 trains
        on pairs that occur only.
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
        Groups as they were given, sorted; None where the GAN was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training rows of each class in each group; any cell may be sampled, an empty one too.
    encoder_ : TableEncoder or WideEncoder
        Between rows and what the networks see.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : TableGANConfig
        What was trained.
    history_ : list of dict
        Readings every 50 steps.
    health_ : list of dict
        What went wrong in the training: "finding", "step", "class", "value", "threshold" and the "action" taken.
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, "step", "score" and those of the "classes" of twenty readings; the
        best, which was taken, has the lowest score.
    generator_, discriminator_ : Module
        The trained networks; the generator holds the moving average of its weights.

    Notes
    -----
    With groups the networks are conditioned on the sum of an embedding of the class and one of the group. A class that
    a group lacks is drawn from what other groups show of the class and other classes of the group.

    There is no ``export`` as :class:`ImageGAN` has: the generator draws codes, and only the encoder makes rows of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> gan = TableGAN(steps=5, random_state=0, verbose=False).fit(X, y)
    >>> rows = gan.sample([2, 2, 0], random_state=1)
    >>> rows.shape, list(rows.columns) == list(X.columns)
    ((3, 13), True)

    Wines of three regions, of which the south has none of class 2:

    >>> X["region"] = np.resize(["east", "north", "south"], len(X))
    >>> grown = (y != 2) | (X["region"] != "south")
    >>> gan = TableGAN(steps=5, random_state=0, verbose=False).fit(X[grown], y[grown], groups="region")
    >>> rows = gan.sample([2, 2], ["south", "south"], random_state=1)
    >>> rows.shape, gan.groups_.tolist(), gan.cell_counts_[2].tolist()
    ((2, 13), ['east', 'north', 'south'], [16, 16, 0])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "members": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "marginal_share": [Interval(Real, 0, 1, closed="both")],
        **ENGINE_CONSTRAINTS,
    }

    family: ClassVar[str] = "GAN"
    network_names: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    config_class: ClassVar[Any] = TableGANConfig
    generator_: TableGenerator
    discriminator_: TableDiscriminator

    def __init__(
        self,
        *,
        steps: int = 1000,
        batch_size: int = 64,
        members: int = 1,
        width: int = 128,
        learning_rate: float = 1e-3,
        gamma: float = 1.0,
        categorical_features: ArrayLike | None = "auto",
        label_temperature: float = 0.0,
        marginal_share: float = 0.5,
        device: DeviceLike = "cpu",
        random_state: RandomStateLike = None,
        verbose: bool | Literal["auto"] = "auto",
        run: RunOptions | None = None,
    ) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.members = members
        self.width = width
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.categorical_features = categorical_features
        self.label_temperature = label_temperature
        self.marginal_share = marginal_share
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    if TYPE_CHECKING:  # rows that are drawn have the type of those that it was trained on

        @override
        def fit(
            self, X: TakenTable, y: Any, groups: Any = None, *, metadata: dict[str, Any] | None = None
        ) -> TableGAN[TakenTable]: ...

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> TableGANConfig:
        architecture = TableArchitecture(
            layout=encoder.layout_,
            n_classes=n_classes,
            members=int(self.members),
            width=int(self.width),
            n_groups=n_groups,
        )
        return TableGANConfig(
            architecture,
            self._training_config(
                steps=self.steps,
                batch_size=int(self.batch_size) * int(self.members),
                learning_rate=self.learning_rate,
            ),
            AdversarialConfig(
                gamma=float(self.gamma),
                final_gamma=float(self.gamma) / 10,
                penalty_every=1,
                augment_p=0.0,
                latent_dim=architecture.noise_dim,
                marginals=Marginals.of_share(
                    float(self.marginal_share), n_classes, n_groups, float(self.label_temperature)
                ),
            ),
        )

    @classmethod
    def _networks(cls, architecture: TableArchitecture) -> dict[str, nn.Module]:
        return dict(zip(cls.network_names, build_networks(architecture), strict=True))

    def _objective(self, config: TableGANConfig, fitting: Fitting) -> Callable[..., AdversarialObjective]:
        noise = _InputNoise(config.architecture.layout.width, fitting.randomness, fitting.processes)
        return lambda networks, config, **engine: AdversarialObjective(
            networks["generator"], networks["discriminator"], config.objective, noise, **engine
        )

    def _with_batch_size(self, config: TableGANConfig, size: int) -> TableGANConfig:
        return super()._with_batch_size(config, size * config.architecture.members)

    @property
    def _members(self) -> int:
        return self.config_.architecture.members

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        # Members take turns, so that each row is shown as often as there are members, and has the mean of their logits.
        members = self._members
        shown = rows.repeat_interleave(members, 0)

        def logits(conditions: Tensor) -> Tensor:
            found = self.discriminator_(shown, conditions.repeat_interleave(members, 0))
            return found.unflatten(0, (-1, members)).mean(1)

        if self.config_.objective.marginals is not None or self.cell_counts_ is None:
            return logits(conditions)
        # Without the marginals it never judged by the class alone.
        return mean_over_groups(logits, conditions, self.cell_counts_, self.config_.training.label_temperature)


class _InputNoise:
    """Adds noise to what the discriminator sees."""

    def __init__(self, width: int, generator: Generator, among: DistributedContext) -> None:
        self._width, self._generator, self._among = width, generator, among

    def draw(self, n: int, p: float) -> list[Tensor]:
        return [self._among.draw(lambda n: torch.randn((n, self._width), generator=self._generator), n)]

    def apply(self, samples: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        return samples + INPUT_NOISE * numbers[0]
