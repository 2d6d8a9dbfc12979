"""A Gaussian copula of each class for tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn
from typing_extensions import override

from ganaug.data.json_values import number
from ganaug.data.tables.encoder import Encoder
from ganaug.engine.devices import DeviceLike, RandomStateLike, random_generator, resolve_device
from ganaug.engine.run_options import RunOptions
from ganaug.generators.card import NO_LICENSE
from ganaug.generators.grouping import likelihood_over_groups
from ganaug.generators.tables.base import Table, TableScoring, TakenTable
from ganaug.generators.tables.copula_network import RowCopula, TableCopulaArchitecture
from ganaug.generators.tables.training_rows import TrainingRows, shown_first

__all__ = ["TableCopula", "TableCopulaConfig"]


@dataclass(frozen=True)
class TableCopulaConfig:
    """What a :class:`TableCopula` depends on beside the data and the seed."""

    architecture: TableCopulaArchitecture
    label_temperature: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return {"architecture": self.architecture.to_dict(), "label_temperature": self.label_temperature}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableCopulaConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        temperature = values["label_temperature"]
        number(temperature, "label_temperature", least=0, most=1)
        return cls(TableCopulaArchitecture.from_dict(values["architecture"]), temperature)


class TableCopula(TableScoring[Table]):
    """Gaussian copula of each class, for tables of mixed columns; nothing is trained.

    The columns of a class keep their own distributions, and depend on each other as correlated normal numbers do. It is
    made in a moment, and a hard one to beat: in the mixture of :class:`GANOverSampler` no network has added anything to
    it. It has one mode where its correlations are concerned, so that clusters within a class, and combinations of three
    columns, are lost.

    Parameters
    ----------
    categorical_features : "auto", None or array-like, default="auto"
        Columns to take for names though they hold numbers, or text that is numbers: positions, names or a mask.
    label_temperature : float in [0, 1], default=0.0
        With groups, and where none are asked for: 0 draws those of a class equally often, 1 as often as they occur
        with it.
    device : str, default="cpu"
        "cpu", "cuda", "cuda:N", "mps" or "auto": where rows are drawn.
    random_state : int, RandomState, Generator or None, default=None
        Source of what is drawn in `fit`: where in its share of probability a name lies.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    groups_ : ndarray of shape (n_groups,) or None
        Groups as they were given, sorted; None where it was fitted without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training rows of each class in each group; any cell may be sampled, an empty one too.
    encoder_ : TableEncoder or WideEncoder
        Between rows and what the copula sees.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : TableCopulaConfig
    generator_ : Module
        From standard normal numbers to encoded rows.

    Notes
    -----
    Numbers are known by 129 quantiles of each class, closer together in the tails (at equal steps of the normal score,
    from -4 to 4), missing values, repeated numbers and names by their frequencies. Of a class of few rows these are
    the values themselves, which a saved model holds.

    Each column is a standard normal number, by the ranks of its values. Of a name it is known only that it lies in the
    share of probability of that name, and of a missing value nothing; there it is drawn given the other columns, in
    rounds (Hoff 2007). Names are in an order in which neighbours go with similar other columns (the first axis of a
    correspondence analysis), so that a column of names says one thing of the others, not two. The correlation is shrunk
    by the rule of Ledoit and Wolf. It is taken from 20,000 rows of a class if there are more. Of more than 256 columns
    the 256 largest principal components are kept, and names are drawn without regard to the others, which weakens what
    they have to do with them.

    With groups the centre of a number is the sum of a part of the class and a part of the group, and so are the logits
    of the names, so that pairs which do not occur can be drawn; the correlation is that of the class. Numbers of a few
    values lose their frequencies by that: name such columns in `categorical_features`, which keeps them.

    Where other columns decide whether a number is missing, or is the repeated one, such as zero, that is counted twice:
    as the one it is drawn as often as it should be, but what is drawn of the other values is too far from it, and
    depends too little on those columns. The networks do not have this fault.

    `score_samples` gives the logarithm of the density in nats, of normal scores and levels, in which a name or a
    repeated number enters the correlation by the middle of its share, and what is missing not at all; one in a thousand
    numbers would lie beyond the range of the class on either side. Without groups it is of the mixture of the groups
    that the class was seen in.

    References
    ----------
    Sklar, "Fonctions de répartition à n dimensions et leurs marges", 1959.
    Hoff, "Extending the rank likelihood for semiparametric copula estimation", Annals of Applied Statistics 1,
    2007.
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2), 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> copula = TableCopula(random_state=0).fit(X, y)
    >>> rows = copula.sample([2, 2, 0], random_state=1)
    >>> rows.shape, list(rows.columns) == list(X.columns)
    ((3, 13), True)
    >>> copula.score_samples(rows, [2, 2, 0]).shape
    (3,)
    """

    family: ClassVar[str] = "copula"
    network_names: ClassVar[tuple[str, ...]] = ("generator",)
    config_class: ClassVar[Any] = TableCopulaConfig
    run: RunOptions | None = None  # there is no training to have options of
    generator_: RowCopula

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "device": [str, torch.device],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        *,
        categorical_features: ArrayLike | None = "auto",
        label_temperature: float = 0.0,
        device: DeviceLike = "cpu",
        random_state: RandomStateLike = None,
    ) -> None:
        self.categorical_features = categorical_features
        self.label_temperature = label_temperature
        self.device = device
        self.random_state = random_state

    if TYPE_CHECKING:  # rows that are drawn have the type of those that it was trained on

        @override
        def fit(
            self, X: TakenTable, y: Any, groups: Any = None, *, metadata: dict[str, Any] | None = None
        ) -> TableCopula[TakenTable]: ...

    def _defaults(self) -> dict[str, Any]:
        return {}

    def _run_options(self) -> RunOptions:
        return RunOptions()

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> TableCopulaConfig:
        architecture = TableCopulaArchitecture(encoder.layout_, n_classes, n_groups)
        return TableCopulaConfig(architecture, float(self.label_temperature))

    @classmethod
    def _networks(cls, architecture: TableCopulaArchitecture) -> dict[str, nn.Module]:
        return {"generator": RowCopula(architecture)}

    def _learn(self, data: TrainingRows, config: TableCopulaConfig) -> None:
        device, randomness = resolve_device(self.device), random_generator(self.random_state, "fit")
        network, grouping = RowCopula(config.architecture), data.grouping
        of_groups = None if grouping is None else grouping.indices
        network.learn(*shown_first(data.rows, data.indices, of_groups), randomness)
        self.config_ = config
        self.history_, self.health_, self.validation_ = [], [], []
        self.license_, self.figures_ = NO_LICENSE, {}
        self.training_data_ = {"n_rows": len(data.rows), "sha256": data.fingerprint}
        self.groups_ = None if grouping is None else grouping.groups
        self.cell_counts_ = None if grouping is None else grouping.cell_counts
        self._keep({"generator": network.to(device)})

    @property
    def _temperature(self) -> float:
        return float(self.config_.label_temperature)

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        density = partial(self.generator_.log_likelihood, rows)
        return likelihood_over_groups(density, conditions, self.cell_counts_, self._temperature)
