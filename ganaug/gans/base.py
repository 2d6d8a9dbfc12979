"""The contract that all GANs share: labels, pickling, saving and loading."""

from __future__ import annotations

import copy
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Generator, Tensor, nn

from ganaug.data.labels import class_positions
from ganaug.gans.bundle import labels_from_json, labels_to_json, read_bundle, write_bundle
from ganaug.training.checkpoints import Checkpoints
from ganaug.training.devices import resolve_device
from ganaug.training.labels import ClassBalancedSampler
from ganaug.training.layers import initialise
from ganaug.training.loop import TrainingConfig, make_players, train
from ganaug.training.monitor import Monitor

__all__ = ["CHECKPOINT_CONSTRAINTS", "ConditionalGAN"]

CHECKPOINT_CONSTRAINTS: dict[str, list[Any]] = {
    "checkpoint_dir": [str, Path, None],
    "checkpoint_every": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "resume": ["boolean"],
}


class ConditionalGAN(BaseEstimator):
    """Base of estimators that learn to draw samples of given classes.

    A subclass sets, when it is fitted, ``classes_``, ``class_names_``, ``history_``, ``training_data_`` and the
    networks ``generator_`` and ``discriminator_``. For saving it describes its other fitted attributes as JSON, and
    restores them.
    """

    classes_: NDArray[Any]
    class_names_: dict[Any, str]
    history_: list[dict[str, float]]
    training_data_: dict[str, Any]
    generator_: Any
    discriminator_: Any
    device: Any
    random_state: Any
    verbose: Any
    log_dir: Any
    checkpoint_dir: Any
    checkpoint_every: Any
    resume: Any

    def _description(self) -> dict[str, Any]:
        """JSON values from which :meth:`_restore` can build the networks."""
        raise NotImplementedError

    def _restore(self, description: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
        """Set the subclass's fitted attributes and return generator and discriminator with any weights."""
        raise NotImplementedError

    def _train(
        self,
        networks: tuple[nn.Module, nn.Module],
        config: Any,
        training_data: dict[str, Any],
        class_indices: NDArray[np.int64],
        real_samples: Callable[[Tensor], Tensor],
        augment: Callable[..., Tensor],
        randomness: Generator,
        sample_grid: Callable[[Any], Tensor] | None = None,
    ) -> None:
        """Initialise generator and discriminator, train them, and keep them and the history; as for :func:`train`.

        `config` is all of the subclass's configuration.
        """
        training: TrainingConfig = config.training
        checkpoints = self._checkpoints(config, training_data, randomness.initial_seed())
        for network in networks:
            initialise(network, randomness)
        device = resolve_device(self.device)
        players = make_players(*(network.to(device) for network in networks))
        sampler = ClassBalancedSampler(class_indices, training.label_temperature)
        with Monitor(training.steps, verbose=self.verbose, log_dir=self.log_dir, sample_grid=sample_grid) as monitor:
            self.history_ = train(
                players, training, sampler, real_samples, augment, randomness, monitor, checkpoints=checkpoints
            )
        self.training_data_ = training_data
        self.generator_ = players.average.eval()
        self.discriminator_ = players.discriminator.requires_grad_(False).eval()

    def _checkpoints(self, config: Any, training_data: dict[str, Any], seed: int) -> Checkpoints | None:
        if self.checkpoint_dir is None:
            return None
        run = {
            "kind": type(self).__name__,
            # What a generator gives is told by the seed that was drawn from it.
            "random_state": self.random_state if isinstance(self.random_state, int | None) else seed,
            "data": training_data,
            **config.to_dict(),
        }
        return Checkpoints(self.checkpoint_dir, run, every=self.checkpoint_every, resume=bool(self.resume))

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
        return class_positions(labels, self.classes_, "the GAN was trained on the classes")

    def class_name(self, label: Any) -> str:
        """Display name of a class."""
        return self.class_names_.get(label, str(label))

    def names(self) -> dict[Any, str]:
        """Display name of each class."""
        return {label: self.class_name(label) for label in self.classes_.tolist()}

    def save(self, path: str | Path) -> Path:
        """Write the fitted GAN to a folder: ``config.json`` and ``model.safetensors``.

        Parameters
        ----------
        path : path-like
            The folder, made if need be.

        Returns
        -------
        Path
            The folder.
        """
        check_is_fitted(self)
        config = {
            "params": {name: _plain(value) for name, value in self.get_params().items()},
            "classes": labels_to_json(self.classes_),
            "class_names": [self.class_names_.get(label) for label in self.classes_.tolist()],
            "training_data": self.training_data_,
            **self._description(),
            "history": self.history_,
        }
        write_bundle(path, type(self).__name__, config, self.tensors())
        return Path(path)

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as :meth:`save` writes them."""
        return {
            f"{part}.{name}": tensor
            for part in ("generator", "discriminator")
            for name, tensor in getattr(self, f"{part}_").state_dict().items()
        }

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device = "auto") -> Self:
        """Read a GAN written by :meth:`save`.

        Parameters
        ----------
        path : path-like
        device : str
            Where the networks are put.

        Returns
        -------
        ConditionalGAN
            Of the class it is called on, fitted.

        Raises
        ------
        ValueError
            For a folder that is missing, damaged, foreign, or written by a newer version.
        """
        target = resolve_device(device)
        config, tensors = read_bundle(path, cls.__name__)
        try:
            gan = cls(**config["params"])
            gan.classes_ = labels_from_json(config["classes"])
            named = zip(gan.classes_.tolist(), config["class_names"], strict=True)
            gan.class_names_ = {label: name for label, name in named if name is not None}
            gan.history_ = config["history"]
            gan.training_data_ = config["training_data"]
            for part, network in zip(("generator", "discriminator"), gan._restore(config), strict=True):
                prefix = f"{part}."
                network.load_state_dict({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})
                setattr(gan, f"{part}_", network.requires_grad_(False).eval().to(target))
        except (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(
                f"{path} is damaged: config.json and the weights do not describe a GAN ({reason}); "
                "fit and save the model again"
            ) from None
        return gan

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in ("generator_", "discriminator_"):
            if name in state:
                # Plain data travels between machines: weights leave the GPU in the copy only.
                state[name] = copy.deepcopy(state[name]).cpu()
        return state


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
    return np.asarray(value).tolist()
