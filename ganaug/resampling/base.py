"""What the samplers share: which tables and labels they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from ganaug.training.devices import seed_from

__all__ = ["TableOverSampler", "seeds"]


class TableOverSampler(BaseOverSampler):
    """Base of over-samplers that take tables of mixed columns with missing values."""

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Add synthetic rows to a table.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_rows, n_columns)
            Numbers, dates, strings, booleans, categories; values may be missing in any column.
        y : array-like of shape (n_rows,)
            Class labels.
        **params : dict
            Not used; there for compatibility with imbalanced-learn.

        Returns
        -------
        X_resampled, y_resampled
            In the containers that `X` and `y` came in: the original rows first, then the new ones, class by class.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training.
        """
        if pd.isna(np.asarray(y, dtype=object)).any():
            raise ValueError("y contains NaN or other missing values; remove those rows or name their class")
        if isinstance(self.sampling_strategy, Mapping) and not isinstance(self.sampling_strategy, dict):
            raise ValueError("sampling_strategy must be a dict, no other mapping; pass dict(sampling_strategy)")
        return super().fit_resample(X, y, **params)

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, Any, bool]:  # noqa: N802 - imbalanced-learn's name
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if not isinstance(X, pd.DataFrame):
            X = check_array(X, dtype=None, accept_sparse=["csr", "csc"], ensure_all_finite=False, allow_nd=True)
        check_consistent_length(X, y)
        if getattr(X, "ndim", 2) not in (2, 4):
            raise ValueError(f"X must be a table or images (n, height, width, channels), got shape {X.shape}")
        flat = X.reshape(len(X), -1) if getattr(X, "ndim", 2) == 4 else X
        validate_data(self, X=flat, y=y, reset=True, skip_check_array=True)
        return X, y, binarize_y

    def _wanted(self) -> dict[Any, int]:
        """Rows to add to each class that gets any."""
        return {np.asarray(label).item(): int(n) for label, n in self.sampling_strategy_.items() if n > 0}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags


def seeds(random_state: Any, n: int) -> NDArray[np.int64]:
    """Independent seeds from what scikit-learn takes as `random_state`; None gives fresh ones."""
    words = np.random.SeedSequence(seed_from(random_state)).generate_state(n)
    return (words >> 1).astype(np.int64)
