"""Samples of a class in a group that lacks it: real ones of other groups, moved by the difference of the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.curation.transfer import NO_GROUPS, Transfer
from ganaug.data.host_states import plain_states
from ganaug.data.labels import labels_from_array
from ganaug.data.tables.containers import is_frame
from ganaug.data.tables.encoded import EncodedTable, encode_table
from ganaug.data.tables.group_column import part_groups
from ganaug.data.tables.group_values import GroupValues
from ganaug.data.tables.layout import RowLayout
from ganaug.engine.devices import seed_from
from ganaug.generators.contract import SampleSpec

__all__ = ["AdditiveTransfer", "group_effects"]


class AdditiveTransfer(Transfer):
    """Moves real samples of a class from one group into another, by what sets the groups apart on average.

    A sample of class ``c`` in group ``g`` is ``x - b[h] + b[g]``, with ``x`` a real sample of class ``c`` in a random
    other group ``h``. It needs no training, and is what a conditional generator has to beat where classes are missing
    in groups; where groups differ by more than an offset, it gains nothing.

    Numbers of a data frame are moved as quantiles of their column, by which it is encoded, and stay within its range.
    Where groups are further apart than a group is wide, that is not the same offset, and what is moved is spread wider
    than it was; pass an array of numbers, which are moved as they are.

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

    Columns of a table that describe the groups, such as the country of a hospital (:class:`GroupValues` says which do),
    are those of the group that is asked for. In other columns of levels a row keeps the level of the real one.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [11.0], [5.0], [16.0]])
    >>> transfer = AdditiveTransfer().fit(X, ["a", "a", "b", "b"], ["old", "new", "old", "new"])
    >>> transfer.sample(["b"], ["new"], random_state=0).round(6).tolist()
    [[15.5]]

    Of a data frame, in which a column says the groups, numbers are moved and other columns kept, unless they describe
    the groups:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": range(20, 60), "plan": ["a", "b"] * 20, "region": ["north", "south"] * 20})
    >>> transfer = AdditiveTransfer().fit(table, np.repeat(["keep", "leave"], 20), "region")
    >>> transfer.sample(["leave"], ["south"], random_state=0).dtypes.equals(table.dtypes[["age", "plan"]])
    True
    """

    group_effects_: NDArray[np.float64]

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
            Of encoded rows: levels that do not describe groups, and numbers that are missing, are those of the real row
            that is moved. By default all entries are numbers.

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
        self._table: EncodedTable | None = None
        if isinstance(X, pd.DataFrame) or is_frame(X):
            if groups is None:
                raise ValueError(NO_GROUPS)
            X, groups = part_groups(X, groups)
            self._table = encode_table(X, labels_from_array(y, len(X), of="samples"))
            X, layout = self._table.rows, self._table.layout
        self._keep(X, y, groups)
        samples = self._samples
        self._movable = np.ones((len(samples), *[1] * (samples.ndim - 1)), dtype=bool)
        self._described = GroupValues.none(len(self.groups_))
        if layout is not None:
            self._movable = np.zeros(samples.shape, dtype=bool)
            self._movable[:, : layout.n_numbers] = layout.present(samples)
            self._described = GroupValues.of(samples, self._cells[:, 1], len(self.groups_), layout)
        self.group_effects_ = group_effects(samples, self._cells, np.broadcast_to(self._movable, samples.shape))
        if self._table is not None:
            self._table.encoder.know_groups(self._described)
            container = self._table.container
            self.sample_spec_ = SampleSpec("rows", (self._table.table.shape[1],), container.common_dtype)
        return self

    @plain_states()
    def sample(self, labels: Any, groups: Any = None, *, random_state: Any = None) -> Any:
        """Draw one sample per label and group, of a data frame as a data frame of the same kind.

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
        samples = super().sample(labels, groups, random_state=seed)
        if self._table is None:
            return samples
        rows = self._table.encoder.inverse_transform(samples, self._positions(labels), seed)
        return self._table.container.restore(rows)

    def _can_give(self, sources: NDArray[np.int64], target: int) -> NDArray[np.bool_]:
        lacks = self._described.lacks_numbers
        return ~(lacks[sources] & ~lacks[target]).any(1)

    def _moved(self, donors: NDArray[np.int64], sources: NDArray[np.int64], target: int) -> NDArray[Any]:
        samples = self._samples[donors]
        moved = samples + (self.group_effects_[target] - self.group_effects_[sources])
        if samples.dtype == np.uint8:
            moved = moved.round().clip(0, 255)
        moved = np.where(self._movable[donors], moved, samples).astype(samples.dtype)
        return self._described.put(moved, np.full(len(moved), target))


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
