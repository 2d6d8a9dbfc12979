"""Observers of a training, which may keep a state of their own or end the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ganaug.engine.state import TrainingState

__all__ = ["Callback"]


class Callback:
    """Base of callbacks: does nothing, at every point of a training.

    Users derive their own from it and pass them as ``run=RunOptions(callbacks=[...])``. Callbacks are called in the
    order in which they are given, after the package's own except for checkpoints. One that asks for an end by
    ``state.stop()`` gets it at the next reading, or at this one from within :meth:`on_reading`; where several processes
    train together, it is enough that one of them asks. A callback must not draw from ``state.randomness``, so that
    observing changes nothing.

    Attributes
    ----------
    name : str
        Under which checkpoints hold its state: an identifier that no other callback of the training has.

    Examples
    --------
    Early stopping:

    >>> class NoProgress(Callback):
    ...     '''Ends the training when the generator's loss has grown over ten readings.'''
    ...
    ...     name = "no_progress"
    ...
    ...     def on_reading(self, state):
    ...         losses = [reading["generator_loss"] for reading in state.history[-10:]]
    ...         if len(losses) == 10 and losses == sorted(losses):
    ...             state.stop()

    An experiment tracker; `log` stands for a function such as ``wandb.log``:

    >>> class Tracker(Callback):
    ...     name = "tracker"
    ...
    ...     def __init__(self, log):
    ...         self.log = log
    ...
    ...     def on_reading(self, state):
    ...         self.log(state.history[-1], step=state.step)
    ...
    ...     def on_event(self, name, **values):
    ...         self.log({"event": name, **values}, step=values["step"])
    >>> from ganaug import RunOptions, TableGAN
    >>> def log(values, step):
    ...     print(step, sorted(values)[:3])
    >>> run = RunOptions(callbacks=[NoProgress(), Tracker(log)])
    >>> gan = TableGAN(steps=60, width=8, random_state=0, verbose=False, run=run)
    >>> gan = gan.fit([[0.1], [0.2], [1.0], [1.1]] * 5, [0, 0, 1, 1] * 5)
    50 ['discriminator_loss', 'generator_loss', 'gradient_penalty']
    60 ['discriminator_loss', 'generator_loss', 'gradient_penalty']
    """

    name: ClassVar[str]

    def on_resume(self, state: TrainingState) -> None:
        """Load an earlier state, before anything else, for callbacks that hold one."""

    def on_begin(self, state: TrainingState) -> None:
        """Before the first step of this call, also when an earlier run is resumed."""

    def on_step(self, state: TrainingState) -> None:
        """After each step, and after the reading that was taken at it."""

    def draws(self, state: TrainingState) -> bool:
        """Whether :meth:`on_reading` will draw samples at this reading, which takes some preparing; by default not."""
        return False

    def on_reading(self, state: TrainingState) -> None:
        """When losses and weights were found finite; the last entry of ``state.history`` is new."""

    def on_event(self, name: str, **values: Any) -> None:
        """When ``state.report`` reports something unusual, such as "rollback" or a finding of health."""

    def on_end(self, state: TrainingState) -> None:
        """When the training is over, also by an error; ``state.ended`` says which."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds for the callback: JSON values, numbers of numpy and tensors, by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`; ``ValueError``, ``LookupError`` or ``TypeError`` for what cannot be one."""
