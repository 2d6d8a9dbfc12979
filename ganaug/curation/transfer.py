"""Samples of a class in a group that lacks it: real ones of other groups, moved into it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ganaug.data import LabelledImages
from ganaug.data.groups import cell_counts, check_groups, groups_from_array
from ganaug.data.host_states import plain_states
from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.labels import class_positions, labels_from_array
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import SampleSpec

__all__ = ["Transfer"]

NO_GROUPS = "groups are needed, got None; pass who or what each sample comes from"
KINDS = {4: "images", 2: "rows"}  # by the dimensions of all samples together


class Transfer(BaseEstimator):
    """Draws real samples of a class from random other groups, and moves each into the group that is asked for.

    What derives from it says in ``_moved`` how, and calls ``_keep`` in its ``fit``.

    Attributes
    ----------
    classes_, groups_ : ndarray of shape (n_classes,), (n_groups,)
        Labels as they were given, sorted.
    class_names_ : dict
        Display names of classes of images that have one.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64
        Training samples of each combination.
    sample_spec_ : SampleSpec

    Examples
    --------
    >>> class Copies(Transfer):
    ...     def fit(self, X, y, groups):
    ...         self._keep(X, y, groups)
    ...         return self
    ...     def _moved(self, donors, sources, target):
    ...         return self._samples[donors]
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> copies = Copies().fit(X, ["a", "a", "b", "b"], ["old", "new", "old", "new"])
    >>> copies.sample(["b", "a"], ["new", "new"], random_state=0).tolist()
    [[3.0], [1.0]]
    """

    classes_: NDArray[Any]
    class_names_: dict[Any, str]
    groups_: NDArray[Any]
    cell_counts_: NDArray[np.int64]
    sample_spec_: SampleSpec
    training_data_: dict[str, Any]

    @plain_states()
    def _keep(self, X: Any, y: Any = None, groups: Any = None) -> None:
        """Keep samples, as an array, with the positions of their classes and groups; of images those with a label."""
        self.class_names_, self.training_data_ = {}, {}
        if isinstance(X, LabelledImages):
            self.class_names_, self.training_data_ = dict(X.class_names), {**X.as_training_data(), **X.facts}
            X, y, groups = X.images, X.labels, X.groups if groups is None else groups
        if groups is None:
            raise ValueError(NO_GROUPS)
        samples = _samples(X)
        labels = labels_from_array(y, len(samples), of="samples")
        groups = groups_from_array(groups, len(samples), of="samples")
        if samples.ndim == 4 and labels.dtype.kind == "i":
            known = labels != UNLABELLED
            samples, labels, groups = samples[known], labels[known], groups[known]
        check_groups(labels, groups, use="conditioning", of="samples")
        self.classes_, classes = np.unique(labels, return_inverse=True)
        self.groups_, of = np.unique(groups, return_inverse=True)
        self.cell_counts_ = cell_counts(labels, groups).to_numpy()
        self._samples, self._cells = samples, np.stack([classes, of], axis=1)
        self.sample_spec_ = SampleSpec(KINDS[samples.ndim], samples.shape[1:], str(samples.dtype))

    @abstractmethod
    def _moved(self, donors: NDArray[np.int64], sources: NDArray[np.int64], target: int) -> NDArray[Any]:
        """Real samples out of the groups that they are from, as they would be in another.

        Parameters
        ----------
        donors, sources : ndarray of shape (n,)
            Positions of samples, and of the groups that they are from.
        target : int
            Position of the group that is asked for.
        """

    def _can_give(self, sources: NDArray[np.int64], target: int) -> NDArray[np.bool_]:
        """Which of these groups have all that samples of another need; of shape (n_sources,)."""
        return np.ones(len(sources), dtype=bool)

    @plain_states()
    def sample(self, labels: Any, groups: Any = None, *, random_state: Any = None) -> Any:
        """Draw one sample per label and group.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``; may be empty.
        groups : array-like of shape (n,), optional
            Groups among ``groups_``; by default drawn among those that the class occurs in, as often as there.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        Tensor of shape (n, channels, height, width), or ndarray of shape (n, width)
            In the dtype of the training samples.

        Raises
        ------
        ValueError
            For a label or a group that was not in the training data.
        """
        samples, _ = self.sample_with_donors(labels, groups, random_state=random_state)
        return torch.from_numpy(samples) if samples.ndim == 4 else samples

    def _positions(self, labels: Any) -> NDArray[np.int64]:
        return class_positions(labels, self.classes_, "there are the classes")

    @plain_states()
    def sample_with_donors(
        self, labels: Any, groups: Any = None, *, random_state: Any = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """As :meth:`sample`, as arrays, with the training sample that each was made of.

        Donors are drawn from all other groups of their class alike, and at random within a group, none again for the
        same class and group before all of its group were; of tables from those groups alone that lack no number which
        the group asked for has, where there are any. Where a class occurs in the group asked for alone, its samples are
        repeated as they are.
        """
        check_is_fitted(self)
        randomness = np.random.default_rng(seed_from(random_state))
        classes = self._positions(labels)
        if groups is None:
            of = self._draw_groups(classes, randomness)
        else:
            of = class_positions(groups, self.groups_, "there are the groups", what="group")
        if len(classes) != len(of):
            raise ValueError(
                f"labels and groups must have the same length, got {len(classes)} labels and {len(of)} groups; pass a "
                "group for each label"
            )
        drawn = np.empty((len(classes), *self._samples.shape[1:]), self._samples.dtype)
        donors = np.empty(len(classes), dtype=np.int64)
        for c, g in np.unique(np.stack([classes, of], 1), axis=0):
            chosen = np.flatnonzero((classes == c) & (of == g))
            donors[chosen], sources = self._draw_donors(c, g, len(chosen), randomness)
            drawn[chosen] = self._moved(donors[chosen], sources, g)
        return drawn, donors

    def _draw_groups(self, classes: NDArray[np.int64], randomness: np.random.Generator) -> NDArray[np.int64]:
        groups = np.empty(len(classes), dtype=np.int64)
        for c in np.unique(classes):
            shares = self.cell_counts_[c] / self.cell_counts_[c].sum()
            groups[classes == c] = randomness.choice(len(shares), (classes == c).sum(), p=shares)
        return groups

    def _draw_donors(
        self, c: int, g: int, n: int, randomness: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of real samples of a class to be moved into a group, and the groups that they are from."""
        others = np.setdiff1d(np.flatnonzero(self.cell_counts_[c]), g)
        fitting = others[self._can_give(others, g)]
        others = fitting if len(fitting) else others
        sources = randomness.choice(others if len(others) else np.array([g]), n)
        donors = np.empty(n, dtype=np.int64)
        for h in np.unique(sources):
            members = np.flatnonzero((self._cells == (c, h)).all(1))
            donors[sources == h] = _in_turn(members, int((sources == h).sum()), randomness)
        return donors, sources


def _in_turn(members: NDArray[np.int64], n: int, randomness: np.random.Generator) -> NDArray[np.int64]:
    """Draw `n` of them at random, none again before all others were."""
    rounds = [randomness.permutation(members) for _ in range(-(-n // len(members)))]
    return np.concatenate(rounds)[:n]


def _samples(X: Any) -> NDArray[Any]:
    samples = X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else np.asarray(X)
    if samples.ndim not in KINDS:
        raise ValueError(
            f"X must be images (n, channels, height, width) or encoded rows (n, width), got shape {samples.shape}; "
            "convert it first"
        )
    if samples.ndim == 2 and not samples.shape[1]:
        raise ValueError(f"X must have entries that vary, got encoded rows of shape {samples.shape}; add columns")
    if samples.dtype != np.uint8 and not np.issubdtype(samples.dtype, np.floating):
        raise TypeError(f"X must be uint8 or floating point, got {samples.dtype}; encode or convert it first")
    return samples
