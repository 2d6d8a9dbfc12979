"""A labelled table together with its encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoder import Encoder, fit_encoder
from ganaug.data.tables.group_column import part_groups
from ganaug.data.tables.group_values import GroupValues
from ganaug.data.tables.layout import RowLayout

__all__ = ["EncodedTable", "encode_table"]


@dataclass(frozen=True)
class EncodedTable:
    """A labelled table together with its encoding; :func:`encode_table` makes one.

    Attributes
    ----------
    table : DataFrame
        The rows as a data frame of pandas.
    container : Container
        What they came in.
    labels : ndarray of shape (n_rows,)
        As they were given.
    encoder : TableEncoder or WideEncoder
    rows : ndarray of shape (n_rows, layout.width), float32
        The encoded rows.
    classes : ndarray of shape (n_classes,)
        Labels that occur, sorted.
    targets : ndarray of shape (n_rows,), int64
        Position of each label in `classes`.
    groups : ndarray of shape (n_groups,) or None
        Groups that occur, sorted; None where the rows have none.
    group_targets : ndarray of shape (n_rows,), int64, or None
        Position of the group of each row in `groups`.

    Examples
    --------
    >>> import pandas as pd
    >>> from ganaug.curation import encode_table
    >>> frame = pd.DataFrame({"age": [31, 45, 62], "region": ["north", "south", "north"]})
    >>> data = encode_table(frame, ["in", "out", "in"])
    >>> data.classes, data.targets
    (array(['in', 'out'], dtype='<U3'), array([0, 1, 0]))
    >>> data.rows.shape == (3, data.layout.width)
    True
    """

    table: pd.DataFrame
    container: Container
    labels: NDArray[Any]
    encoder: Encoder
    rows: NDArray[np.float32]
    classes: NDArray[Any]
    targets: NDArray[np.int64]
    groups: NDArray[Any] | None = None
    group_targets: NDArray[np.int64] | None = None

    @property
    def layout(self) -> RowLayout:
        """Which entries of an encoded row hold what."""
        return self.encoder.layout_


def encode_table(
    X: Any, y: Any, categorical_features: Any = "auto", *, encoder: Encoder | None = None, groups: Any = None
) -> EncodedTable:
    """Encode a labelled table.

    Parameters
    ----------
    X : DataFrame, ndarray of shape (n_rows, n_columns) or sparse matrix
        As :func:`as_table` takes it.
    y : array-like of shape (n_rows,)
    categorical_features : "auto", None or array-like
        As for :class:`TableEncoder`.
    encoder : TableEncoder or WideEncoder, optional
        A fitted one, in place of one that is fitted to the table.
    groups : array-like of shape (n_rows,), or str or int, optional
        Who or what the rows come from, or the column of `X` that says so and is no feature.

    Returns
    -------
    EncodedTable

    Raises
    ------
    ValueError, TypeError
        For a table that cannot be encoded, labels or groups of another length, and a column of groups that is missing.

    Examples
    --------
    >>> data = encode_table(pd.DataFrame({"age": [20.0, 30.0, None], "city": ["Rome", "Oslo", "Rome"]}), [7, 8, 7])
    >>> data.rows.shape, data.classes.tolist(), data.targets.tolist()
    ((3, 5), [7, 8], [0, 1, 0])
    >>> data.encoder.inverse_transform(data.rows, data.targets).equals(data.table)
    True
    """
    X, of_rows = part_groups(X, groups)
    table, container = as_table(X)
    labels = np.asarray(y)
    if len(labels) != len(table):
        raise ValueError(f"y must have a label for each of the {len(table)} rows of X, got {len(labels)}")
    classes, targets = np.unique(labels, return_inverse=True)
    fitted = fit_encoder(table, targets, categorical_features) if encoder is None else encoder
    rows = fitted.transform(table)
    known, group_targets = (None, None) if of_rows is None else np.unique(of_rows, return_inverse=True)
    if encoder is None and known is not None and group_targets is not None:
        fitted.know_groups(GroupValues.of(rows, group_targets, len(known), fitted.layout_))
    return EncodedTable(table, container, labels, fitted, rows, classes, targets, known, group_targets)
