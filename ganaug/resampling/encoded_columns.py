"""Tables of any columns in front of estimators that take numbers."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from ganaug.data.tables.containers import as_table
from ganaug.data.tables.encoder import TableEncoder
from ganaug.resampling.table_tags import TableTags

__all__ = ["EncodedColumns"]


class EncodedColumns(TableTags, TransformerMixin, BaseEstimator):
    """Turns a table of numbers, dates, names and missing values into the numbers that generators learn from.

    Attributes
    ----------
    encoder_ : TableEncoder

    Examples
    --------
    >>> import pandas as pd
    >>> EncodedColumns().fit_transform(pd.DataFrame({"city": ["Rome", "Oslo", None]})).shape
    (3, 3)
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what the columns hold; labels are not looked at."""
        table, _ = as_table(X)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "column .* holds (a different|values of several)", UserWarning)
            self.encoder_ = TableEncoder().fit(table)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Encode rows; names that were not seen are encoded as rare ones.

        Returns
        -------
        ndarray of shape (n_rows, n_encoded)
        """
        return self.encoder_.transform(as_table(X)[0], strict=False).astype(float)
