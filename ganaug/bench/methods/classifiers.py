"""Classifiers that arms of tables are measured with."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.scores import checked_numbers, checked_probabilities
from ganaug.bench.suite.plugins import Plugin, checked, construct, resolve
from ganaug.bench.suite.schema import TableArm
from ganaug.data.json_values import short

__all__ = ["CLASSIFIERS", "Columns", "Trained", "best_threshold", "check_classifier", "fit_predict"]

CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "logistic": functools.partial(LogisticRegression, max_iter=2000),
    "knn": KNeighborsClassifier,
    "forest": functools.partial(RandomForestClassifier, n_estimators=200),
    "boosting": HistGradientBoostingClassifier,
}
THRESHOLD_FOLDS = CALIBRATION_FOLDS = 5
EQUAL = 1e-12  # values of a metric that differ by less
MOST_NAMES = 100  # of a column that have an input of their own; all others share one


def check_classifier(classifier: Plugin) -> None:
    """Find out whether there is such a classifier, and whether it can be made with its parameters.

    Raises
    ------
    ValueError
        With the nearest name, or what to install.
    """
    what = f"classifier {short(classifier.target)}"
    made = checked(what, resolve("classifiers", classifier.target, CLASSIFIERS), classifier.params, random_state=0)
    for methods in (("fit",), ("predict_proba", "decision_function")):
        # Some estimators have a method only once they are fitted, but their classes always do.
        if not any(hasattr(of, method) for of in (made, type(made)) for method in methods):
            names = " or ".join(methods)
            raise ValueError(f"{what} must be one with a method {names}, which {type(made).__name__} lacks")


class Columns:
    """Columns of a table as numbers, learnt from training rows.

    Numbers and dates are standardised, a missing one being the median; names are one-hot encoded, a missing one being a
    name of its own. Of the names of a column the rarest count as one, where there are more than 100, such as of
    identifiers or free text.

    Parameters
    ----------
    data : TableData
        Training rows.
    components : int, optional
        Principal components that the result is reduced to.
    """

    def __init__(self, data: TableData, components: int | None = None) -> None:
        self._nominal = list(data.nominal)
        self._numeric = data.numeric
        steps: list[Any] = [
            ColumnTransformer(
                [
                    (
                        "numeric",
                        make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                        self._numeric,
                    ),
                    (
                        "nominal",
                        OneHotEncoder(
                            max_categories=MOST_NAMES + 1, handle_unknown="infrequent_if_exist", sparse_output=False
                        ),
                        self._nominal,
                    ),
                ]
            )
        ]
        table = self.plain(data.X)
        if components is not None:
            width = steps[0].fit_transform(table).shape[1]
            steps.append(PCA(min(components, width, len(table)), random_state=0))
        self._transformer = make_pipeline(*steps).fit(table)

    def __call__(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Encode rows: shape (n_rows, n_columns)."""
        return np.ascontiguousarray(self._transformer.transform(self.plain(table)), dtype=float)

    def plain(self, table: pd.DataFrame) -> pd.DataFrame:
        """Numbers as floats, dates as days, and names as strings, of which a missing one is a character of its own."""
        numbers = {}
        for name in self._numeric:
            column = table[name]
            if pd.api.types.is_datetime64_any_dtype(column.dtype):
                day = column.dt.as_unit("ns").astype("int64") / 86_400e9
                numbers[name] = day.where(column.notna())
            else:
                numbers[name] = column
        # Texts: a column may mix strings, numbers and missing values, which cannot be sorted together.
        names = {name: table[name].astype(object).where(table[name].notna(), "\0").map(str) for name in self._nominal}
        plain = pd.DataFrame({**numbers, **names}, index=table.index)
        return plain.astype(dict.fromkeys(self._numeric, float))


def fit_predict(
    arm: TableArm,
    classifier: Plugin,
    rows: tuple[NDArray[np.float64], NDArray[np.integer]],
    test: NDArray[np.float64],
    n_classes: int,
    seed: int,
    groups: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None, str | None]:
    """Train a classifier as an arm says and predict test rows.

    Parameters
    ----------
    arm : TableArm
        Its sampler has been applied already.
    classifier : Plugin
    rows : tuple of ndarray
        Encoded training rows (n_rows, n_columns) and class indices (n_rows,).
    test : ndarray of shape (n_test, n_columns)
    n_classes : int
    seed : int
    groups : ndarray of shape (n_rows,), optional
        Of the training rows, for arms that weigh cells.

    Returns
    -------
    probabilities : ndarray of shape (n_test, n_classes)
    predicted : ndarray of shape (n_test,) or None
        What a classifier with a threshold decides, or one of the user's own; None stands for what is most probable.
    note : str or None
        What could not be done as asked.
    """
    X, y = rows
    trained = Trained(arm, classifier, X, y, n_classes, seed, groups)
    # Those that the harness knows predict what is most probable; one of the user's own may have a threshold.
    decides = arm.threshold or (classifier.target not in CLASSIFIERS and trained.has_predict)
    return trained.predict_proba(test), trained.predict(test) if decides else None, trained.note


class Trained:
    """A classifier trained as an arm says.

    What it is handed is its own, so that one that works in place changes nothing for the next, and what it returns is
    checked.

    Parameters
    ----------
    arm : TableArm
        Its sampler has been applied already.
    classifier : Plugin
    X : ndarray of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
        Class indices.
    n_classes : int
    seed : int
    groups : ndarray of shape (n_rows,), optional

    Attributes
    ----------
    note : str or None
        What could not be done as asked.
    has_predict : bool
        Whether it decides itself.

    Raises
    ------
    ValueError
        If it has not learnt the classes that it was shown.
    """

    def __init__(
        self,
        arm: TableArm,
        classifier: Plugin,
        X: NDArray[np.float64],
        y: NDArray[np.integer],
        n_classes: int,
        seed: int,
        groups: NDArray[Any] | None = None,
    ) -> None:
        self.what = f"classifier {short(classifier.name)}"
        self.note: str | None = None
        make = resolve("classifiers", classifier.target, CLASSIFIERS)
        self._n_classes = n_classes
        self._shares = np.bincount(y, minlength=n_classes) / len(y)
        counts = np.unique(y, return_counts=True)[1]
        # Where classes are of one size there is nothing to correct, and the classifier is used as it is without.
        self.corrected = arm.prior_correction and counts.min() < counts.max()
        model = construct(make, classifier.params, random_state=seed)
        self._weights: NDArray[np.float64] | None = None
        if arm.class_weight == "cells" and groups is not None:
            if has_fit_parameter(model, "sample_weight"):
                self._weights = _cell_weights(y, groups)
            else:
                self.note = f"{classifier.name} takes no sample weights"
        elif arm.class_weight and "class_weight" in getattr(model, "get_params", dict)():
            model.set_params(class_weight="balanced")
        elif arm.class_weight:
            self.note = f"{classifier.name} takes no class weights"
        if self.corrected and not hasattr(model, "predict_proba"):
            model = self._calibrated(model, classifier.name, int(counts.min()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model = self._fitted(model, classifier.name, arm, (X, y), seed)
        self.has_predict = hasattr(self._model, "predict")
        if not hasattr(self._model, "predict_proba"):
            of_scores = f"{classifier.name} tells no probabilities: log-loss, Brier score and ECE are of its scores"
            self.note = of_scores if self.note is None else f"{self.note}; {of_scores}"
        self._places = self._learnt(y)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of all classes, shape (n_rows, n_classes); of a classifier without any, made from its scores.

        Raises
        ------
        ValueError
            If what it returns is none.
        """
        n, known = len(X), len(self._places)
        if hasattr(self._model, "predict_proba"):
            found = checked_probabilities(self.what, self._model.predict_proba(X.copy()), n, known)
        else:
            shape = (n,) if known == 2 else (n, known)
            scores = checked_numbers(self.what, "scores", self._model.decision_function(X.copy()), shape)
            scores = np.stack([-scores, scores], axis=1) / 2 if known == 2 else scores
            found = scipy.special.softmax(scores, axis=1)
        whole = np.zeros((n, self._n_classes))
        whole[:, self._places] = found
        if self.corrected:
            whole /= np.where(self._shares > 0, self._shares, 1)
            whole /= whole.sum(1, keepdims=True)
        return whole

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """Classes as it tells them itself, with its threshold or without; class indices of shape (n_rows,).

        Raises
        ------
        ValueError
            If they are none of those that it has learnt.
        """
        if self.corrected:
            return self.predict_proba(X).argmax(1)
        found = checked_numbers(self.what, "classes", self._model.predict(X.copy()), (len(X),))
        if not (known := np.isin(found, self._places)).all():
            raise ValueError(f"{self.what} must predict classes that it was trained on, got {found[~known][0]:g}")
        return found.astype(np.int64)

    def _calibrated(self, model: Any, name: str, smallest: int) -> Any:
        # Scores made into probabilities by a formula are no probabilities that shares of classes could be taken out of.
        if smallest > 1:
            return CalibratedClassifierCV(_WithCopies(model), ensemble=False, cv=min(CALIBRATION_FOLDS, smallest))
        self.note = (
            f"{name} has no probabilities, and a class of one sample, so that its scores were corrected as they are"
        )
        return model

    def _fitted(self, model: Any, name: str, arm: TableArm, rows: tuple[Any, Any], seed: int) -> Any:
        X, y = rows
        smallest = int(np.unique(y, return_counts=True)[1].min())
        if arm.threshold and smallest < 2:
            self.note = "a class has a single row, so that no threshold was tuned"
        elif arm.threshold:
            cv = StratifiedKFold(max(2, min(THRESHOLD_FOLDS, smallest)), shuffle=True, random_state=seed)
            method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
            found = np.asarray(cross_val_predict(_WithCopies(model), X.copy(), y.copy(), cv=cv, method=method))
            scores = found[:, 1] if found.ndim == 2 else found
            threshold = best_threshold(scores, y == 1, arm.threshold)
            if threshold is not None and any(np.ptp(scores[part]) for _, part in cv.split(X, y)):
                tuned = FixedThresholdClassifier(_WithCopies(model), threshold=threshold, response_method=method)
                return tuned.fit(X.copy(), y.copy())
            self.note = f"the predictions of {name} are constant, so that no threshold was tuned"
        weights = {} if self._weights is None else {"sample_weight": self._weights.copy()}
        model.fit(X.copy(), y.copy(), **weights)
        return model

    def _learnt(self, y: NDArray[np.integer]) -> NDArray[np.int64]:
        """Class index of each column of its probabilities."""
        labels = np.unique(y)
        found = getattr(self._model, "classes_", None)
        known = np.asarray([] if found is None else np.asarray(found).tolist())
        right = known.ndim == 1 and known.dtype.kind in "iufb" and len(np.unique(known)) == len(known)
        if not right or not np.isin(labels, known).all() or not np.isin(known, np.arange(self._n_classes)).all():
            raise ValueError(
                f"{self.what} must have the labels that it was trained on, {short(labels.tolist())}, in classes_ after "
                f"fit, got {'none' if found is None else short(known.tolist())}"
            )
        return known.astype(np.int64)


def best_threshold(scores: NDArray[np.floating], positive: NDArray[np.bool_], metric: bool | str) -> float | None:
    """The score from which on samples are best taken for positive ones.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Higher for what is likelier positive; of samples that the classifier has not seen.
    positive : ndarray of shape (n,), bool
    metric : {True, "balanced accuracy", "F1", "MCC"}
        What is best; True stands for balanced accuracy.

    Returns
    -------
    float or None
        Half-way between two scores, and of several such places that are equally good the one in the middle. None where
        all scores are the same.

    Examples
    --------
    >>> scores, positive = np.array([0.1, 0.2, 0.3, 0.4, 0.6]), np.array([False, False, True, False, True])
    >>> round(best_threshold(scores, positive, "balanced accuracy"), 2)
    0.25
    """
    order = np.argsort(-scores, kind="stable")
    ordered, found = scores[order].astype(np.float64), positive[order]
    places = np.flatnonzero(ordered[:-1] > ordered[1:])
    if not len(places):
        return None
    tp, fp = (np.cumsum(part)[places].astype(np.float64) for part in (found, ~found))
    fn, tn = found.sum() - tp, (~found).sum() - fp
    if metric == "F1":
        values = 2 * tp / (2 * tp + fp + fn)
    elif metric == "MCC":
        values = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    else:
        values = (tp / (tp + fn) + tn / (tn + fp)) / 2
    best = places[np.flatnonzero(values >= values.max() - EQUAL)]
    place = best[len(best) // 2]
    return float(ordered[place] + ordered[place + 1]) / 2


def _cell_weights(y: NDArray[np.integer], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Of each row, the inverse frequency of its cell; their mean is one."""
    of_groups = np.unique(groups, return_inverse=True)[1]
    _, cell, counts = np.unique(np.stack([y, of_groups], 1), axis=0, return_inverse=True, return_counts=True)
    return len(y) / (len(counts) * counts[cell.reshape(-1)])


def _has(method: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), method)


class _WithCopies(ClassifierMixin, BaseEstimator):
    """A classifier that is handed copies, for meta-estimators that show the same rows more than once."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: NDArray[np.float64], y: NDArray[np.integer]) -> _WithCopies:
        self.estimator_ = clone(self.estimator)
        self.estimator_.fit(X.copy(), y.copy())
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X: NDArray[np.float64]) -> Any:
        return self.estimator_.predict(X.copy())

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: NDArray[np.float64]) -> Any:
        return self.estimator_.predict_proba(X.copy())

    @available_if(_has("decision_function"))
    def decision_function(self, X: NDArray[np.float64]) -> Any:
        return self.estimator_.decision_function(X.copy())
