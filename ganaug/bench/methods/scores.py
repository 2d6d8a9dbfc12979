"""How good predicted class probabilities are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

__all__ = [
    "METRICS",
    "MINORITY",
    "calibration",
    "checked_numbers",
    "checked_probabilities",
    "decisions",
    "expected_calibration_error",
    "scores",
]

BINS = 15
SMALLEST = 1e-7  # probability, for the logarithm
ROUNDING = 1e-3  # by which probabilities may miss a sum of one: those of half precision do

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
#: Metrics of the rarer of two classes; AP, too, is of that class there.
MINORITY = {"F1": True, "precision": True, "recall": True}


def scores(
    targets: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    *,
    predicted: NDArray[np.integer] | None = None,
    positive: int | None = None,
) -> dict[str, float]:
    """Score class probabilities by every metric in ``METRICS``.

    Parameters
    ----------
    targets : ndarray of shape (n,), integer
        True class indices; every class occurs.
    probabilities : ndarray of shape (n, n_classes)
        Rows sum to one.
    predicted : ndarray of shape (n,), integer, optional
        Class indices; by default those of :func:`decisions`.
    positive : int, optional
        The class that is looked for, of two: AP is of this class, and the metrics in ``MINORITY`` are added.

    Returns
    -------
    dict
        AUC and, without `positive`, AP are means over classes, each against the rest; G-mean is the geometric mean of
        the classes' recalls; Brier is the sum over classes of squared differences (Brier, 1950), from 0 to 2.

    Examples
    --------
    >>> perfect = scores(np.array([0, 1, 2]), np.eye(3))
    >>> perfect["accuracy"], perfect["AUC"], perfect["Brier"], perfect["ECE"]
    (1.0, 1.0, 0.0, 0.0)
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    n_classes = probabilities.shape[1]
    one_hot = np.eye(n_classes)[targets]
    if predicted is None:
        predicted = decisions(probabilities, positive)
    classes = np.arange(n_classes)
    precisions, recalls, f1, _ = precision_recall_fscore_support(targets, predicted, labels=classes, zero_division=0)
    clipped = np.clip(probabilities, SMALLEST, 1)
    ap_of: int | slice = slice(None) if positive is None else positive
    found = {
        "accuracy": float((predicted == targets).mean()),
        "balanced accuracy": float(recalls.mean()),
        "macro F1": float(f1.mean()),
        "AUC": float(roc_auc_score(one_hot, probabilities, average="macro")),
        "AP": float(average_precision_score(one_hot[:, ap_of], probabilities[:, ap_of], average="macro")),
        "MCC": float(matthews_corrcoef(targets, predicted)),
        "G-mean": float(np.prod(recalls) ** (1 / n_classes)),
        "log-loss": float(log_loss(targets, clipped / clipped.sum(1, keepdims=True), labels=classes)),
        "Brier": float(np.square(probabilities - one_hot).sum(1).mean()),
        "ECE": expected_calibration_error(targets, probabilities),
    }
    if positive is not None:
        found["F1"] = float(f1[positive])
        found["precision"] = float(precisions[positive])
        found["recall"] = float(recalls[positive])
    return found


def checked_probabilities(what: str, found: Any, n_rows: int, n_classes: int) -> NDArray[np.float64]:
    """What a classifier returned, if these are class probabilities.

    Parameters
    ----------
    what : str
        For messages: the classifier.
    found : array-like
    n_rows, n_classes : int

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
        A copy.

    Raises
    ------
    ValueError
        For another shape, and for values that are no numbers in [0, 1] or do not sum to one.

    Examples
    --------
    >>> checked_probabilities("classifier 'a'", [[0.5, 0.4]], 1, 2)
    Traceback (most recent call last):
    ValueError: classifier 'a' must return probabilities that sum to one in every row, got a sum of 0.9
    """
    values = checked_numbers(what, "probabilities", found, (n_rows, n_classes))
    if values.size and (values.min() < -ROUNDING or values.max() > 1 + ROUNDING):
        bad = values.min() if values.min() < -ROUNDING else values.max()
        raise ValueError(f"{what} must return probabilities from 0 to 1, got {bad:g}; a decision function is no such")
    sums = values.sum(1)
    if values.size and np.abs(sums - 1).max() > ROUNDING:
        worst = sums[np.abs(sums - 1).argmax()]
        raise ValueError(f"{what} must return probabilities that sum to one in every row, got a sum of {worst:.4g}")
    return np.maximum(values, 0.0)


def checked_numbers(what: str, kind: str, found: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a classifier returned as a float array, if it has a shape and finite numbers.

    Raises
    ------
    ValueError
    """
    try:
        values = np.asarray(found)
    except ValueError:
        raise ValueError(f"{what} must return {kind} of shape {shape}, got rows of different lengths") from None
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what} must return {kind} as numbers, got values of dtype {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"{what} must return {kind} of shape {shape}, got {values.shape}")
    values = values.astype(np.float64)
    if bad := int((~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))).sum()):
        raise ValueError(f"{what} must return finite {kind}, got NaN or infinity in {bad} of {len(values)} rows")
    return values


def decisions(probabilities: NDArray[np.floating], positive: int | None = None) -> NDArray[np.int64]:
    """Most probable classes; of two of which one is looked for, that one from a probability of one half on.

    Examples
    --------
    >>> decisions(np.array([[0.5, 0.5], [0.6, 0.4]]), positive=1).tolist()
    [1, 0]
    """
    if positive is None:
        return probabilities.argmax(1)
    return np.where(probabilities[:, positive] >= 0.5, positive, 1 - positive)


def calibration(
    targets: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Confidence and accuracy over 15 bins of confidence.

    Parameters
    ----------
    targets : ndarray of shape (n,), integer
    probabilities : ndarray of shape (n, n_classes)

    Returns
    -------
    count, confidence, hits : ndarray of shape (15,)
        Samples in each bin, the sum of the probabilities of their most probable classes, and how often these are right.

    Examples
    --------
    >>> count, confidence, hits = calibration(np.array([0, 0, 0, 1]), np.tile([0.75, 0.25], (4, 1)))
    >>> count.sum(), confidence.sum(), hits.sum()
    (np.float64(4.0), np.float64(3.0), np.float64(3.0))
    """
    confidence, hit = probabilities.max(1), probabilities.argmax(1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS).astype(float)
    return count, np.bincount(bins, confidence, BINS).astype(float), np.bincount(bins, hit, BINS).astype(float)


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
    _, confidence, hits = calibration(targets, probabilities)
    return float(np.abs(hits - confidence).sum() / len(targets))
