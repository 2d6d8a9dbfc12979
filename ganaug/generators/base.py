"""What generators of networks share, whatever their objective: labels, groups, training, and what it leaves."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ganaug.engine.conditioning import TrainedGroups
from ganaug.engine.config import TrainingConfig
from ganaug.engine.run_options import RunOptions
from ganaug.generators.card import NO_LICENSE
from ganaug.generators.contract import SampleSpec, class_indices, class_name, group_indices
from ganaug.generators.fitting import Fitting, TrainingData, TrainingTask
from ganaug.generators.saving import SavedNetworks

__all__ = ["NeuralGenerator"]


class NeuralGenerator(SavedNetworks):
    """Base of estimators whose networks learn to draw samples of given classes: GANs, VAEs, flows and others.

    A family adds an objective, its networks and an estimator that derives from this class. The estimator has the
    parameters ``device``, ``random_state``, ``verbose`` and ``run`` beside its own, and

    * names in ``network_names`` the networks that are kept and saved, of which the first draws: once it is fitted, an
      attribute ``generator_`` holds the moving average, or where there is none the last weights, of "generator";
    * sets ``sample_kind``, and when it is fitted ``classes_``, ``class_names_`` and ``sample_spec_``;
    * in ``fit``, replaces what is "auto" among its parameters, and calls :meth:`_train` with what :meth:`_fitting`
      gives; this sets ``config_``, ``history_``, ``health_``, ``validation_``, ``training_data_``, the networks, and
      from the grouping of its data ``groups_`` and ``cell_counts_``;
    * restores all that from JSON values by :meth:`_restore`; it may describe more than its configuration in
      :meth:`_description`;
    * draws in ``sample``, for conditions that :meth:`_conditions` gives, and may have ``score_samples``.

    The configuration is a dataclass with `training`, a :class:`TrainingConfig`, and `architecture`, which knows
    `n_classes` and, where its networks can be conditioned on groups, `n_groups`. A generator that is loaded has
    ``license_`` and ``figures_`` as they were saved.
    """

    sample_kind: ClassVar[str]
    family: ClassVar[str] = "generator"  # as its card names it
    classes_: NDArray[Any]
    groups_: NDArray[Any] | None
    cell_counts_: NDArray[np.int64] | None
    sample_spec_: SampleSpec
    class_names_: dict[Any, str]
    history_: list[dict[str, float]]
    health_: list[dict[str, Any]]
    validation_: list[dict[str, Any]]
    training_data_: dict[str, Any]
    resumed_from_: int
    label_temperature: float
    device: Any
    random_state: Any
    verbose: Any

    def _defaults(self) -> dict[str, Any]:
        return {"run": RunOptions()}

    def _run_options(self) -> RunOptions:
        return RunOptions.checked(self.run)

    def _validate_params(self) -> None:
        self._run_options()
        super()._validate_params()

    def _fitting(self) -> Fitting:
        """Where and how a call of ``fit`` takes place, from parameters that are checked already."""
        kind, options = type(self).__name__, self._run_options()
        return Fitting(options, kind=kind, device=self.device, random_state=self.random_state, verbose=self.verbose)

    def _training_config(
        self, *, steps: Any, batch_size: Any, learning_rate: Any, precision: str = "fp32"
    ) -> TrainingConfig:
        """A schedule whose learning rate falls to a tenth, with what all families let a user choose."""
        return TrainingConfig(
            steps=int(steps),
            batch_size=int(batch_size),
            learning_rate=float(learning_rate),
            final_learning_rate=float(learning_rate) / 10,
            label_temperature=float(self.label_temperature),
            precision=precision,
            validation_fraction=float(self._run_options().validation_fraction),
        )

    def _train(self, fitting: Fitting, data: TrainingData, task: TrainingTask) -> None:
        """Train, and keep the networks, the history and what is said of the data."""
        objective = fitting.train(data, task)
        self.config_ = fitting.config
        self.history_ = fitting.history
        self.health_ = fitting.findings
        self.validation_ = fitting.validation
        self.resumed_from_ = fitting.resumed_from
        self.license_, self.figures_ = NO_LICENSE, {}  # those of a model that was loaded are not those of this one
        self.training_data_ = data.facts
        self.groups_ = None if data.grouping is None else data.grouping.groups
        self.cell_counts_ = fitting.cell_counts
        self._keep({name: (objective.networks | objective.ema)[name] for name in self.network_names})

    def _conditions(self, classes: Tensor, groups: Tensor | None, randomness: torch.Generator) -> Tensor:
        """What the networks are asked for.

        Parameters
        ----------
        classes, groups : Tensor of shape (n,), int64
            Positions in ``classes_`` and ``groups_``; without groups these are drawn as in training.
        randomness : torch.Generator
            That they are drawn by.

        Returns
        -------
        Tensor of shape (n,) or (n, 2), int64
            Classes, or where there are groups rows of class and group.
        """
        if self.cell_counts_ is None:
            if groups is not None:
                group_indices(self, groups)  # refuses them
            return classes
        if groups is not None:
            return torch.stack([classes, groups], dim=1)
        return TrainedGroups(self.cell_counts_, self._temperature).complete(classes, randomness)

    @property
    def _temperature(self) -> float:
        """How often a class was shown in each group, as ``label_temperature`` says."""
        return float(self.config_.training.label_temperature)

    def _positions(self, labels: Any, groups: Any) -> tuple[Tensor, Tensor | None]:
        """Labels and groups as positions in ``classes_`` and ``groups_``; groups may be None."""
        classes = torch.from_numpy(self.class_indices(labels))
        return classes, None if groups is None else torch.from_numpy(group_indices(self, groups, len(classes)))

    def _judged(self, labels: Any, groups: Any) -> Tensor:
        """What a discriminator is given: as :meth:`_conditions`, but -1 stands for groups that are not given."""
        classes, chosen = self._positions(labels, groups)
        if self.groups_ is None:
            return classes
        return torch.stack([classes, torch.full_like(classes, -1) if chosen is None else chosen], dim=1)

    def class_indices(self, labels: Any) -> NDArray[np.int64]:
        """Translate labels into positions in ``classes_``.

        Parameters
        ----------
        labels : array-like of shape (n,)
            May be empty.

        Returns
        -------
        ndarray of shape (n,), int64

        Raises
        ------
        ValueError
            For a label that was not in the training data.
        """
        check_is_fitted(self)
        return class_indices(self, labels)

    def group_indices(self, groups: Any) -> NDArray[np.int64]:
        """Translate groups into positions in ``groups_``, as :meth:`class_indices` does labels.

        Raises
        ------
        ValueError
            For a group that was not in the training data, and a generator that was trained without groups.
        """
        check_is_fitted(self)
        return group_indices(self, groups)

    def class_name(self, label: Any) -> str:
        """Display name of a class."""
        return class_name(self, label)

    def names(self) -> dict[Any, str]:
        """Display name of each class."""
        return {label: self.class_name(label) for label in self.classes_.tolist()}
