"""A class-conditional GAN for tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Generator, Tensor, nn

from ganaug.data.host_states import plain_states
from ganaug.data.labels import labels_from_array
from ganaug.data.tables.columns.column import CategoricalColumn
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoder import Encoder, TableEncoder, encoder_from_state, fit_encoder
from ganaug.data.tables.group_column import part_groups
from ganaug.engine.config import TrainingConfig
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.engine.distributed import DistributedContext
from ganaug.engine.run_options import RunOptions
from ganaug.engine.transfer import Rows
from ganaug.generators.base import NeuralGenerator
from ganaug.generators.contract import SampleSpec, check_metadata
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, TrainingData, TrainingTask
from ganaug.generators.grouping import Grouping
from ganaug.generators.model_folder import labels_to_json
from ganaug.generators.tables.networks import TableArchitecture, TableDiscriminator, TableGenerator, build_networks
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.marginals import Marginals
from ganaug.objectives.adversarial.objective import AdversarialObjective

__all__ = ["TableGAN", "TableGANConfig"]

INPUT_NOISE = 0.1  # standard deviation of what is added to the rows that the discriminator sees
SAMPLING_BATCH = 4096


@dataclass(frozen=True)
class TableGANConfig:
    """Everything that training a :class:`TableGAN` depends on beside the data and the seed.

    Attributes
    ----------
    architecture : TableArchitecture
    training : TrainingConfig
    objective : AdversarialConfig
    """

    architecture: TableArchitecture
    training: TrainingConfig
    objective: AdversarialConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self) | {"architecture": self.architecture.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableGANConfig:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; other keys are ignored."""
        return cls(
            TableArchitecture.from_dict(values["architecture"]),
            TrainingConfig.from_dict(values["training"]),
            AdversarialConfig.from_dict(values["objective"]),
        )


class TableGAN(NeuralGenerator):
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
        Progress bar with rate and time left; "auto" shows it on a terminal.
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

    sample_kind: ClassVar[str] = "rows"
    network_names: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
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
        categorical_features: Any = "auto",
        label_temperature: float = 0.0,
        marginal_share: float = 0.5,
        device: Any = "cpu",
        random_state: Any = None,
        verbose: Any = "auto",
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

    def resolve(self, X: Any, y: Any, groups: Any = None) -> TableGANConfig:
        """Check parameters and rows, and return what `fit` would train, without training it.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit`.

        Returns
        -------
        TableGANConfig
        """
        self._validate_params()
        resolve_device(self.device)
        X, chosen = part_groups(X, groups)
        table, container = as_table(X)
        labels = labels_from_array(y, len(table), of="rows")
        grouping = _grouping(chosen, labels)
        return self._config(self._encoder(table, container, labels), len(np.unique(labels)), grouping)

    @plain_states()
    def fit(self, X: Any, y: Any, groups: Any = None, *, metadata: dict[str, Any] | None = None) -> TableGAN:
        """Train on labelled rows.

        Parameters
        ----------
        X : DataFrame, ndarray of shape (n_rows, n_columns) or sparse matrix
            Numbers, dates, times, durations, decimals, strings, booleans, categories; values may be missing anywhere.
            Columns of text that is numbers or dates in one format, such as "12,345" beside "?", are learnt as these and
            drawn in that format, with a warning. Frames of polars and tables of pyarrow are taken as those of pandas.
        y : array-like of shape (n_rows,)
            Class labels: integers, strings or booleans.
        groups : array-like of shape (n_rows,), str or int, optional
            Customer, site, device or whatever else each row comes from; or the name or position of their column, which
            is then no feature (pass it as an array, such as ``X["site"]``, to keep it as one). Missing ones are a group
            of their own.
        metadata : dict of str to str, number or bool, optional
            Facts about the rows to keep in ``training_data_``.

        Returns
        -------
        TableGAN
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training; also for values, names of columns and labels of types that `save` could
            not write, and groups that differ for each row, equal the labels, or share no class with others.
        TrainingDiverged
            If the losses do not stay finite after three attempts with lower learning rates.
        OutOfMemory
            If memory runs out; says which batch size would fit.
        """
        facts = check_metadata(metadata)
        self._validate_params()
        X, chosen = part_groups(X, groups)
        table, container = as_table(X)
        labels = labels_from_array(y, len(table), of="rows")
        encoder = self._encoder(table, container, labels)
        self.fit_encoded(encoder, encoder.transform(table), labels, container, chosen)
        self.training_data_ |= facts
        return self

    def _encoder(self, table: pd.DataFrame, container: Container, labels: NDArray[Any]) -> Encoder:
        classes, indices = np.unique(labels, return_inverse=True)
        encoder = fit_encoder(table, indices, self.categorical_features)
        # What cannot be saved is refused now, not after the training.
        encoder.to_state()
        container.to_state()
        labels_to_json(classes)
        return encoder

    @plain_states()
    def fit_encoded(
        self,
        encoder: Encoder,
        rows: NDArray[np.float32],
        labels: NDArray[Any],
        container: Container,
        groups: NDArray[Any] | None = None,
    ) -> TableGAN:
        """Train on rows that are encoded already.

        Parameters
        ----------
        encoder : TableEncoder or WideEncoder
            What has encoded them.
        rows : ndarray of shape (n_rows, encoder.width_), float32
        labels : ndarray of shape (n_rows,)
        container : Container
            What `sample` gives rows back in.
        groups : ndarray of shape (n_rows,), optional

        Returns
        -------
        TableGAN
            Itself, fitted.

        Raises
        ------
        ValueError, TrainingDiverged, OutOfMemory
            As :meth:`fit`.
        """
        self._validate_params()
        if encoder.width_ == 0:
            raise ValueError("no column of the table varies, so that there is nothing to learn; add columns")
        grouping = _grouping(groups, labels)
        fitting = self._fitting()
        classes, indices = np.unique(labels, return_inverse=True)
        config = self._config(encoder, len(classes), grouping)
        real = Rows(torch.from_numpy(rows), fitting.device)
        noise = _InputNoise(rows.shape[1], fitting.randomness, fitting.processes)

        def networks() -> dict[str, nn.Module]:
            generator, discriminator = build_networks(config.architecture)
            generator.set_statistics(rows, indices, None if grouping is None else grouping.indices)
            return {"generator": generator, "discriminator": discriminator}

        def with_batch_size(size: int) -> TableGANConfig:
            return replace(config, training=replace(config.training, batch_size=size * config.architecture.members))

        self._train(
            fitting,
            TrainingData(
                class_indices=indices,
                class_names=[str(label) for label in classes.tolist()],
                real_samples=real.__getitem__,
                facts={"n_rows": len(rows), "sha256": _fingerprint(rows, labels, groups)},
                grouping=grouping,
            ),
            TrainingTask(
                config=config,
                networks=networks,
                objective=lambda networks, config, **engine: AdversarialObjective(
                    networks["generator"], networks["discriminator"], config.objective, noise, **engine
                ),
                batch_size=int(self.batch_size),
                with_batch_size=with_batch_size,
            ),
        )
        self.classes_ = classes
        self.class_names_ = {}
        self._set_columns(encoder, container)
        return self

    def _set_columns(self, encoder: Encoder, container: Container) -> None:
        self.encoder_, self.container_ = encoder, container
        self.sample_spec_ = SampleSpec(self.sample_kind, (len(encoder.names_),), container.common_dtype)

    def _config(self, encoder: Encoder, n_classes: int, grouping: Grouping | None) -> TableGANConfig:
        n_groups = 0 if grouping is None else len(grouping.groups)
        architecture = TableArchitecture(
            layout=encoder.layout_,
            n_classes=n_classes,
            members=int(self.members),
            width=int(self.width),
            n_groups=n_groups,
        )
        return TableGANConfig(
            architecture,
            TrainingConfig(
                steps=int(self.steps),
                batch_size=int(self.batch_size) * int(self.members),
                learning_rate=float(self.learning_rate),
                final_learning_rate=float(self.learning_rate) / 10,
                label_temperature=float(self.label_temperature),
                validation_fraction=float(self._run_options().validation_fraction),
            ),
            AdversarialConfig(
                gamma=float(self.gamma),
                final_gamma=float(self.gamma) / 10,
                penalty_every=1,
                augment_p=0.0,
                latent_dim=architecture.noise_dim,
                marginals=Marginals.of_share(float(self.marginal_share), n_classes, n_groups),
            ),
        )

    @plain_states()
    def sample(self, labels: Any, groups: Any = None, *, random_state: Any = None) -> Any:
        """Draw one synthetic row per label.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``; may be empty.
        groups : array-like of shape (n,), optional
            Groups among ``groups_``, of a GAN that was trained with groups; any pair of class and group will do. By
            default they are drawn as in training, from those that the class occurs in.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        DataFrame, ndarray or sparse matrix
            Rows like those of the training data: the same container, columns, dtypes and range, with missing values
            where they were.

        Raises
        ------
        ValueError
            For a label or a group that was not in the training data, and another number of groups than of labels.
        """
        indices, chosen = self._positions(labels, groups)
        randomness = random_generator(random_state, "sample")
        rows = self._drawn(indices, chosen, randomness)
        table = self.encoder_.inverse_transform(rows, indices.numpy(), randomness.initial_seed())
        return self.container_.restore(table)

    @plain_states()
    @torch.no_grad()
    def score_samples(self, X: Any, labels: Any, groups: Any = None) -> NDArray[np.float32]:
        """How real the discriminator finds rows: the higher, the more like the training rows of that class.

        Parameters
        ----------
        X : DataFrame, ndarray or sparse matrix
            Rows with the columns of the training data.
        labels : array-like of shape (n_rows,)
        groups : array-like of shape (n_rows,), optional
            As for :meth:`sample`: rows are compared with those of the group, too. By default by their class alone.

        Returns
        -------
        ndarray of shape (n_rows,), float32
            Higher is more real; the mean of all members. May be compared within a class, not between classes or models.
        """
        indices, members = self._judged(labels, groups), self.config_.architecture.members
        if np.shape(X)[0] != len(indices):
            raise ValueError(
                f"X and labels must have the same length, got {np.shape(X)[0]} rows and {len(indices)} labels; pass a "
                "label for each row"
            )
        if len(indices) == 0:
            return np.empty(0, dtype=np.float32)
        rows = torch.from_numpy(self.encoder_.transform(as_table(X)[0], strict=False))
        device = next(self.discriminator_.parameters()).device
        # Members take turns, so that each row is shown as often as there are members.
        logits = self.discriminator_(
            rows.repeat_interleave(members, 0).to(device), indices.repeat_interleave(members, 0).to(device)
        )
        return logits.float().cpu().unflatten(0, (-1, members)).mean(1).numpy()

    @plain_states()
    def sample_encoded(
        self, positions: NDArray[np.integer], groups: NDArray[np.integer] | None = None, *, random_state: Any = None
    ) -> NDArray[np.float32]:
        """Draw one encoded row per class, for who encodes what is drawn again.

        Parameters
        ----------
        positions : ndarray of shape (n,), int
            Of the classes in ``classes_``.
        groups : ndarray of shape (n,), int, optional
            Positions in ``groups_``; by default groups are drawn as in training.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        ndarray of shape (n, encoder_.width_), float32
        """
        check_is_fitted(self)
        classes = torch.from_numpy(np.asarray(positions, dtype=np.int64))
        chosen = None if groups is None else torch.from_numpy(np.asarray(groups, dtype=np.int64))
        return self._drawn(classes, chosen, random_generator(random_state, "resample"))

    @torch.no_grad()
    def _drawn(self, classes: Tensor, groups: Tensor | None, randomness: Generator) -> NDArray[np.float32]:
        network, arch = self.generator_, self.config_.architecture
        device = next(network.parameters()).device
        conditions = self._conditions(classes, groups, randomness)
        rows = torch.empty(len(conditions), arch.layout.width)
        batch = SAMPLING_BATCH - SAMPLING_BATCH % arch.members or arch.members
        for start in range(0, len(conditions), batch):
            part = conditions[start : start + batch]
            # Members take turns, so that a batch must be filled up to a multiple of them.
            full = torch.cat([part, part.new_zeros(-len(part) % arch.members, *part.shape[1:])])
            noise = torch.randn(len(full), arch.noise_dim, generator=randomness)
            rows[start : start + batch] = network(noise.to(device), full.to(device))[: len(part)].cpu()
        if not torch.isfinite(rows).all():
            raise ValueError("the weights of the GAN give numbers that are not finite; fit it again")
        return rows.numpy()

    def _description(self) -> dict[str, Any]:
        columns = {"encoder": self.encoder_.to_state(), "container": self.container_.to_state()}
        return self.config_.to_dict() | columns

    def _restore(self, description: dict[str, Any]) -> Callable[[], dict[str, nn.Module]]:
        self.config_ = TableGANConfig.from_dict(description)
        self._set_columns(encoder_from_state(description["encoder"]), Container.from_state(description["container"]))
        arch = self.config_.architecture
        if self.encoder_.layout_ != arch.layout:
            raise ValueError("the architecture is not that of the columns")
        # What cannot be given back is refused now, not when rows are drawn.
        nothing = np.zeros((1, arch.layout.width), dtype=np.float32)
        learnt, kind = self.encoder_.inverse_transform(nothing), self.container_.kind
        row = self.container_.restore(learnt.copy())
        dtypes = {"dataframe": row, "frame": learnt}[kind].dtypes if kind in ("dataframe", "frame") else []
        if len(dtypes) and list(map(str, dtypes)) != list(map(str, self.container_.dtypes)):
            raise ValueError("the dtypes are not those of the columns")
        columns = self.encoder_.columns_ if isinstance(self.encoder_, TableEncoder) else []
        if any(len(c.weights) != arch.n_classes for c in columns if isinstance(c, CategoricalColumn)):
            raise ValueError("a column holds frequencies of other classes")
        return lambda: dict(zip(self.network_names, build_networks(arch), strict=True))


class _InputNoise:
    """Adds noise to what the discriminator sees."""

    def __init__(self, width: int, generator: Generator, among: DistributedContext) -> None:
        self._width, self._generator, self._among = width, generator, among

    def draw(self, n: int, p: float) -> list[Tensor]:
        return [self._among.draw(lambda n: torch.randn((n, self._width), generator=self._generator), n)]

    def apply(self, samples: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        return samples + INPUT_NOISE * numbers[0]


def _grouping(groups: NDArray[Any] | None, labels: NDArray[Any]) -> Grouping | None:
    return None if groups is None else Grouping.of(groups, labels, of="rows")


def _fingerprint(rows: NDArray[np.float32], labels: NDArray[Any], groups: NDArray[Any] | None) -> str:
    """SHA-256 over encoded rows, labels and groups where there are any, the same in every process."""
    digest = hashlib.sha256(repr((rows.shape, [str(v) for v in labels])).encode())
    digest.update(np.ascontiguousarray(rows).tobytes())
    if groups is not None:
        digest.update(repr([str(group) for group in groups]).encode())
    return digest.hexdigest()
