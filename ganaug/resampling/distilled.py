"""A small classifier that learns from a large one, on real and on synthetic rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, column_or_1d, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ganaug.curation.gate import GateDecision, decide_by_folds
from ganaug.data.tables.containers import is_frame
from ganaug.engine.devices import RandomStateLike, seeded
from ganaug.engine.nested_params import NestedDefaults
from ganaug.resampling.base import check_not_prefit, check_originals_first, checked_labels, rows_of, seeds
from ganaug.resampling.encoded_columns import EncodedColumns
from ganaug.resampling.over_sampler import GANOverSampler

__all__ = ["DistilledClassifier", "Lesson", "default_teacher"]

OUT_OF_FOLD = 5  # folds in which the teacher labels the real rows
OWN_LABEL = 0.5  # weight of a real row's own label beside what the teacher says of it
LEAST_WEIGHT = 1e-3  # less likely classes of a row are not shown to the student


def _student_has(method: str) -> Callable[[DistilledClassifier], bool]:
    return lambda model: hasattr(getattr(model, "student_", model.student), method)


class DistilledClassifier(MetaEstimatorMixin, ClassifierMixin, NestedDefaults, BaseEstimator):
    """Train a small classifier on the probabilities that a large one gives to real and to synthetic rows.

    For a model that must be small, fast or readable where a large one predicts better: the large one, the teacher, is
    trained on the real rows and says how likely each class is, of these and of any number of synthetic rows; the small
    one, the student, is trained on that. Inner validation compares students with several numbers of synthetic rows to
    the one that is trained on the labels alone, and takes that if no other is better.

    Parameters
    ----------
    student : classifier
        What predicts in the end, such as ``DecisionTreeClassifier(max_leaf_nodes=16)`` or a pipeline. With
        ``sample_weight`` in its ``fit`` it learns the probabilities themselves. Without, and where it validates itself
        (a parameter `cv`, or early stopping), real rows keep their labels, and synthetic rows get labels drawn from the
        probabilities.
    teacher : classifier with ``predict_proba`` or None, default=None
        None stands for the mean of a gradient boosting and a random forest, for tables of any columns. One that is
        fitted already, in a ``FrozenEstimator``, needs ``gate=False``: it may have seen the rows that are validated on.
    sampler : imbalanced-learn over-sampler or None, default=None
        What draws the rows, for each class in proportion to its size. None stands for
        ``GANOverSampler(local_share=1.0, selection=False)``, which draws near real rows and trains nothing; with
        ``GANOverSampler(local_share=0.0)`` a generator draws them.
    ratios : array-like of float, default=(0, 1, 4, 9)
        Synthetic rows for each real one, between which validation chooses. 0 is the teacher's probabilities of the real
        rows alone; for a student that learns no probabilities, the labels alone.
    gate : bool, default=True
        Choose by inner validation. If not, the largest ratio is taken.
    scoring : str or callable, default="roc_auc_ovr"
        What is maximised: a name of scikit-learn's or a scorer.
    cv : int, default=5
        Stratified inner folds, at most as many as the smallest class has rows.
    random_state : int, RandomState or None, default=None
        Also of student, teacher and sampler where they have none of their own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    student_ : classifier
        The fitted one, which predicts.
    teacher_ : classifier or None
        Fitted on all real rows; None where the student was trained on the labels alone.
    ratio_ : float or None
        The choice; None stands for labels alone.
    decision_ : GateDecision or None
        The choice with its reason in words; None without a gate.
    scores_ : ndarray of shape (n_folds, 1 + n_ratios)
        Validation scores: of labels alone, then of each ratio.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_columns,)

    See Also
    --------
    GANOverSampler : Draws the rows.

    Notes
    -----
    Synthetic rows labelled by a model that is to be compressed: Bucila, Caruana and Niculescu-Mizil, "Model
    compression", KDD 2006. Probabilities in place of labels: Hinton, Vinyals and Dean, "Distilling the knowledge in a
    neural network", 2015. To a student that learns probabilities, a real row counts half by its own label and half by
    the probabilities of teachers that were trained on four fifths of the rows, without it.

    A student that takes weights sees a row once for each class that is likely enough. What it counts in rows, such as
    ``min_samples_leaf``, is then reached by fewer real ones: limit its size by ``max_leaf_nodes``, ``max_depth`` or
    ``min_weight_fraction_leaf``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from ganaug.resampling import DistilledClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=8)
    >>> model = DistilledClassifier(tree, teacher=RandomForestClassifier(10), ratios=[1], cv=2, random_state=0)
    >>> model.fit(X, y).predict(X[:2]).tolist()
    [0, 0]
    >>> int(model.student_.get_n_leaves())
    8
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "student": [HasMethods(["fit", "predict"])],
        "teacher": [HasMethods(["fit", "predict", "predict_proba"]), None],
        "sampler": [HasMethods(["fit_resample"]), None],
        "ratios": ["array-like"],
        "gate": ["boolean"],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    student_: Any
    ratio_: float | None
    decision_: GateDecision | None

    def __init__(
        self,
        student: Any,
        *,
        teacher: Any = None,
        sampler: Any = None,
        ratios: Any = (0, 1, 4, 9),
        gate: bool = True,
        scoring: Any = "roc_auc_ovr",
        cv: int = 5,
        random_state: RandomStateLike = None,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.sampler = sampler
        self.ratios = ratios
        self.gate = gate
        self.scoring = scoring
        self.cv = cv
        self.random_state = random_state

    def _defaults(self) -> dict[str, Any]:
        return {"teacher": default_teacher(), "sampler": GANOverSampler(local_share=1.0, selection=False)}

    def fit(self, X: Any, y: Any) -> DistilledClassifier:
        """Train teacher and student.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_rows, n_columns)
            Whatever columns sampler, teacher and student take.
        y : array-like of shape (n_rows,)
            Class labels.

        Returns
        -------
        DistilledClassifier
            Itself.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training.
        """
        self._validate_params()
        for name in ("student", "teacher", "sampler"):
            if isinstance(given := getattr(self, name), type):
                raise TypeError(f"{name} must be an estimator, got the class {given.__name__}; pass an instance of it")
        self._check_unfitted()
        ratios = _checked(self.ratios)
        X, y = self._checked_rows(X, y)
        fold_seed, own_seed = map(int, seeds(self.random_state, 2))
        self.decision_, self.scores_ = None, np.empty((0, 1 + len(ratios)))
        self.ratio_, self.teacher_ = ratios[-1], None
        if self.gate:
            self._choose(X, y, ratios, fold_seed)
        if self.ratio_ is None:
            self.student_ = self._new("student", own_seed).fit(X, y)
        else:
            lesson = self._lesson(X, y, self.ratio_, own_seed)
            self.teacher_, self.student_ = lesson.teacher, lesson.taught(self._new("student", own_seed), self.ratio_)
        return self

    def _check_unfitted(self) -> None:
        """Refuse to validate what has seen the rows."""
        if not self.gate:
            return
        if isinstance(_last(self.teacher), FrozenEstimator):
            raise ValueError(
                "teacher must not be fitted already, as it may have seen the rows that are validated on; pass the "
                "estimator inside the FrozenEstimator, or gate=False"
            )
        check_not_prefit(self.sampler, ", or pass gate=False")

    def predict(self, X: Any) -> NDArray[Any]:
        """Classes by the student: shape (n_rows,)."""
        return self._student_for(X).predict(X)

    @available_if(_student_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores by the student: shape (n_rows,) for two classes, (n_rows, n_classes) for more."""
        return self._student_for(X).decision_function(X)

    @available_if(_student_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities by the student: shape (n_rows, n_classes), classes as in ``classes_``."""
        return self._student_for(X).predict_proba(X)

    def _student_for(self, X: Any) -> Any:
        check_is_fitted(self)
        self._check_columns(X, reset=False)
        return self.student_

    def _check_columns(self, X: Any, *, reset: bool) -> Any:
        if not isinstance(X, pd.DataFrame) and not is_frame(X):
            finite = not get_tags(self).input_tags.allow_nan
            X = check_array(X, dtype=None, accept_sparse="csr", ensure_all_finite=finite)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _checked_rows(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        y = column_or_1d(checked_labels(y), warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        X = self._check_columns(X, reset=True)
        check_consistent_length(X, y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must hold at least two classes, got one class, {self.classes_[0]!r}; add rows of another"
            )
        return X, y

    def _choose(self, X: Any, y: NDArray[Any], ratios: list[float], seed: int) -> None:
        """Compare the student of labels alone and those of each ratio in inner folds."""
        n_splits = min(self.cv, int(np.unique(y, return_counts=True)[1].min()))
        if n_splits < 2:
            reason = "a class has a single row, on which nothing can be validated"
            self.decision_, self.ratio_ = GateDecision(0.0, 0.0, 0.0, float("nan"), reason), None
            return
        folds = list(StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))
        self.scores_ = np.array(
            [
                [
                    self._score(student, rows_of(X, test), y[test])
                    for student in self._students(rows_of(X, train), y[train], ratios, (seed + fold) % 2**31)
                ]
                for fold, (train, test) in enumerate(folds)
            ]
        )
        names = ["labels alone", *(f"the teacher with {ratio:g} synthetic rows for each real one" for ratio in ratios)]
        tested = [y[test] for _, test in folds]
        self.decision_ = decide_by_folds(self.scores_, [0.0, *ratios], tested, len(y), names=names, nothing=names[0])
        position = self.decision_.position
        self.ratio_ = ratios[position - 1] if position else None

    def _score(self, student: Any, X: Any, y: NDArray[Any]) -> float:
        try:
            return float(get_scorer(self.scoring)(student, X, y))
        except AttributeError as error:
            raise ValueError(
                f"scoring={self.scoring!r} cannot score the student ({error}); pass another, as 'balanced_accuracy'"
            ) from error

    def _students(self, X: Any, y: NDArray[Any], ratios: list[float], seed: int) -> Iterator[Any]:
        of_labels = self._new("student", seed).fit(X, y)
        yield of_labels
        lesson = self._lesson(X, y, ratios[-1], seed)
        for ratio in ratios:
            same = ratio == 0 and _weights_parameter(of_labels) is None
            yield of_labels if same else lesson.taught(self._new("student", seed), ratio)

    def _lesson(self, X: Any, y: NDArray[Any], ratio: float, seed: int) -> Lesson:
        return Lesson(X, y, self._new("teacher", seed), self._new("sampler", seed), ratio, seed)

    def _new(self, name: str, seed: int) -> Any:
        """The student, teacher or sampler to fit."""
        given = getattr(self, name)
        return seeded(self._defaults()[name] if given is None else clone(given), seed)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        teacher = self._defaults()["teacher"] if self.teacher is None else self.teacher
        inputs = [get_tags(each).input_tags for each in (self.student, teacher)]
        for what in ("allow_nan", "string", "sparse"):
            setattr(tags.input_tags, what, all(getattr(each, what) for each in inputs))
        return tags


def default_teacher(random_state: RandomStateLike = None) -> Pipeline:
    """The mean of a gradient boosting and a random forest, for tables of any columns."""
    boosting = HistGradientBoostingClassifier(random_state=random_state)
    forest = RandomForestClassifier(200, random_state=random_state)
    return make_pipeline(
        EncodedColumns(), VotingClassifier([("boosting", boosting), ("forest", forest)], voting="soft")
    )


class Lesson:
    """Real rows and synthetic ones with what a teacher says of them.

    Parameters
    ----------
    X, y
        The real rows.
    teacher, sampler
        Not fitted.
    ratio : float
        Synthetic rows for each real one.
    seed : int
    """

    def __init__(self, X: Any, y: NDArray[Any], teacher: Any, sampler: Any, ratio: float, seed: int) -> None:
        self.y = y
        self.randomness = np.random.default_rng(seed)
        self.classes, targets, counts = np.unique(y, return_inverse=True, return_counts=True)
        own = np.eye(len(self.classes))[targets]
        folds = min(OUT_OF_FOLD, int(counts.min()))
        if folds > 1:
            cv = StratifiedKFold(folds, shuffle=True, random_state=seed)
            of_others = cross_val_predict(teacher, X, y, cv=cv, method="predict_proba")
            own = OWN_LABEL * own + (1 - OWN_LABEL) * of_others
        self.teacher = teacher.fit(X, y)
        self.rows, self.probabilities = X, own
        wanted = {label: int(n + round(ratio * n)) for label, n in zip(self.classes.tolist(), counts, strict=True)}
        if sum(wanted.values()) > len(y):
            self.rows, labels = sampler.set_params(sampling_strategy=wanted).fit_resample(X, y)
            check_originals_first(sampler, labels, y)
            added = rows_of(self.rows, np.arange(len(y), sum(wanted.values())))
            self.probabilities = np.concatenate([own, self.teacher.predict_proba(added)])
        # Those that a smaller ratio takes are among those of a larger one.
        self.order = self.randomness.permutation(np.arange(len(y), len(self.probabilities)))

    def taught(self, student: Any, ratio: float) -> Any:
        """Fit a student to the real rows and so many synthetic ones for each of them."""
        n = len(self.y)
        kept = np.concatenate([np.arange(n), np.sort(self.order[: round(ratio * n)])])
        probabilities = self.probabilities[kept]
        weights_as = _weights_parameter(student)
        if weights_as is None:
            drawn = (probabilities.cumsum(1) > self.randomness.random((len(kept), 1))).argmax(1)
            labels = np.concatenate([self.y, self.classes[drawn[n:]]])
            return student.fit(rows_of(self.rows, kept), labels)
        row, label = np.nonzero(probabilities >= LEAST_WEIGHT)
        weights = {weights_as: probabilities[row, label]}
        with config_context(
            enable_metadata_routing=False
        ):  # with routing, estimators inside would have to ask for them
            return student.fit(rows_of(self.rows, kept[row]), self.classes[label], **weights)


def _weights_parameter(student: Any) -> str | None:
    """Name of the parameter of ``fit`` that takes weights of rows; None where there is none, or it is of no use.

    A student that validates itself would find rows that it trains on among those that it validates on: with weights, a
    row stands there once for each class.
    """
    last = _last(student)
    if not has_fit_parameter(last, "sample_weight") or _validates_itself(last):
        return None
    return f"{student.steps[-1][0]}__sample_weight" if isinstance(student, Pipeline) else "sample_weight"


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _validates_itself(estimator: Any) -> bool:
    """Whether it splits its rows to choose parameters, or how long it is trained."""
    params = estimator.get_params()
    if "early_stopping" in params:
        return params["early_stopping"] is True
    return "cv" in params or params.get("n_iter_no_change") is not None


def _checked(ratios: Any) -> list[float]:
    values = np.asarray(ratios, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"ratios must be numbers of at least 0, synthetic rows for each real one, got {ratios!r}")
    return sorted(set(values.tolist()))
