"""Arms of tables with a gate: how much a sampler adds is chosen for each classifier by inner validation."""

from __future__ import annotations

from typing import Any, Self

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import Columns, Trained
from ganaug.bench.methods.drawn import checked_table
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import TableArm
from ganaug.resampling import SafeOverSampler

__all__ = ["SCORINGS", "Gate"]

SCORINGS = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "macro F1": "f1_macro",
    "AP": "average_precision",
    "MCC": "matthews_corrcoef",
    "F1": "f1",
    "log-loss": "neg_log_loss",
}  # what the gate maximises for a metric; balanced accuracy for all others


class Gate:
    """Applies :class:`ganaug.SafeOverSampler` for one classifier after another, drawing inner samples once for all.

    Parameters
    ----------
    arm : TableArm
        How classifiers are trained in it, here too.
    sampler : over-sampler
        Of tables as they are.
    data : TableData
        Training rows; labels are class indices.
    components : int or None
        As in the experiment.
    metric : str
        What is compared first.
    seed : int
    strategy : str or dict
        How many samples each class has at most, as in imbalanced-learn.
    """

    def __init__(
        self,
        arm: TableArm,
        sampler: Any,
        data: TableData,
        components: int | None,
        metric: str,
        seed: int,
        strategy: str | dict[Any, int] = "auto",
    ) -> None:
        self._arm = arm
        self._data = data
        self._components = components
        self._seed = seed
        self._strategy = strategy
        self._scoring = SCORINGS.get(metric, "balanced_accuracy")
        self._sampler = _Remembering(sampler, _Memory())

    def resample(
        self, classifier: Plugin, encode: Columns
    ) -> tuple[tuple[NDArray[np.float64], NDArray[np.int64]], str]:
        """Encoded rows with class indices, and the ratio chosen in words."""
        by_cells = self._arm.cells is not None
        safe = SafeOverSampler(
            self._sampler,
            estimator=_OnTables(self._arm, classifier, self._data.nominal, self._components, self._seed),
            scoring=self._scoring,
            sampling_strategy=self._strategy,
            random_state=self._seed,
            cv="cells" if by_cells else 5,
        )
        of_groups = {"groups": self._data.groups} if by_cells else {}
        X, y = safe.fit_resample(self._data.X.copy(), self._data.y.copy(), **of_groups)
        return (encode(pd.DataFrame(X)), np.asarray(y)), f"ratio {safe.ratio_:g} chosen"


class _Memory:
    """Finished resamplings by what they depend on; copies of a sampler share it."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Memory:
        return self


class _Remembering(BaseEstimator):
    """A sampler that draws the same rows but once."""

    _min_rows = None  # of GANOverSampler, as SafeOverSampler sets it

    def __init__(
        self, sampler: Any, memory: _Memory, sampling_strategy: Any = "auto", random_state: int | None = None
    ) -> None:
        self.sampler = sampler
        self.memory = memory
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    @property
    def balance(self) -> str:
        """What the sampler fills up, classes or cells."""
        return getattr(self.sampler, "balance", "classes")

    def fit_resample(self, X: Any, y: Any, groups: Any = None) -> tuple[Any, Any]:
        place = joblib.hash((X, y, groups, self.sampling_strategy, self.random_state, self._min_rows))
        if place not in self.memory.kept:
            sampler = clone(self.sampler).set_params(sampling_strategy=self.sampling_strategy)
            if "random_state" in sampler.get_params():
                sampler.set_params(random_state=self.random_state)
            if self._min_rows:
                sampler._min_rows = self._min_rows
            own = sampler.fit_resample(X.copy(), y.copy(), **({} if groups is None else {"groups": groups}))
            table = checked_table(f"sampler {type(sampler).__name__}", own, X, y)
            others = getattr(sampler, "groups_resampled_", None), getattr(sampler, "fallback_", {})
            self.memory.kept[place] = *table, *others
        X_new, y_new, self.groups_resampled_, self.fallback_ = self.memory.kept[place]
        return X_new.copy(), y_new.copy()


class _OnTables(ClassifierMixin, BaseEstimator):
    """A classifier of the harness, with its encoding of columns, trained as it is in an arm."""

    def __init__(
        self, arm: TableArm, classifier: Plugin, nominal: tuple[str, ...], components: int | None, seed: int
    ) -> None:
        self.arm = arm
        self.classifier = classifier
        self.nominal = nominal
        self.components = components
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: NDArray[np.int64]) -> Self:
        self._columns = Columns(TableData(X, y, self.nominal), self.components)
        self.classes_ = np.unique(y)
        self._model = Trained(self.arm, self.classifier, self._columns(X), y, int(y.max()) + 1, self.seed)
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        return self._model.predict(self._columns(X))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self._model.predict_proba(self._columns(X))[:, self.classes_]
