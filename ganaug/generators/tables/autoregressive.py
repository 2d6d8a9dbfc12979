"""A class-conditional autoregressive model of tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Generator, Tensor, nn
from typing_extensions import override

from ganaug.data.host_states import plain_states
from ganaug.data.tables.containers import as_table
from ganaug.data.tables.dependencies import agreeing
from ganaug.data.tables.encoder import Encoder, TableEncoder
from ganaug.engine.devices import DeviceLike, RandomStateLike, random_generator
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.tables.autoregressive_networks import AnyOrderNetwork, AutoregressiveArchitecture
from ganaug.generators.tables.base import SAMPLING_BATCH, Table, TableScoring, TakenTable
from ganaug.generators.tables.imputation import fill_cells, known_columns, missing_levels
from ganaug.objectives.autoregressive import AnyOrderObjective, AutoregressiveConfig

__all__ = ["TableAutoregressive", "TableAutoregressiveConfig"]

LEVELS = 8192  # of all columns together, by which bins are chosen
LEAST_BINS, MOST_BINS = 8, 32
LEAST_STEPS, MOST_STEPS = 500, 3000
MOST_DECAY, DECAY_TIMES_ROWS = 5.0, 500.0


@dataclass(frozen=True)
class TableAutoregressiveConfig(GeneratorConfig):
    """Everything that training a :class:`TableAutoregressive` depends on beside the data and the seed."""

    architecture: AutoregressiveArchitecture
    objective: AutoregressiveConfig


class TableAutoregressive(TableScoring[Table]):
    """Class-conditional autoregressive model of tables of mixed columns, in any order of the columns.

    Parameters
    ----------
    steps : int or "auto", default="auto"
        Updates of the network; "auto" takes between 500 and 3,000, more for more rows.
    batch_size : int, default=128
        Rows per step.
    width : int, default=128
        Units in each of the two hidden layers.
    learning_rate : float, default=2e-3
        At the start of a cosine schedule that ends at a tenth of it.
    weight_decay : float or "auto", default="auto"
        Of AdamW, which multiplies weights by one minus the product of this and the learning rate at each step; "auto"
        takes 500 divided by the number of rows, and no more than 5: what little data say of a dependence is believed
        less.
    bins : int or "auto", default="auto"
        Most bins of a number; "auto" takes 32, and fewer, but at least 8, where there are more than 256 columns.
    temperature : float, default=1.0
        Of what is drawn: below 1 frequent values become more frequent. May be changed after the fit.
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
        Between rows and what the network sees.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : TableAutoregressiveConfig
        What was trained.
    history_ : list of dict
        Readings every 50 steps; "negative_log_likelihood" in nats a row, without the widths of bins.
    health_, validation_ : list of dict
        As of :class:`TableGAN`.
    generator_ : Module
        The trained network, with the moving average of its weights.

    Notes
    -----
    Numbers are cut into bins that hold about equally many training values, or one value each where there are few, and
    missing and often repeated values are levels beside the bins. One network then learns the distribution of each
    column given the class, the group and any set of other columns: its loss is the negative log-likelihood averaged
    over all orders of the columns, estimated with one random set of known columns for each row and step (Uria, Murray,
    Larochelle, ICML 2014; Hoogeboom et al., ICLR 2022), in place of the masks inside the network of Germain et al.
    (MADE, ICML 2015). TabularARGN (Tiwald et al., arXiv 2501.12012) has a network for each column.

    Rows are drawn column by column in one of four fixed orders, at the cost of a pass through the network for each
    column, and numbers inside their bin: ranges, repeated values and whole numbers come back exactly. The density of
    rows, of which :meth:`score_samples` gives the logarithm in nats, is the mean over these orders. It is a probability
    for names and single values, and for other numbers a density by their rank in the training data, so that a column
    which tells nothing about the class adds about 0. A column with a value that was never seen is left out.

    What is learnt takes memory in proportion to columns times levels: 500 columns of 16 bins, 8,000 outputs, are
    1 million weights at the default width, and each step keeps three arrays of batch size times outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = TableAutoregressive(steps=5, random_state=0, verbose=False).fit(X, y)
    >>> rows = model.sample([2, 2, 0], random_state=1)
    >>> rows.shape, list(rows.columns) == list(X.columns)
    ((3, 13), True)

    Cells that are missing, drawn given those that are not:

    >>> X.loc[[3, 5], "alcohol"] = np.nan
    >>> filled = model.impute(X, y, random_state=0)
    >>> int(X["alcohol"].isna().sum()), int(filled["alcohol"].isna().sum()), filled["ash"].equals(X["ash"])
    (2, 0, True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "bins": [Interval(Integral, 2, 4096, closed="both"), StrOptions({"auto"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        **ENGINE_CONSTRAINTS,
    }

    family: ClassVar[str] = "autoregressive model"
    network_names: ClassVar[tuple[str, ...]] = ("generator",)
    config_class: ClassVar[Any] = TableAutoregressiveConfig
    generator_: AnyOrderNetwork

    def __init__(
        self,
        *,
        steps: int | Literal["auto"] = "auto",
        batch_size: int = 128,
        width: int = 128,
        learning_rate: float = 2e-3,
        weight_decay: float | Literal["auto"] = "auto",
        bins: int | Literal["auto"] = "auto",
        temperature: float = 1.0,
        categorical_features: ArrayLike | None = "auto",
        label_temperature: float = 0.0,
        device: DeviceLike = "cpu",
        random_state: RandomStateLike = None,
        verbose: bool | Literal["auto"] = "auto",
        run: RunOptions | None = None,
    ) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.width = width
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.bins = bins
        self.temperature = temperature
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
        ) -> TableAutoregressive[TakenTable]: ...

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> TableAutoregressiveConfig:
        layout = encoder.layout_
        columns = layout.n_numbers + len(layout.blocks)
        bins = min(MOST_BINS, max(LEAST_BINS, LEVELS // max(1, columns))) if self.bins == "auto" else int(self.bins)
        steps = min(MOST_STEPS, max(LEAST_STEPS, math.isqrt(100 * n_rows))) if self.steps == "auto" else self.steps
        decay = min(MOST_DECAY, DECAY_TIMES_ROWS / n_rows) if self.weight_decay == "auto" else float(self.weight_decay)
        architecture = AutoregressiveArchitecture(
            layout=layout,
            n_classes=n_classes,
            bins=bins,
            width=int(self.width),
            n_groups=n_groups,
        )
        training = self._training_config(steps=steps, batch_size=self.batch_size, learning_rate=self.learning_rate)
        return TableAutoregressiveConfig(architecture, training, AutoregressiveConfig(decay))

    @classmethod
    def _networks(cls, architecture: AutoregressiveArchitecture) -> dict[str, nn.Module]:
        return {"generator": AnyOrderNetwork(architecture)}

    def _objective(self, config: TableAutoregressiveConfig, fitting: Fitting) -> Callable[..., AnyOrderObjective]:
        return lambda networks, config, **engine: AnyOrderObjective(networks["generator"], config.objective, **engine)

    def _drawn(self, classes: Tensor, groups: Tensor | None, randomness: Generator) -> NDArray[np.float32]:
        self._validate_params()
        self.generator_.temperature = float(self.temperature)
        return super()._drawn(classes, groups, randomness)

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        return self.generator_.log_density(rows, conditions)

    @plain_states()
    @torch.no_grad()
    def impute(self, X: Any, y: Any, groups: Any = None, *, random_state: Any = None) -> Any:
        """Draw the missing cells of rows, given their class and what is present.

        Draws by several seeds differ by what is not known: analyses of each, put together, are multiple imputation
        (Rubin, 1987).

        Parameters
        ----------
        X : DataFrame, ndarray or sparse matrix
            Rows with the columns of the training data. A value that was never seen there tells nothing.
        y : array-like of shape (n_rows,)
            Classes among ``classes_``.
        groups : array-like of shape (n_rows,), optional
            Groups among ``groups_``, where it was trained with groups; by default they are not known.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        DataFrame, ndarray or sparse matrix
            `X` with no cell missing but in columns of which no value was in the training data, in the same container
            and dtypes. What is present is unchanged, and what follows from it is filled so: see
            ``encoder_.dependencies_``.

        Raises
        ------
        ValueError
            For labels or groups of another length or that were not in the training data, columns that are not those of
            the training data, and a model of a wide table that is encoded by principal components.
        """
        conditions = self._judged(y, groups)
        self._validate_params()
        if len(conditions) == 0 and np.shape(X)[:1] == (0,):
            return X[:0]
        table, container = as_table(X)
        if len(table) != len(conditions):
            raise ValueError(
                f"X and y must have the same length, got {len(table)} rows and {len(conditions)} labels; pass a label "
                "for each row"
            )
        network, arch = self.generator_, self.config_.architecture
        network.temperature = float(self.temperature)
        places, missing = missing_levels(self.encoder_, arch.bins)
        rows = torch.from_numpy(self.encoder_.transform(table, strict=False))
        levels = torch.cat([network.discretise(part.to(self.device_)).cpu() for part in rows.split(SAMPLING_BATCH)])
        cells, known = known_columns(table, levels.numpy(), places, missing)
        randomness = random_generator(random_state, "impute")
        chosen = torch.from_numpy(np.flatnonzero(cells.any(1)))
        refused = torch.from_numpy(missing)
        for part in chosen.split(SAMPLING_BATCH):
            noise = torch.randn(len(part), arch.noise_dim, generator=randomness)
            given = (rows[part], torch.from_numpy(known)[part], noise, conditions[part], refused)
            rows[part] = network.complete(*(tensor.to(self.device_) for tensor in given)).cpu()
        classes = (conditions if conditions.ndim == 1 else conditions[:, 0]).numpy()
        drawn = self.encoder_.inverse_transform(rows.numpy(), classes, randomness.initial_seed(), follow=False)
        filled = fill_cells(table, drawn, cells)
        encoder = cast("TableEncoder", self.encoder_)  # missing_levels refuses others
        if encoder.dependencies_:
            seed = np.random.default_rng(randomness.initial_seed())
            drawn = agreeing(drawn, cells, encoder.columns_, encoder.dependencies_, seed, known=filled)
            filled = fill_cells(table, drawn, cells)
        filled = container.restore(filled)
        if container.kind == "dataframe":
            filled.index = X.index
        return filled
