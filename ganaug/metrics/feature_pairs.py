"""Checks of what distances between features are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

__all__ = ["feature_pair", "feature_rows"]


def feature_rows(values: ArrayLike, name: str, *, at_least: int, metric: str) -> NDArray[np.float64]:
    """Rows of finite numbers, as float64.

    Parameters
    ----------
    values : array-like or Tensor of shape (n, n_features)
    name, metric : str
        What they are called in messages.
    at_least : int
        Rows that there must be.

    Returns
    -------
    ndarray of shape (n, n_features), float64

    Raises
    ------
    ValueError
        For another number of dimensions, too few rows, and values that are NaN or infinite.
    TypeError
        For values that are not real numbers.

    Examples
    --------
    >>> feature_rows([[1, 2]], "real", at_least=1, metric="FID").dtype
    dtype('float64')
    """
    array: NDArray[Any] = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}; compute features of the samples first")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} must have shape (n, n_features), got {array.shape}; flatten each sample first")
    if len(array) < at_least:
        raise ValueError(f"{metric} needs at least {at_least} samples, got {len(array)} in {name}; add samples")
    array = array.astype(np.float64)
    if bad := int((~np.isfinite(array)).any(1).sum()):
        raise ValueError(f"{name} has NaN or infinite values in {bad} rows; remove or fill them first")
    return array


def feature_pair(
    real: ArrayLike, synthetic: ArrayLike, *, at_least: int, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides of a comparison, checked by :func:`feature_rows`; they must have as many features."""
    first = feature_rows(real, "real", at_least=at_least, metric=metric)
    second = feature_rows(synthetic, "synthetic", at_least=at_least, metric=metric)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"real and synthetic must have the same features, got {first.shape[1]} and {second.shape[1]}; "
            "compute both with one extractor"
        )
    return first, second
