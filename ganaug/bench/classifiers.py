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
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ganaug.bench.datasets import TableData
from ganaug.bench.plugins import Plugin, checked, construct, resolve
from ganaug.bench.suite import TableArm
from ganaug.data.json_values import short

__all__ = ["CLASSIFIERS", "Columns", "check_classifier", "fit_predict"]

CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "logistic": functools.partial(LogisticRegression, max_iter=2000),
    "knn": KNeighborsClassifier,
    "forest": functools.partial(RandomForestClassifier, n_estimators=200),
    "boosting": HistGradientBoostingClassifier,
}
THRESHOLD_FOLDS = CALIBRATION_FOLDS = 5
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

    Returns
    -------
    probabilities : ndarray of shape (n_test, n_classes)
    predicted : ndarray of shape (n_test,) or None
        None stands for what is most probable.
    note : str or None
        What could not be done as asked.
    """
    X, y = rows
    make = resolve("classifiers", classifier.target, CLASSIFIERS)
    weight = "balanced" if arm.class_weight else None
    model = construct(make, classifier.params, random_state=seed)
    note = None
    if weight and "class_weight" in model.get_params():
        model.set_params(class_weight=weight)
    elif weight:
        note = f"{classifier.name} takes no class weights"
    counts = np.unique(y, return_counts=True)[1]
    smallest = int(counts.min())
    # Where classes are of one size there is nothing to correct, and the classifier is used as it is without.
    corrected = arm.prior_correction and smallest < counts.max()
    if corrected and not hasattr(model, "predict_proba"):
        # Scores made into probabilities by a formula are no probabilities that shares of classes could be taken out of.
        if smallest > 1:
            model = CalibratedClassifierCV(model, ensemble=False, cv=min(CALIBRATION_FOLDS, smallest))
        else:
            note = (
                f"{classifier.name} has no probabilities, and a class of one sample, so that its scores were corrected "
                "as they are"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if arm.threshold and smallest < 2:
            model.fit(X, y)
            note = "a class has a single row, so that no threshold was tuned"
        elif arm.threshold:
            cv = StratifiedKFold(max(2, min(THRESHOLD_FOLDS, smallest)), shuffle=True, random_state=seed)
            tuned = TunedThresholdClassifierCV(model, scoring="balanced_accuracy", cv=cv)
            try:
                model = tuned.fit(X, y)
            except ValueError as error:
                if "constant" not in str(error):
                    raise
                model.fit(X, y)
                note = f"the predictions of {classifier.name} are constant, so that no threshold was tuned"
        else:
            model.fit(X, y)
    probabilities = _probabilities(model, test, n_classes)
    if corrected:
        shares = np.bincount(y, minlength=n_classes) / len(y)
        probabilities = probabilities / np.where(shares > 0, shares, 1)
        probabilities /= probabilities.sum(1, keepdims=True)
    predicted = np.asarray(model.predict(test), dtype=np.int64) if arm.threshold else None
    return probabilities, predicted, note


def _probabilities(model: Any, X: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Class probabilities; of a classifier without any, its scores made into such."""
    if hasattr(model, "predict_proba"):
        found = np.asarray(model.predict_proba(X), dtype=float)
    else:
        scores = np.asarray(model.decision_function(X), dtype=float)
        scores = np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores
        found = scipy.special.softmax(scores, axis=1)
    whole = np.zeros((len(X), n_classes))
    whole[:, np.asarray(model.classes_, dtype=int)] = found
    return whole
