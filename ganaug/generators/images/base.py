"""What generators of images share, whatever their family: reading images, training on them, and the model folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from torch import nn

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.host_states import plain_states
from ganaug.data.images.pixel_scale import PixelScale
from ganaug.data.images.tensors import shared_tensor
from ganaug.engine.config import PRECISIONS
from ganaug.engine.devices import computes_bf16
from ganaug.engine.objective import Objective
from ganaug.engine.transfer import Rows
from ganaug.generators.contract import SampleSpec, check_metadata
from ganaug.generators.fitting import Fitting, TrainingData, TrainingTask
from ganaug.generators.grouping import Grouping, n_groups_of
from ganaug.generators.images.drawing import tensor_grid
from ganaug.generators.images.sampling import ImageSampling
from ganaug.generators.pseudo_labels import guessed_indices, labelled_part

__all__ = ["NeuralImageGenerator"]


class NeuralImageGenerator(ImageSampling):
    """Base of estimators that learn to draw images, whatever their family.

    A family adds its parameters, among them ``batch_size``, which may be "auto", and ``pseudo_label_confidence``, and

    * names its networks in ``network_names``, the first of them "generator", a module as :class:`ImageSampling` draws
      from, and its configuration in ``config_class``, a dataclass with `architecture`, `training`, ``to_dict()`` and
      ``from_dict(values)``;
    * replaces in :meth:`_resolver` what is "auto";
    * builds its networks by :meth:`_networks`, and the objective over them by :meth:`_objective`.
    """

    config_class: ClassVar[Any]
    batch_size: Any
    pseudo_label_confidence: float | None

    def _resolver(self, data: LabelledImages, n_images: int, n_groups: int) -> Callable[..., Any]:
        """Check the parameters; return what gives the configuration, also with other values of some of them.

        Parameters
        ----------
        data : LabelledImages
            Those that have a label.
        n_images : int
            With those that have none.
        n_groups : int
            That they are conditioned on; 0 for none.

        Returns
        -------
        callable
            Called with values of parameters, and of ``precision``, by name.
        """
        raise NotImplementedError

    @classmethod
    def _networks(cls, architecture: Any) -> dict[str, nn.Module]:
        """Build the networks by name, on the CPU and without weights."""
        raise NotImplementedError

    def _objective(self, config: Any, fitting: Fitting) -> Callable[..., Objective]:
        """What makes the objective, as :class:`TrainingTask` describes it."""
        raise NotImplementedError

    def _open_values(self, fitting: Fitting, resolve: Callable[..., Any]) -> dict[str, Any]:
        """For what was left "auto" and may differ between machines, the values of the run that is resumed."""
        # What cannot be one is refused with the rest of the description.
        values = self._open_sizes(fitting, resolve())
        training = fitting.found.get("training")
        found = training if isinstance(training, dict) else {}
        size, precision = found.get("batch_size"), found.get("precision")
        most = resolve(**values).training.batch_size
        if isinstance(self.batch_size, str) and isinstance(size, int) and 0 < size <= most:
            values["batch_size"] = size
        if self._run_options().precision == "auto" and precision in list(PRECISIONS):
            values["precision"] = precision
            if precision == "bf16" and not computes_bf16(fitting.device):
                how = "in bfloat16, which this processor is slow in"
                fitting.warn_of_slow(how, "train in float32", stacklevel=4)
        return values

    def _open_sizes(self, fitting: Fitting, config: Any) -> dict[str, Any]:
        """The same for parameters that sizes of the networks follow from."""
        return {}

    def _remark(self, config: Any) -> str | None:
        """Say in one sentence what a training will not reach, for a warning."""
        return None

    def resolve(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Check parameters and images, and return what `fit` would train, without training it.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit`.

        Returns
        -------
        object
            The configuration, as in ``config_``.
        """
        data = labelled_images(X, y, groups=groups, dtype="auto")
        return self._resolver(labelled_part(data), len(data), n_groups_of(_grouping(data, groups)))()

    @plain_states()
    def fit(self, X: Any, y: Any = None, groups: Any = None, *, metadata: dict[str, Any] | None = None) -> Self:
        """Train on labelled images.

        Parameters
        ----------
        X : array, Tensor, dataset, LabelledImages, str or path-like
            Images of one size: a numpy array (n, height, width[, channels]) or torch tensor (n, channels, height,
            width), uint8 or floating point; or any other source that :func:`ganaug.labelled_images` reads, which
            carries its own labels. Floats in [0, 1] become pixels, uint8, but for such as would lose their
            differences (``dtype="auto"`` of :func:`ganaug.labelled_images`). Other floats, and images read with
            ``dtype="float32"``, are learnt by the range of each channel, and drawn as float32 within it.
        y : array-like of shape (n,), optional
            Class labels beside an array or a tensor: integers, strings or booleans; at least two classes of two images.
            -1 marks images without a label, as in scikit-learn. They are trained on too: with the class that is guessed
            for them, where the guess is sure enough, and otherwise without one, for what images look like in general.
        groups : array-like of shape (n,), str or Pattern, optional
            Speaker, scanner, site or whatever else each image comes from, or where the source names it, as for
            :func:`ganaug.labelled_images`; by default those that `X` carries, if there are several (to train without,
            pass ``dataclasses.replace(X, groups=None)``). Missing ones are a group of their own.
        metadata : dict of str to str, number or bool, optional
            Facts about the images to keep in ``training_data_``, beside those that `X` carries.

        Returns
        -------
        NeuralImageGenerator
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training; also for groups that differ for each image, equal the labels, or share
            no class with others.
        TrainingDiverged
            If the losses do not stay finite after three attempts with lower learning rates.
        OutOfMemory
            If memory runs out; says which batch size would fit.
        """
        facts = check_metadata(metadata)
        data = labelled_images(X, y, groups=groups, dtype="auto")
        facts = {**check_metadata(data.facts), **facts}
        known, grouping = labelled_part(data), _grouping(data, groups)
        resolve = self._resolver(known, len(data), n_groups_of(grouping))
        fitting = self._fitting()
        resolve = partial(resolve, **self._open_values(fitting, resolve))
        config = resolve()

        remark = self._remark(config)
        if remark is not None and fitting.processes.first:
            warnings.warn(remark, stacklevel=3)
        classes = known.classes
        indices, guessed = guessed_indices(data, known, self.pseudo_label_confidence)
        scale = PixelScale.of(data.images)
        names = [data.name(label) for label in classes]
        pixels = Rows(shared_tensor(data.images), fitting.device)
        self._train(
            fitting,
            TrainingData(
                class_indices=indices,
                class_names=names,
                real_samples=lambda chosen: scale.to_network(pixels[chosen]),
                facts={**data.as_training_data(), **guessed},
                grouping=grouping,
            ),
            TrainingTask(
                config=config,
                networks=partial(self._networks, config.architecture),
                objective=self._objective(config, fitting),
                batch_size=config.training.batch_size,
                with_batch_size=lambda size: resolve(batch_size=size),
                batch_size_is_open=isinstance(self.batch_size, str),
                sample_grid=lambda averages: tensor_grid(averages["generator"], names),
            ),
        )
        self.training_data_ |= facts
        self.classes_ = classes
        self.class_names_ = dict(data.class_names)
        self._set_spec(data.image_shape, scale)
        return self

    def _set_spec(self, shape: tuple[int, int, int], scale: PixelScale) -> None:
        self.image_shape_, self.pixel_scale_ = shape, scale
        self.sample_spec_ = SampleSpec(self.sample_kind, shape, scale.dtype)

    def _description(self) -> dict[str, Any]:
        return super()._description() | self.pixel_scale_.to_dict()

    def _restore(self, description: dict[str, Any]) -> Callable[[], dict[str, nn.Module]]:
        self.config_ = self.config_class.from_dict(description)
        shape = self.config_.architecture.image_shape
        self._set_spec(shape, PixelScale.from_dict(description, shape[0]))
        return partial(self._networks, self.config_.architecture)


def _grouping(data: LabelledImages, asked: Any) -> Grouping | None:
    """Groups of images; of those that nobody asked for, but the images carry, one alone says nothing."""
    if data.groups is None or (asked is None and len(np.unique(data.groups)) < 2):
        return None
    return Grouping.of(data.groups, data.labels, data.has_label)
