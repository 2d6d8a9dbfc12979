"""Samples of a class in a group that lacks it: real ones of other groups, moved by the difference of the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ganaug.data import LabelledImages
from ganaug.data.groups import cell_counts, check_groups, groups_from_array
from ganaug.data.host_states import plain_states
from ganaug.data.labels import class_positions, labels_from_array
from ganaug.data.tables.containers import is_frame
from ganaug.data.tables.encoded import EncodedTable, encode_table
from ganaug.data.tables.group_column import part_groups
from ganaug.data.tables.layout import RowLayout
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import SampleSpec

__all__ = ["AdditiveTransfer", "group_effects"]

KINDS = {4: "images", 2: "rows"}  # by the dimensions of all samples together


class AdditiveTransfer(BaseEstimator):
    """Moves real samples of a class from one group into another, by what sets the groups apart on average.

    A sample of class ``c`` in group ``g`` is ``x - b[h] + b[g]``, with ``x`` a real sample of class ``c`` in a random
    other group ``h``. It needs no training, and is what a conditional generator has to beat where classes are missing
    in groups; where groups differ by more than an offset, it gains nothing.

    Attributes
    ----------
    classes_, groups_ : ndarray of shape (n_classes,), (n_groups,)
        Labels as they were given, sorted.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64
        Training samples of each combination.
    group_effects_ : ndarray of shape (n_groups, ...), float64
        ``b``, in the units of the samples, of data frames in those of their encoding; only differences have a meaning.
    sample_spec_ : SampleSpec

    Notes
    -----
    The mean of all samples of a group would also say which classes the group lacks. So the effects ``b`` are those of
    the additive model ``m[c, g] = a[c] + b[g]``, fitted by least squares to the means ``m[c, g]`` of the combinations
    that occur, each with the same weight. With two groups, ``b[g] - b[h]`` is the mean of ``m[c, g] - m[c, h]`` over
    the classes that both have; if each group has all classes, it is the difference of their class-balanced means.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [11.0], [5.0], [16.0]])
    >>> transfer = AdditiveTransfer().fit(X, ["a", "a", "b", "b"], ["old", "new", "old", "new"])
    >>> transfer.sample(["b"], ["new"], random_state=0).round(6).tolist()
    [[15.5]]

    Of a data frame, in which a column says the groups, numbers are moved and categories kept:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": range(20, 60), "plan": ["a", "b"] * 20, "region": ["north", "south"] * 20})
    >>> transfer = AdditiveTransfer().fit(table, np.repeat(["keep", "leave"], 20), "region")
    >>> transfer.sample(["leave"], ["south"], random_state=0).dtypes.equals(table.dtypes[["age", "plan"]])
    True
    """

    classes_: NDArray[Any]
    groups_: NDArray[Any]
    cell_counts_: NDArray[np.int64]
    group_effects_: NDArray[np.float64]
    sample_spec_: SampleSpec

    @plain_states()
    def fit(self, X: Any, y: Any = None, groups: Any = None, *, layout: RowLayout | None = None) -> AdditiveTransfer:
        """Keep the samples, and estimate the effects of the groups.

        Parameters
        ----------
        X : array or Tensor of shape (n, channels, height, width) or (n, width), DataFrame, or LabelledImages
            Images, or rows of numbers, unsigned bytes or floating point; or a data frame of any columns, of pandas or
            another library, which is encoded.
        y : array-like of shape (n,)
            Classes; None for LabelledImages, which hold them.
        groups : array-like of shape (n,), or str or int for a data frame
            None for LabelledImages that hold them; or the column of a data frame, which is then no feature.
        layout : RowLayout, optional
            Of encoded rows: levels, and numbers that are missing, are those of the real row that is moved. By default
            all entries are numbers.

        Returns
        -------
        AdditiveTransfer
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For other samples, another number of labels or groups than of samples, groups that no classes connect, and
            other groups that :func:`check_groups` refuses for conditioning.
        """
        if isinstance(X, LabelledImages):
            X, y, groups = X.images, X.labels, X.groups if groups is None else groups
        if groups is None:
            raise ValueError("groups are needed, got None; pass who or what each sample comes from")
        self._table: EncodedTable | None = None
        if isinstance(X, pd.DataFrame) or is_frame(X):
            X, groups = part_groups(X, groups)
            self._table = encode_table(X, labels_from_array(y, len(X), of="samples"))
            X, layout = self._table.rows, self._table.layout
        samples = _samples(X)
        labels = labels_from_array(y, len(samples), of="samples")
        groups = groups_from_array(groups, len(samples), of="samples")
        check_groups(labels, groups, use="conditioning", of="samples")
        self.classes_, classes = np.unique(labels, return_inverse=True)
        self.groups_, of = np.unique(groups, return_inverse=True)
        self.cell_counts_ = cell_counts(labels, groups).to_numpy()
        self._samples, self._cells = samples, np.stack([classes, of], axis=1)
        self._movable = np.ones((len(samples), *[1] * (samples.ndim - 1)), dtype=bool)
        if layout is not None:
            self._movable = np.zeros(samples.shape, dtype=bool)
            self._movable[:, : layout.n_numbers] = layout.present(samples)
        self.group_effects_ = group_effects(samples, self._cells, np.broadcast_to(self._movable, samples.shape))
        self.sample_spec_ = SampleSpec(KINDS[samples.ndim], samples.shape[1:], str(samples.dtype))
        if self._table is not None:
            container = self._table.container
            self.sample_spec_ = SampleSpec("rows", (self._table.table.shape[1],), container.common_dtype)
        return self

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
        Tensor of shape (n, channels, height, width), ndarray of shape (n, width) or data frame
            In the dtypes of the training samples, and in their data frame; bytes are rounded and clipped.

        Raises
        ------
        ValueError
            For a label or a group that was not in the training data.
        """
        seed = seed_from(random_state)
        samples, _ = self.sample_with_donors(labels, groups, random_state=seed)
        if self._table is not None:
            rows = self._table.encoder.inverse_transform(samples, self._positions(labels), seed)
            return self._table.container.restore(rows)
        return torch.from_numpy(samples) if samples.ndim == 4 else samples

    def _positions(self, labels: Any) -> NDArray[np.int64]:
        return class_positions(labels, self.classes_, "there are the classes")

    @plain_states()
    def sample_with_donors(
        self, labels: Any, groups: Any = None, *, random_state: Any = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """As :meth:`sample`, as arrays, rows of data frames encoded, with the training sample that each was made of.

        Donors are drawn from all other groups of their class alike, and at random within a group. Where a class occurs
        in the group asked for alone, its samples are repeated as they are.
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
        sources = randomness.choice(others if len(others) else np.array([g]), n)
        donors = np.empty(n, dtype=np.int64)
        for h in np.unique(sources):
            members = np.flatnonzero((self._cells == (c, h)).all(1))
            donors[sources == h] = randomness.choice(members, (sources == h).sum())
        return donors, sources

    def _moved(self, donors: NDArray[np.int64], sources: NDArray[np.int64], target: int) -> NDArray[Any]:
        """Real samples out of the groups that they are from, as they would be in another."""
        samples = self._samples[donors]
        moved = samples + (self.group_effects_[target] - self.group_effects_[sources])
        if samples.dtype == np.uint8:
            moved = moved.round().clip(0, 255)
        return np.where(self._movable[donors], moved, samples).astype(samples.dtype)


def group_effects(
    samples: NDArray[Any], cells: NDArray[np.int64], movable: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Estimate what sets groups apart whatever their classes, by least squares over the cells that occur.

    Parameters
    ----------
    samples : ndarray of shape (n, ...)
    cells : ndarray of shape (n, 2), int64
        Positions of class and group of each; every group occurs.
    movable : ndarray of shape (n, ...), bool, optional
        Which entries count; by default all.

    Returns
    -------
    ndarray of shape (n_groups, ...), float64
        Only differences have a meaning; :class:`AdditiveTransfer` says what they are.

    Examples
    --------
    >>> effects = group_effects(np.array([[1.0], [11.0], [5.0]]), np.array([[0, 0], [0, 1], [1, 0]]))
    >>> round(float((effects[1] - effects[0])[0]), 6)
    10.0
    """
    movable = np.ones(samples.shape, dtype=bool) if movable is None else movable
    occurring, of = np.unique(cells, axis=0, return_inverse=True)
    means = _cell_means(samples, occurring, of.reshape(-1), movable)
    n_classes, n_groups = occurring.max(0) + 1
    design = np.zeros((len(occurring), n_classes + n_groups))
    design[np.arange(len(occurring)), occurring[:, 0]] = 1
    design[np.arange(len(occurring)), n_classes + occurring[:, 1]] = 1
    effects = np.linalg.pinv(design)[n_classes:] @ means.reshape(len(occurring), -1)
    return effects.reshape(n_groups, *means.shape[1:])


def _cell_means(
    samples: NDArray[Any], cells: NDArray[np.int64], of: NDArray[np.int64], movable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Means of the movable entries of each cell; of its class where it has none, and of all where that has none."""
    members = [np.flatnonzero(of == k) for k in range(len(cells))]
    total = np.stack([samples[m].sum(0, where=movable[m], dtype=np.float64) for m in members])
    count = np.stack([movable[m].sum(0) for m in members])
    of_class = cells[:, :1] == cells[:, 0]
    by_class, n_by_class = (np.tensordot(of_class, sums, 1) for sums in (total, count))
    overall = total.sum(0) / count.sum(0).clip(1)
    return np.where(count > 0, total / count.clip(1), np.where(n_by_class > 0, by_class / n_by_class.clip(1), overall))


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
