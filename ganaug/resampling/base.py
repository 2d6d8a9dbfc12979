"""What the samplers share: which tables and labels they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from imblearn.utils._validation import ArraysTransformer
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.preprocessing import label_binarize
from sklearn.utils import _safe_indexing, check_array, check_consistent_length
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ganaug.data.labels import listed
from ganaug.data.tables.containers import is_frame, is_series, rows_at
from ganaug.engine.devices import seed_from
from ganaug.engine.nested_params import NestedDefaults
from ganaug.resampling.cells import RowGroups, cells_to_fill, row_groups
from ganaug.resampling.table_tags import TableTags

__all__ = [
    "TableOverSampler",
    "check_not_prefit",
    "check_originals_first",
    "checked_labels",
    "copied",
    "labels_like",
    "rows_of",
    "seeds",
]

Table = TypeVar("Table")  # what holds the rows: a data frame, an array, a sparse matrix
Labels = TypeVar("Labels")
Method = TypeVar("Method", bound=Callable[..., Any])


def _validated(method: Method) -> Method:
    """Check the parameters of the constructor first, as scikit-learn does; the method keeps its type."""
    return cast("Method", _fit_context(prefer_skip_nested_validation=True)(method))


class TableOverSampler(TableTags, NestedDefaults, BaseOverSampler):
    """Base of over-samplers that take tables of mixed columns with missing values."""

    # Pipelines route groups to fit_resample alone, so that there is one request to set.
    __metadata_request__fit: ClassVar[dict[str, str]] = {"groups": UNUSED}
    groups_resampled_: NDArray[Any] | None

    @_validated
    def fit(self, X: Any, y: Any, groups: Any = None, **params: Any) -> Self:
        """Check the input and count how many rows each class would get; :meth:`fit_resample` is what draws them.

        Parameters
        ----------
        X, y, groups
            As for :meth:`fit_resample`.
        **params : dict
            There must be none.

        Returns
        -------
        TableOverSampler
            Itself.
        """
        _check_params("fit", params)
        self._checked(X, checked_labels(y), groups)
        return self

    @_validated
    def fit_resample(self, X: Table, y: Labels, groups: Any = None, **params: Any) -> tuple[Table, Labels]:
        """Add synthetic rows to a table.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_rows, n_columns)
            Numbers, dates, strings, booleans, categories; values may be missing in any column. Data frames may be those
            of pandas, polars or pyarrow, or others that hold their rows in memory and that narwhals knows.
        y : array-like of shape (n_rows,)
            Class labels.
        groups : array-like of shape (n_rows,), or str or int, optional
            Who or what each row comes from, such as a site or a customer, or the column of `X` that says so; missing
            ones are a group of their own, called "unknown" or -1, of which cells are not filled. New rows are drawn for
            a group, which ``groups_resampled_`` says; the column is no feature of theirs, but holds their group.
        **params : dict
            There must be none: rows have no weights that synthetic ones could get, nor other metadata.

        Returns
        -------
        X_resampled, y_resampled
            In the containers that `X` and `y` came in: the original rows first, then the new ones, class by class.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training.

        Notes
        -----
        imbalanced-learn's pipelines pass groups by scikit-learn's metadata routing, which has to be enabled and asked
        for by ``set_fit_resample_request(groups=True)``; without it they pass none.
        """
        _check_params("fit_resample", params)
        if isinstance(self.sampling_strategy, Mapping) and not isinstance(self.sampling_strategy, dict):
            raise ValueError("sampling_strategy must be a dict, no other mapping; pass dict(sampling_strategy)")
        labels = checked_labels(y)
        containers = ArraysTransformer(_Frame(X) if is_frame(X) else X, labels)
        X, targets, of_rows, one_vs_all = self._checked(X, labels, groups)
        X_new, y_new = self._fit_resample(X, targets, of_rows)
        y_new = label_binarize(y_new, classes=np.unique(targets)) if one_vs_all else y_new
        X_new, y_new = containers.transform(X_new, y_new)
        return X_new, labels_like(y, y_new)

    def _checked(self, X: Any, y: Any, groups: Any) -> tuple[Any, Any, RowGroups | None, bool]:
        check_classification_targets(y)
        X, y, one_vs_all = self._check_X_y(X, y)
        of_rows = row_groups(X, y, groups)
        if self._balance() == "cells":
            values = None if of_rows is None else of_rows.values
            self.sampling_strategy_ = cells_to_fill(self.sampling_strategy, y, values)
        else:
            self.sampling_strategy_ = check_sampling_strategy(self.sampling_strategy, y, self._sampling_type)
        return X, y, of_rows, one_vs_all

    def _balance(self) -> str:
        """What is filled up, "classes" or "cells"."""
        return "classes"

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, Any, bool]:  # noqa: N802 - imbalanced-learn's name
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        frame = isinstance(X, pd.DataFrame) or is_frame(X)
        if not frame:
            X = check_array(X, dtype=None, accept_sparse=["csr", "csc"], ensure_all_finite=False, allow_nd=True)
        check_consistent_length(X, y)
        dimensions = 2 if frame else X.ndim
        if dimensions not in (2, 4):
            raise ValueError(f"X must be a table or images (n, height, width, channels), got shape {X.shape}")
        flat = X.reshape(len(X), -1) if dimensions == 4 else X
        validate_data(self, X=flat, y=y, reset=True, skip_check_array=True)
        return X, y, binarize_y

    def _wanted(self) -> dict[Any, int]:
        """Rows to add to each class, or cell of class and group, that gets any."""
        return {
            label if isinstance(label, tuple) else np.asarray(label).item(): int(n)
            for label, n in self.sampling_strategy_.items()
            if n > 0
        }


class _Frame:
    """Hides a data frame from imbalanced-learn, which takes every class called DataFrame for that of pandas."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame


def copied(X: Any) -> Any:
    """A copy of rows in any container; those of a frame of pandas are numbered from 0 on, as where rows are added."""
    if isinstance(X, pd.DataFrame):
        return X.reset_index(drop=True)
    return rows_at(X, np.arange(len(X))) if is_frame(X) else X.copy()


def rows_of(X: Any, indices: NDArray[np.integer]) -> Any:
    """Some of the rows, in the container that they came in."""
    return rows_at(X, indices) if is_frame(X) else _safe_indexing(X, indices)


def check_not_prefit(sampler: Any, otherwise: str = "") -> None:
    """Raise ``ValueError`` for a prefit sampler; `otherwise` is what else could be done."""
    if sampler is not None and sampler.get_params().get("prefit"):
        raise ValueError(
            "sampler must not be prefit, as its generator may have seen the rows that are validated on; set its prefit "
            f"to False{otherwise}"
        )


def check_originals_first(sampler: Any, y_new: Any, y: NDArray[Any]) -> None:
    """Raise ``ValueError`` if a sampler does not return the original rows first, by their labels."""
    if not np.array_equal(y_new[: len(y)], y):
        raise ValueError(
            f"sampler must return the original rows first, {type(sampler).__name__} does not; "
            "pass an over-sampler, not one that cleans or under-samples"
        )


def labels_like(y: Any, labels: Any) -> Any:
    """Labels, of which the first are those of `y`, in the container that `y` came in.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        As it was passed; imbalanced-learn itself does not keep series of polars and arrays of pyarrow.
    labels : array-like of shape (n_rows_new,)

    Examples
    --------
    >>> import pyarrow
    >>> labels_like(pyarrow.array(["a", "b"]), np.array(["a", "b", "b"], dtype=object)).to_pylist()
    ['a', 'b', 'b']
    """
    if not (isinstance(y, pa.Array) or is_series(y) or is_frame(y)):
        return labels
    # Each new label is taken from where it occurs first, so that types and categories stay.
    new = np.asarray(labels)
    _, first, which = np.unique(new, axis=None if new.ndim == 1 else 0, return_index=True, return_inverse=True)
    positions = np.concatenate([np.arange(len(y)), first[which.reshape(-1)][len(y) :]])
    return y.take(pa.array(positions)) if isinstance(y, pa.Array) else rows_at(y, positions)


def checked_labels(y: Any) -> Any:
    """Labels as they came, as an array where other libraries know no better; an error where any is missing."""
    if y is None:
        raise ValueError("the estimator requires y to be passed, but the target y is None; pass class labels")
    if isinstance(y, pa.Array) or is_series(y) or is_frame(y):
        y = np.asarray(y)
    if pd.isna(np.asarray(y, dtype=object)).any():
        raise ValueError("y contains NaN or other missing values; remove those rows or name their class")
    return y


def _check_params(method: str, params: dict[str, Any]) -> None:
    if params:
        raise TypeError(
            f"{method} takes X, y and groups only, got {listed(sorted(params))}; pass it to the classifier that is "
            "trained on the result"
        )


def seeds(random_state: Any, n: int) -> NDArray[np.int64]:
    """Independent seeds from what scikit-learn takes as `random_state`; None gives fresh ones."""
    words = np.random.SeedSequence(seed_from(random_state)).generate_state(n)
    return (words >> 1).astype(np.int64)
