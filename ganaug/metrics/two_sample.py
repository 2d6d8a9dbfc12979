"""Whether a classifier can distinguish synthetic samples from real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ganaug.data.host_states import plain_states
from ganaug.engine.devices import seed_from
from ganaug.metrics.feature_pairs import feature_pair

__all__ = ["MAX_ROWS", "classifier_two_sample_auc"]

MAX_ROWS = 10_000  # of each side that the classifiers see
TREES = 100


@plain_states()
def classifier_two_sample_auc(real: ArrayLike, synthetic: ArrayLike, *, folds: int = 5, random_state: Any = 0) -> float:
    """Area under the ROC curve of a classifier that distinguishes synthetic samples from real ones, cross-validated.

    The classifier is a forest of extremely randomised trees; the order of values counts, not their scale.

    Parameters
    ----------
    real, synthetic : array-like of shape (n, n_features)
        At least as many rows each as folds; of more than 10,000 rows so many are drawn.
    folds : int, default=5
        At least 2.
    random_state : int, RandomState, Generator or None, default=0

    Returns
    -------
    float
        In [0, 1]: about 0.5 if the two cannot be distinguished, 1 if they always can. Far below 0.5 synthetic rows are
        copies of real ones: the classifier has seen an equal row under the other name.

    Raises
    ------
    ValueError, TypeError
        For too few folds or rows, different numbers of features, and values that are not finite numbers.

    References
    ----------
    Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 2))
    >>> classifier_two_sample_auc(rows[:50], rows[50:] + 9)
    1.0
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    sides = feature_pair(real, synthetic, at_least=folds, metric=f"a two-sample test in {folds} folds")
    randomness = np.random.default_rng(seed_from(random_state))
    kept = [rows if len(rows) <= MAX_ROWS else randomness.choice(rows, MAX_ROWS, replace=False) for rows in sides]
    seed = int(randomness.integers(2**31))
    is_synthetic = np.repeat([0, 1], [len(rows) for rows in kept])
    model = ExtraTreesClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    found = cross_val_predict(model, np.concatenate(kept), is_synthetic, cv=splits, method="predict_proba")
    return float(roc_auc_score(is_synthetic, found[:, 1]))
