"""A class-conditional variational autoencoder for tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn
from typing_extensions import override

from ganaug.data.tables.encoder import Encoder
from ganaug.engine.devices import DeviceLike, RandomStateLike
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.tables.base import Table, TableScoring, TakenTable
from ganaug.generators.tables.vae_networks import RowDecoder, RowEncoder, TableVAEArchitecture, build_vae_networks
from ganaug.objectives.variational import DROPPED, VariationalConfig, VariationalObjective, evidence

__all__ = ["TableVAE", "TableVAEConfig"]

STEPS, ROWS = 1000, 1000  # up to so many rows


@dataclass(frozen=True)
class TableVAEConfig(GeneratorConfig):
    """Everything that training a :class:`TableVAE` depends on beside the data and the seed."""

    architecture: TableVAEArchitecture
    objective: VariationalConfig


class TableVAE(TableScoring[Table]):
    """Class-conditional variational autoencoder (VAE) for tables of mixed columns.

    An encoder maps a row x and its class c to a normal distribution q(z|x,c) of latent vectors, a decoder maps latent
    vector and class to a distribution of rows p(x|z,c), and both maximise the evidence lower bound of the training
    rows, log p(x|c) >= E_q[log p(x|z,c)] - KL(q(z|x,c) || N(0, 1)).

    Parameters
    ----------
    steps : int or "auto", default="auto"
        Updates of encoder and decoder. "auto" takes 1,000 up to 1,000 rows, and beyond as many more as the square root
        of the rows is larger, 7,071 for 50,000.
    batch_size : int, default=128
        Rows per step.
    learning_rate : float, default=1e-3
        At the start of a cosine schedule that ends at a tenth of it.
    width : int, default=128
        Units in each of the two hidden layers of both networks.
    latent_dim : int, default=32
        Length of the latent vector; numbers that are not needed stay unused.
    warm_up : float in [0, 1], default=0.2
        Share of the training in which the weight of the divergence rises from 0 to 1, against posterior collapse.
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
        Groups as they were given, sorted; None where it was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training rows of each class in each group; any cell may be sampled, an empty one too.
    encoder_ : TableEncoder or WideEncoder
        Between rows and what the networks see.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : TableVAEConfig
        What was trained.
    history_ : list of dict
        A reading every 50 steps: "log_likelihood" and "divergence", whose difference is the evidence lower bound, in
        nats a row.
    health_ : list of dict
        What went wrong in the training, as for :class:`TableGAN`; "posterior_collapse" where the latent vector says
        next to nothing of the rows, so that the columns of those drawn of a class are independent.
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, twenty readings, as for :class:`TableGAN`.
    generator_, latent_encoder_ : Module
        Decoder and encoder of the autoencoder, at the moving average of their weights.

    Notes
    -----
    The networks see numbers as normal scores, and levels of categories, missing values and repeated numbers as blocks
    of which one entry is 1. Given the latent vector all are independent: numbers are normal, with mean and standard
    deviation from the decoder, relative to those of their class; columns of a few numbers, each of many rows, have the
    probabilities of a logistic distribution that is cut half-way between their normal scores; levels have those of a
    softmax over their block; and a number counts only where it is present. All of them are drawn when rows are.

    In the training the prior of latent vectors is standard normal; after it, it is the normal distribution nearest to
    the latent vectors of the training rows of each class (:class:`~ganaug.objectives.latent_prior.LatentPrior`).

    `score_samples` gives the evidence lower bound for that prior in nats: densities of normal scores, and probabilities
    of levels and of columns of a few numbers, the mean over eight draws of the latent vector, the same in each call and
    for each row.

    With groups encoder and decoder are conditioned on class and group; a tenth of each batch is shown without its
    class, and another without its group. One sample costs one pass through the decoder, as it does through the
    generator of a :class:`TableGAN`. There is no ``export``: the decoder draws codes, and only ``encoder_`` makes rows
    of them.

    References
    ----------
    Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
    Sohn, Lee and Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NeurIPS
    2015.
    Xu et al., "Modeling Tabular Data using Conditional GAN", NeurIPS 2019, which compares with a VAE of such columns.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> vae = TableVAE(steps=5, random_state=0, verbose=False).fit(X, y)
    >>> rows = vae.sample([2, 2, 0], random_state=1)
    >>> rows.shape, list(rows.columns) == list(X.columns)
    ((3, 13), True)
    >>> vae.score_samples(rows, [2, 2, 0]).shape
    (3,)
    """

    family: ClassVar[str] = "VAE"
    network_names: ClassVar[tuple[str, ...]] = ("generator", "latent_encoder")
    config_class: ClassVar[Any] = TableVAEConfig
    generator_: RowDecoder
    latent_encoder_: RowEncoder

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "warm_up": [Interval(Real, 0, 1, closed="both")],
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        steps: int | Literal["auto"] = "auto",
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        width: int = 128,
        latent_dim: int = 32,
        warm_up: float = 0.2,
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
        self.latent_dim = latent_dim
        self.warm_up = warm_up
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
        ) -> TableVAE[TakenTable]: ...

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> TableVAEConfig:
        steps = round(STEPS * max(1.0, n_rows / ROWS) ** 0.5) if self.steps == "auto" else self.steps
        return TableVAEConfig(
            TableVAEArchitecture(
                layout=encoder.layout_,
                n_classes=n_classes,
                width=int(self.width),
                latent_dim=int(self.latent_dim),
                n_groups=n_groups,
            ),
            self._training_config(steps=steps, batch_size=self.batch_size, learning_rate=self.learning_rate),
            VariationalConfig(int(self.latent_dim), float(self.warm_up), DROPPED if n_groups else 0.0),
        )

    @classmethod
    def _networks(cls, architecture: TableVAEArchitecture) -> dict[str, nn.Module]:
        return dict(zip(cls.network_names, build_vae_networks(architecture), strict=True))

    def _objective(self, config: TableVAEConfig, fitting: Fitting) -> Callable[..., VariationalObjective]:
        return lambda networks, config, **engine: VariationalObjective(
            networks["latent_encoder"], networks["generator"], config.objective, config.architecture.noise_dim, **engine
        )

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        latent_dim, prior = self.config_.objective.latent_dim, self.generator_.prior
        return evidence(self.latent_encoder_, self.generator_, rows, conditions, latent_dim, prior=prior)
