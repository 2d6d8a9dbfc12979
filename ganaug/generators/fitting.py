"""From a configuration and data to trained networks: checkpoints, the batch size that fits, training."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from torch import Generator, Tensor, nn

from ganaug.data.images.labelled import UNLABELLED
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.callbacks.health import Health
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.callbacks.validation import Selection, held_out
from ganaug.engine.config import PRECISIONS
from ganaug.engine.devices import computes_bf16, resolve_device
from ganaug.engine.distributed import DistributedContext
from ganaug.engine.graphs import runner_for
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.layers import initialise
from ganaug.engine.loop import TrainingConfig, train
from ganaug.engine.memory import PROBED, OutOfMemory, is_out_of_memory, largest_fitting, try_batch
from ganaug.engine.run_options import RunOptions
from ganaug.objectives.adversarial.augment import Augmentation
from ganaug.objectives.adversarial.objective import AdversarialObjective

__all__ = ["ENGINE_CONSTRAINTS", "Fitting", "TrainingData"]

ENGINE_CONSTRAINTS: dict[str, list[Any]] = {
    "device": [str, torch.device],
    "random_state": ["random_state", np.random.Generator],
    "verbose": ["boolean", StrOptions({"auto"})],
    "run": [RunOptions, None],
}


@dataclass(frozen=True)
class TrainingData:
    """What a GAN is trained from, beside its configuration; see :func:`train` for what is not told here.

    Attributes
    ----------
    networks : tuple of Module
        Generator and discriminator, without weights.
    training_data : dict
        JSON values that tell one set of training data from another.
    class_indices : ndarray of shape (n_samples,)
    class_names : sequence of str
    real_samples : callable
    augment : Augmentation
    randomness : torch.Generator
    processes : DistributedContext
        Those that train together.
    changed : callable
        Takes values of parameters by name, returns the configuration with those.
    sample_grid : callable or None
        As for :class:`Monitor`.
    presets : tuple of str
        Names that a preset may have, for GANs that have any.
    rebuilt : callable or None
        Takes a configuration, returns its networks without weights; for GANs whose size may be left open.
    """

    networks: tuple[nn.Module, nn.Module]
    training_data: dict[str, Any]
    class_indices: NDArray[np.int64]
    class_names: Sequence[str]
    real_samples: Callable[[Tensor], Tensor]
    augment: Augmentation
    randomness: Generator
    processes: DistributedContext
    changed: Callable[..., Any]
    sample_grid: Callable[[Any], Tensor] | None = None
    presets: tuple[str, ...] = ()
    rebuilt: Callable[[Any], tuple[nn.Module, nn.Module]] | None = None


class Fitting:
    """One call of ``fit``: what the parameters that all GANs share ask for.

    Parameters
    ----------
    gan : ConditionalGAN
        Whose parameters these are.
    material : TrainingData

    Attributes
    ----------
    config : ImageGANConfig or TableGANConfig
        After :meth:`run`, what was trained.
    history, findings, validation : list of dict
        Of the training.
    resumed_from : int
        Step that an earlier run had come to, 0 without one.
    """

    config: Any
    history: list[dict[str, float]]
    findings: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    resumed_from: int

    def __init__(self, gan: Any, material: TrainingData) -> None:
        self._gan = gan
        self._run = run = RunOptions.checked(gan.run)
        self._material = material
        self._processes = material.processes
        self._device = self._processes.place(resolve_device(gan.device))
        self._taken: dict[str, Any] = {}  # parameters that were left open and are those of the run gone on with
        self._checkpoints: Checkpoints | None = None
        if run.checkpoint_dir is not None:
            self._checkpoints = Checkpoints(run.checkpoint_dir, every=run.checkpoint_every, resume=bool(run.resume))

    def run(self, config: Any) -> AdversarialObjective:
        """Settle the batch size, initialise the networks and train them, or go on with the run in the checkpoints."""
        self._processes.join(self._device)
        if self._checkpoints is not None and self._checkpoints.found is not None:
            config = self._take_open(self._checkpoints.run, config)
        elif isinstance(self._gan.batch_size, str):
            config = self._settle_batch_size(config)
        # Where members are trained side by side, each of them has such a batch; every one must be shared evenly.
        asked, count = self._gan.batch_size, self._processes.count
        size = config.training.batch_size if isinstance(asked, str) else asked
        if size % count:
            raise ValueError(
                f"batch_size must be a multiple of the {count} processes that share each batch, got {size}"
            )
        self.config = config
        self._describe()
        self._processes.share_randomness(self._material.randomness, self._device)
        for network in self._material.networks:
            initialise(network, self._material.randomness)
        try:
            return self._train(config)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, where the error no longer keeps what filled the memory.
        try:
            remedy = self._remedy()
        finally:
            # Not before: where one process ends, torchrun ends the others, and this one has to say what would fit.
            self._processes.abandon()
        raise OutOfMemory(remedy)

    def _describe(self) -> None:
        """Tell the checkpoints, and the other processes, what is trained, so that they can refuse something else."""
        # What a generator gives is told by the seed that was drawn from it.
        asked = self._gan.random_state
        seed: int | None = self._material.randomness.initial_seed()
        if asked is None or isinstance(asked, Integral):
            seed = None if asked is None else int(asked)
        run = {"kind": type(self._gan).__name__, "random_state": seed, "health": self._run.health}
        run |= {"data": self._material.training_data, **self.config.to_dict()}
        found = None
        if self._checkpoints is not None:
            self._checkpoints.describe(run)
            found = self._checkpoints.found and self._checkpoints.found[1].get("step")
        self.resumed_from = found or 0
        self._processes.check_alike(json.dumps([run, found]), self._device)

    def _objective(self, networks: Iterable[nn.Module], config: Any, *, recorded: bool = False) -> AdversarialObjective:
        generator, discriminator = (network.to(self._device) for network in networks)
        dtype = PRECISIONS[config.training.precision]
        options: dict[str, Any] = {"dtype": dtype, "processes": self._processes, "recorded": recorded}
        return AdversarialObjective(generator, discriminator, config.objective, self._material.augment, **options)

    def _train(self, config: Any) -> AdversarialObjective:
        material, training = self._material, config.training
        # Averages of several processes are taken between the gradients and the optimisers, by calls of their own.
        alone = self._processes.count == 1
        runner = runner_for(self._device, cuda_graph=alone and bool(self._run.cuda_graph))
        objective = self._objective(material.networks, config, recorded=runner.records)
        kept = held_out(material.class_indices, training.validation_fraction)
        selection = None
        if len(kept):
            known = (material.class_indices, material.class_names, material.real_samples, training, self._processes)
            selection = Selection(kept, *known)
        own = [self._monitor(training), self._health(training, kept), selection]
        callbacks = [*own, *self._run.callbacks, self._checkpoints]
        state = train(
            objective,
            training,
            self._sampler(training),
            material.real_samples,
            material.randomness,
            callbacks=[callback for callback in callbacks if callback is not None],
            processes=self._processes,
            runner=runner,
        )
        self.history, self.findings = state.history, state.findings
        self.validation = [] if selection is None else selection.readings
        return objective

    def _monitor(self, config: TrainingConfig) -> Monitor:
        first = self._processes.first
        return Monitor(
            config.steps,
            verbose=first and self._gan.verbose,
            log_dir=self._run.log_dir if first else None,
            sample_grid=self._material.sample_grid,
        )

    def _health(self, config: TrainingConfig, kept: NDArray[np.int64]) -> Health:
        material = self._material
        trained_on = material.class_indices.copy()
        trained_on[kept] = UNLABELLED
        names, mode = material.class_names, self._run.health
        return Health(trained_on, names, material.real_samples, config, mode, self._processes)

    def _sampler(self, config: TrainingConfig) -> ClassBalancedSampler:
        labels = self._material.class_indices
        return ClassBalancedSampler(labels, config.label_temperature, held_out(labels, config.validation_fraction))

    def _take_open(self, run: dict[str, Any], config: Any) -> Any:
        """Take what was left open, the preset, the batch size and the precision, of the run that is gone on with."""
        # What cannot be one is refused with the rest of the description.
        known = run["training"] if isinstance(run.get("training"), dict) else {}
        preset, size, precision = run.get("preset"), known.get("batch_size"), known.get("precision")
        if (
            getattr(self._gan, "preset", None) == "auto"
            and preset in list(self._material.presets)
            and preset != config.preset
        ):
            self._taken["preset"] = preset
            if self._device.type == "cpu":
                self._warn_of_slow(f"with the preset {preset!r}, which is made for a GPU", f"train {config.preset!r}")
            config = self._material.changed(preset=preset)
            assert self._material.rebuilt is not None
            self._material = replace(self._material, networks=self._material.rebuilt(config))
        if isinstance(self._gan.batch_size, str) and isinstance(size, int) and 0 < size <= config.training.batch_size:
            self._taken["batch_size"] = size
        if getattr(self._gan, "precision", None) == "auto" and precision in list(PRECISIONS):
            self._taken["precision"] = precision
            if precision == "bf16" and not computes_bf16(self._device):
                self._warn_of_slow("in bfloat16, which this processor is slow in", "train in float32")
        return self._material.changed(**self._taken)

    def _warn_of_slow(self, how: str, instead: str) -> None:
        if self._processes.first:
            warnings.warn(
                f"the run in {self._run.checkpoint_dir} was begun {how}; it goes on so; to {instead}, begin anew in "
                "another folder",
                stacklevel=7,
            )

    def _settle_batch_size(self, config: Any) -> Any:
        """Halve the batch size until it fits, and make it a multiple of the processes."""
        asked = fitting = config.training.batch_size
        if self._device.type in PROBED:
            fitting = self._largest_fitting(asked) or 0
        fitting = self._processes.smallest(fitting, self._device)
        shared = fitting - fitting % self._processes.count
        if shared == 0 and fitting < asked:
            raise OutOfMemory(self._nothing_fits())
        if shared in (0, asked):
            return config
        if self._processes.first:
            reason = f"does not fit into the memory of {self._device}"
            if fitting == asked:
                reason = f"is no multiple of the {self._processes.count} processes that share each batch"
            warnings.warn(f"batch_size {asked} {reason}; it becomes {shared}", stacklevel=6)
        return self._material.changed(batch_size=shared)

    def _remedy(self) -> str:
        """Say in one sentence which batch size would fit."""
        for network in self._material.networks:
            network.cpu()
        asked = self._gan.batch_size
        if isinstance(asked, str):
            asked = self.config.training.batch_size
        fitting = self._largest_fitting(asked // 2) or 0
        fitting -= fitting % self._processes.count
        if fitting == 0:
            return self._nothing_fits()
        return (
            f"batch_size {asked} does not fit into the memory of {self._device}; pass batch_size={fitting} "
            f"(--batch-size {fitting}), which does"
        )

    def _nothing_fits(self) -> str:
        return (
            f"not even a batch of one real and one generated sample fits into the memory of {self._device}; free some, "
            "take smaller networks or samples, or pass device='cpu'"
        )

    def _largest_fitting(self, batch_size: int) -> int | None:
        material, count = self._material, self._processes.count

        def attempt(size: int) -> None:
            shared = max(count, size - size % count)
            config = material.changed(**{**self._taken, "batch_size": shared})
            try_batch(
                lambda: self._objective(copy.deepcopy(material.networks), config),
                config.training,
                self._sampler(config.training),
                material.real_samples,
                material.randomness,
                self._processes,
            )

        return largest_fitting(attempt, batch_size)
