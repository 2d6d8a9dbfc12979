"""Groups of training samples, beside their classes: which there are, and how often each occurs with each class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.data.counting_sort import parts
from ganaug.data.groups import cell_counts, check_groups
from ganaug.engine.conditioning import TrainedGroups, split_conditions
from ganaug.generators.model_folder import labels_to_json

__all__ = ["Grouping", "likelihood_over_groups", "mean_over_groups", "n_groups_of"]


@dataclass(frozen=True)
class Grouping:
    """What a generator that is conditioned on class and group knows of the groups of its training data.

    Attributes
    ----------
    groups : ndarray of shape (n_groups,)
        As they were given, sorted.
    indices : ndarray of shape (n_samples,), integer
        Position of the group of each sample among them.
    cell_counts : ndarray of shape (n_classes, n_groups), int64
        Samples of each class in each group.

    Examples
    --------
    >>> grouping = Grouping.of(np.array(["old", "new", "old", "new"]), np.array([0, 0, 1, 1]))
    >>> grouping.groups.tolist(), grouping.indices.tolist(), grouping.cell_counts.tolist()
    (['new', 'old'], [1, 0, 1, 0], [[1, 1], [1, 1]])
    """

    groups: NDArray[Any]
    indices: NDArray[np.integer]
    cell_counts: NDArray[np.int64]

    @classmethod
    def of(
        cls, groups: NDArray[Any], labels: NDArray[Any], has_label: NDArray[np.bool_] | None = None, of: str = "images"
    ) -> Grouping:
        """Check groups, and count them.

        Parameters
        ----------
        groups, labels : ndarray of shape (n_samples,)
        has_label : ndarray of shape (n_samples,), bool, optional
            Which samples have a label; by default all. The others do not count, but have a group all the same.
        of : str
            What is grouped, for messages.

        Returns
        -------
        Grouping

        Raises
        ------
        ValueError
            For groups that a generator cannot be conditioned on, or whose type cannot be saved.
        """
        known = slice(None) if has_label is None else has_label
        check_groups(labels[known], groups[known], use="conditioning", of=of)
        names, indices = np.unique(groups, return_inverse=True)
        labels_to_json(names)  # what cannot be saved is refused now, not after the training
        counts = cell_counts(labels[known], groups[known]).reindex(columns=names, fill_value=0)
        return cls(names, indices.astype(np.int64), counts.to_numpy(dtype=np.int64))

    @classmethod
    def of_positions(
        cls,
        groups: NDArray[Any],
        indices: NDArray[np.integer],
        classes: NDArray[Any],
        class_indices: NDArray[np.integer],
        of: str = "images",
    ) -> Grouping:
        """The same of positions among groups and classes, of which there may be too many for arrays of their names.

        Parameters
        ----------
        groups : ndarray of shape (n_groups,)
            Sorted; each occurs.
        indices : ndarray of shape (n_samples,), integer
        classes : ndarray of shape (n_classes,)
            Sorted; each occurs.
        class_indices : ndarray of shape (n_samples,), integer
        of : str
            As for :meth:`of`, as are the errors.

        Returns
        -------
        Grouping

        Examples
        --------
        >>> names, classes = np.array(["new", "old"]), np.array([0, 1])
        >>> Grouping.of_positions(names, np.array([1, 0, 1, 0]), classes, np.array([0, 0, 1, 1])).cell_counts.tolist()
        [[1, 1], [1, 1]]
        """
        cells = np.zeros(len(classes) * len(groups), np.int64)
        for part in parts(len(indices)):
            np.add.at(cells, class_indices[part].astype(np.int64) * len(groups) + indices[part], 1)
        counts = cells.reshape(len(classes), len(groups))
        # Two samples of a cell say all that is asked of more.
        of_class, of_group = np.nonzero(counts)
        times = np.minimum(counts[of_class, of_group], 2)
        check_groups(classes[np.repeat(of_class, times)], groups[np.repeat(of_group, times)], use="conditioning", of=of)
        labels_to_json(groups)
        return cls(groups, indices, counts)


def n_groups_of(grouping: Grouping | None) -> int:
    """How many groups networks are conditioned on; 0 for none."""
    return 0 if grouping is None else len(grouping.groups)


def mean_over_groups(
    score: Callable[[Tensor], Tensor], conditions: Tensor, cell_counts: NDArray[np.int64], temperature: float
) -> Tensor:
    """Scores by the class alone of a network that was always given a group, too.

    Parameters
    ----------
    score : callable
        Takes conditions of shape (n, 2), and returns scores of shape (n,).
    conditions : Tensor of shape (n,) or (n, 2), int64
        Classes, or rows of class and group; of these either all have a group or none has, which is -1 then.
    cell_counts : ndarray of shape (n_classes, n_groups), int64
        Of the training.
    temperature : float in [0, 1]
        At which groups were shown with each class.

    Returns
    -------
    Tensor of shape (n,)
        Where no group is given: the mean over the groups that training showed the class in, as often as it did.

    Examples
    --------
    >>> counts = np.array([[3, 1, 0], [0, 0, 5]])
    >>> asked = torch.tensor([[0, -1], [1, -1]])
    >>> [mean_over_groups(lambda each: 10.0 * each[:, 1], asked, counts, t).tolist() for t in (0, 1)]
    [[5.0, 20.0], [2.5, 20.0]]
    """
    if (asked := _each_group(conditions, cell_counts, temperature)) is None:
        return score(conditions)
    return torch.stack([share * score(each) for each, share in asked]).sum(0)


def likelihood_over_groups(
    log_likelihood: Callable[[Tensor], Tensor],
    conditions: Tensor,
    cell_counts: NDArray[np.int64] | None,
    temperature: float,
) -> Tensor:
    """Log-likelihoods by the class alone under a model that was always given a group, too.

    Parameters
    ----------
    log_likelihood : callable
        Takes conditions of shape (n, 2), and returns logarithms of densities of shape (n,), or bounds of them.
    conditions, cell_counts, temperature
        As for :func:`mean_over_groups`; `cell_counts` is None for a model without groups.

    Returns
    -------
    Tensor of shape (n,)
        Where no group is given: of the mixture of the groups that training showed the class in, as often as it did.

    Examples
    --------
    >>> densities = torch.tensor([0.5, 0.1, 9.0])
    >>> counts = np.array([[3, 1, 0]])
    >>> asked = torch.tensor([[0, -1]])
    >>> mixed = likelihood_over_groups(lambda each: densities[each[:, 1]].log(), asked, counts, temperature=1)
    >>> round(float(mixed.exp()), 4)
    0.4
    """
    if cell_counts is None or (asked := _each_group(conditions, cell_counts, temperature)) is None:
        return log_likelihood(conditions)
    return torch.logsumexp(torch.stack([share.log() + log_likelihood(each) for each, share in asked]), dim=0)


def _each_group(
    conditions: Tensor, cell_counts: NDArray[np.int64], temperature: float
) -> list[tuple[Tensor, Tensor]] | None:
    """For conditions without a group those with each, and how often training showed the class in it; else None."""
    classes, groups = split_conditions(conditions)
    if groups is None or bool((groups >= 0).all()):
        return None
    shares = TrainedGroups(cell_counts, temperature).shares.float().to(classes.device)[classes]
    found = shares.any(0).nonzero().flatten().tolist()
    return [(torch.stack([classes, torch.full_like(classes, group)], dim=1), shares[:, group]) for group in found]
