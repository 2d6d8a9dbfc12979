"""Over-sampling that adds nothing unless inner validation says that it pays."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import RepeatedStratifiedKFold, check_cv
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from ganaug.curation.gate import GateDecision, decide_by_folds
from ganaug.curation.withheld_cells import CellGateDecision, Cells, Round, cell_decision, refusal
from ganaug.data.groups import check_groups, ignore_classes_in_one_group
from ganaug.data.tables.containers import as_table, is_frame
from ganaug.engine.devices import RandomStateLike, seeded
from ganaug.resampling.base import TableOverSampler, check_not_prefit, check_originals_first, copied, rows_of, seeds
from ganaug.resampling.cells import RowGroups
from ganaug.resampling.encoded_columns import EncodedColumns
from ganaug.resampling.over_sampler import GANOverSampler

__all__ = ["SafeOverSampler"]

REPEATS = 2
CELLS = "cells"
ROUNDS = 4  # in which cells are withheld
FEWEST = 20  # rows to validate on
ENOUGH = 10  # rows of a class with which every sampler works on the training part of a fold


class SafeOverSampler(TableOverSampler):
    """Choose how much an over-sampler adds, nothing included, by inner validation.

    In each inner fold the sampler is fitted on the training part and a classifier on the result, once for each ratio;
    both are scored on the other part. The smallest ratio within one standard error of the best is used. A class that in
    most inner folds had too few rows for a generator gets its rows as there, from real ones.

    Groups of the rows are passed to the sampler and to a splitter given as `cv`, and a sampler with ``balance="cells"``
    is asked for cells of class and group. An integer `cv` splits rows as without groups, so that folds say what rows do
    for cells that occur.
    With ``cv="cells"`` cells that have no rows are filled, and nothing else is added, if that pays for cells that do:
    several of these are withheld at once, as :func:`ganaug.curation.choose_cells` does it. Classes then have one weight
    each, or as many rows by repeating some, with each ratio alike, unless the `estimator` has a `class_weight`: rows
    that only make a class less rare are no gain.

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
    cv : int, splitter or "cells", default=5
        Inner folds; an integer means so many stratified folds, drawn twice. "cells" withholds cells in four rounds, for
        each of which the sampler is fitted once; then right decisions are counted, whatever `scoring` says.
    sampling_strategy : float, str, dict or callable, default="auto"
        What ratio 1 reaches, as in imbalanced-learn; with a sampler that balances cells as for
        :class:`GANOverSampler`.
    random_state : int, RandomState or None, default=None
    n_jobs : int or None, default=None
        Processes that try inner folds, or rounds with ``cv="cells"``, as in scikit-learn; the choice is the same.

    Attributes
    ----------
    ratio_ : float
        The choice.
    scores_ : ndarray of shape (n_folds, n_ratios)
        Validation scores; with ``cv="cells"`` a row for each withheld cell.
    decision_ : GateDecision or CellGateDecision
        The choice with its reason in words, and the smallest gain that could have been seen; with ``cv="cells"`` also
        the cells that are filled.
    sampler_ : over-sampler or None
        Fitted on all rows; None if nothing is added.
    synthetic_mask_ : ndarray of shape (n_rows_new,), bool
    groups_resampled_ : ndarray of shape (n_rows_new,) or None
        Group of each row of the result; None without groups.

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
        "cv": ["cv_object", StrOptions({CELLS})],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    decision_: GateDecision | CellGateDecision

    def __init__(
        self,
        sampler: Any = None,
        *,
        estimator: Any = None,
        ratios: Any = (0, 0.25, 0.5, 1),
        scoring: Any = "balanced_accuracy",
        cv: Any = 5,
        sampling_strategy: Any = "auto",
        random_state: RandomStateLike = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.sampler = sampler
        self.estimator = estimator
        self.ratios = ratios
        self.scoring = scoring
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _defaults(self) -> dict[str, Any]:
        return {"sampler": GANOverSampler(), "estimator": _EncodedLogisticRegression()}

    def _balance(self) -> str:
        return getattr(self.sampler, "balance", "classes")

    def _fit_resample(self, X: Any, y: NDArray[Any], groups: RowGroups | None = None) -> tuple[Any, NDArray[Any]]:
        ratios = _checked(self.ratios)
        if isinstance(self.sampler, type):
            raise TypeError(
                f"sampler must be an over-sampler, got the class {self.sampler.__name__}; pass an instance of it"
            )
        check_not_prefit(self.sampler)
        if groups is not None and self.sampler is not None and not _takes_groups(self.sampler):
            raise ValueError(
                f"sampler must take groups in fit_resample, which a {type(self.sampler).__name__} does not; pass a "
                "GANOverSampler, or no groups"
            )
        own_seeds = seeds(self.random_state, 3)
        wanted = self._wanted()
        self.sampler_, self.ratio_, self._fewest = None, 0.0, 0
        filled: dict[Any, int] = {}
        if isinstance(self.cv, str) and self.cv == CELLS:
            choice = self._choose_cells(X, y, groups, wanted, ratios, own_seeds)
            self.decision_, self.ratio_, filled = choice, choice.ratio, choice.per_cell
            rows = [row["score"] for row in choice.withheld]
            self.scores_ = np.array(rows).reshape(len(rows), len(ratios))
        elif wanted and len(ratios) > 1:
            self.decision_, self.scores_ = self._choose(X, y, groups, wanted, ratios, own_seeds)
            self.ratio_ = self.decision_.ratio
        else:
            self.decision_ = GateDecision(0.0, 0.0, 0.0, float("nan"), "there is nothing to add")
            self.scores_ = np.empty((0, len(ratios)))
        if self.ratio_ == 0:
            self.synthetic_mask_ = np.zeros(len(y), dtype=bool)
            self.groups_resampled_ = None if groups is None else groups.values
            return copied(X), y.copy()
        self.sampler_ = self._sampler(int(own_seeds[1]))
        if self._fewest:
            self.sampler_._min_rows = self._fewest
        amount = (filled, 1.0) if filled else (wanted, self.ratio_)
        X_new, y_new, self.groups_resampled_ = self._resample(self.sampler_, X, y, groups, *amount)
        self.synthetic_mask_ = np.arange(len(y_new)) >= len(y)
        return X_new, y_new

    def _choose(
        self,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups | None,
        wanted: dict[Any, int],
        ratios: list[float],
        own_seeds: NDArray[np.integer],
    ) -> tuple[GateDecision, NDArray[np.float64]]:
        rare = int(np.unique(y, return_counts=True)[1].min())
        if rare < 2:
            return _nothing_added("a class has a single row, on which nothing can be validated", len(ratios))
        cv = self.cv
        if cv is None or isinstance(cv, Integral):
            cv = RepeatedStratifiedKFold(n_splits=min(cv or 5, rare), n_repeats=REPEATS, random_state=int(own_seeds[0]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored by")
            folds = list(check_cv(cv, y, classifier=True).split(X, y, None if groups is None else groups.values))
        each = [(train, test, (int(own_seeds[2]) + fold) % 2**31) for fold, (train, test) in enumerate(folds)]
        scores = self._tried(self._scores_of_fold, each, X, y, groups, wanted, ratios, rare)
        if isinstance(scores, str):
            return _nothing_added(scores, len(ratios))
        return decide_by_folds(scores, ratios, [y[test] for _, test in folds], len(y)), np.array(scores)

    def _tried(
        self, function: Callable[..., Any], each: Sequence[tuple[Any, ...]], X: Any, y: NDArray[Any], *common: Any
    ) -> list[Any] | str:
        """What a function finds for each fold or round; or why one could not be tried, after which no other is.

        Beside it the function names the classes that were too small for a generator, which decide what is added.
        """
        if effective_n_jobs(self.n_jobs) == 1:
            found = (function(*own, X, y, *common) for own in each)
        else:
            found = Parallel(n_jobs=self.n_jobs)(delayed(function)(*own, X, y, *common) for own in each)
        kept, too_small = [], []
        for one in found:
            if isinstance(one, str):
                return one
            kept.append(one[0])
            too_small.append(one[1])
        self._fewest = _fewest_for_generator(too_small, y)
        return kept

    def _choose_cells(
        self,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups | None,
        wanted: dict[Any, int],
        ratios: list[float],
        own_seeds: NDArray[np.integer],
    ) -> CellGateDecision:
        """Decide by withheld cells."""
        if groups is None or self._balance() != CELLS:
            raise ValueError(
                "cv='cells' needs groups and a sampler with balance='cells', such as GANOverSampler(balance='cells'); "
                f"got {'no groups' if groups is None else type(self.sampler).__name__}"
            )
        cells = Cells(y, groups.values)
        empty = {cells.label(cell) for cell in cells.empty}
        wanted = {cell: n for cell, n in wanted.items() if cell in empty}
        rounds = cells.rounds(ROUNDS, int(own_seeds[0]))
        refused = refusal(cells, rounds, ratios, FEWEST)
        if refused is None and not wanted:
            refused = "sampling_strategy asks for no row of an empty cell"
        own = [(each, (int(own_seeds[2]) + n) % 2**31) for n, each in enumerate(rounds)] if refused is None else []
        hits = self._tried(self._hits, own, X, y, groups, cells, wanted, ratios)
        if isinstance(hits, str):
            refused, hits = hits, []
        if refused is not None:
            return cell_decision(cells, (), (), ratios, refused=refused)
        return cell_decision(cells, rounds, hits, ratios, amounts=wanted)

    def _hits(
        self,
        each: Round,
        seed: int,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups,
        cells: Cells,
        wanted: dict[Any, int],
        ratios: list[float],
    ) -> tuple[NDArray[np.float64], set[Any]] | str:
        """Which validation rows are recognised with each ratio, or why none is.

        Of shape (n_test, n_ratios), 0 or 1, and the classes that were too small for a generator.
        """
        n = max(1, round(np.median(list(wanted.values())) * len(each.train) / len(y)))
        asked = {cells.label(cell): n for cell in cells.empty_among(each.train)}
        train, test = ((rows_of(X, part), y[part], groups.part(part)) for part in (each.train, each.test))

        def right(estimator: Any) -> NDArray[np.float64]:
            return (np.asarray(estimator.predict(test[0])) == test[1]).astype(np.float64)

        sampler = self._sampler(seed)
        try:
            fitted = self._fitted(sampler, *train, asked, ratios, seed, balanced=True)
            return np.stack([right(each) for each in fitted], axis=1), _too_small(sampler)
        except ValueError as error:
            if np.unique(y[each.train], return_counts=True)[1].min() >= ENOUGH:
                raise
            refused = f"without some of the cells the sampler could not be tried ({error})"
        right(self._estimator(seed).fit(X, y))
        return refused

    def _scores_of_fold(
        self,
        train: NDArray[np.intp],
        test: NDArray[np.intp],
        seed: int,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups | None,
        wanted: dict[Any, int],
        ratios: list[float],
        rare: int,
    ) -> tuple[list[float], set[Any]] | str:
        """Score each ratio, beside the classes that were too small for a generator; or say why none can be.

        The rows that a smaller ratio adds are among those of a larger one, which saves fits.
        """
        own = None if groups is None else groups.part(train)
        share = len(train) / len(y)
        asked = {key: max(1, round(share * n)) for key, n in wanted.items() if _occurs(key, y[train], own)}
        scorer, X_test = get_scorer(self.scoring), rows_of(X, test)
        sampler = self._sampler(seed)
        try:
            fitted = self._fitted(sampler, rows_of(X, train), y[train], own, asked, ratios, seed)
            return [float(scorer(estimator, X_test, y[test])) for estimator in fitted], _too_small(sampler)
        except ValueError as error:
            # Few rows are fewer still in the training part of a fold, and classes share fewer groups there.
            if rare < ENOUGH:
                few = f"{rare} rows in a class"
            elif own is not None and not _separable(y[train], own):
                few = "classes that share few groups"
            else:
                raise
            refused = f"with {few} an inner fold could not be tried ({error})"
        scorer(self._estimator(seed).fit(X, y), X, y)  # what this raises is no matter of few rows
        return refused

    def _fitted(
        self,
        sampler: Any,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups | None,
        asked: dict[Any, int],
        ratios: list[float],
        seed: int,
        balanced: bool = False,
    ) -> Iterator[Any]:
        """An estimator for each ratio, trained on these rows and what the sampler adds to them."""
        X_new, y_new, new_groups = self._resample(sampler, X, y, groups, asked, 1.0)
        order = np.random.default_rng(seed).permutation(len(y_new) - len(y)) + len(y)
        by_key = [order[_members(key, y_new, new_groups)[order]] for key in asked]
        for ratio in ratios:
            added = [members[: round(ratio * len(members))] for members in by_key if len(members)]
            kept = np.sort(np.concatenate([np.arange(len(y)), *added])).astype(int)
            estimator, rows, labels = self._estimator(seed), rows_of(X_new, kept), y_new[kept]
            yield _fit_balanced(estimator, rows, labels, seed) if balanced else estimator.fit(rows, labels)

    def _estimator(self, seed: int) -> Any:
        return seeded(self._defaults()["estimator"] if self.estimator is None else clone(self.estimator), seed)

    def _sampler(self, seed: int) -> Any:
        return seeded(self._defaults()["sampler"] if self.sampler is None else clone(self.sampler), seed)

    def _resample(
        self,
        sampler: Any,
        X: Any,
        y: NDArray[Any],
        groups: RowGroups | None,
        wanted: dict[Any, int],
        ratio: float,
    ) -> tuple[Any, NDArray[Any], NDArray[Any] | None]:
        values = None if groups is None else groups.values
        counts = {key: int(_members(key, y, values).sum()) for key in wanted}
        sampler.set_params(sampling_strategy={key: counts[key] + round(ratio * n) for key, n in wanted.items()})
        if is_frame(X) and not isinstance(sampler, TableOverSampler):  # others know frames of pandas alone
            table, container = as_table(X)
            X_new, y_new = sampler.fit_resample(table, y)
            X_new = container.extend(X, table, X_new.iloc[len(table) :])
        else:
            with ignore_classes_in_one_group():  # who passes groups was warned of all rows
                X_new, y_new = sampler.fit_resample(X, y, **({} if groups is None else {"groups": groups.given}))
        check_originals_first(sampler, y_new, y)
        return X_new, y_new, None if groups is None else sampler.groups_resampled_


class _EncodedLogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression on a table of any columns."""

    def __init__(self, *, C: float = 1.0, class_weight: Any = None, max_iter: int = 1000) -> None:
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> _EncodedLogisticRegression:
        self.columns_ = EncodedColumns().fit(X)
        self.model_ = LogisticRegression(**self.get_params()).fit(self.columns_.transform(X), y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        return self.model_.predict(self.columns_.transform(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self.model_.predict_proba(self.columns_.transform(X))


def _fit_balanced(estimator: Any, X: Any, y: NDArray[Any], seed: int) -> Any:
    """Fit with classes of one weight, or as many rows, unless the estimator weighs classes by itself.

    That a class lacks cells makes it no rarer: to show it as often as others takes no synthetic row.
    """
    if getattr(estimator, "class_weight", None) is not None:
        return estimator.fit(X, y)
    if has_fit_parameter(estimator, "sample_weight"):
        with config_context(enable_metadata_routing=False):  # with routing, estimators inside would have to ask for it
            return estimator.fit(X, y, sample_weight=compute_sample_weight("balanced", y))
    members = [np.flatnonzero(y == label) for label in np.unique(y)]
    randomness, most = np.random.default_rng(seed), max(map(len, members))
    again = [np.resize(randomness.permutation(each), most - len(each)) for each in members]
    kept = np.sort(np.concatenate([np.arange(len(y)), *again]))
    return estimator.fit(rows_of(X, kept), y[kept])


def _nothing_added(reason: str, n_ratios: int) -> tuple[GateDecision, NDArray[np.float64]]:
    """Warn that nothing could be validated; the decision, and no scores."""
    warnings.warn(f"nothing is added: {reason}", UserWarning, stacklevel=3)
    return GateDecision(0.0, 0.0, 0.0, float("nan"), reason), np.empty((0, n_ratios))


def _too_small(sampler: Any) -> set[Any]:
    """Classes of fewer rows than its generator needs, which a fitted sampler drew from something else."""
    return {key[0] if isinstance(key, tuple) else key for key in getattr(sampler, "fallback_", {})}


def _fewest_for_generator(too_small: Sequence[set[Any]], y: NDArray[Any]) -> int:
    """Rows that a class needs in the end for what was validated of it to be the generator; 0 if that was of all.

    A class of a few rows more than the generator needs had fewer in most inner folds, which tried other rows.
    """
    labels = [
        label for label in set().union(*too_small) if 2 * sum(label in each for each in too_small) > len(too_small)
    ]
    return max((int((y == label).sum()) + 1 for label in labels), default=0)


def _takes_groups(sampler: Any) -> bool:
    # Those of imbalanced-learn take parameters of any name, and refuse them later.
    return "groups" in inspect.signature(sampler.fit_resample).parameters


def _members(key: Any, y: NDArray[Any], groups: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Which rows are of a class, or of a cell of class and group."""
    return (y == key[0]) & (groups == key[1]) if isinstance(key, tuple) else y == key


def _occurs(key: Any, y: NDArray[Any], groups: RowGroups | None) -> bool:
    """Whether a class, or both class and group of a cell, have rows."""
    if groups is None or not isinstance(key, tuple):
        return True
    return key[0] in y and key[1] in groups.values


def _separable(y: NDArray[Any], groups: RowGroups) -> bool:
    """Whether some of the rows still have groups that a sampler takes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            check_groups(y, groups.values, use="conditioning")
    except ValueError:
        return False
    return True


def _checked(ratios: Any) -> list[float]:
    values = np.asarray(ratios, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"ratios must be numbers in [0, 1], got {ratios!r}")
    return sorted({0.0, *values.tolist()})
