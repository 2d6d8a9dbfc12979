"""Which samples a command is to draw, without a list of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SamplesAsked"]


@dataclass(frozen=True)
class SamplesAsked:
    """As many samples of each class, one class after the other.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        The classes.
    per_class : int
        Samples of each of them.
    groups : ndarray of shape (n_groups,), optional
        Groups that share the samples of each class.
    in_a_row : int
        Samples of one group before those of the next, which after the last is the first again.

    Examples
    --------
    >>> import numpy as np
    >>> asked = SamplesAsked(np.array([0, 1]), 3, np.array(["a", "b"]))
    >>> len(asked), [values.tolist() for values in asked.part(2, 5)]
    (6, [[0, 1, 1], ['a', 'a', 'b']])
    """

    labels: NDArray[Any]
    per_class: int
    groups: NDArray[Any] | None = None
    in_a_row: int = 1

    def __len__(self) -> int:
        return len(self.labels) * self.per_class

    def part(self, start: int = 0, stop: int | None = None) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Label and group, if any, of each sample from position `start` until before `stop`, by default of all."""
        import numpy as np

        positions = np.arange(start, len(self) if stop is None else min(stop, len(self)))
        classes, within = np.divmod(positions, self.per_class)
        groups = None if self.groups is None else self.groups[within // self.in_a_row % len(self.groups)]
        return self.labels[classes], groups
