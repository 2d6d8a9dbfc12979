"""How good predicted class probabilities are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    recall_score,
    roc_auc_score,
)

__all__ = ["METRICS", "expected_calibration_error", "scores"]

BINS = 15
SMALLEST = 1e-7  # probability, for the logarithm

#: Names of the metrics, and whether more is better.
METRICS = {
    "accuracy": True,
    "balanced accuracy": True,
    "macro F1": True,
    "AUC": True,
    "AP": True,
    "MCC": True,
    "G-mean": True,
    "log-loss": False,
    "Brier": False,
    "ECE": False,
}


def scores(targets: NDArray[np.integer], probabilities: NDArray[np.floating]) -> dict[str, float]:
    """Score class probabilities by every metric in ``METRICS``.

    Parameters
    ----------
    targets : ndarray of shape (n,), integer
        True class indices; every class occurs.
    probabilities : ndarray of shape (n, n_classes)
        Rows sum to one.

    Returns
    -------
    dict
        AUC and AP are means over classes, each against the rest; G-mean is the geometric mean of the classes' recalls;
        Brier is the sum over classes of squared differences (Brier, 1950), from 0 to 2.

    Examples
    --------
    >>> perfect = scores(np.array([0, 1, 2]), np.eye(3))
    >>> perfect["accuracy"], perfect["AUC"], perfect["Brier"], perfect["ECE"]
    (1.0, 1.0, 0.0, 0.0)
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    n_classes = probabilities.shape[1]
    one_hot = np.eye(n_classes)[targets]
    predicted = probabilities.argmax(1)
    recalls = recall_score(targets, predicted, labels=np.arange(n_classes), average=None, zero_division=0)
    clipped = np.clip(probabilities, SMALLEST, 1)
    return {
        "accuracy": float((predicted == targets).mean()),
        "balanced accuracy": float(balanced_accuracy_score(targets, predicted)),
        "macro F1": float(f1_score(targets, predicted, average="macro", zero_division=0)),
        "AUC": float(roc_auc_score(one_hot, probabilities, average="macro")),
        "AP": float(average_precision_score(one_hot, probabilities, average="macro")),
        "MCC": float(matthews_corrcoef(targets, predicted)),
        "G-mean": float(np.prod(recalls) ** (1 / n_classes)),
        "log-loss": float(log_loss(targets, clipped / clipped.sum(1, keepdims=True), labels=np.arange(n_classes))),
        "Brier": float(np.square(probabilities - one_hot).sum(1).mean()),
        "ECE": expected_calibration_error(targets, probabilities),
    }


def expected_calibration_error(targets: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Mean distance between confidence and accuracy over 15 bins of confidence (Guo et al., ICML 2017, eq. 3).

    Parameters
    ----------
    targets : ndarray of shape (n,), integer
    probabilities : ndarray of shape (n, n_classes)

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> expected_calibration_error(np.array([0, 0, 0, 1]), np.tile([0.75, 0.25], (4, 1)))
    0.0
    """
    confidence, hit = probabilities.max(1), probabilities.argmax(1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    gap = np.abs(np.bincount(bins, hit, BINS) - np.bincount(bins, confidence, BINS))
    return float(gap[count > 0].sum() / len(targets))
