"""Selection by class consistency: keep rows that a classifier finds as typical of their class as real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ganaug.data.host_states import plain_states

__all__ = ["FOLDS", "ClassConsistency", "select"]

FOLDS = 5
MAX_ROWS = 10_000  # of a class that the classifiers are trained on
MAX_PROBABILITIES = 2**24  # that a classifier is asked for at a time: rows times classes, or trees
TREES = 100


def _for_tables(seed: int) -> list[Any]:
    return [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")),
        ExtraTreesClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed),
    ]


class ClassConsistency:
    """Scores how typical a row is of a class, by classifiers trained on real rows only.

    The score is the mean probability of the class over the models of a cross-validation. Real rows, and synthetic ones
    that grew from them, are scored by the models that have not seen them.

    Parameters
    ----------
    quantile : float in [0, 1]
        A row is consistent if it scores at least this quantile of the scores of the real rows of its class.
    models : callable
        Takes a seed; returns the classifiers, with ``fit`` and ``predict_proba``, whose mean probability counts. For
        tables these are logistic regression and extremely randomised trees, both with balanced class weights.

    Attributes
    ----------
    thresholds_ : ndarray of shape (n_classes,)
        That quantile for each class.

    Notes
    -----
    Rows that are kept do not follow the distribution of their class: the share of it that lies nearest to other classes
    is missing. A normal distribution without its lowest fifth, which is what the default leaves in the direction of
    another class at best, has its mean 0.35 standard deviations further away, and 0.58 of its variance.
    That the default keeps four fifths of new rows of a class holds of larger ones: the threshold is a quantile of as
    many scores as the class has rows, and of five it keeps half to nearly all.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.curation import ClassConsistency
    >>> labels = np.repeat([0, 1], 40)
    >>> rows = np.random.default_rng(0).normal(size=(80, 2)) + 3 * labels[:, None]
    >>> consistency = ClassConsistency().fit(rows, labels, np.random.default_rng(0))
    >>> typical, odd = consistency.score(np.array([[3.0, 3.0], [0.0, 0.0]]), np.array([1, 1]))
    >>> bool(typical > consistency.thresholds_[1] > odd)
    True
    """

    def __init__(self, quantile: float = 0.2, models: Callable[[int], list[Any]] = _for_tables) -> None:
        self.quantile = quantile
        self.models = models

    @plain_states()
    def fit(
        self,
        rows: NDArray[Any],
        labels: NDArray[np.integer],
        randomness: np.random.Generator,
        groups: NDArray[np.integer] | None = None,
    ) -> ClassConsistency:
        """Train the classifiers.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, ...)
        labels : ndarray of shape (n_rows,)
            Classes 0 to n_classes - 1. Those of fewer than five rows are trained on, but have a threshold of zero.
        randomness : Generator
        groups : ndarray of shape (n_rows,), integer, optional
            Groups, for classifiers whose ``fit`` takes them.
        """
        kept = np.concatenate([_at_most(np.flatnonzero(labels == c), randomness) for c in np.unique(labels)])
        n_rows, rows, labels = len(rows), rows[kept], labels[kept]
        of_groups = [] if groups is None else [groups[kept]]
        seed = int(randomness.integers(2**31))
        counts = np.bincount(labels)
        rare = counts < FOLDS
        folded = np.flatnonzero(~rare[labels])
        splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows[folded], labels[folded])
        own = np.zeros(len(labels))
        self._models: list[list[Any]] = []
        self._fold = np.full(n_rows, -1)
        for fold, (_, held_out) in enumerate(splits):
            test = folded[held_out]
            self._fold[kept[test]] = fold
            train = np.setdiff1d(np.arange(len(labels)), test)
            self._models.append(
                [
                    model.fit(rows[train], labels[train], *(part[train] for part in of_groups))
                    for model in self.models(seed)
                ]
            )
            own[test] = _probability(self._models[-1:], rows[test], labels[test], len(counts))
        quantiles = [0.0 if rare[c] else np.quantile(own[labels == c], self.quantile) for c in range(len(counts))]
        self.thresholds_ = np.array(quantiles)
        return self

    @plain_states()
    def score(
        self,
        rows: NDArray[Any],
        labels: NDArray[np.integer],
        anchors: NDArray[np.integer] | None = None,
    ) -> NDArray[np.float64]:
        """Probability of its class for each row.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, ...)
        labels : ndarray of shape (n_rows,)
        anchors : ndarray of shape (n_rows,), optional
            The training row that each grew from, -1 for none: it is scored by the models that have not seen that row.

        Returns
        -------
        ndarray of shape (n_rows,)
            In [0, 1].
        """
        fold = np.full(len(rows), -1) if anchors is None else np.where(anchors >= 0, self._fold[anchors], -1)
        scores = np.empty(len(rows))
        for which in np.unique(fold):
            part = fold == which
            models = self._models if which < 0 else [self._models[which]]
            scores[part] = _probability(models, rows[part], labels[part], len(self.thresholds_))
        return scores

    @plain_states()
    def probabilities(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Mean probabilities of all classes, or what else the classifiers give: shape (n_rows, n_classes)."""
        models = [model for models in self._models for model in models]
        return np.mean([model.predict_proba(rows) for model in models], axis=0)

    def choose(
        self,
        rows: NDArray[Any],
        labels: NDArray[np.integer],
        numbers: NDArray[np.integer],
        randomness: np.random.Generator,
        anchors: NDArray[np.integer] | None = None,
        cells: NDArray[np.integer] | None = None,
        repeats: NDArray[np.integer] | None = None,
    ) -> NDArray[np.int64]:
        """Choose among candidates of several classes, all scored at once: a forest is as slow for few rows as for many.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, ...)
        labels : ndarray of shape (n_rows,)
        numbers : ndarray of shape (n_classes_asked,)
            How many of each class that `labels` holds, in ascending order of the classes; or of each of `cells`.
        randomness : Generator
        anchors : ndarray of shape (n_rows,), optional
            As for :meth:`score`.
        cells : ndarray of shape (n_rows,), optional
            Parts of classes within which is chosen, by default the classes; thresholds are those of the class.
        repeats : ndarray of shape (n_rows,), optional
            As for :func:`select`.

        Returns
        -------
        ndarray of shape (sum of `numbers`,), int64
            Positions in `rows`, class by class or cell by cell.
        """
        cells = labels if cells is None else cells
        scores = self.score(rows, labels, anchors)
        chosen = []
        for cell, n in zip(np.unique(cells), numbers, strict=True):
            members = np.flatnonzero(cells == cell)
            threshold, again = self.thresholds_[labels[members[0]]], None if repeats is None else repeats[members]
            chosen.append(members[select(scores[members], threshold, n, randomness, again)])
        return np.concatenate(chosen)


def select(
    scores: NDArray[np.float64],
    threshold: float,
    n: int,
    randomness: np.random.Generator,
    repeats: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Choose `n` candidates: at random among those that reach the threshold, then the best of the rest.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates,)
    threshold : float
    n : int
        At most the number of candidates.
    randomness : Generator
    repeats : ndarray of shape (n_candidates,), optional
        How many candidates before it each is the same as; those that repeat another come after all that do not.

    Returns
    -------
    ndarray of shape (n,), int64

    Examples
    --------
    >>> select(np.array([0.9, 0.1, 0.3]), 0.5, 2, np.random.default_rng(0)).tolist()
    [0, 2]
    >>> select(np.array([0.9, 0.9, 0.3]), 0.5, 2, np.random.default_rng(0), np.array([0, 1, 0])).tolist()
    [0, 2]
    """
    if repeats is not None:
        chosen: list[int] = []
        for times in np.unique(repeats):
            alike = np.flatnonzero(repeats == times)
            chosen += alike[select(scores[alike], threshold, n - len(chosen), randomness)].tolist()
        return np.array(chosen, dtype=np.int64)
    good = np.flatnonzero(scores >= threshold)
    if len(good) >= n:
        return randomness.choice(good, n, replace=False)
    rest = np.flatnonzero(scores < threshold)
    best = rest[np.argsort(-scores[rest], kind="stable")]
    return np.concatenate([good, best])[:n]


def _probability(
    folds: list[list[Any]], rows: NDArray[Any], labels: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Mean probability of its class for each row."""
    models = [model for models in folds for model in models]
    step = max(1, MAX_PROBABILITIES // max(n_classes, TREES))
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    each = [[_own(model, rows[part], labels[part]) for model in models] for part in parts]
    return np.concatenate([np.mean(part, axis=0) for part in each])


def _own(model: Any, rows: NDArray[Any], labels: NDArray[np.integer]) -> NDArray[Any]:
    """What ``predict_proba`` says of the class of each row; of forests without the probabilities of all others."""
    if not isinstance(model, ExtraTreesClassifier):
        return model.predict_proba(rows)[np.arange(len(labels)), labels]
    total = np.zeros(len(rows))
    for tree, leaves in zip(model.estimators_, model.apply(rows).T, strict=True):
        total += tree.tree_.value[leaves, 0, labels]
    return total / len(model.estimators_)


def _at_most(members: NDArray[np.int64], randomness: np.random.Generator) -> NDArray[np.int64]:
    return members if len(members) <= MAX_ROWS else np.sort(randomness.choice(members, MAX_ROWS, replace=False))
