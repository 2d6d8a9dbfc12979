"""What looks on while networks are trained, and may keep a state of its own or end the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ganaug.engine.state import TrainingState

__all__ = ["Callback"]


class Callback:
    """Base of callbacks: does nothing, at every point of a training.

    Callbacks are called in the order in which they are given to :func:`train`. One that asks for an end by
    ``state.stop()`` gets it at the next reading, or at this one from within :meth:`on_reading`; where several processes
    train together, it is enough that one of them asks. A callback must not draw from ``state.randomness``, so that
    looking on changes nothing.

    Attributes
    ----------
    name : str
        Under which checkpoints hold its state; no two callbacks of a training have the same.

    Examples
    --------
    >>> class NoProgress(Callback):
    ...     '''Ends the training when the generator's loss has grown over ten readings.'''
    ...
    ...     name = "no_progress"
    ...
    ...     def on_reading(self, state):
    ...         losses = [reading["generator_loss"] for reading in state.history[-10:]]
    ...         if len(losses) == 10 and losses == sorted(losses):
    ...             state.stop()
    """

    name: ClassVar[str]

    def on_resume(self, state: TrainingState) -> None:
        """Load an earlier state, before anything else, for callbacks that hold one."""

    def on_begin(self, state: TrainingState) -> None:
        """Before the first step of this call, also when an earlier run is resumed."""

    def on_step(self, state: TrainingState) -> None:
        """After each step, and after the reading that was taken at it."""

    def on_reading(self, state: TrainingState) -> None:
        """When losses and weights were found finite; the last entry of ``state.history`` is new."""

    def on_event(self, name: str, **values: Any) -> None:
        """When something out of the ordinary is told by ``state.tell``, such as "rollback" or a finding of health."""

    def on_end(self, state: TrainingState) -> None:
        """When the training is over, also by an error; ``state.ended`` tells."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds for the callback: JSON values and tensors, by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`; ``ValueError``, ``LookupError`` or ``TypeError`` for what cannot be one."""
