"""Learn what drawing asks for before other callbacks look at samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from ganaug.engine.callback import Callback
from ganaug.engine.state import TrainingState

__all__ = ["BeforeDrawing"]


class BeforeDrawing(Callback):
    """Prepares the moving averages at the readings at which a callback draws from them.

    Some objectives draw from what is fitted to the averages rather than trained, such as the prior of a variational
    autoencoder; samples that are looked at in the training shall be drawn as those of the finished generator.

    Parameters
    ----------
    batches : callable
        Gives an iterable of samples and conditions, as for :meth:`Objective.before_drawing`.
    others : sequence of Callback
        Those that come after it.
    """

    name = "before_drawing"

    def __init__(self, batches: Callable[[], Iterable[tuple[Tensor, Tensor]]], others: Sequence[Callback]) -> None:
        self._batches, self._others = batches, others

    def on_reading(self, state: TrainingState) -> None:
        """Prepare the averages, if samples are drawn at this reading."""
        if any(other.draws(state) for other in self._others):
            state.objective.before_drawing(self._batches())
