"""A membership attack: telling training samples from others by the synthetic samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity

from ganaug.quality.copying import copying_z
from ganaug.quality.nearness import Cells, Points

__all__ = ["FEWEST_HOLDOUT", "Membership", "attack_scores", "effective_size", "membership_attack", "roc"]

COMPONENTS = 20
FPR = 0.01
RESAMPLES = 500
FEWEST_HOLDOUT = 20  # in all; half of them are the reference


@dataclass(frozen=True)
class Membership:
    """How well the attack tells training samples from holdout samples.

    Attributes
    ----------
    auc, auc_low, auc_high : float
        Area under the ROC curve with its bootstrap interval of 95 %; 0.5 is chance.
    tpr, tpr_low, tpr_high : float or None
        Share of the training samples that are found when at most 1 % of the holdout samples are taken for ones, with
        its bootstrap interval of 95 %; None for fewer than 100 holdout samples, which cannot tell 1 %.
    n_members, n_others, n_reference : int
        Training samples, holdout samples, and other holdout samples that the reference density was estimated on.
    p_value : float
        That the AUC is above chance, by the Mann-Whitney test.
    """

    auc: float
    auc_low: float
    auc_high: float
    tpr: float | None
    tpr_low: float | None
    tpr_high: float | None
    n_members: int
    n_others: int
    n_reference: int
    p_value: float


def membership_attack(synthetic: Points, train: Points, holdout: Points, randomness: np.random.Generator) -> Membership:
    """Attack synthetic data by the ratio of densities.

    A sample is taken for a training sample where the density of the synthetic data is high in comparison with the
    density of the real data (DOMIAS: van Breugel, Sun, Qian and van der Schaar, "Membership Inference Attacks against
    Synthetic Data through Overfitting Detection", AISTATS 2023, eq. 2). Half of the holdout samples of each class,
    chosen at random, are the reference that the second density is estimated on; the other half are the samples that
    were not trained on. Samples are compared within their class, and classes count by their training samples: it is no
    sign of membership that one class is more frequent in the training data than in the holdout.

    Parameters
    ----------
    synthetic, train, holdout : Points
        About 2,000 of each are taken, at random. Each class of `synthetic` and `train` has at least ten holdout
        samples.
    randomness : Generator

    Returns
    -------
    Membership
    """
    synthetic, members, holdout = (part.take(part.queries(randomness)) for part in (synthetic, train, holdout))
    reference, others = _halves(holdout, randomness)
    flat = [part.values.reshape(len(part), -1) for part in (synthetic, reference, members, others)]
    scores = attack_scores(flat[0], flat[1], flat[2], flat[3], seed=int(randomness.integers(2**31)))
    z = copying_z(scores[1], others.cells, scores[0], members.cells)
    weights = np.unique(members.cells, return_counts=True)[1] / len(members)
    auc, tpr = roc(scores[0], members.cells, scores[1], others.cells)
    drawn = np.empty((RESAMPLES, 2))
    for row in drawn:
        chosen = [_resampled(part.cells, randomness) for part in (members, others)]
        row[:] = roc(scores[0][chosen[0]], members.cells, scores[1][chosen[1]], others.cells)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0).tolist()
    fine = effective_size(members.cells, others.cells) >= 1 / FPR
    return Membership(
        auc=auc,
        auc_low=low[0],
        auc_high=high[0],
        tpr=tpr if fine else None,
        tpr_low=low[1] if fine else None,
        tpr_high=high[1] if fine else None,
        n_members=len(members),
        n_others=len(others),
        n_reference=len(reference),
        p_value=float(scipy.stats.norm.cdf(weights @ z / np.sqrt(np.square(weights).sum()))),
    )


def attack_scores(
    synthetic: NDArray, reference: NDArray, members: NDArray, others: NDArray, *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithm of the ratio of the two densities at members and others.

    Both are Gaussian kernel estimates with Scott's bandwidth on at most 20 principal components of unit variance,
    learnt from the synthetic and the reference samples: members and others are treated alike.

    Parameters
    ----------
    synthetic, reference : ndarray of shape (n, width)
        What the densities are estimated on.
    members, others : ndarray of shape (n, width)
    seed : int
        For the components of wide data, which are found by a randomised algorithm.

    Returns
    -------
    of_members, of_others : ndarray of shape (n,), float64
    """
    known = np.concatenate([synthetic, reference]).astype(np.float64)
    pca = PCA(min(COMPONENTS, known.shape[1], len(known) - 1), whiten=True, random_state=seed).fit(known)
    kept = pca.explained_variance_ > 1e-9 * max(pca.explained_variance_[0], 1e-9)

    def reduced(samples: NDArray) -> NDArray[np.float64]:
        return pca.transform(samples.astype(np.float64))[:, kept]

    if not kept.any():  # all known samples are the same
        return np.zeros(len(members)), np.zeros(len(others))
    fitted = [KernelDensity(bandwidth="scott").fit(reduced(part)) for part in (synthetic, reference)]
    of_members, of_others = (
        fitted[0].score_samples(reduced(part)) - fitted[1].score_samples(reduced(part)) for part in (members, others)
    )
    return of_members, of_others


def roc(
    of_members: NDArray[np.float64], member_cells: Cells, of_others: NDArray[np.float64], other_cells: Cells
) -> tuple[float, float]:
    """Area under the ROC curve within classes, and the share of members found at a false-positive rate of 1 %.

    Parameters
    ----------
    of_members, of_others : ndarray of shape (n,)
        Scores.
    member_cells, other_cells : ndarray of shape (n,), int64
        Class of each; both hold the same classes.

    Returns
    -------
    auc, tpr : float
        Classes are weighted by their members in both.

    Examples
    --------
    >>> roc(np.array([1.5, 3.5, 200.0, 300.0]), np.zeros(4, int), np.arange(100.0), np.zeros(100, int))
    (0.515, 0.5)
    """
    area = 0.0
    for cell in np.unique(member_cells):
        found, ordered = of_members[member_cells == cell], np.sort(of_others[other_cells == cell])
        below, upto = (np.searchsorted(ordered, found, side).sum() for side in ("left", "right"))
        area += float(below + upto) / 2 / len(ordered)
    order = np.argsort(-of_others, kind="stable")
    passed = np.cumsum(_weights(member_cells, other_cells)[order]) <= FPR * (1 + 1e-9)
    # The highest score of the others that is not let through any more.
    threshold = of_others[order[np.argmin(passed)]]
    return area / len(of_members), float((of_members > threshold).mean())


def effective_size(member_cells: Cells, other_cells: Cells) -> float:
    """How many others of equal weight would tell as much as there are (Kish, Survey Sampling, 1965).

    Examples
    --------
    >>> effective_size(np.zeros(5, int), np.zeros(40, int))
    40.0
    """
    return float(round(1 / np.square(_weights(member_cells, other_cells)).sum(), 6))


def _weights(member_cells: Cells, other_cells: Cells) -> NDArray[np.float64]:
    """Weights of the others, of sum one, with which their classes are as frequent as those of the members."""
    cells, place, counts = np.unique(other_cells, return_inverse=True, return_counts=True)
    shares = np.array([(member_cells == cell).mean() for cell in cells])
    return (shares / counts)[place]


def _halves(points: Points, randomness: np.random.Generator) -> tuple[Points, Points]:
    parts: list[list[NDArray[np.int64]]] = [[], []]
    for cell in np.unique(points.cells):
        mixed = randomness.permutation(np.flatnonzero(points.cells == cell))
        for part, half in zip(parts, np.array_split(mixed, 2), strict=True):
            part.append(half)
    first, second = (points.take(np.sort(np.concatenate(part))) for part in parts)
    return first, second


def _resampled(cells: Cells, randomness: np.random.Generator) -> NDArray[np.int64]:
    """Indices drawn with replacement within each class."""
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    drawn = first[place] + (randomness.random(len(cells)) * counts[place]).astype(np.int64)
    return np.argsort(place, kind="stable")[drawn]
