"""A membership attack: which samples were trained on, by the synthetic samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity

from ganaug.audit.copying import copying_z
from ganaug.metrics.nearest_neighbors import Cells, Points

__all__ = [
    "FEWEST_HOLDOUT",
    "FPR",
    "Membership",
    "Strata",
    "attack_scores",
    "effective_size",
    "membership_attack",
    "roc",
]

COMPONENTS = 20
FPR = 0.01
RESAMPLES = 300
FEWEST_HOLDOUT = 20  # in all; half of them are the reference


@dataclass(frozen=True)
class Membership:
    """How well the attack distinguishes training samples from holdout samples.

    Attributes
    ----------
    auc, auc_low, auc_high : float
        Area under the ROC curve with its bootstrap interval of 95 %; 0.5 is chance.
    tpr, tpr_low, tpr_high : float or None
        Share of the training samples that are found when at most 1 % of the holdout samples are taken for ones, with
        its bootstrap interval of 95 %; None for fewer than 100 holdout samples, too few for a rate of 1 %.
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
        About 2,000 of each are taken, at random, of the classes of `synthetic`, each of which has at least ten holdout
        samples.
    randomness : Generator

    Returns
    -------
    Membership
    """
    cells = np.unique(synthetic.cells)
    synthetic, members, holdout = (part.take(part.queries(cells, randomness)) for part in (synthetic, train, holdout))
    reference, others = _halves(holdout, randomness)
    flat = [part.values.reshape(len(part), -1) for part in (synthetic, reference, members, others)]
    scores = attack_scores(flat[0], flat[1], flat[2], flat[3], seed=int(randomness.integers(2**31)))
    z = copying_z(scores[1], others.cells, scores[0], members.cells)
    weights = np.unique(members.cells, return_counts=True)[1] / len(members)
    strata = Strata(members.cells), Strata(others.cells)
    auc, tpr = roc(*scores, *strata)
    drawn = np.empty((RESAMPLES, 2))
    for row in drawn:
        of_members, of_others = (part[own.resampled(randomness)] for part, own in zip(scores, strata, strict=True))
        row[:] = roc(of_members, of_others, *strata)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0).tolist()
    fine = effective_size(_weights(*strata)) >= 1 / FPR - 1e-6
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


class Strata:
    """The classes of samples, for figures that are computed again and again.

    Parameters
    ----------
    cells : ndarray of shape (n,), int64
    """

    def __init__(self, cells: Cells) -> None:
        self.members = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
        self.counts = np.array(list(map(len, self.members)))
        self.place = np.unique(cells, return_inverse=True)[1]
        self._order = np.concatenate(self.members)
        self._first = (np.cumsum(self.counts) - self.counts)[self.place]
        self._sizes = self.counts[self.place]

    def resampled(self, randomness: np.random.Generator) -> NDArray[np.int64]:
        """Indices drawn with replacement within each class."""
        drawn = self._first + (randomness.random(len(self.place)) * self._sizes).astype(np.int64)
        return self._order[drawn]


def roc(
    of_members: NDArray[np.float64], of_others: NDArray[np.float64], members: Strata, others: Strata
) -> tuple[float, float]:
    """Area under the ROC curve within classes, and the share of members found at a false-positive rate of 1 %.

    Parameters
    ----------
    of_members, of_others : ndarray of shape (n,)
        Scores.
    members, others : Strata
        Their classes, the same for both.

    Returns
    -------
    auc, tpr : float
        Classes are weighted by their members in both.

    Examples
    --------
    >>> classes = Strata(np.zeros(4, dtype=int)), Strata(np.zeros(100, dtype=int))
    >>> roc(np.array([1.5, 3.5, 200.0, 300.0]), np.arange(100.0), *classes)
    (0.515, 0.5)
    """
    area = 0.0
    for own, other in zip(members.members, others.members, strict=True):
        found, ordered = of_members[own], np.sort(of_others[other])
        below, upto = (np.searchsorted(ordered, found, side).sum() for side in ("left", "right"))
        area += float(below + upto) / 2 / len(ordered)
    order = np.argsort(-of_others, kind="stable")
    passed = np.cumsum(_weights(members, others)[order]) <= FPR * (1 + 1e-9)
    # The highest score of the others above which at most 1 % of them lie.
    threshold = of_others[order[np.argmin(passed)]]
    return area / len(of_members), float((of_members > threshold).mean())


def effective_size(weights: NDArray[np.float64]) -> float:
    """How many samples of equal weight are as informative as samples of these weights (Kish, Survey Sampling, 1965).

    Examples
    --------
    >>> effective_size(np.ones(40))
    40.0
    """
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _weights(members: Strata, others: Strata) -> NDArray[np.float64]:
    """Weights of the others, of sum one, with which their classes are as frequent as those of the members."""
    return (members.counts / members.counts.sum() / others.counts)[others.place]


def _halves(points: Points, randomness: np.random.Generator) -> tuple[Points, Points]:
    parts: list[list[NDArray[np.int64]]] = [[], []]
    for cell in np.unique(points.cells):
        mixed = randomness.permutation(np.flatnonzero(points.cells == cell))
        for part, half in zip(parts, np.array_split(mixed, 2), strict=True):
            part.append(half)
    first, second = (points.take(np.sort(np.concatenate(part))) for part in parts)
    return first, second
