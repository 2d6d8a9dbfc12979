"""From networks, an objective and data to a trained generator: checkpoints, the batch size that fits, training."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ganaug.data.counting_sort import parts
from ganaug.data.images.labelled import UNLABELLED
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.callbacks.drawing import BeforeDrawing
from ganaug.engine.callbacks.health import Health
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.callbacks.validation import Selection, held_out
from ganaug.engine.conditioning import TrainedGroups
from ganaug.engine.config import PRECISIONS, TrainingConfig
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.engine.distributed import current_context
from ganaug.engine.errors import may_be_out_of_memory
from ganaug.engine.graphs import runner_for
from ganaug.engine.host import computing_on
from ganaug.engine.label_embedding import CellBalancedSampler, ClassBalancedSampler
from ganaug.engine.layers import DrawnFrom, initialise
from ganaug.engine.loop import train
from ganaug.engine.memory import PROBED, OutOfMemory, largest_fitting, try_batch
from ganaug.engine.objective import Objective
from ganaug.engine.run_options import RunOptions
from ganaug.generators.grouping import Grouping

__all__ = ["ENGINE_CONSTRAINTS", "Fitting", "TrainingData", "TrainingTask"]

MOST_OF_CLASS = 2**16  # samples that an objective looks at once the training has ended
SEEN_OF_CLASS = 2**8  # and before samples are looked at in it
ENGINE_CONSTRAINTS: dict[str, list[Any]] = {
    "device": [str, torch.device],
    "random_state": ["random_state", np.random.Generator],
    "verbose": ["boolean", StrOptions({"auto"})],
    "run": [RunOptions, None],
}


@dataclass(frozen=True)
class TrainingData:
    """What is trained on, whatever the objective.

    Attributes
    ----------
    class_indices : ndarray of shape (n_samples,), integer
        -1 for samples without a class.
    class_names : sequence of str
    real_samples : callable
        As for :func:`train`.
    facts : dict
        JSON values that distinguish one set of training data from another.
    grouping : Grouping or None
        Where samples have a group beside their class.
    """

    class_indices: NDArray[np.integer]
    class_names: Sequence[str]
    real_samples: Callable[[Tensor], Tensor]
    facts: dict[str, Any]
    grouping: Grouping | None = None

    def held_out(self, validation_fraction: float) -> NDArray[np.int64]:
        """Positions of the samples that are not trained on, as :func:`held_out` says."""
        of_groups = None if self.grouping is None else self.grouping.indices
        return held_out(self.class_indices, validation_fraction, of_groups)


@dataclass(frozen=True)
class TrainingTask:
    """What a family of generators trains, and how.

    Attributes
    ----------
    config : object
        With `training`, a :class:`TrainingConfig`, and ``to_dict()``, which gives all that the training depends on as
        JSON values.
    networks : callable
        Takes nothing, returns the networks by name, on the CPU; :func:`initialise` draws their weights.
    objective : callable
        Called as ``objective(networks, config, dtype=, processes=, recorded=)`` with networks on their device; returns
        an :class:`Objective` over them. `dtype` is what networks compute in, `processes` are those that share each
        batch, and with `recorded` optimisers keep their learning rates in memory of the device. Where samples have
        groups there is ``complete=`` too, which adds groups to classes as :meth:`TrainedGroups.complete` does.
    batch_size : int
        The parameter of that name, or what "auto" became.
    with_batch_size : callable
        Takes a value of that parameter, returns the configuration with it.
    batch_size_is_open : bool
        Whether a batch size that does not fit into memory becomes smaller; otherwise it is an error.
    sample_grid : callable or None
        As for :class:`Monitor`.
    """

    config: Any
    networks: Callable[[], dict[str, nn.Module]]
    objective: Callable[..., Objective]
    batch_size: int
    with_batch_size: Callable[[int], Any]
    batch_size_is_open: bool = False
    sample_grid: Callable[[Any], Tensor] | None = None


class Fitting:
    """One call of ``fit``: where and how it takes place, and what came of it.

    Parameters
    ----------
    options : RunOptions
    kind : str
        Name of the class of the generator.
    device : str or torch.device
    random_state : int, RandomState, Generator or None
    verbose : bool or "auto"

    Attributes
    ----------
    processes : DistributedContext
        Those that train together.
    device : torch.device
        Where this one trains.
    randomness : torch.Generator
        Source of all randomness of the training.
    found : dict
        Description of the run that is resumed, with what ``config.to_dict()`` gave; empty for a new one.
    config : object
        After :meth:`train`, what was trained: that of the task, but for a batch size that did not fit.
    history, findings, validation : list of dict
        Of the training.
    resumed_from : int
        Step that an earlier run had come to, 0 without one.
    cell_counts : ndarray of shape (n_classes, n_groups), int64, or None
        Samples of each class in each group that were trained on; None without groups.
    """

    config: Any
    history: list[dict[str, float]]
    findings: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    resumed_from: int
    cell_counts: NDArray[np.int64] | None
    _data: TrainingData
    _task: TrainingTask
    _networks: dict[str, nn.Module]

    def __init__(self, options: RunOptions, *, kind: str, device: Any, random_state: Any, verbose: Any) -> None:
        self._options, self._kind, self._verbose = options, kind, verbose
        self.processes = current_context(options.distributed)
        self.device = self.processes.place(resolve_device(device))
        self.randomness = random_generator(random_state, "fit")
        # A generator is described by the seed that was drawn from it.
        self._seed: int | None = self.randomness.initial_seed()
        if random_state is None or isinstance(random_state, Integral):
            self._seed = None if random_state is None else int(random_state)
        self._checkpoints: Checkpoints | None = None
        if options.checkpoint_dir is not None:
            folder, every = options.checkpoint_dir, options.checkpoint_every
            self._checkpoints = Checkpoints(folder, every=every, resume=bool(options.resume))

    @property
    def found(self) -> dict[str, Any]:
        """Description of the run that is resumed."""
        return {} if self._checkpoints is None or self._checkpoints.found is None else self._checkpoints.run

    def warn_of_slow(self, how: str, instead: str, stacklevel: int) -> None:
        """Warn that what is resumed was begun in a way that is slow here."""
        if self.processes.first:
            warnings.warn(
                f"the run in {self._options.checkpoint_dir} was begun {how}; it continues so; to {instead}, begin anew "
                "in another folder",
                stacklevel=stacklevel + 1,
            )

    def train(self, data: TrainingData, task: TrainingTask) -> Objective:
        """Settle the batch size, initialise the networks and train them, or resume the run in the checkpoints."""
        with computing_on(self.device, self._options.threads):
            return self._trained(data, task)

    def _trained(self, data: TrainingData, task: TrainingTask) -> Objective:
        self._data, self._task, self.config = data, task, task.config
        asked, given = self._options.precision, task.config.training.precision
        if asked not in ("auto", given):
            raise ValueError(f"run.precision is {asked!r}, but a {self._kind} trains in {given}; leave it at 'auto'")
        with DrawnFrom(self.randomness):
            self._networks = task.networks()
        self.processes.join(self.device)
        if task.batch_size_is_open and not self.found:
            self.config = self._settled_batch_size()
        # Where members are trained side by side, each of them has such a batch; every one must be shared evenly.
        size, count = self._batch_size(), self.processes.count
        if size % count:
            raise ValueError(
                f"batch_size must be a multiple of the {count} processes that share each batch, got {size}"
            )
        self._describe()
        self.processes.share_randomness(self.randomness)
        for network in self._networks.values():
            initialise(network, self.randomness)
        try:
            return self._train()
        except (RuntimeError, MemoryError) as error:
            if not may_be_out_of_memory(error):
                raise
        # Outside of the handler, where the error no longer keeps what filled the memory.
        try:
            remedy = self._remedy()
        finally:
            # Not before: where one process ends, torchrun ends the others, and this one has to say what would fit.
            self.processes.abandon()
        raise OutOfMemory(remedy)

    def _batch_size(self) -> int:
        return self.config.training.batch_size if self._task.batch_size_is_open else self._task.batch_size

    def _describe(self) -> None:
        """Say to the checkpoints, and the other processes, what is trained, so that they can refuse something else."""
        run: dict[str, Any] = {"kind": self._kind, "random_state": self._seed, "health": self._options.health}
        run |= {"data": self._data.facts, **self.config.to_dict()}
        found = None
        if self._checkpoints is not None:
            self._checkpoints.describe(run)
            found = self._checkpoints.found and self._checkpoints.found[1].get("step")
        self.resumed_from = found or 0
        self.processes.check_alike(json.dumps([run, found]))

    def _objective(self, networks: dict[str, nn.Module], config: Any, *, recorded: bool = False) -> Objective:
        networks = {name: network.to(self.device) for name, network in networks.items()}
        engine = {"dtype": PRECISIONS[config.training.precision], "processes": self.processes, "recorded": recorded}
        cell_counts = self._cell_counts(config.training)
        if cell_counts is not None:
            groups = TrainedGroups(cell_counts, config.training.label_temperature)
            engine["complete"] = groups.complete
        return self._task.objective(networks, config, **engine)

    def _train(self) -> Objective:
        data, training = self._data, self.config.training
        # Averages of several processes are taken between the gradients and the optimisers, by calls of their own.
        alone = self.processes.count == 1
        runner = runner_for(self.device, cuda_graph=alone and bool(self._options.cuda_graph))
        objective = self._objective(self._networks, self.config, recorded=runner.records)
        kept = data.held_out(training.validation_fraction)
        self.cell_counts = self._cell_counts(training)
        selection = None
        if len(kept):
            known = (data.class_indices, data.class_names, data.real_samples, training, self.processes)
            selection = Selection(kept, *known)
        given = [self._monitor(training), self._health(training, kept), selection, *self._options.callbacks]
        observers = [callback for callback in given if callback is not None]
        callbacks = [BeforeDrawing(partial(self._batches, kept, SEEN_OF_CLASS), observers), *observers]
        state = train(
            objective,
            training,
            self._sampler(training),
            data.real_samples,
            self.randomness,
            callbacks=callbacks if self._checkpoints is None else [*callbacks, self._checkpoints],
            processes=self.processes,
            runner=runner,
        )
        objective.before_drawing(self._batches(kept, MOST_OF_CLASS))
        self.history, self.findings = state.history, state.findings
        self.validation = [] if selection is None else selection.readings
        return objective

    def _batches(self, kept: NDArray[np.int64], most: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Up to `most` samples of a class that are trained on, with conditions, for `Objective.before_drawing`."""
        data, grouping, size = self._data, self._data.grouping, self._batch_size()
        trained_on = np.ones(len(data.class_indices), dtype=bool)
        trained_on[kept] = False
        chosen = []
        for which in range(len(data.class_names)):
            mine = np.flatnonzero(trained_on & (data.class_indices == which))
            chosen.append(mine[:: -(-len(mine) // most) or 1])
        for places in np.array_split(found := np.concatenate(chosen), -(-len(found) // size)):
            conditions = torch.from_numpy(data.class_indices[places].astype(np.int64))
            if grouping is not None:
                conditions = torch.stack([conditions, torch.from_numpy(grouping.indices[places])], dim=1)
            yield data.real_samples(torch.from_numpy(places)), conditions.to(self.device)

    def _cell_counts(self, config: TrainingConfig) -> NDArray[np.int64] | None:
        """Samples of each class in each group that are trained on."""
        grouping = self._data.grouping
        if grouping is None:
            return None
        labels, kept = self._data.class_indices, self._data.held_out(config.validation_fraction)
        counts = np.zeros_like(grouping.cell_counts)  # of those with a guessed label too
        for part in parts(len(labels)):
            known = labels[part] != UNLABELLED
            np.add.at(counts, (labels[part][known], grouping.indices[part][known]), 1)
        np.subtract.at(counts, (labels[kept], grouping.indices[kept]), 1)
        return counts

    def _monitor(self, config: TrainingConfig) -> Monitor:
        first = self.processes.first
        return Monitor(
            config.steps,
            verbose=first and self._verbose,
            log_dir=self._options.log_dir if first else None,
            sample_grid=self._task.sample_grid,
        )

    def _health(self, config: TrainingConfig, kept: NDArray[np.int64]) -> Health:
        data = self._data
        trained_on = data.class_indices
        if len(kept):
            trained_on = trained_on.copy()
            trained_on[kept] = UNLABELLED
        return Health(trained_on, data.class_names, data.real_samples, config, self._options.health, self.processes)

    def _sampler(self, config: TrainingConfig) -> ClassBalancedSampler:
        labels, grouping = self._data.class_indices, self._data.grouping
        without = self._data.held_out(config.validation_fraction)
        if grouping is None:
            return ClassBalancedSampler(labels, config.label_temperature, without)
        return CellBalancedSampler(np.stack([labels, grouping.indices], 1), config.label_temperature, without)

    def _settled_batch_size(self) -> Any:
        """Halve the batch size until it fits, and make it a multiple of the processes."""
        asked = fitting = self._batch_size()
        if self.device.type in PROBED:
            fitting = self._largest_fitting(asked) or 0
        fitting = self.processes.smallest(fitting)
        shared = fitting - fitting % self.processes.count
        if shared == 0 and fitting < asked:
            raise OutOfMemory(self._nothing_fits())
        if shared in (0, asked):
            return self.config
        if self.processes.first:
            reason = f"does not fit into the memory of {self.device}"
            if fitting == asked:
                reason = f"is no multiple of the {self.processes.count} processes that share each batch"
            warnings.warn(f"batch_size {asked} {reason}; it becomes {shared}", stacklevel=6)
        return self._task.with_batch_size(shared)

    def _remedy(self) -> str:
        """Say in one sentence which batch size would fit."""
        for network in self._networks.values():
            network.cpu()
        asked = self._batch_size()
        fitting = self._largest_fitting(asked // 2) or 0
        fitting -= fitting % self.processes.count
        if fitting == 0:
            return self._nothing_fits()
        return (
            f"batch_size {asked} does not fit into the memory of {self.device}; pass batch_size={fitting} "
            f"(--batch-size {fitting}), which does"
        )

    def _nothing_fits(self) -> str:
        return (
            f"not even a batch of one real and one generated sample fits into the memory of {self.device}; free some, "
            "take smaller networks or samples, or pass device='cpu'"
        )

    def _largest_fitting(self, batch_size: int) -> int | None:
        count = self.processes.count

        def attempt(size: int) -> None:
            shared = max(count, size - size % count)
            config = self._task.with_batch_size(shared)
            try_batch(
                lambda: self._objective(copy.deepcopy(self._networks), config),
                config.training,
                self._sampler(config.training),
                self._data.real_samples,
                self.randomness,
                self.processes,
            )

        return largest_fitting(attempt, batch_size)
