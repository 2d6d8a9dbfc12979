"""Over-sampling that adds nothing unless inner validation says that it pays."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import RepeatedStratifiedKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, StrOptions

from ganaug.curation.gate import GateDecision, decide
from ganaug.data.tables.containers import as_table, is_frame, rows_at
from ganaug.data.tables.encoder import TableEncoder
from ganaug.resampling.base import TableOverSampler, copied, seeded, seeds
from ganaug.resampling.over_sampler import GANOverSampler

__all__ = ["SafeOverSampler"]

REPEATS = 2
ENOUGH = 10  # rows of a class with which every sampler works on the training part of a fold


class SafeOverSampler(TableOverSampler):
    """Choose how much an over-sampler adds, nothing included, by inner validation.

    In each inner fold the sampler is fitted on the training part and a classifier on the result, once for each ratio;
    both are scored on the other part. The smallest ratio within one standard error of the best is used.

    Parameters
    ----------
    sampler : imbalanced-learn over-sampler or None, default=None
        One that returns the original rows first, as they all do; None stands for ``GANOverSampler()``, of which
        parameters are reached as ``sampler__generator__steps``. Its own `sampling_strategy` is not used.
    estimator : classifier or None, default=None
        What is validated. Best the one that will be trained; None stands for logistic regression on encoded columns,
        of which ``estimator__C``, ``estimator__class_weight`` and ``estimator__max_iter`` can be set.
    ratios : array-like of float in [0, 1], default=(0, 0.25, 0.5, 1)
        Shares of the rows that `sampling_strategy` asks for. 0 is always among them.
    scoring : str or callable, default="balanced_accuracy"
        What is maximised: a name of scikit-learn's or a scorer.
    cv : int or splitter, default=5
        Inner folds; an integer means so many stratified folds, drawn twice.
    sampling_strategy : float, str, dict or callable, default="auto"
        What ratio 1 reaches, as in imbalanced-learn.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    ratio_ : float
        The choice.
    scores_ : ndarray of shape (n_folds, n_ratios)
        Validation scores.
    decision_ : GateDecision
        The choice with its reason in words, and the smallest gain that could have been seen.
    sampler_ : over-sampler or None
        Fitted on all rows; None if nothing is added.
    synthetic_mask_ : ndarray of shape (n_rows_new,), bool

    See Also
    --------
    GANOverSampler : The usual sampler.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import load_breast_cancer
    >>> from ganaug import SafeOverSampler
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> safe = SafeOverSampler(SMOTE(random_state=0), random_state=0)
    >>> X_resampled, y_resampled = safe.fit_resample(X, y)
    >>> safe.ratio_ == 0, len(X_resampled) - len(X)
    (True, 0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "sampler": [HasMethods(["fit_resample"]), None],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "ratios": ["array-like"],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        sampler: Any = None,
        *,
        estimator: Any = None,
        ratios: Any = (0, 0.25, 0.5, 1),
        scoring: Any = "balanced_accuracy",
        cv: Any = 5,
        sampling_strategy: Any = "auto",
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.sampler = sampler
        self.estimator = estimator
        self.ratios = ratios
        self.scoring = scoring
        self.cv = cv
        self.random_state = random_state

    def _defaults(self) -> dict[str, Any]:
        return {"sampler": GANOverSampler(), "estimator": _EncodedLogisticRegression()}

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        ratios = _checked(self.ratios)
        if isinstance(self.sampler, type):
            raise TypeError(
                f"sampler must be an over-sampler, got the class {self.sampler.__name__}; pass an instance of it"
            )
        if self.sampler is not None and self.sampler.get_params().get("prefit"):
            raise ValueError(
                "sampler must not be prefit, as its generator has seen the rows that are validated on; set its "
                "prefit to False"
            )
        own_seeds = seeds(self.random_state, 3)
        wanted = self._wanted()
        self.sampler_, self.ratio_ = None, 0.0
        if wanted and len(ratios) > 1:
            self.decision_, self.scores_ = self._choose(X, y, wanted, ratios, own_seeds)
            self.ratio_ = self.decision_.ratio
        else:
            self.decision_ = GateDecision(0.0, 0.0, 0.0, float("nan"), "there is nothing to add")
            self.scores_ = np.empty((0, len(ratios)))
        if self.ratio_ == 0:
            self.synthetic_mask_ = np.zeros(len(y), dtype=bool)
            return copied(X), y.copy()
        self.sampler_ = self._sampler(int(own_seeds[1]))
        X_new, y_new = self._resample(self.sampler_, X, y, wanted, self.ratio_)
        self.synthetic_mask_ = np.arange(len(y_new)) >= len(y)
        return X_new, y_new

    def _choose(
        self, X: Any, y: NDArray[Any], wanted: dict[Any, int], ratios: list[float], own_seeds: NDArray[np.integer]
    ) -> tuple[GateDecision, NDArray[np.float64]]:
        rare = int(np.unique(y, return_counts=True)[1].min())
        if rare < 2:
            reason = "a class has a single row, on which nothing can be validated"
            warnings.warn(f"nothing is added: {reason}", UserWarning, stacklevel=2)
            return GateDecision(0.0, 0.0, 0.0, float("nan"), reason), np.empty((0, len(ratios)))
        cv = self.cv
        if cv is None or isinstance(cv, Integral):
            cv = RepeatedStratifiedKFold(n_splits=min(cv or 5, rare), n_repeats=REPEATS, random_state=int(own_seeds[0]))
        scores, shares = [], []
        for fold, (train, test) in enumerate(check_cv(cv, y, classifier=True).split(X, y)):
            parts = [_rows(X, part) for part in (train, test)]
            seed = (int(own_seeds[2]) + fold) % 2**31
            share = len(train) / len(y)
            try:
                scores.append(self._scores_of_fold(parts, y[train], y[test], wanted, ratios, share, seed))
            except ValueError as error:
                if rare >= ENOUGH:
                    raise
                # Few rows are fewer still in the training part of a fold.
                reason = f"with {rare} rows in a class an inner fold could not be tried ({error})"
                warnings.warn(f"nothing is added: {reason}", UserWarning, stacklevel=2)
                return GateDecision(0.0, 0.0, 0.0, float("nan"), reason), np.empty((0, len(ratios)))
            shares.append(len(test) / len(y))
        return decide(scores, ratios, float(np.mean(shares))), np.array(scores)

    def _scores_of_fold(
        self,
        parts: list[Any],
        y_train: NDArray[Any],
        y_test: NDArray[Any],
        wanted: dict[Any, int],
        ratios: list[float],
        share: float,
        seed: int,
    ) -> list[float]:
        """Score each ratio; the rows that a smaller one adds are among those of a larger one, which saves fits."""
        asked = {label: max(1, round(share * n)) for label, n in wanted.items()}
        X_new, y_new = self._resample(self._sampler(seed), parts[0], y_train, asked, 1.0)
        order = np.random.default_rng(seed).permutation(len(y_new) - len(y_train)) + len(y_train)
        scorer, scores = get_scorer(self.scoring), []
        for ratio in ratios:
            added = [members[: round(ratio * len(members))] for c in asked if len(members := order[y_new[order] == c])]
            kept = np.sort(np.concatenate([np.arange(len(y_train)), *added])).astype(int)
            estimator = self._defaults()["estimator"] if self.estimator is None else clone(self.estimator)
            estimator.fit(_rows(X_new, kept), y_new[kept])
            scores.append(float(scorer(estimator, parts[1], y_test)))
        return scores

    def _sampler(self, seed: int) -> Any:
        return seeded(self._defaults()["sampler"] if self.sampler is None else clone(self.sampler), seed)

    def _resample(
        self, sampler: Any, X: Any, y: NDArray[Any], wanted: dict[Any, int], ratio: float
    ) -> tuple[Any, NDArray[Any]]:
        counts = {label: int((y == label).sum()) for label in wanted}
        totals = {label: counts[label] + round(ratio * n) for label, n in wanted.items()}
        sampler.set_params(sampling_strategy=totals)
        if is_frame(X) and not isinstance(sampler, TableOverSampler):  # others know frames of pandas alone
            table, container = as_table(X)
            X_new, y_new = sampler.fit_resample(table, y)
            X_new = container.extend(X, table, X_new.iloc[len(table) :])
        else:
            X_new, y_new = sampler.fit_resample(X, y)
        if not np.array_equal(y_new[: len(y)], y):
            raise ValueError(
                f"sampler must return the original rows first, {type(sampler).__name__} does not; "
                "pass an over-sampler, not one that cleans or under-samples"
            )
        return X_new, y_new


class _EncodedLogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression on a table of any columns."""

    def __init__(self, *, C: float = 1.0, class_weight: Any = None, max_iter: int = 1000) -> None:
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> _EncodedLogisticRegression:
        table, _ = as_table(X)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "column .* holds (a different|values of several)", UserWarning)
            self.encoder_ = TableEncoder().fit(table)
        self.model_ = LogisticRegression(**self.get_params()).fit(self.encoder_.transform(table).astype(float), y)
        self.classes_ = self.model_.classes_
        return self

    def _encode(self, X: Any) -> NDArray[np.float64]:
        return self.encoder_.transform(as_table(X)[0], strict=False).astype(float)

    def predict(self, X: Any) -> NDArray[Any]:
        return self.model_.predict(self._encode(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self.model_.predict_proba(self._encode(X))


def _rows(X: Any, indices: NDArray[np.integer]) -> Any:
    return rows_at(X, indices) if is_frame(X) else _safe_indexing(X, indices)


def _checked(ratios: Any) -> list[float]:
    values = np.asarray(ratios, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"ratios must be numbers in [0, 1], got {ratios!r}")
    return sorted({0.0, *values.tolist()})
