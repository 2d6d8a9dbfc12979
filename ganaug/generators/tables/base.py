"""What generators of table rows share, whatever their family: encoding, training, drawing and the model folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Generic, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Generator, Tensor, nn
from typing_extensions import TypeVar

from ganaug.data.host_states import plain_states
from ganaug.data.labels import labels_from_array
from ganaug.data.tables.columns.column import CategoricalColumn
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoder import Encoder, TableEncoder, encoder_from_state, fit_encoder
from ganaug.data.tables.files.encoded_parquet import encoded_parquet
from ganaug.data.tables.group_column import part_groups
from ganaug.data.tables.group_values import GroupValues
from ganaug.engine.conditioning import split_conditions
from ganaug.engine.devices import RandomStateLike, random_generator, resolve_device
from ganaug.engine.objective import Objective
from ganaug.engine.transfer import Rows
from ganaug.generators.base import NeuralGenerator
from ganaug.generators.contract import SampleSpec, check_metadata
from ganaug.generators.fitting import Fitting, TrainingData, TrainingTask
from ganaug.generators.grouping import Grouping, n_groups_of
from ganaug.generators.model_folder import labels_to_json
from ganaug.generators.tables.training_rows import TrainingRows, fingerprint_of, parts_of, shown_first

__all__ = ["NeuralTableGenerator", "Table", "TableScoring", "TakenTable"]

SAMPLING_BATCH = 4096
Table = TypeVar("Table", default=Any)  # what holds the rows: a data frame, an array, a sparse matrix
TakenTable = TypeVar("TakenTable")


class NeuralTableGenerator(NeuralGenerator, Generic[Table]):
    """Base of estimators that learn to draw rows of tables, whatever their family.

    A family adds its parameters, among them ``batch_size`` and ``categorical_features``, and

    * names its networks in ``network_names``, the first of them "generator", and its configuration in
      ``config_class``, a dataclass with `architecture`, `training`, ``to_dict()`` and ``from_dict(values)``;
    * makes the configuration for given columns in :meth:`_config`, where its parameters are checked already;
    * builds its networks by :meth:`_networks`, and the objective over them by :meth:`_objective`; before their weights
      are drawn, :meth:`_start` lets them know the training data.

    ``generator_`` is called as ``generator_(noise, conditions)`` with standard normal numbers of shape (n,
    ``arch.noise_dim``), and gives encoded rows of shape (n, ``arch.layout.width``) as :class:`RowLayout` describes
    them: normal scores, and blocks of which one entry is 1 and the others 0.
    """

    sample_kind: ClassVar[str] = "rows"
    config_class: ClassVar[Any]
    batch_size: Any
    categorical_features: Any
    generator_: Any
    encoder_: Encoder
    container_: Container
    _described: GroupValues

    def _config(self, encoder: Encoder, n_classes: int, n_groups: int, n_rows: int) -> Any:
        """The configuration of a training on so many rows of these columns; there may be 0 groups."""
        raise NotImplementedError

    @classmethod
    def _networks(cls, architecture: Any) -> dict[str, nn.Module]:
        """Build the networks by name, on the CPU and without weights."""
        raise NotImplementedError

    def _start(
        self,
        networks: dict[str, nn.Module],
        rows: NDArray[np.float32],
        classes: NDArray[np.integer],
        groups: NDArray[np.integer] | None,
    ) -> None:
        """Set what networks know of the training data, given as encoded rows and positions, beside their weights."""
        generator: Any = networks["generator"]
        generator.set_statistics(rows, classes, groups)

    def _objective(self, config: Any, fitting: Fitting) -> Callable[..., Objective]:
        """What makes the objective, as :class:`TrainingTask` describes it."""
        raise NotImplementedError

    def _with_batch_size(self, config: Any, size: int) -> Any:
        """The configuration with another value of the parameter ``batch_size``."""
        return replace(config, training=replace(config.training, batch_size=size))

    @property
    def _members(self) -> int:
        """Networks that are side by side in ``generator_``, and take the rows of a batch in turns."""
        return 1

    def resolve(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Check parameters and rows, and return what `fit` would train, without training it.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit`.

        Returns
        -------
        object
            The configuration, as in ``config_``.
        """
        self._validate_params()
        resolve_device(self.device)
        X, chosen = part_groups(X, groups)
        table, container = as_table(X)
        labels = labels_from_array(y, len(table), of="rows")
        n_groups = n_groups_of(_grouping(chosen, labels))
        return self._config(self._encoder(table, container, labels), len(np.unique(labels)), n_groups, len(table))

    @plain_states()
    def fit(
        self, X: TakenTable, y: Any, groups: Any = None, *, metadata: dict[str, Any] | None = None
    ) -> NeuralTableGenerator[TakenTable]:
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
            of their own. Columns that describe the groups, such as the country of a site, have in samples the value of
            their group (:class:`GroupValues` says which do).
        metadata : dict of str to str, number or bool, optional
            Facts about the rows to keep in ``training_data_``.

        Returns
        -------
        NeuralTableGenerator
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
        rows, chosen = part_groups(X, groups)
        table, container = as_table(rows)
        labels = labels_from_array(y, len(table), of="rows")
        encoder = self._encoder(table, container, labels)
        self.fit_encoded(encoder, encoder.transform(table), labels, container, chosen)
        self.training_data_ |= facts
        return cast("NeuralTableGenerator[TakenTable]", self)

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
    ) -> Self:
        """Train on rows that are encoded already.

        Parameters
        ----------
        encoder : TableEncoder or WideEncoder
            What has encoded them.
        rows : ndarray of shape (n_rows, ``encoder.width_``), float32
        labels : ndarray of shape (n_rows,)
        container : Container
            What `sample` gives rows back in.
        groups : ndarray of shape (n_rows,), optional

        Returns
        -------
        NeuralTableGenerator
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
        classes, indices = np.unique(labels, return_inverse=True)
        fingerprint = fingerprint_of(rows, [labels], None if groups is None else [groups])
        return self._fit_rows(TrainingRows(encoder, container, rows, classes, indices, grouping, fingerprint))

    @plain_states()
    def fit_parquet(
        self, path: Any, target: str, groups: str | None = None, *, metadata: dict[str, Any] | None = None
    ) -> Self:
        """Train on the rows of a parquet file, which need not fit into memory.

        The file is read twice; the encoder is fitted to a random sample of at most 200,000 rows, with the ranges,
        missing values and counts of categories of all, and batches are drawn from all rows, which are encoded in a
        temporary file (in the folder that ``TMPDIR`` names). Up to 200,000 rows of 83 columns the result is that of
        :meth:`fit`.

        Parameters
        ----------
        path : path-like
        target : str
            Column of the class labels.
        groups : str, optional
            Column of the groups, which is then no feature.
        metadata : dict of str to str, number or bool, optional
            As for :meth:`fit`.

        Returns
        -------
        NeuralTableGenerator
            Itself, fitted; it draws data frames of pandas.

        Raises
        ------
        ValueError, TypeError, TrainingDiverged, OutOfMemory
            As :meth:`fit`; also for too little room for the temporary file.
        """
        facts = check_metadata(metadata)
        self._validate_params()
        data = encoded_parquet(path, target, groups, self.categorical_features)
        labels_to_json(data.classes)
        grouping = None
        if data.groups is not None and data.group_targets is not None:
            grouping = Grouping.of_positions(data.groups, data.group_targets, data.classes, data.targets, of="rows")
        in_parts = parts_of(data.classes, data.targets)
        of_groups = None if grouping is None else parts_of(grouping.groups, grouping.indices)
        fingerprint = fingerprint_of(data.rows, in_parts, of_groups)
        self._fit_rows(
            TrainingRows(data.encoder, data.container, data.rows, data.classes, data.targets, grouping, fingerprint)
        )
        self.training_data_ |= facts
        return self

    def _fit_rows(self, data: TrainingRows) -> Self:
        n_groups = n_groups_of(data.grouping)
        self._described = GroupValues.none()
        if data.grouping is not None:
            self._described = GroupValues.of(data.rows, data.grouping.indices, n_groups, data.encoder.layout_)
            data.encoder.know_groups(self._described)
        self._learn(data, self._config(data.encoder, len(data.classes), n_groups, len(data.rows)))
        self.classes_ = data.classes
        self.class_names_ = {}
        self._set_columns(data.encoder, data.container)
        return self

    def _learn(self, data: TrainingRows, config: Any) -> None:
        """Train, and set what a fitted generator has beside its classes and columns."""
        rows, indices, grouping = data.rows, data.indices, data.grouping
        fitting = self._fitting()
        real = Rows(torch.from_numpy(rows), fitting.device)

        training = TrainingData(
            class_indices=indices,
            class_names=[str(label) for label in data.classes.tolist()],
            real_samples=real.__getitem__,
            facts={"n_rows": len(rows), "sha256": data.fingerprint},
            grouping=grouping,
        )

        def networks() -> dict[str, nn.Module]:
            built = self._networks(config.architecture)
            groups = None if grouping is None else grouping.indices
            without = training.held_out(config.training.validation_fraction)
            self._start(built, *shown_first(rows, indices, groups, without))
            return built

        self._train(
            fitting,
            training,
            TrainingTask(
                config=config,
                networks=networks,
                objective=self._objective(config, fitting),
                batch_size=int(self.batch_size),
                with_batch_size=lambda size: self._with_batch_size(config, size),
            ),
        )

    def _set_columns(self, encoder: Encoder, container: Container) -> None:
        self.encoder_, self.container_ = encoder, container
        self.sample_spec_ = SampleSpec(self.sample_kind, (len(encoder.names_),), container.common_dtype)

    @plain_states()
    def sample(self, labels: Any, groups: Any = None, *, random_state: RandomStateLike = None) -> Table:
        """Draw one synthetic row per label.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``; may be empty.
        groups : array-like of shape (n,), optional
            Groups among ``groups_``, where it was trained with groups; any pair of class and group will do. By default
            they are drawn as in training, from those that the class occurs in.
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
        return cast("Table", self.container_.restore(table))

    @plain_states()
    def sample_encoded(
        self,
        positions: NDArray[np.integer],
        groups: NDArray[np.integer] | None = None,
        *,
        random_state: RandomStateLike = None,
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
        ndarray of shape (n, ``encoder_.width_``), float32
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
        members = self._members
        batch = SAMPLING_BATCH - SAMPLING_BATCH % members or members
        for start in range(0, len(conditions), batch):
            part = conditions[start : start + batch]
            # Networks side by side take turns, so that a batch must be filled up to a multiple of them.
            full = torch.cat([part, part.new_zeros(-len(part) % members, *part.shape[1:])])
            noise = torch.randn(len(full), arch.noise_dim, generator=randomness)
            rows[start : start + batch] = network(noise.to(device), full.to(device))[: len(part)].cpu()
        if not torch.isfinite(rows).all():
            raise ValueError("the weights of the generator give numbers that are not finite; fit it again")
        _, of_groups = split_conditions(conditions)
        return rows.numpy() if of_groups is None else self._described.put(rows.numpy(), of_groups.numpy())

    def _description(self) -> dict[str, Any]:
        columns = {"encoder": self.encoder_.to_state(), "container": self.container_.to_state()}
        described = {"group_values": self._described.to_state()} if len(self._described.entries) else {}
        return self.config_.to_dict() | columns | described

    def _restore(self, description: dict[str, Any]) -> Callable[[], dict[str, nn.Module]]:
        self.config_ = self.config_class.from_dict(description)
        self._set_columns(encoder_from_state(description["encoder"]), Container.from_state(description["container"]))
        arch = self.config_.architecture
        if self.encoder_.layout_ != arch.layout:
            raise ValueError("the architecture is not that of the columns")
        self._described = GroupValues.none()
        if "group_values" in description:
            state = description["group_values"]
            self._described = GroupValues.from_state(state, arch.n_groups, arch.layout.width)
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
        return partial(self._networks, arch)


class TableScoring(NeuralTableGenerator[Table]):
    """For families that can score rows, too, by :meth:`_scores`."""

    def _scores(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Score encoded rows; both are on the device of the networks, and -1 stands for an unknown group."""
        raise NotImplementedError

    @plain_states()
    @torch.no_grad()
    def score_samples(self, X: Any, labels: Any, groups: Any = None) -> NDArray[np.float32]:
        """How much rows are like the training rows of their class; the class says by which measure.

        Parameters
        ----------
        X : DataFrame, ndarray or sparse matrix
            Rows with the columns of the training data. A level that was never seen counts as none, a number that is
            missing and never was so in the training data as the median.
        labels : array-like of shape (n_rows,)
        groups : array-like of shape (n_rows,), optional
            As for :meth:`sample`: rows are compared with those of the group, too. By default by their class alone.

        Returns
        -------
        ndarray of shape (n_rows,), float32
            Higher is more like them. May be compared within a class, not between classes or models.
        """
        indices = self._judged(labels, groups)
        if np.shape(X)[0] != len(indices):
            raise ValueError(
                f"X and labels must have the same length, got {np.shape(X)[0]} rows and {len(indices)} labels; pass a "
                "label for each row"
            )
        if len(indices) == 0:
            return np.empty(0, dtype=np.float32)
        rows = torch.from_numpy(self.encoder_.transform(as_table(X)[0], strict=False))
        parts = zip(rows.split(SAMPLING_BATCH), indices.split(SAMPLING_BATCH), strict=True)
        scores = [self._scores(part.to(self.device_), asked.to(self.device_)).float().cpu() for part, asked in parts]
        return torch.cat(scores).numpy()


def _grouping(groups: NDArray[Any] | None, labels: NDArray[Any]) -> Grouping | None:
    return None if groups is None else Grouping.of(groups, labels, of="rows")
