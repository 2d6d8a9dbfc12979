"""What generators of networks share, whatever their objective: training, labels, pickling, saving and loading."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ganaug.data.files import user_path
from ganaug.data.host_states import plain_states
from ganaug.data.json_values import clip, short, whole
from ganaug.data.typed_values import from_json, to_json
from ganaug.engine.conditioning import TrainedGroups
from ganaug.engine.config import TrainingConfig
from ganaug.engine.devices import resolve_device
from ganaug.engine.distributed import current_context
from ganaug.engine.layers import DrawnFrom
from ganaug.engine.nested_params import NestedDefaults
from ganaug.engine.run_options import RunOptions
from ganaug.generators.card import NO_LICENSE, check_facts, facts_from_json, facts_to_json, model_card
from ganaug.generators.contract import SampleSpec, class_indices, class_name, group_indices
from ganaug.generators.fitting import Fitting, TrainingData, TrainingTask
from ganaug.generators.hub import download, upload
from ganaug.generators.model_folder import (
    check_folder,
    labels_from_json,
    labels_to_json,
    named_classes,
    read_bundle,
    write_bundle,
)

__all__ = ["NeuralGenerator"]

RUN_OPTIONS = {f"run__{name}": default for name, default in RunOptions().get_params().items()}
# Whoever loads a model chooses these: paths and devices of others are not used.
NOT_SAVED = {"device", "run", *RUN_OPTIONS} - {"run__health", "run__validation_fraction", "run__precision"}
MOST_SAMPLES = 2**53
MOST_WEIGHT = 1e6  # in magnitude; rows and pixels are of the size of one


class NeuralGenerator(NestedDefaults):
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
    network_names: ClassVar[tuple[str, ...]]
    classes_: NDArray[Any]
    groups_: NDArray[Any] | None
    cell_counts_: NDArray[np.int64] | None
    sample_spec_: SampleSpec
    class_names_: dict[Any, str]
    history_: list[dict[str, float]]
    health_: list[dict[str, Any]]
    validation_: list[dict[str, Any]]
    training_data_: dict[str, Any]
    license_: str
    figures_: dict[str, float]
    config_: Any
    resumed_from_: int
    label_temperature: float
    device: Any
    random_state: Any
    verbose: Any
    run: RunOptions | None

    def _defaults(self) -> dict[str, Any]:
        return {"run": RunOptions()}

    def _run_options(self) -> RunOptions:
        return RunOptions.checked(self.run)

    def _validate_params(self) -> None:
        self._run_options()
        super()._validate_params()

    def _description(self) -> dict[str, Any]:
        """JSON values from which :meth:`_restore` can build the networks."""
        return self.config_.to_dict()

    def _restore(self, description: dict[str, Any]) -> Callable[[], dict[str, nn.Module]]:
        """Set the subclass's fitted attributes, and return what builds its networks by name, with any weights."""
        raise NotImplementedError

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
        self._set_groups(*(None, None) if data.grouping is None else (data.grouping.groups, fitting.cell_counts))
        self._keep({name: (objective.networks | objective.ema)[name] for name in self.network_names})

    def _set_groups(self, groups: NDArray[Any] | None, cell_counts: NDArray[np.int64] | None) -> None:
        self.groups_, self.cell_counts_ = groups, cell_counts

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
        trained = TrainedGroups(self.cell_counts_, self.config_.training.label_temperature)
        return trained.complete(classes, randomness)

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

    def _keep(self, networks: Mapping[str, nn.Module]) -> None:
        for name, network in networks.items():
            setattr(self, f"{name}_", network.requires_grad_(False).eval())

    @property
    def networks_(self) -> dict[str, nn.Module]:
        """The networks that are kept, by name."""
        check_is_fitted(self)
        return {name: getattr(self, f"{name}_") for name in self.network_names}

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

    @property
    def device_(self) -> torch.device:
        """Where the networks are."""
        return next(next(iter(self.networks_.values())).parameters()).device

    @plain_states()
    def save(
        self,
        path: str | Path,
        *,
        license: str | None = None,
        figures: Mapping[str, float] | None = None,
        overwrite: bool = True,
    ) -> Path:
        """Write the fitted generator to a folder: ``config.json``, ``model.safetensors`` and a card, ``README.md``.

        The card says what the model is, what it was trained on, and what it is not for; `load` does not read it, and
        finds license and figures in ``config.json``. A ``README.md`` of other origin stays as it is, with a warning.
        ``device`` and the options of ``run`` are not written, but for ``health``, ``validation_fraction`` and
        ``precision``, and those in a folder of another origin are not used. Of several processes that trained it
        together only the first writes.

        Parameters
        ----------
        path : path-like
            The folder, made if need be. It may hold logs and checkpoints of the training.
        license : str, optional
            Of the model, by the identifier that model hubs use, such as "apache-2.0". By default that of the model that
            was loaded, or "unknown".
        figures : mapping of str to float, optional
            What was measured, such as ``overall`` of a quality report, for the card. By default those of the model that
            was loaded; {} for none.
        overwrite : bool, default=True
            Whether a model of ganaug's that is there is replaced, and other files beside it left as they are.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            For a file, a folder with a ``config.json`` of another origin or with other files but no model, and with
            ``overwrite=False`` for one with a model.
        """
        facts = self._facts(license, figures)
        if current_context(self._run_options().distributed).first:
            check_folder(user_path(path), overwrite=overwrite, beside_others=True)
            self._write(path, *facts)
        return user_path(path)

    def _facts(self, license: str | None, figures: Mapping[str, float] | None) -> tuple[str, Mapping[str, float]]:
        """License and figures for the card, checked; where they are not given, those that the model was loaded with."""
        check_is_fitted(self)
        facts = (
            getattr(self, "license_", NO_LICENSE) if license is None else license,
            getattr(self, "figures_", {}) if figures is None else figures,
        )
        check_facts(*facts)
        return facts

    def _write(self, path: str | Path, license: str, figures: Mapping[str, float], *source: str) -> None:
        config = {
            "params": {
                name: _plain(value) for name, value in sorted(self.get_params().items()) if name not in NOT_SAVED
            },
            "classes": labels_to_json(self.classes_),
            "class_names": [self.class_names_.get(label) for label in self.classes_.tolist()],
            **self._groups_to_json(),
            "training_data": self.training_data_,
            **facts_to_json(license, figures),
            **self._description(),
            "history": self.history_,
            "health": self.health_,
            "validation": self.validation_,
        }
        write_bundle(path, type(self).__name__, config, self.tensors(), model_card(self, license, figures, *source))

    def _groups_to_json(self) -> dict[str, Any]:
        if self.groups_ is None or self.cell_counts_ is None:
            return {}
        return {"groups": labels_to_json(self.groups_), "cell_counts": self.cell_counts_.tolist()}

    @plain_states()
    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as :meth:`save` writes them."""
        return {
            f"{part}.{name}": tensor
            for part, network in self.networks_.items()
            for name, tensor in network.state_dict().items()
        }

    @classmethod
    @plain_states()
    def load(cls, path: str | Path, *, device: str | torch.device = "auto") -> Self:
        """Read a generator written by :meth:`save`.

        Parameters
        ----------
        path : path-like
        device : str
            Where the networks are put.

        Returns
        -------
        NeuralGenerator
            Of the class it is called on, fitted.

        Raises
        ------
        ValueError
            For a folder that is missing, damaged, foreign, or written in another format.
        """
        target = resolve_device(device)
        config, tensors = read_bundle(path, cls.__name__)
        try:
            params = {name: _given(value) for name, value in config["params"].items() if name not in NOT_SAVED}
            # Where all options are the default ones, `run` stays None.
            changed = {name: v for name, v in params.items() if name not in RUN_OPTIONS or v != RUN_OPTIONS[name]}
            model = cls().set_params(**changed)
            if device != "auto":
                model.set_params(device=device)
            model._validate_params()
            model.classes_ = labels_from_json(config["classes"])
            model.class_names_ = named_classes(model.classes_, config["class_names"])
            model._set_groups(*_groups_from_json(config, len(model.classes_)))
            model.history_ = _records(config["history"])
            model.health_ = _records(config["health"])
            model.validation_ = _records(config["validation"])
            (model.training_data_,) = _records([config["training_data"]])
            model.license_, model.figures_ = facts_from_json(config)
            build = model._restore(config)
            if model.config_.architecture.n_classes != len(model.classes_):
                raise ValueError(f"there are {len(model.classes_)} classes, not those of the networks")
            n_groups = 0 if model.groups_ is None else len(model.groups_)
            if getattr(model.config_.architecture, "n_groups", 0) != n_groups:
                raise ValueError(f"there are {n_groups} groups, not those of the networks")
            with DrawnFrom(torch.Generator()):
                # Without memory at first, which is only taken if the weights are of the sizes that are declared.
                with torch.device("meta"):
                    _check_weights(build(), tensors)
                networks = build()
            for part, network in networks.items():
                prefix = f"{part}."
                network.load_state_dict({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})
                network.to(target)
            model._keep(networks)
        except (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            reason = clip(str(error) or type(error).__name__, 200)
            raise ValueError(
                f"{path} is damaged: config.json and the weights do not describe a {cls.__name__} ({reason}); "
                "fit and save the model again"
            ) from None
        return model

    @classmethod
    def from_pretrained(
        cls,
        path_or_repo_id: str | Path,
        *,
        revision: str | None = None,
        device: str | torch.device = "auto",
        token: str | bool | None = None,
    ) -> Self:
        """Read a generator from a folder or from a model hub.

        Parameters
        ----------
        path_or_repo_id : path-like
            A folder written by :meth:`save`, or the name of a repository filled by :meth:`push_to_hub`, such as
            "user/digits". What is downloaded stays in the cache of ``huggingface_hub``, and is read from there without
            a network.
        revision : str, optional
            Branch, tag or commit of a repository.
        device : str
            Where the networks are put.
        token : str or bool, optional
            For a repository that is not public; by default that of ``hf auth login``.

        Returns
        -------
        NeuralGenerator
            Of the class it is called on, fitted.

        Raises
        ------
        ValueError
            As :meth:`load`; and where there is no such repository or revision, or no network.

        Examples
        --------
        >>> import tempfile
        >>> from ganaug import ImageGAN, labelled_images
        >>> digits = labelled_images("digits").subset(range(60))
        >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False).fit(digits)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     same = ImageGAN.from_pretrained(gan.save(folder, license="cc0-1.0"), device="cpu")
        >>> bool((same.sample([3], random_state=0) == gan.sample([3], random_state=0)).all())
        True
        """
        if not user_path(path_or_repo_id).is_dir():
            path_or_repo_id = download(str(path_or_repo_id), cls.__name__, revision=revision, token=token)
        return cls.load(path_or_repo_id, device=device)

    @plain_states()
    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        figures: Mapping[str, float] | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "A generator by ganaug",
    ) -> str | None:
        """Upload the fitted generator to a model hub: what :meth:`save` writes, and nothing else.

        The card describes the training data; for tables, by values of each column. Of several processes that
        trained it together only the first uploads.

        Parameters
        ----------
        repo_id : str
            Name of the repository, such as "user/digits"; made if need be.
        license, figures
            For the card, as for :meth:`save`.
        private : bool, optional
            Whether a new repository is private; by default what the account is set to.
        token : str or bool, optional
            One that may write; by default that of ``hf auth login``.
        revision : str, optional
            Branch to commit to, made if need be; by default the main one.
        commit_message : str

        Returns
        -------
        str or None
            Address of the commit; None in the other processes.

        Raises
        ------
        ValueError
            Where there is no permission or no network, or the hub refuses the card.
        """
        facts = self._facts(license, figures)
        if not current_context(self._run_options().distributed).first:
            return None
        return upload(
            lambda folder, name: self._write(folder, *facts, name),
            repo_id,
            private=private,
            token=token,
            revision=revision,
            commit_message=commit_message,
        )

    @plain_states()
    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in (f"{part}_" for part in self.network_names):
            if name in state:
                # Plain data travels between machines: weights leave the GPU in the copy only.
                state[name] = copy.deepcopy(state[name]).cpu()
        return state


def _records(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise ValueError(f"a list of records was expected, got {short(value)}")
    return value


def _groups_from_json(
    description: Mapping[str, Any], n_classes: int
) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    """Groups and counts of cells out of a model folder; both None where there are none."""
    if "groups" not in description:
        return None, None
    groups, counts = labels_from_json(description["groups"], "groups"), description["cell_counts"]
    if len(counts) != n_classes or any(len(row) != len(groups) or sum(row) < 1 for row in counts):
        raise ValueError("the counts of the cells are not those of the classes and groups")
    for count in itertools.chain.from_iterable(counts):
        whole(count, "a count of a cell", 0, MOST_SAMPLES)
    return groups, np.array(counts, dtype=np.int64)


def _check_weights(networks: Mapping[str, nn.Module], tensors: dict[str, Tensor]) -> None:
    """Raise ``ValueError`` unless these are numbers such as training makes, for all weights of the networks."""
    expected = {
        f"{part}.{name}": tensor for part, network in networks.items() for name, tensor in network.state_dict().items()
    }
    for name in {**expected, **tensors}:
        shapes = [tuple(of[name].shape) if name in of else None for of in (tensors, expected)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"weights {short(name)} have shape {shapes[0]} in place of {shapes[1]}")
        tensor, dtype = tensors[name], expected[name].dtype
        if tensor.dtype != dtype:
            raise ValueError(f"weights {name} have dtype {tensor.dtype} in place of {dtype}")
        if tensor.is_floating_point() and not (tensor.abs() <= MOST_WEIGHT).all():
            raise ValueError(f"weights {name} are not finite numbers of magnitude {MOST_WEIGHT:g} at most")


def _plain(value: Any) -> Any:
    """A parameter as JSON can hold it; a random generator, which it cannot, becomes None."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Integral | float | str | bool | None):
        return value
    if isinstance(value, Path | torch.device):
        return str(value)
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    return [to_json(entry) for entry in (value.tolist() if hasattr(value, "tolist") else value)]


def _given(value: Any) -> Any:
    """Inverse of :func:`_plain`."""
    return [from_json(entry) for entry in value] if isinstance(value, list) else value
