"""FID, KID and IS by torchmetrics, on features that are given."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from ganaug.data.host_states import plain_states
from ganaug.engine.devices import random_generator
from ganaug.metrics.feature_pairs import feature_pair, feature_rows

__all__ = ["frechet_distance", "inception_score", "kernel_distance"]


@plain_states()
def frechet_distance(real: ArrayLike, synthetic: ArrayLike) -> float:
    """Fréchet distance of the normal distributions fitted to two sets of features; of Inception's features it is FID.

    Parameters
    ----------
    real, synthetic : array-like of shape (n, n_features)
        At least two rows each. The fewer rows, the larger the distance even of equal distributions: compare sets of
        one size.

    Returns
    -------
    float
        0 or more; 0 for sets of equal means and covariances.

    Raises
    ------
    ValueError, TypeError
        For too few rows, different numbers of features, and values that are not finite numbers.

    References
    ----------
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(frechet_distance(rows, rows + 1), 6)
    4.0
    """
    first, second = feature_pair(real, synthetic, at_least=2, metric="the Fréchet distance")
    rows = torch.from_numpy(np.concatenate([first, second]))
    # A shift of both changes nothing, and small means lose fewer digits in the sums of squares.
    rows = rows - rows.mean(0)
    if len(rows) < rows.shape[1]:
        # Few rows span few dimensions. Rotated into these they keep all means and covariances, and the matrices become
        # as small as the number of rows.
        rows = torch.linalg.qr(rows.T, mode="r").R.T
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_given(rows.shape[1]))
    metric.update(rows[: len(first)], real=True)
    metric.update(rows[len(first) :], real=False)
    return max(0.0, float(metric.compute()))


@plain_states()
def kernel_distance(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    random_state: Any = 0,
) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / n_features + 1)^3; of Inception's features it is KID.

    Unlike the Fréchet distance it is not biased by the number of samples.

    Parameters
    ----------
    real, synthetic : array-like of shape (n, n_features)
        At least two rows each.
    subsets : int, default=100
        Random subsets of both that the estimate is averaged over.
    subset_size : int, default=1000
        Rows in each, at most; the smaller set limits it.
    random_state : int, RandomState, Generator or None, default=0
        Draws the subsets.

    Returns
    -------
    float
        About 0 for equal distributions, and then as often below as above.

    Raises
    ------
    ValueError, TypeError
        As :func:`frechet_distance`, and for numbers of subsets below 1 or of rows below 2.

    References
    ----------
    Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 4))
    >>> kernel_distance(rows[:100], rows[100:]) < 0.1 < kernel_distance(rows[:100], rows[100:] + 1)
    True
    """
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"subsets must be at least 1 and subset_size at least 2, got {subsets} and {subset_size}")
    first, second = feature_pair(real, synthetic, at_least=2, metric="the kernel distance")
    size = min(subset_size, len(first), len(second))
    if size == len(first) == len(second):
        subsets = 1  # all of them would be the whole
    from torchmetrics.image.kid import KernelInceptionDistance

    with _seeded(random_state, "kernel distance"):
        metric = KernelInceptionDistance(feature=_given(first.shape[1]), subsets=subsets, subset_size=size)
        metric.update(torch.from_numpy(first), real=True)
        metric.update(torch.from_numpy(second), real=False)
        return float(metric.compute()[0])


@plain_states()
def inception_score(logits: ArrayLike, *, splits: int = 10, random_state: Any = 0) -> float:
    """How certain a classifier is of each sample, and how many classes it sees among them all.

    Parameters
    ----------
    logits : array-like of shape (n, n_classes)
        Of the synthetic samples.
    splits : int, default=10
        Parts that are scored apart and averaged; each should hold many samples of each class.
    random_state : int, RandomState, Generator or None, default=0
        Shuffles the samples before they are split.

    Returns
    -------
    float
        Between 1 and the number of classes.

    Raises
    ------
    ValueError, TypeError
        For fewer samples than `splits`, `splits` below 1, and logits that are not finite numbers.

    References
    ----------
    Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016.

    Examples
    --------
    >>> round(inception_score(50 * np.eye(4), splits=1), 6)
    4.0
    """
    if splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")
    rows = feature_rows(logits, "logits", at_least=splits, metric=f"the Inception Score in {splits} splits")
    from torchmetrics.image.inception import InceptionScore

    with _seeded(random_state, "inception score"):
        # It splits by torch's chunk, which makes fewer parts than asked for where the rows do not divide evenly.
        order = torch.randperm(len(rows)).numpy()
        scores = []
        for part in np.array_split(rows[order], splits):
            metric = InceptionScore(feature=_given(rows.shape[1]), splits=1)
            metric.update(torch.from_numpy(part))
            scores.append(float(metric.compute()[0]))
        return float(np.mean(scores))


def _given(width: int) -> nn.Module:
    """An extractor that returns the features that it is given."""
    network: Any = nn.Identity()
    network.num_features = width  # else torchmetrics would try it on a random picture
    return network


@contextlib.contextmanager
def _seeded(random_state: Any, purpose: str) -> Iterator[None]:
    """Let torchmetrics draw from torch's global generator, which it has no alternative to, and put that back."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # It warns that it keeps all features, and of the deviation of a single subset, which is not asked for.
        warnings.simplefilter("ignore", UserWarning)
        torch.default_generator.manual_seed(random_generator(random_state, purpose).initial_seed())
        yield
