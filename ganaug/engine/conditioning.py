"""What samples are conditioned on: a class and, where the data have groups, a group.

Conditions travel as one tensor: class indices of shape (n,), or rows [class, group] of shape (n, 2). -1 stands for a
class or a group that is unknown or left out. Further attributes would be further columns, each with a map of its own
from the column to a vector, which is added to the others.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.engine.layers import Embedding

__all__ = ["ConditionEmbedding", "TrainedGroups", "split_conditions"]


def split_conditions(conditions: Tensor) -> tuple[Tensor, Tensor | None]:
    """Split conditions into classes and groups.

    Parameters
    ----------
    conditions : Tensor of shape (n,) or (n, 2), int64

    Returns
    -------
    classes : Tensor of shape (n,), int64
    groups : Tensor of shape (n,), int64, or None

    Examples
    --------
    >>> split_conditions(torch.tensor([[2, 0], [1, -1]]))
    (tensor([2, 1]), tensor([ 0, -1]))
    >>> split_conditions(torch.tensor([2, 1]))
    (tensor([2, 1]), None)
    """
    if conditions.ndim == 1:
        return conditions, None
    return conditions[:, 0], conditions[:, 1]


class ConditionEmbedding(Embedding):
    """Sum of an embedding of the class and one of the group.

    A sum, and not one embedding for each pair, lets a network draw pairs that the data lack from what it has learnt of
    the class in other groups and of the group in other classes. Without groups this is an embedding of the class, with
    the same weights under the same name.

    Parameters
    ----------
    n_classes : int
    dim : int
        Length of the embeddings.
    n_groups : int, default=0

    Notes
    -----
    ``forward(conditions)`` takes int64 of shape (n,) or (n, 2) and returns (n, dim). What is -1, or not there,
    contributes zero.

    Examples
    --------
    >>> from ganaug.engine.layers import initialise
    >>> embedding = ConditionEmbedding(n_classes=3, dim=4, n_groups=2)
    >>> initialise(embedding, Generator().manual_seed(0))
    >>> both, first, second = embedding(torch.tensor([[2, 1], [2, -1], [-1, 1]]))
    >>> torch.equal(both, first + second), torch.equal(first, embedding(torch.tensor([2]))[0])
    (True, True)
    """

    def __init__(self, n_classes: int, dim: int, n_groups: int = 0) -> None:
        super().__init__(n_classes, dim)
        self.groups = Embedding(n_groups, dim) if n_groups else None

    def forward(self, conditions: Tensor) -> Tensor:
        """Embed conditions; shapes are in the notes of the class."""
        classes, groups = split_conditions(conditions)
        embedded = super().forward(classes.clamp(min=0)) * (classes >= 0)[:, None]
        if groups is None:
            return embedded
        if self.groups is None:
            raise ValueError(
                f"conditions must be classes of shape (n,), got shape {tuple(conditions.shape)}; these networks were "
                "built without groups"
            )
        return embedded + self.groups(groups.clamp(min=0)) * (groups >= 0)[:, None]


class TrainedGroups:
    """Adds groups to classes, as often as training shows them together.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups), integer
        Training samples of each cell; each class has some.
    temperature : float in [0, 1], default=0
        Of :class:`CellBalancedSampler`: 0 draws the groups of a class equally often, 1 as often as they occur with it.

    Examples
    --------
    >>> import numpy as np
    >>> groups = TrainedGroups(np.array([[5, 0], [0, 7]]))
    >>> groups.complete(torch.tensor([1, 0, 1]), Generator().manual_seed(0)).tolist()
    [[1, 1], [0, 0], [1, 1]]
    """

    def __init__(self, counts: NDArray[np.integer], temperature: float = 0.0) -> None:
        self._weights = torch.from_numpy(np.where(counts > 0, counts.astype(np.float64) ** temperature, 0.0))

    @property
    def shares(self) -> Tensor:
        """How often each group is drawn for each class: shape (n_classes, n_groups), float64; rows sum to 1."""
        return self._weights / self._weights.sum(1, keepdim=True)

    def complete(self, classes: Tensor, generator: Generator) -> Tensor:
        """Draw a group for each class.

        Parameters
        ----------
        classes : Tensor of shape (n,), int64
            On the CPU.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        Tensor of shape (n, 2), int64
            Classes and groups.
        """
        if len(classes) == 0:
            return classes.new_empty((0, 2))
        groups = torch.multinomial(self._weights[classes], 1, generator=generator)
        return torch.cat([classes[:, None], groups], dim=1)
