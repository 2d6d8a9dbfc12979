"""What arms with a gate by cells draw from: a generator of rows as an over-sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ganaug.curation.withheld_cells import CellGateDecision

__all__ = ["CellFiller", "filled_cells"]


class CellFiller(BaseEstimator):
    """Adds rows of a generator to cells of class and group.

    Parameters
    ----------
    make : callable
        Returns a generator of rows that learns groups, not fitted; it takes the `random_state`.
    nominal : tuple of str
        Columns that hold names, whatever their dtype.
    sampling_strategy : dict
        Rows that there are to be, by (class, group).
    random_state : int or None

    Attributes
    ----------
    groups_resampled_ : ndarray of shape (n_rows_new,)
    """

    balance: ClassVar[str] = "cells"

    def __init__(
        self,
        make: Callable[..., Any],
        nominal: tuple[str, ...] = (),
        sampling_strategy: Any = "auto",
        random_state: int | None = None,
    ) -> None:
        self.make = make
        self.nominal = nominal
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: pd.DataFrame, y: NDArray[Any], groups: Any = None) -> tuple[pd.DataFrame, NDArray[Any]]:
        """The rows, and new ones behind them."""
        there = pd.Series(1, index=pd.MultiIndex.from_arrays([y, groups])).groupby(level=[0, 1]).sum().to_dict()
        wanted: Mapping[Any, int] = self.sampling_strategy
        lacking = {cell: n - there.get(cell, 0) for cell, n in wanted.items()}
        labels, of = (np.repeat(np.array(part), list(lacking.values())) for part in zip(*lacking, strict=True))
        # Numbers that are only names are known as such by their dtype: not every generator can be told otherwise.
        named = X.astype(dict.fromkeys(self.nominal, "category"))
        generator = self.make(random_state=self.random_state).fit(named, y.copy(), groups=groups)
        drawn = generator.sample(labels, of, random_state=self.random_state)
        drawn = drawn.astype({name: X.dtypes[name] for name in self.nominal})
        self.groups_resampled_ = np.concatenate([groups, of])
        return pd.concat([X, drawn], ignore_index=True), np.concatenate([y, labels])


def filled_cells(decision: CellGateDecision, classes: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.bool_]:
    """Cells that a gate fills, by the places of their classes and groups.

    Parameters
    ----------
    decision : CellGateDecision
    classes, groups : ndarray of shape (n_classes,), (n_groups,)
        All, sorted.

    Returns
    -------
    ndarray of shape (n_classes, n_groups), bool
    """
    filled = np.zeros((len(classes), len(groups)), dtype=bool)
    for label, group in decision.per_cell:
        filled[classes.tolist().index(label), groups.tolist().index(group)] = True
    return filled
